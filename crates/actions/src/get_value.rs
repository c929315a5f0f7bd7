//! `GetValue`: the values that known holders have under a key.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};

use crate::run::{End, Run};
use crate::shortlist::Way;
use crate::{Action, Answer, Ask, Failure, Holder, LookupConfig, Question, Step, Tally};

/// Gets the values under a key from nodes that say they have some, closest first.
///
/// New values are there to take, with [`poll_values`](Self::poll_values), as soon as a node has sent
/// them; no value comes twice.
#[derive(Clone, Debug)]
pub struct GetValue {
    key: Id,
    wanted: Wanted,
    run: Run<u64>,
    known: BTreeSet<Bytes>,
    /// Nodes that have sent values, known ones or new.
    givers: usize,
    /// At most one for each question asked.
    deliveries: VecDeque<Delivery>,
    /// May further holders turn up?
    awaits_holders: bool,
}

/// When a get has enough (`RETRIEVE_VALUES`): at the first limit reached, or when all holders were asked.
///
/// What the last answers bring beyond a limit is kept. In the original's terms, -10000 is both limits,
/// 10,000 values and `STORE_REDUNDANCY` nodes; 5 is five values from as many nodes as it takes; 0 is
/// [`Wanted::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Enough at so many different values, our own included. `None`: no limit.
    pub values: Option<usize>,
    /// Enough when so many nodes have sent values. `None`: no limit.
    pub nodes: Option<usize>,
}

/// New values that one node sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who sent them first.
    pub from: Contact,
    /// At least one, none of them empty, in the order of the answer.
    pub values: Vec<Bytes>,
}

/// What comes of a [`GetValue`], apart from the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetValueOutcome {
    /// How many different values are known, our own included.
    pub values: usize,
    /// What was asked and what came back.
    pub tally: Tally,
    /// Did it end by its own rule, not by a limit on questions or time?
    pub complete: bool,
}

/// The most values that one answer holds: a get_value reply of 1,472 bytes has room for 1,396 bytes of
/// values, and the shortest value takes 3. More than that a node cannot send, whatever it claims (S20).
const MAX_VALUES_PER_ANSWER: u64 = 465;

impl Wanted {
    /// Every value of every holder.
    pub const ALL: Self = Self { values: None, nodes: None };
}

impl Default for Wanted {
    /// All values of the six closest holders, but enough at 10,000.
    fn default() -> Self {
        Self { values: Some(10_000), nodes: Some(6) }
    }
}

impl GetValue {
    /// Gets values under `key` from `holders`, apart from the `own` values that we have already.
    ///
    /// Holders of nothing are skipped; of the others the closest `max_queries` are kept.
    #[must_use]
    pub fn new(
        key: Id,
        holders: impl IntoIterator<Item = Holder>,
        own: impl IntoIterator<Item = Bytes>,
        wanted: Wanted,
        config: LookupConfig,
        now: Time,
    ) -> Self {
        let mut run = Run::new(key, config, now);
        let holders = holders.into_iter().filter(|holder| holder.num > 0);
        run.extend(holders.map(|holder| (holder.contact.into(), holder.num)), Way::START, usize::MAX);
        let known = own.into_iter().filter(|value| !value.is_empty()).collect();
        Self { key, wanted, run, known, givers: 0, deliveries: VecDeque::new(), awaits_holders: false }
    }

    /// As [`new`](Self::new), but the holders turn up one by one: see [`add_holder`](Self::add_holder).
    ///
    /// Until [`on_all_holders`](Self::on_all_holders) only enough values are the end, and no more nodes are asked
    /// at a time than are wanted.
    #[must_use]
    pub fn awaiting(
        key: Id,
        own: impl IntoIterator<Item = Bytes>,
        wanted: Wanted,
        config: LookupConfig,
        now: Time,
    ) -> Self {
        Self { awaits_holders: true, ..Self::new(key, [], own, wanted, config, now) }
    }

    /// Adds a node that says it has values; one of none is ignored.
    pub fn add_holder(&mut self, holder: Holder) {
        if holder.num > 0 {
            self.run.extend([(holder.contact.into(), holder.num)], Way::START, usize::MAX);
        }
    }

    /// Takes in all the values of a node that sent them unasked, along with the answer that it has some.
    pub fn on_values_offered(&mut self, from: Contact, values: Vec<Bytes>, now: Time) {
        if !self.run.is_over(now) {
            self.take(from, values);
        }
    }

    /// No further holders will turn up.
    pub fn on_all_holders(&mut self) {
        self.awaits_holders = false;
    }

    /// The next new values, in the order of arrival. Call it until `None` after every answer.
    #[must_use]
    pub fn poll_values(&mut self) -> Option<Delivery> {
        self.deliveries.pop_front()
    }

    fn take(&mut self, from: Contact, mut values: Vec<Bytes>) {
        values.retain(|value| !value.is_empty());
        self.givers = self.givers.saturating_add(usize::from(!values.is_empty()));
        values.retain(|value| self.known.insert(value.clone()));
        if !values.is_empty() {
            self.deliveries.push_back(Delivery { from, values });
        }
    }

    fn has_enough(&self) -> bool {
        let has_nodes = self.wanted.nodes.is_some_and(|nodes| self.givers >= nodes);
        self.missing() == Some(0) || (has_nodes && !self.awaits_holders)
    }

    /// Would one more node be more than are wanted, as things stand? Closer ones may still turn up.
    fn is_ahead(&self) -> bool {
        let promised = self.givers.saturating_add(self.run.list().open().count());
        self.awaits_holders && self.wanted.nodes.is_some_and(|nodes| promised >= nodes)
    }

    /// How many more values are wanted; `None`: any number.
    fn missing(&self) -> Option<u64> {
        let missing = self.wanted.values?.saturating_sub(self.known.len());
        Some(u64::try_from(missing).unwrap_or(u64::MAX))
    }

    /// Do the open questions promise what is missing? Slow ones promise nothing any more.
    fn expects_enough(&self, now: Time) -> bool {
        let expected: u64 = self.run.fresh(now).map(|holder| holder.note.min(MAX_VALUES_PER_ANSWER)).sum();
        self.missing().is_some_and(|missing| expected >= missing)
    }

    fn next(&self, now: Time) -> Option<usize> {
        if self.expects_enough(now) || self.is_ahead() { None } else { self.run.next(now) }
    }

    fn ask(&mut self, index: usize, now: Time) -> Step {
        let missing = self.missing();
        let holder = self.run.ask(index, now);
        let num = missing.filter(|missing| *missing <= holder.note).unwrap_or(0);
        Step::Ask(Ask { contact: holder.contact, question: Question::GetValue { key: self.key, num } })
    }
}

impl Action for GetValue {
    type Outcome = GetValueOutcome;

    fn poll(&mut self, now: Time) -> Step {
        if self.run.is_over(now) {
            return Step::Done;
        }
        if self.has_enough() {
            return self.run.finish(End::Complete);
        }
        match self.next(now) {
            Some(index) => self.ask(index, now),
            None if self.awaits_holders => self.run.wait(now),
            None => self.run.wait_or_finish(now),
        }
    }

    /// An answer with values is what counts: a node that has none after all leaves the search going, so
    /// that empty promises do not hide a key.
    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time) {
        let Answer::Values(values) = answer else { return self.on_failure(from, Failure::Invalid, now) };
        if self.run.on_answer(from, now).is_some() {
            self.take(*from, values);
        }
    }

    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        self.run.on_failure(from, failure, now);
    }

    fn outcome(&self) -> GetValueOutcome {
        let (tally, complete) = (self.run.tally(), self.run.is_complete());
        GetValueOutcome { values: self.known.len(), tally, complete }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{START, TARGET, asked, node, nodes, plain};

    fn get(holders: &[(u8, u64)], wanted: Wanted, concurrency: usize) -> GetValue {
        let holders = holders.iter().map(|(n, num)| Holder { contact: node(*n), num: *num });
        GetValue::new(TARGET, holders, [], wanted, plain(concurrency), START)
    }

    fn values(values: &[&'static str]) -> Vec<Bytes> {
        values.iter().map(|value| Bytes::from_static(value.as_bytes())).collect()
    }

    fn answer(get: &mut GetValue, n: u8, sent: &[&'static str]) -> Option<Vec<Bytes>> {
        get.on_answer(&node(n), Answer::Values(values(sent)), START);
        get.poll_values().map(|delivery| delivery.values)
    }

    #[test]
    fn no_value_comes_twice_and_no_empty_one() {
        let mut get = get(&[(1, 3), (2, 1)], Wanted::ALL, 2);
        assert_eq!(asked(&mut get, START), nodes([1, 2]));
        assert_eq!(answer(&mut get, 1, &["a", "", "b", "a"]), Some(values(&["a", "b"])));
        assert_eq!(answer(&mut get, 2, &["b"]), None);
        assert_eq!(get.poll(START), Step::Done);
        assert_eq!(get.outcome().values, 2);
    }

    #[test]
    fn enough_promised_values_hold_up_further_questions() {
        let mut get = get(&[(1, 2), (2, 2), (3, 2)], Wanted { values: Some(3), nodes: None }, 3);
        assert_eq!(asked(&mut get, START), nodes([1, 2]));
        let _ = answer(&mut get, 1, &["a", "b"]);
        let _ = answer(&mut get, 2, &["b"]);
        let num = 1;
        let question = Question::GetValue { key: TARGET, num };
        assert_eq!(get.poll(START), Step::Ask(Ask { contact: node(3), question }));
        let _ = answer(&mut get, 3, &["c", "d"]);
        assert_eq!(get.poll(START), Step::Done);
        assert_eq!(get.outcome().values, 4);
    }

    #[test]
    fn a_promise_of_more_than_fits_in_an_answer_stops_nobody() {
        let mut get = get(&[(1, u64::MAX), (2, 1)], Wanted::default(), 2);
        assert_eq!(asked(&mut get, START), nodes([1, 2]));
    }

    #[test]
    fn a_slow_promise_counts_for_nothing() {
        let mut get = get(&[(1, 5), (2, 1)], Wanted { values: Some(5), nodes: None }, 1);
        assert_eq!(asked(&mut get, START), nodes([1]));
        assert!(!get.expects_enough(START + plain(1).slow_after));
    }

    #[test]
    fn nodes_that_send_nothing_do_not_hide_a_key() {
        let mut get = get(&[(1, 5), (2, 5), (3, 1)], Wanted { values: None, nodes: Some(1) }, 1);
        for n in [1, 2] {
            assert_eq!(asked(&mut get, START), nodes([n]));
            assert_eq!(answer(&mut get, n, &[""]), None);
        }
        assert_eq!(asked(&mut get, START), nodes([3]));
        assert_eq!(answer(&mut get, 3, &["a"]), Some(values(&["a"])));
        assert_eq!(get.poll(START), Step::Done);
    }

    #[test]
    fn own_values_may_be_enough() {
        let wanted = Wanted { values: Some(2), nodes: None };
        let holder = Holder { contact: node(1), num: 1 };
        let mut get = GetValue::new(TARGET, [holder], values(&["a", "b"]), wanted, plain(1), START);
        assert_eq!(get.poll(START), Step::Done);
        assert!(get.outcome().complete);
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let mut get = get(&[(1, 1), (2, 1)], Wanted { values: None, nodes: Some(1) }, 2);
        assert_eq!(asked(&mut get, START), nodes([1, 2]));
        let _ = answer(&mut get, 2, &["a"]);
        assert_eq!(get.poll(START), Step::Done);
        assert_eq!(answer(&mut get, 1, &["b"]), None);
        assert_eq!(get.outcome().values, 1);
    }
}
