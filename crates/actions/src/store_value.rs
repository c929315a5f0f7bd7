//! `StoreValue`: a value kept by the closest of known nodes.

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};

use crate::run::{End, Run};
use crate::shortlist::Way;
use crate::{Action, Answer, Ask, ClosestNode, Failure, LookupConfig, Question, Step, Tally};

/// Stores a value under a key at the closest of the nodes that gave a token, until enough have it.
///
/// No more are asked at a time than would be enough, so that no value is stored more often than wanted;
/// a node that fails gives its place to the next closest. Storing at ourselves is the caller's business:
/// see [`FindNodeOutcome::is_among_closest`](crate::FindNodeOutcome::is_among_closest).
#[derive(Clone, Debug)]
pub struct StoreValue {
    key: Id,
    value: Bytes,
    redundancy: usize,
    run: Run<Bytes>,
}

/// What comes of a [`StoreValue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreValueOutcome {
    /// The nodes that have the value now, closest first; at most `redundancy`.
    pub stored: Vec<Contact>,
    /// What was asked and what came back.
    pub tally: Tally,
    /// Did it end by its own rule, stored at enough nodes or tried at all, not by a limit on questions or time?
    pub complete: bool,
}

impl StoreValue {
    /// Stores `value` under `key` at `redundancy` of `nodes`, the closest that will take it.
    ///
    /// Nodes without a token are skipped; of the others the closest `max_queries` are kept.
    #[must_use]
    pub fn new(
        key: Id,
        value: Bytes,
        nodes: impl IntoIterator<Item = ClosestNode>,
        redundancy: usize,
        config: LookupConfig,
        now: Time,
    ) -> Self {
        let mut run = Run::new(key, config, now);
        run.extend(
            nodes.into_iter().filter_map(|node| Some((node.contact.into(), node.token?))),
            Way::START,
            usize::MAX,
        );
        Self { key, value, redundancy, run }
    }

    /// The place of the node to ask next, unless as many as are wanted have taken the value or may yet.
    fn next(&self, now: Time) -> Option<usize> {
        let promised = self.run.list().answered().chain(self.run.list().open()).count();
        if promised < self.redundancy { self.run.next(now) } else { None }
    }

    fn ask(&mut self, index: usize, now: Time) -> Step {
        let node = self.run.ask(index, now);
        let (contact, token) = (node.contact, node.note.clone());
        let question = Question::StoreValue { key: self.key, value: self.value.clone(), token };
        Step::Ask(Ask { contact, question })
    }
}

impl Action for StoreValue {
    type Outcome = StoreValueOutcome;

    fn poll(&mut self, now: Time) -> Step {
        if self.run.is_over(now) {
            return Step::Done;
        }
        if self.run.list().answered().count() >= self.redundancy {
            return self.run.finish(End::Complete);
        }
        match self.next(now) {
            Some(index) => self.ask(index, now),
            None => self.run.wait_or_finish(now),
        }
    }

    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time) {
        match answer {
            Answer::Stored => {
                self.run.on_answer(from, now);
            }
            _ => self.run.on_failure(from, Failure::Invalid, now),
        }
    }

    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        self.run.on_failure(from, failure, now);
    }

    fn outcome(&self) -> StoreValueOutcome {
        StoreValueOutcome {
            stored: self.run.list().answered().map(|node| node.contact).collect(),
            tally: self.run.tally(),
            complete: self.run.is_complete(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{START, TARGET, asked, node, nodes, plain};

    const VALUE: Bytes = Bytes::from_static(b"value");

    fn at(n: u8) -> ClosestNode {
        ClosestNode { contact: node(n), token: Some(Bytes::from(vec![n])), passed_over_by: 0 }
    }

    #[test]
    fn the_closest_that_will_take_it_get_it_each_with_its_token() {
        let without_token = ClosestNode { token: None, ..at(1) };
        let all = [at(5), at(4), at(2), without_token, at(3)];
        let mut store = StoreValue::new(TARGET, VALUE, all, 2, plain(4), START);
        let question = Question::StoreValue { key: TARGET, value: VALUE, token: Bytes::from_static(&[2]) };
        assert_eq!(store.poll(START), Step::Ask(Ask { contact: node(2), question }));
        assert_eq!(asked(&mut store, START), nodes([3]));
        store.on_failure(&node(2), Failure::Refused, START);
        assert_eq!(asked(&mut store, START), nodes([4]));
        store.on_answer(&node(4), Answer::Stored, START);
        store.on_answer(&node(3), Answer::Stored, START);
        assert_eq!(store.poll(START), Step::Done);
        assert_eq!(store.outcome().stored, nodes([3, 4]));
    }

    #[test]
    fn having_tried_all_is_the_end() {
        let mut store = StoreValue::new(TARGET, VALUE, [at(1), at(2)], 2, plain(1), START);
        for n in [1, 2] {
            assert_eq!(asked(&mut store, START), nodes([n]));
            store.on_failure(&node(n), Failure::TimedOut, START);
        }
        assert_eq!(store.poll(START), Step::Done);
        let outcome = store.outcome();
        assert_eq!((outcome.stored, outcome.tally.timed_out, outcome.complete), (vec![], 2, true));
    }

    #[test]
    fn a_store_at_nobody_asks_nobody() {
        let mut store = StoreValue::new(TARGET, VALUE, [at(1)], 0, plain(1), START);
        assert_eq!(store.poll(START), Step::Done);
    }
}
