//! The target `storage`: any sequence of operations, against a model that is too simple to be wrong.
//!
//! The first byte of an input chooses the backend and whether there are limits; a file is closed and opened again now
//! and then.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use khashmir::storage::{Commit, FaultyStorage, Operation, Publisher, StoreLimits, Ticket, Totals};
use khashmir::{Contact, Id, MemoryStorage, RedbStorage, Storage, StorageError, Time};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use tempfile::TempDir;

use crate::script::Script;

/// Does to a storage what `input` says. Panics if it differs from the model.
pub fn storage(input: &[u8]) {
    let mut script = Script::new(input);
    let kind = script.byte();
    let limits = if kind & 4 == 0 { StoreLimits::NONE } else { TIGHT };
    if kind % 4 == 3 {
        let directory = TempDir::new().expect("there is room for a directory");
        let path = directory.path().join("storage");
        run(
            &mut script,
            || RedbStorage::open(&path).expect("it was left as it should be"),
            limits,
            Lasts::Yes,
        );
    } else {
        run(&mut script, MemoryStorage::new, limits, Lasts::No);
    }
}

/// Limits that are soon met.
const TIGHT: StoreLimits = StoreLimits {
    max_bytes: 4000,
    max_values: 20,
    max_values_per_key: 7,
    max_bytes_per_key: 2500,
    max_bytes_per_prefix: 2000,
};

/// Does what is committed outlive the storage?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasts {
    Yes,
    No,
}

/// Steps taken of one input: more say nothing new.
const MAX_STEPS: usize = 200;

fn run<S: Storage>(script: &mut Script<'_>, open: impl Fn() -> S, limits: StoreLimits, lasts: Lasts) {
    let open = || {
        let mut storage = open();
        storage.set_limits(limits);
        storage
    };
    let mut run = Run {
        storage: FaultyStorage::new(open()),
        now: Model::default(),
        sealed: None,
        durable: Model::default(),
    };
    for _ in 0..MAX_STEPS {
        let Some(step) = script.step() else { break };
        run.take(step, script);
        if step % 16 == 15 && lasts == Lasts::Yes {
            run = run.reopened(&open);
        }
        run.check();
    }
    run.end_commit();
    run.commit();
    run.check();
    if lasts == Lasts::Yes {
        run.reopened(&open).check();
    }
}

/// What a storage must hold.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    /// Every value, with when it was refreshed last.
    values: BTreeMap<(Id, Bytes), u64>,
    own_id: Option<Id>,
    contacts: Vec<Contact>,
}

impl Model {
    fn totals(&self) -> Totals {
        let keys: BTreeSet<_> = self.values.keys().map(|(key, _)| key).collect();
        let bytes = self.values.keys().map(|(_, value)| value.len() as u64).sum();
        Totals { keys: keys.len() as u64, values: self.values.len() as u64, bytes }
    }

    fn under(&self, key: &Id) -> BTreeSet<Bytes> {
        self.values.keys().filter(|(k, _)| k == key).map(|(_, value)| value.clone()).collect()
    }

    /// The times of the values that `is_due` picks, the earliest first.
    fn times(&self, is_due: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut times: Vec<_> = self.values.values().copied().filter(|time| is_due(*time)).collect();
        times.sort_unstable();
        times
    }
}

struct Run<S> {
    storage: FaultyStorage<S>,
    now: Model,
    /// The commit under way, and what it makes durable.
    sealed: Option<(Commit, Model)>,
    durable: Model,
}

impl<S: Storage> Run<S> {
    fn take(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0..=5 => {
                let publisher = publisher(script.byte());
                self.put(key(script.byte()), value(script.byte()), publisher, script.byte().into());
            }
            6 => self.refuse_to_put(key(script.byte()), &value(script.byte())),
            7 => self.expire(script.byte().into(), usize::from(script.byte() % 8)),
            8 => {
                let latest = self.now.values.values().max();
                assert!(latest.is_none_or(|latest| Time::from_secs(*latest) <= self.storage.latest()));
            }
            9 => {
                let id = key(script.byte());
                let ticket = self.storage.set_own_id(id).expect("memory is there");
                self.check_ticket(ticket);
                self.now.own_id = Some(id);
            }
            10 => {
                let contacts: Vec<_> = (0..script.byte() % 4).map(|n| contact(n ^ script.byte())).collect();
                let ticket = self.storage.set_contacts(&contacts).expect("memory is there");
                self.check_ticket(ticket);
                self.now.contacts = contacts;
            }
            11 => self.begin_commit(),
            12 => self.end_commit(),
            13 => self.fail_commit(),
            14 => {
                self.end_commit();
                self.commit();
            }
            // For a storage that lasts, to be opened again.
            _ => {}
        }
    }

    /// Which values go to make room is not promised in full, so the model follows the storage there.
    fn put(&mut self, key: Id, value: Bytes, publisher: Publisher, now: u64) {
        match self.storage.put(&key, &value, publisher, Time::from_secs(now)) {
            Ok(ticket) => {
                self.check_ticket(ticket);
                assert!(self.storage.contains(&key, &value).expect("readable"));
                self.now.values.insert((key, value), now);
            }
            Err(StorageError::Full) => {}
            Err(error) => panic!("{error}"),
        }
        let left = self.all();
        assert!(left.iter().all(|pair| self.now.values.contains_key(pair)), "a value from nowhere");
        self.now.values.retain(|pair, _| left.contains(pair));
    }

    /// Every value there is.
    fn all(&self) -> BTreeSet<(Id, Bytes)> {
        let values = |key| sample(&self.storage, &key, usize::MAX).into_iter().map(move |value| (key, value));
        (0..KEYS).map(key).flat_map(values).collect()
    }

    /// What is staged now is not part of the commit under way.
    fn check_ticket(&self, ticket: Ticket) {
        assert!(self.sealed.as_ref().is_none_or(|(commit, _)| commit.ticket() < ticket));
    }

    fn refuse_to_put(&mut self, key: Id, value: &[u8]) {
        self.storage.fail_next(Operation::Write, 1);
        assert!(self.storage.put(&key, value, publisher(1), Time::from_secs(1)).is_err());
    }

    /// Which of several values of one time goes first is not promised, so the model follows the storage there.
    fn expire(&mut self, before: u64, limit: usize) {
        let due = self.now.times(|time| time < before);
        let swept = self.storage.expire(Time::from_secs(before), limit).expect("it can be read");
        assert_eq!((swept.values, swept.more), (due.len().min(limit), due.len() > limit));
        let Some(last) = due.iter().take(limit).next_back() else { return };
        let left = self.all();
        assert!(self.now.values.iter().all(|(pair, time)| time >= last || !left.contains(pair)));
        self.now.values.retain(|pair, time| *time > *last || left.contains(pair));
        assert!(self.now.values.keys().eq(&left));
    }

    fn begin_commit(&mut self) {
        if let Some(commit) = self.storage.begin_commit() {
            assert!(self.sealed.is_none(), "two commits at a time");
            self.sealed = Some((commit, self.now.clone()));
        }
    }

    fn end_commit(&mut self) {
        if let Some((commit, model)) = self.sealed.take() {
            let ticket = commit.ticket();
            assert_eq!(self.storage.on_committed(commit.run()).expect("the disk works"), ticket);
            self.durable = model;
        }
    }

    fn fail_commit(&mut self) {
        self.storage.fail_next(Operation::Commit, 1);
        if let Some(commit) = self.storage.begin_commit() {
            assert!(self.storage.on_committed(commit.run()).is_err());
        }
        self.storage.fail_next(Operation::Commit, 0);
    }

    /// Commits everything there is, of which there may be nothing.
    fn commit(&mut self) {
        self.begin_commit();
        self.end_commit();
        assert_eq!(self.storage.staged(), 0);
        self.durable = self.now.clone();
    }

    /// The same after a restart, which loses what is not durable.
    fn reopened(self, open: impl Fn() -> S) -> Self {
        drop(self.sealed);
        drop(self.storage.into_inner());
        let (now, durable) = (self.durable.clone(), self.durable);
        Self { storage: FaultyStorage::new(open()), now, sealed: None, durable }
    }

    fn check(&self) {
        assert_eq!(self.storage.totals(), self.now.totals());
        assert_eq!(self.storage.own_id().expect("readable"), self.now.own_id);
        assert_eq!(self.storage.contacts().expect("readable"), self.now.contacts);
        for key in (0..KEYS).map(key) {
            let expected = self.now.under(&key);
            assert_eq!(self.storage.count(&key).expect("readable"), expected.len() as u64);
            assert_eq!(sample(&self.storage, &key, usize::MAX), expected);
            let some = sample(&self.storage, &key, 2);
            assert!(some.len() == expected.len().min(2) && some.is_subset(&expected));
            let is_there = |value: &Bytes| self.storage.contains(&key, value).expect("readable");
            assert!(expected.iter().all(is_there) && !is_there(&Bytes::from_static(b"never put")));
        }
    }
}

/// Different values of a key.
fn sample(storage: &impl Storage, key: &Id, limit: usize) -> BTreeSet<Bytes> {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let values = storage.sample(key, limit, &mut rng).expect("readable");
    let count = values.len();
    let values: BTreeSet<_> = values.into_iter().collect();
    assert_eq!(values.len(), count, "a value comes twice");
    values
}

const KEYS: u8 = 4;

fn key(n: u8) -> Id {
    Id::sha1(&[n % KEYS])
}

fn publisher(n: u8) -> Publisher {
    match n % 8 {
        0 => Publisher::Ourselves,
        1 => Publisher::V6([n; 8]),
        n => Publisher::V4([20, 0, n]),
    }
}

fn value(n: u8) -> Bytes {
    vec![n; if n < 240 { usize::from(n % 5) } else { usize::from(n) * 5 }].into()
}

fn contact(n: u8) -> Contact {
    Contact::new(Id::sha1(&[n]), ([198, 51, 100, n], 6000).into())
}
