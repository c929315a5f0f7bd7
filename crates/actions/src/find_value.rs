//! `FindValue`: the nodes that say they have values under a key.

use khashmir_types::{Contact, Id, Time};

use crate::lookup::Lookup;
use crate::shortlist::Way;
use crate::{Action, Answer, Failure, Lead, LookupConfig, Question, Step, Tally};

/// Finds nodes that have values under a key, on the way to the k nodes closest to it.
///
/// It walks like [`FindNode`](crate::FindNode), to the end: more holders are better than few, as each
/// may have other values. If nobody has any, that is [suspicious](crate::Caution).
#[derive(Clone, Debug)]
pub struct FindValue {
    lookup: Lookup<u64>,
}

/// What comes of a [`FindValue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindValueOutcome {
    /// All nodes met that say they have values, closest first. At most `max_queries`.
    pub holders: Vec<Holder>,
    /// What was asked and what came back.
    pub tally: Tally,
    /// Did it end by its own rule, not by a limit on questions or time?
    pub complete: bool,
}

/// A node that says it has values under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The node.
    pub contact: Contact,
    /// How many values it says it has. It may lie.
    pub num: u64,
}

impl FindValue {
    /// Looks for holders of `key` from the nodes in `start`. `own` is never asked nor found.
    ///
    /// Of the start nodes the closest 6 k are kept, `max_queries` at most.
    #[must_use]
    pub fn new(
        key: Id,
        start: impl IntoIterator<Item = impl Into<Lead>>,
        own: Id,
        config: LookupConfig,
        now: Time,
    ) -> Self {
        let mut lookup = Lookup::new(key, Question::FindValue { key }, own, config, now);
        lookup.extend(start, Way::START);
        Self { lookup }
    }
}

impl FindValue {
    /// Has `contact` been asked, and not answered yet?
    pub(crate) fn is_open(&self, contact: &Contact) -> bool {
        self.lookup.is_open(contact)
    }
}

impl Action for FindValue {
    type Outcome = FindValueOutcome;

    fn poll(&mut self, now: Time) -> Step {
        // That there is none is easily said.
        let has_none = self.lookup.answered().all(|node| node.note == 0);
        self.lookup.set_doubtful(has_none);
        self.lookup.poll(now)
    }

    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time) {
        match answer {
            Answer::Count { nodes, num, .. } => self.lookup.on_answer(from, nodes, num, now),
            _ => self.lookup.on_failure(from, Failure::Invalid, now),
        }
    }

    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        self.lookup.on_failure(from, failure, now);
    }

    fn outcome(&self) -> FindValueOutcome {
        let holders = self.lookup.answered().filter(|node| node.note > 0);
        FindValueOutcome {
            holders: holders.map(|node| Holder { contact: node.contact, num: node.note }).collect(),
            tally: self.lookup.tally(),
            complete: self.lookup.is_complete(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Caution;
    use crate::fixtures::{OWN, START, TARGET, asked, node, nodes, plain};

    #[test]
    fn holders_beyond_the_closest_are_found_too() {
        let mut search = FindValue::new(TARGET, nodes([9]), OWN, plain(3), START);
        assert_eq!(asked(&mut search, START), nodes([9]));
        search.on_answer(&node(9), Answer::Count { nodes: nodes([1, 2, 3]), num: 7, values: vec![] }, START);
        assert_eq!(asked(&mut search, START), nodes([1, 2, 3]));
        for (n, num) in [(3, 1), (2, 0), (1, 0)] {
            search.on_answer(&node(n), Answer::Count { nodes: vec![], num, values: vec![] }, START);
        }
        assert_eq!(search.poll(START), Step::Done);
        let holders = [Holder { contact: node(3), num: 1 }, Holder { contact: node(9), num: 7 }];
        assert_eq!(search.outcome().holders, holders);
    }

    #[test]
    fn that_nobody_has_any_value_is_believed_of_more_nodes_than_that_there_is_one() {
        let caution = Caution { dense: 3.0, sparse: 3.0, reach: 1.0, k: 5, paths: 0 };
        // As many nodes as there are distances, so that these are where they should be.
        let network_size = 1.0 / TARGET.distance(&node(1).id).share();
        let config = LookupConfig { caution: Some(caution), network_size: Some(network_size), ..plain(8) };
        for (num, heard) in [(1, 3), (0, 5)] {
            let mut search = FindValue::new(TARGET, nodes(1..=9), OWN, config, START);
            while let Step::Ask(ask) = search.poll(START) {
                search.on_answer(&ask.contact, Answer::Count { nodes: vec![], num, values: vec![] }, START);
            }
            assert_eq!(search.outcome().tally.answered, heard);
        }
    }
}
