//! Any sequence of calls, against a model that is too simple to be wrong.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Backend, Opened, SOMEBODY, commit, key, rng, secs, values};
use khashmir_storage::{Commit, FaultyStorage, MemoryStorage, Operation, RedbStorage, Storage, Totals};
use khashmir_types::Id;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, value: Vec<u8>, now: u64 },
    Expire { before: u64, limit: usize },
    SetOwnId(u8),
    BeginCommit,
    EndCommit,
    FailCommit,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        4 => proptest::collection::vec(0..4_u8, 1),
        1 => proptest::collection::vec(any::<u8>(), 0..50)
    ];
    prop_oneof![
        12 => (0..3_u8, value, 0..20_u64).prop_map(|(key, value, now)| Step::Put { key, value, now }),
        3 => (0..20_u64, 0..6_usize).prop_map(|(before, limit)| Step::Expire { before, limit }),
        1 => any::<u8>().prop_map(Step::SetOwnId),
        3 => Just(Step::BeginCommit),
        3 => Just(Step::EndCommit),
        1 => Just(Step::FailCommit),
        1 => Just(Step::Reopen),
    ]
}

/// Every pair with its time, and the own id.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    pairs: BTreeMap<(u8, Vec<u8>), u64>,
    own_id: Option<Id>,
}

impl State {
    /// The times of the pairs that `is_due` picks, the earliest first.
    fn due(&self, is_due: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut times: Vec<_> = self.pairs.values().copied().filter(|time| is_due(*time)).collect();
        times.sort_unstable();
        times
    }

    fn totals(&self) -> Totals {
        let keys: BTreeSet<_> = self.pairs.keys().map(|(key, _)| key).collect();
        let bytes = self.pairs.keys().map(|(_, value)| value.len() as u64).sum();
        Totals { keys: keys.len() as u64, values: self.pairs.len() as u64, bytes }
    }
}

struct Run<B> {
    opened: Option<Opened<FaultyStorage<B>>>,
    now: State,
    sealed: Option<(Commit, State)>,
    durable: State,
}

impl<B: Backend> Run<B> {
    fn new() -> Self {
        let (now, durable) = Default::default();
        Self { opened: Some(FaultyStorage::fresh()), now, sealed: None, durable }
    }

    fn storage(&mut self) -> &mut FaultyStorage<B> {
        &mut self.opened.as_mut().unwrap().storage
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Put { key: n, value, now } => {
                self.storage().put(&key(n), &value, SOMEBODY, secs(now)).unwrap();
                self.now.pairs.insert((n, value), now);
            }
            Step::Expire { before, limit } => self.expire(before, limit),
            Step::SetOwnId(n) => {
                self.storage().set_own_id(key(n)).unwrap();
                self.now.own_id = Some(key(n));
            }
            Step::BeginCommit => {
                if let Some(commit) = self.storage().begin_commit() {
                    self.sealed = Some((commit, self.now.clone()));
                }
            }
            Step::EndCommit => {
                if let Some((commit, state)) = self.sealed.take() {
                    self.storage().on_committed(commit.run()).unwrap();
                    self.durable = state;
                }
            }
            Step::FailCommit => {
                self.storage().fail_next(Operation::Commit, 1);
                if let Some(commit) = self.storage().begin_commit() {
                    self.storage().on_committed(commit.run()).unwrap_err();
                }
                self.storage().fail_next(Operation::Commit, 0);
            }
            Step::Reopen => self.reopen(),
        }
    }

    /// Which of several pairs of one time goes first is not promised, so the model follows the storage there.
    fn expire(&mut self, before: u64, limit: usize) {
        let due = self.now.due(|time| time < before);
        let swept = self.storage().expire(secs(before), limit).unwrap();
        assert_eq!((swept.values, swept.more), (due.len().min(limit), due.len() > limit));
        let Some(last) = due.iter().take(limit).next_back() else { return };
        let left: BTreeSet<(u8, Vec<u8>)> = (0..3)
            .flat_map(|n| values(self.storage(), n).into_iter().map(move |value| (n, value.to_vec())))
            .collect();
        assert!(self.now.pairs.iter().all(|(pair, time)| time >= last || !left.contains(pair)));
        self.now.pairs.retain(|pair, time| *time > *last || left.contains(pair));
        assert_eq!(self.now.pairs.keys().cloned().collect::<BTreeSet<_>>(), left);
    }

    fn reopen(&mut self) {
        if B::SURVIVES {
            self.sealed = None;
            self.opened = self.opened.take().map(Backend::reopen);
            self.now = self.durable.clone();
        }
    }

    fn check(&mut self) {
        let state = self.now.clone();
        let storage = self.storage();
        assert_eq!(storage.totals(), state.totals());
        assert_eq!(storage.own_id().unwrap(), state.own_id);
        for n in 0..3 {
            let expected = state.pairs.keys().filter(|(key, _)| *key == n);
            let expected: BTreeSet<_> = expected.map(|(_, value)| value.clone().into()).collect();
            assert_eq!(storage.count(&key(n)).unwrap(), expected.len() as u64);
            assert_eq!(values(storage, n), expected);
            let sample = storage.sample(&key(n), 2, &mut rng()).unwrap();
            assert_eq!(sample.len(), expected.len().min(2));
        }
    }
}

fn follows_the_model<B: Backend>(steps: Vec<Step>) {
    let mut run = Run::<B>::new();
    for step in steps {
        run.take(step);
        run.check();
    }
    if let Some((commit, _)) = run.sealed.take() {
        run.storage().on_committed(commit.run()).unwrap();
    }
    if run.storage().staged() > 0 {
        commit(run.storage());
    }
    run.durable = run.now.clone();
    run.reopen();
    run.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_follows_the_model(steps in proptest::collection::vec(step(), 0..60)) {
        follows_the_model::<MemoryStorage>(steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redb_follows_the_model(steps in proptest::collection::vec(step(), 0..60)) {
        follows_the_model::<RedbStorage>(steps);
    }
}
