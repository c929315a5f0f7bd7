//! `Recent`: what the searches of the last stores found, so that the next value of the same key need not search again.
//! Knows no operations.

use std::collections::VecDeque;
use std::time::Duration;

use khashmir_actions::{FindNodeOutcome, Tally};
use khashmir_types::{Id, Time};

/// The nodes that searches found, with the tokens they gave, the oldest first. Owns nothing while there are none.
#[derive(Debug, Default)]
pub(super) struct Recent {
    found: VecDeque<(Time, FindNodeOutcome)>,
}

/// Keys remembered, a hundred kilobytes in all. Who stores under more at a time searches for the oldest again.
const MAX_KEYS: usize = 64;

/// A token lives for at least nine minutes at the original and at us. In five hardly any of the nodes has gone.
const LASTS: Duration = Duration::from_secs(300);

impl Recent {
    /// A search has ended.
    pub(super) fn note(&mut self, found: FindNodeOutcome, now: Time) {
        self.forget(&found.target);
        self.found.retain(|(at, _)| now.since(*at) < LASTS);
        if self.found.len() == MAX_KEYS {
            self.found.pop_front();
        }
        self.found.push_back((now, found));
    }

    /// What a search for `key` would find, without having asked anybody.
    pub(super) fn of(&self, key: &Id, now: Time) -> Option<FindNodeOutcome> {
        let is_it = |(at, found): &&(Time, FindNodeOutcome)| found.target == *key && now.since(*at) < LASTS;
        let (_, found) = self.found.iter().find(is_it)?;
        Some(FindNodeOutcome { tally: Tally::default(), ..found.clone() })
    }

    /// The nodes found for `key` are not what they were.
    pub(super) fn forget(&mut self, key: &Id) {
        self.found.retain(|(_, found)| found.target != *key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1000);

    fn found(n: u8) -> FindNodeOutcome {
        let tally = Tally { asked: 9, ..Tally::default() };
        FindNodeOutcome { target: Id::new([n; 20]), closest: vec![], beyond: vec![], tally, complete: true }
    }

    #[test]
    fn a_search_is_remembered_for_some_minutes_and_asked_nobody() {
        let mut recent = Recent::default();
        recent.note(found(1), NOW);
        let again = recent.of(&found(1).target, NOW + LASTS / 2).unwrap();
        assert_eq!(again, FindNodeOutcome { tally: Tally::default(), ..found(1) });
        assert_eq!(recent.of(&found(1).target, NOW + LASTS), None);
        assert_eq!(recent.of(&found(2).target, NOW), None);
        recent.forget(&found(1).target);
        assert_eq!(recent.of(&found(1).target, NOW), None);
    }

    #[test]
    fn few_keys_are_remembered_and_the_newest_search_for_each() {
        let mut recent = Recent::default();
        (0..200).for_each(|n| recent.note(found(n), NOW));
        recent.note(FindNodeOutcome { complete: false, ..found(199) }, NOW);
        assert_eq!(recent.found.len(), MAX_KEYS);
        assert!(!recent.of(&found(199).target, NOW).unwrap().complete);
    }
}
