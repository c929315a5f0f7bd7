//! `Get`: the values under a key, fetched from each holder as soon as it is found.

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};

use crate::{
    Action, Answer, Delivery, Failure, FindValue, GetValue, Holder, Lead, LookupConfig, Step, Tally, Wanted,
};

/// Looks for holders of a key and gets their values at the same time.
///
/// [`FindValue`] and [`GetValue`] one after the other, as the original has them, bring no value before the last
/// dead node on the way has timed out. Here the search goes on while the first values arrive.
#[derive(Clone, Debug)]
pub struct Get {
    search: FindValue,
    fetch: GetValue,
    is_searching: bool,
}

/// What comes of a [`Get`], apart from the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetOutcome {
    /// How many different values are known, our own included.
    pub values: usize,
    /// How many nodes said that they have some.
    pub holders: usize,
    /// What was asked and what came back, searching and fetching taken together.
    pub tally: Tally,
    /// Did both end by their own rule, not by a limit on questions or time?
    pub complete: bool,
}

impl Get {
    /// Gets values under `key`, starting from the nodes in `start`, apart from the `own_values` that we have
    /// already. `own` is never asked.
    #[must_use]
    pub fn new(
        key: Id,
        start: impl IntoIterator<Item = impl Into<Lead>>,
        own: Id,
        own_values: impl IntoIterator<Item = Bytes>,
        wanted: Wanted,
        config: LookupConfig,
        now: Time,
    ) -> Self {
        let search = FindValue::new(key, start, own, config, now);
        Self { search, fetch: GetValue::awaiting(key, own_values, wanted, config, now), is_searching: true }
    }

    /// The next new values, in the order of arrival. Call it until `None` after every answer.
    #[must_use]
    pub fn poll_values(&mut self) -> Option<Delivery> {
        self.fetch.poll_values()
    }

    /// A node says that it has values: those it sent along, or else it will be asked for them.
    fn on_holder(&mut self, holder: Holder, values: Vec<Bytes>, now: Time) {
        let is_all = u64::try_from(values.len()).is_ok_and(|sent| sent > 0 && sent >= holder.num);
        if is_all {
            self.fetch.on_values_offered(holder.contact, values, now);
        } else {
            self.fetch.add_holder(holder);
        }
    }

    /// The next step of the search, unless it has ended.
    fn poll_search(&mut self, now: Time) -> Option<Step> {
        let step = self.is_searching.then(|| self.search.poll(now))?;
        if step == Step::Done {
            self.is_searching = false;
            self.fetch.on_all_holders();
            return None;
        }
        Some(step)
    }
}

impl Action for Get {
    type Outcome = GetOutcome;

    fn poll(&mut self, now: Time) -> Step {
        let search = match self.poll_search(now) {
            Some(Step::Ask(ask)) => return Step::Ask(ask),
            Some(Step::Wait(until)) => until,
            Some(Step::Done) | None => Time::FAR_FUTURE,
        };
        match self.fetch.poll(now) {
            Step::Wait(fetch) => Step::Wait(search.min(fetch)),
            step => step,
        }
    }

    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time) {
        match answer {
            Answer::Count { num, nodes, values } => {
                if self.is_searching && self.search.is_open(from) {
                    self.on_holder(Holder { contact: *from, num }, values, now);
                }
                self.search.on_answer(from, Answer::Count { num, nodes, values: Vec::new() }, now);
            }
            Answer::Values(_) => self.fetch.on_answer(from, answer, now),
            _ => self.on_failure(from, Failure::Invalid, now),
        }
    }

    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        // A node is fetched from only after it has answered the search: one of them has no open question.
        self.search.on_failure(from, failure, now);
        self.fetch.on_failure(from, failure, now);
    }

    fn outcome(&self) -> GetOutcome {
        let (found, got) = (self.search.outcome(), self.fetch.outcome());
        GetOutcome {
            values: got.values,
            holders: found.holders.len(),
            tally: found.tally.followed_by(got.tally),
            complete: found.complete && got.complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{START, TARGET, node, nodes, plain};
    use crate::{Ask, Question};

    fn get(start: &[u8], wanted: Wanted) -> Get {
        Get::new(TARGET, nodes(start.iter().copied()), Id::MAX, [], wanted, plain(8), START)
    }

    /// Whom it asks now, and whether for values.
    fn asked(get: &mut Get) -> Vec<(Contact, bool)> {
        std::iter::from_fn(|| match get.poll(START) {
            Step::Ask(Ask { contact, question }) => {
                Some((contact, matches!(question, Question::GetValue { .. })))
            }
            _ => None,
        })
        .collect()
    }

    fn count(num: u64) -> Answer {
        Answer::Count { nodes: Vec::new(), num, values: Vec::new() }
    }

    #[test]
    fn a_holder_is_asked_for_values_while_the_search_goes_on() {
        let mut get = get(&[1, 2, 3], Wanted::default());
        assert_eq!(asked(&mut get), [(node(1), false), (node(2), false), (node(3), false)]);
        get.on_answer(&node(2), count(1), START);
        assert_eq!(asked(&mut get), [(node(2), true)]);
        get.on_answer(&node(2), Answer::Values(vec!["a".into()]), START);
        assert_eq!(get.poll_values().map(|delivery| delivery.from), Some(node(2)));
        assert!(matches!(get.poll(START), Step::Wait(_)), "1 and 3 have not answered");
        get.on_failure(&node(1), Failure::TimedOut, START);
        get.on_answer(&node(3), count(0), START);
        assert_eq!(get.poll(START), Step::Done);
        let GetOutcome { values, holders, tally, complete } = get.outcome();
        assert_eq!((values, holders, tally.asked, tally.timed_out, complete), (1, 1, 4, 1, true));
    }

    #[test]
    fn a_holder_that_sends_its_values_along_is_not_asked_for_them() {
        let mut get = get(&[1, 2], Wanted::default());
        assert_eq!(asked(&mut get).len(), 2);
        get.on_answer(&node(1), Answer::Count { nodes: vec![], num: 1, values: vec!["a".into()] }, START);
        assert_eq!(get.poll_values().map(|delivery| delivery.values), Some(vec!["a".into()]));
        assert_eq!(asked(&mut get), []);
        get.on_answer(&node(2), Answer::Count { nodes: vec![], num: 2, values: vec!["b".into()] }, START);
        assert_eq!(asked(&mut get), [(node(2), true)], "it has more than it sent along");
        assert_eq!(get.poll_values(), None);
    }

    #[test]
    fn enough_values_end_the_search_too() {
        let mut get = get(&[1, 2, 3], Wanted { values: Some(1), nodes: None });
        assert_eq!(asked(&mut get).len(), 3);
        get.on_answer(&node(1), count(1), START);
        assert_eq!(asked(&mut get), [(node(1), true)]);
        get.on_answer(&node(1), Answer::Values(vec!["a".into()]), START);
        assert_eq!(get.poll(START), Step::Done);
    }

    #[test]
    fn no_more_holders_are_asked_than_are_wanted() {
        let mut get = get(&[1, 2, 3], Wanted { values: None, nodes: Some(1) });
        assert_eq!(asked(&mut get).len(), 3);
        get.on_answer(&node(1), count(1), START);
        get.on_answer(&node(2), count(1), START);
        assert_eq!(asked(&mut get), [(node(1), true)]);
        get.on_failure(&node(1), Failure::TimedOut, START);
        assert_eq!(asked(&mut get), [(node(2), true)]);
    }

    #[test]
    fn a_search_that_finds_nobody_ends_without_values() {
        let mut get = get(&[], Wanted::default());
        assert_eq!(get.poll(START), Step::Done);
        assert_eq!(get.outcome().values, 0);
    }
}
