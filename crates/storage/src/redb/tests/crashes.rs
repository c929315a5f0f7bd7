//! Crashes at every call to the disk, one after the other, and each of them followed by another.
//!
//! `KHASHMIR_CRASH_POINTS=10000 cargo test --release -p khashmir-storage --lib crashes` tries so many; without the
//! variable it is a few hundred. A failure names the point, and
//! `KHASHMIR_CRASH_POINT=seed:call` tries that one alone.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use rand::{Rng, RngExt};

use super::platter::{Plan, Platter, lay_down};
use super::*;
use crate::StoreLimits;

/// Everything that can be asked of a storage about its content.
#[derive(Clone, Debug, PartialEq)]
struct Content {
    values: BTreeMap<u8, Vec<Bytes>>,
    totals: Totals,
    latest: Time,
    own_id: Option<Id>,
    contacts: Vec<Contact>,
}

impl Content {
    fn of(storage: &RedbStorage) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let held = |n| {
            let mut values = storage.sample(&key(n), usize::MAX, &mut rng).unwrap();
            assert_eq!(storage.count(&key(n)).unwrap(), values.len() as u64);
            values.sort_unstable();
            (n, values)
        };
        Self {
            values: (0..KEYS).map(held).filter(|(_, values)| !values.is_empty()).collect(),
            totals: storage.totals(),
            latest: storage.latest(),
            own_id: storage.own_id().unwrap(),
            contacts: storage.contacts().unwrap(),
        }
    }

    /// Are its totals those of its values?
    fn is_sound(&self) -> bool {
        let all = || self.values.values().flatten();
        let bytes = all().map(|value| value.len() as u64).sum();
        self.totals == Totals { keys: self.values.len() as u64, values: all().count() as u64, bytes }
    }
}

const KEYS: u8 = 12;

fn key(n: u8) -> Id {
    Id::sha1(&[n])
}

/// A file with a few hundred values, closed cleanly.
static BASE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("storage");
    let mut storage = RedbStorage::open(&path).unwrap();
    storage.set_own_id(key(0)).unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    for _ in 0..10 {
        change(&mut storage, &mut rng);
        commit(&mut storage).unwrap();
    }
    drop(storage);
    fs::read(path).unwrap()
});

/// A handful of all the changes there are.
fn change(storage: &mut RedbStorage, rng: &mut ChaCha12Rng) {
    storage.set_limits(StoreLimits {
        max_values: 300,
        max_values_per_key: 60,
        max_bytes_per_prefix: 30_000,
        ..StoreLimits::NONE
    });
    for _ in 0..rng.random_range(1..40) {
        let now = Time::from_secs(storage.latest().as_micros() / 1_000_000 + rng.random_range(0..3));
        // Half of it goes to one key, so that there are keys with few and with many values.
        let n = if rng.random() { 0 } else { rng.random_range(0..KEYS) };
        let value = vec![rng.random_range(0..250); rng.random_range(1..40)];
        let publisher = Publisher::V4([10, 0, rng.random_range(0..4)]);
        match storage.put(&key(n), &value, publisher, now) {
            Ok(_) | Err(StorageError::Full) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let old = Time::from_secs((storage.latest().as_micros() / 1_000_000).saturating_sub(60));
    let _ = storage.expire(old, rng.random_range(0..10)).unwrap();
    if rng.random_bool(0.2) {
        let addr = std::net::SocketAddr::from(([192, 0, 2, 1], rng.random()));
        storage.set_contacts(&[Contact::new(key(1), addr)]).unwrap();
    }
}

/// A process with a storage on a platter, until it ends or the power goes.
struct Life<'a> {
    platter: Arc<Platter>,
    rng: ChaCha12Rng,
    /// What may be there after a crash: what was last acknowledged, and what was under way since.
    possible: &'a mut Vec<Content>,
}

impl Life<'_> {
    /// Opens the storage and works until the power goes, or for `rounds` commits.
    fn live(&mut self, rounds: usize) {
        let platter = Arc::clone(&self.platter);
        let open =
            move |builder: &::redb::Builder, file: File| builder.create_with_backend(platter.file(file)?);
        let file = StoreFile::with_disk(self.platter.path(), RedbOptions::default(), Box::new(open));
        let mut storage = match RedbStorage::start(file) {
            Ok(storage) => storage,
            Err(error) => {
                assert!(self.platter.was_disturbed(), "an undisturbed start fails: {error}");
                return;
            }
        };
        assert!(self.possible.contains(&Content::of(&storage)), "something else is there than was stored");
        for _ in 0..rounds {
            if !self.platter.is_cut() {
                self.work(&mut storage);
            }
        }
    }

    fn work(&mut self, storage: &mut RedbStorage) {
        change(storage, &mut self.rng);
        let content = Content::of(storage);
        assert!(content.is_sound());
        self.possible.push(content.clone());
        let Some(pending) = storage.begin_commit() else { return };
        let committed = pending.run();
        if storage.on_committed(committed).is_ok() {
            *self.possible = vec![content];
        }
    }
}

fn open(platter: &Arc<Platter>) -> Result<RedbStorage, StorageError> {
    let disk = Arc::clone(platter);
    let open = move |builder: &::redb::Builder, file: File| builder.create_with_backend(disk.file(file)?);
    RedbStorage::start(StoreFile::with_disk(platter.path(), RedbOptions::default(), Box::new(open)))
}

/// Works through two crashes; the first is at call `call` of the first life, the second soon after the start of the next.
/// Returns whether the first life had so many calls.
fn crash_twice(seed: u64, call: u64, path: &Path) -> bool {
    lay_down(path, &BASE).unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(seed << 32 | call);
    let mut possible = vec![CONTENT.clone()];
    // Every third seed the disk fails once before the power goes.
    let plan = if seed % 3 == 2 {
        Plan { fault_at: Some(call), cut_at: Some(call + rng.random_range(1..60)) }
    } else {
        Plan { fault_at: None, cut_at: Some(call) }
    };
    let second = Plan { fault_at: None, cut_at: Some(rng.random_range(1..60)) };
    let mut was_reached = false;
    for (nth, plan) in [plan, second].into_iter().enumerate() {
        let platter = Platter::new(path, plan, rng.next_u64());
        // The work of a seed is always the same, so that a call of it is.
        let rng = ChaCha12Rng::seed_from_u64(seed + nth as u64);
        Life { platter: Arc::clone(&platter), rng, possible: &mut possible }.live(3);
        was_reached |= nth == 0 && platter.calls() >= call;
        platter.cut();
    }
    let mut storage = open(&Platter::new(path, Plan::default(), 0)).unwrap();
    let content = Content::of(&storage);
    assert!(content.is_sound() && possible.contains(&content), "something else is there than was stored");
    empties(&mut storage);
    was_reached
}

static CONTENT: LazyLock<Content> = LazyLock::new(|| {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("storage");
    fs::write(&path, &*BASE).unwrap();
    Content::of(&RedbStorage::open(path).unwrap())
});

/// Every value has what it takes to expire, and nothing else has.
fn empties(storage: &mut RedbStorage) {
    let all = usize::try_from(storage.totals().values).unwrap();
    assert_eq!(storage.expire(Time::FAR_FUTURE, usize::MAX).unwrap(), Swept { values: all, more: false });
    assert_eq!(storage.totals(), Totals::default());
    commit(storage).unwrap();
    assert!(Content::of(storage).is_sound());
}

#[test]
fn no_acknowledged_value_is_lost_at_any_crash_point() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("storage");
    if let Ok(point) = env::var("KHASHMIR_CRASH_POINT") {
        let (seed, call) = point.split_once(':').expect("seed:call");
        crash_twice(seed.parse().unwrap(), call.parse().unwrap(), &path);
        return;
    }
    let points = env::var("KHASHMIR_CRASH_POINTS").map_or(300, |points| points.parse().unwrap());
    let (mut seed, mut call) = (0, 1);
    for point in 1..=points {
        let attempt = catch_unwind(AssertUnwindSafe(|| crash_twice(seed, call, &path)));
        let was_reached =
            attempt.unwrap_or_else(|_| panic!("at KHASHMIR_CRASH_POINT={seed}:{call}, number {point}"));
        (seed, call) = if was_reached { (seed, call + 1) } else { (seed + 1, 1) };
    }
}

#[test]
fn a_power_cut_during_the_creation_leaves_no_half_file() {
    for call in 1.. {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("storage");
        let platter = Platter::new(&path, Plan { fault_at: None, cut_at: Some(call) }, call);
        if open(&platter).is_ok_and(|_created| !platter.is_cut()) {
            assert!(call > 3);
            return;
        }
        assert!(!platter.had_name_when_cut(), "at call {call}");
        open(&Platter::new(&path, Plan::default(), 0)).unwrap();
    }
}
