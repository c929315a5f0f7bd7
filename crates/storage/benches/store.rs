//! What a store and a read cost in a file, alone and together.
//!
//! Stores are durable: commits run on another thread, and each takes what gathered during the one before, as a node
//! does it. Set `TMPDIR` to choose the disk.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use khashmir_storage::{Commit, Committed, Publisher, RedbStorage, Storage, StorageError};
use khashmir_types::{Id, Time};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use tempfile::TempDir;

/// Stores that wait for a commit at most: the default of a node.
const MAX_PARKED: u64 = 32_768;

/// A storage whose commits run on another thread.
struct Store {
    storage: RedbStorage,
    commits: Sender<Commit>,
    committed: Receiver<Committed>,
    is_committing: bool,
    put: u64,
    sealed: u64,
    durable: u64,
    _directory: TempDir,
}

impl Store {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let storage = RedbStorage::open(directory.path().join("storage")).unwrap();
        let (commits, to_run) = channel::<Commit>();
        let (done, committed) = channel();
        thread::spawn(move || to_run.into_iter().try_for_each(|commit| done.send(commit.run())));
        let (is_committing, put, sealed, durable) = (false, 0, 0, 0);
        Self { storage, commits, committed, is_committing, put, sealed, durable, _directory: directory }
    }

    fn with(values: u64, key: impl Fn(u64) -> Id, len: usize) -> Self {
        let mut store = Self::new();
        while store.durable < values {
            store.step(values, &key, len);
        }
        store
    }

    /// Puts a value unless too much waits already.
    fn put(&mut self, key: &Id, len: usize) -> bool {
        let mut value = vec![0; len];
        value[..8].copy_from_slice(&self.put.to_be_bytes());
        let publisher = Publisher::V4([10, 0, 0]);
        match self.storage.put(key, &value, publisher, Time::from_micros(self.put)) {
            Ok(_) => self.put += 1,
            Err(StorageError::Backlogged { .. }) => return false,
            Err(error) => panic!("{error}"),
        }
        true
    }

    /// Puts one value, if there are still some to put and room for one more; sees to commits.
    fn step(&mut self, until: u64, key: impl Fn(u64) -> Id, len: usize) {
        let has_room = self.put < until && self.put - self.durable < MAX_PARKED;
        let is_full = !(has_room && self.put(&key(self.put), len));
        if self.is_committing {
            let ended = if is_full { self.committed.recv().ok() } else { self.committed.try_recv().ok() };
            if let Some(committed) = ended {
                self.storage.on_committed(committed).unwrap();
                (self.is_committing, self.durable) = (false, self.sealed);
            }
        }
        if !self.is_committing
            && let Some(commit) = self.storage.begin_commit()
        {
            self.commits.send(commit).unwrap();
            (self.is_committing, self.sealed) = (true, self.put);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn one_key(_: u64) -> Id {
    Id::sha1(b"popular")
}

fn a_key_each(n: u64) -> Id {
    Id::sha1(&n.to_be_bytes())
}

fn stores(c: &mut Criterion) {
    let mut group = c.benchmark_group("durable store");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(10));
    let kinds = [
        ("30 bytes, a key each", a_key_each as fn(u64) -> Id, 30),
        ("200 bytes, a key each", a_key_each, 200),
        ("30 bytes, one key", one_key, 30),
    ];
    for (name, key, len) in kinds {
        let mut store = Store::new();
        group.bench_function(name, |b| {
            b.iter_custom(|values| {
                let until = store.put + values;
                timed(|| {
                    while store.durable < until {
                        store.step(until, key, len);
                    }
                })
            });
        });
    }
}

fn reads(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Elements(1));
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut out: Vec<Bytes> = Vec::new();
    for (values, limit) in [(3, 3), (8, 8), (10, 10), (100_000, 10)] {
        let store = Store::with(values, one_key, 30);
        group.bench_function(BenchmarkId::new("sample", format!("{limit} of {values}")), |b| {
            b.iter(|| {
                out.clear();
                store.storage.sample_into(&one_key(0), limit, &mut rng, black_box(&mut out)).unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("count", values), |b| {
            b.iter(|| store.storage.count(black_box(&one_key(0))).unwrap());
        });
    }
}

/// Samples of three in a store of 100,000 keys, alone and with a store after each.
fn reads_while_storing(c: &mut Criterion) {
    let mut group = c.benchmark_group("read of 100,000 keys");
    group.throughput(Throughput::Elements(1));
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut out: Vec<Bytes> = Vec::new();
    let three_each = |n: u64| a_key_each(n / 3);
    for (name, stores) in [("alone", false), ("and a store each", true)] {
        let mut store = Store::with(300_000, three_each, 30);
        let mut n = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                n += 7919;
                out.clear();
                store.storage.sample_into(&a_key_each(n % 100_000), 3, &mut rng, &mut out).unwrap();
                if stores {
                    store.step(u64::MAX, three_each, 30);
                }
            });
        });
    }
}

criterion_group!(benches, stores, reads, reads_while_storing);
criterion_main!(benches);
