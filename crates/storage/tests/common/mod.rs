//! What the tests of storages share: backends to run on, and short words for common inputs.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use khashmir_storage::{
    Commit, Committed, FaultyStorage, MemoryStorage, Publisher, RedbStorage, Storage, StorageError, Ticket,
};
use khashmir_types::{Id, Time};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use tempfile::TempDir;

/// An open storage, with the directory it may need.
pub(crate) struct Opened<S> {
    pub(crate) storage: S,
    pub(crate) directory: Option<TempDir>,
}

/// A storage that tests can open.
pub(crate) trait Backend: Storage + Sized {
    /// An empty one.
    fn fresh() -> Opened<Self>;

    /// The same after a restart of the process, which loses what was not committed; as it is if there is no
    /// such thing.
    fn reopen(opened: Opened<Self>) -> Opened<Self> {
        opened
    }

    /// Does [`Backend::reopen`] do anything?
    const SURVIVES: bool;
}

impl Backend for MemoryStorage {
    const SURVIVES: bool = false;

    fn fresh() -> Opened<Self> {
        Opened { storage: Self::new(), directory: None }
    }
}

impl Backend for RedbStorage {
    const SURVIVES: bool = true;

    fn fresh() -> Opened<Self> {
        let directory = TempDir::new().unwrap();
        let storage = Self::open(directory.path().join("storage")).unwrap();
        Opened { storage, directory: Some(directory) }
    }

    fn reopen(Opened { storage, directory }: Opened<Self>) -> Opened<Self> {
        drop(storage);
        let directory = directory.unwrap();
        let storage = Self::open(directory.path().join("storage")).unwrap();
        Opened { storage, directory: Some(directory) }
    }
}

impl<S: Backend> Backend for FaultyStorage<S> {
    const SURVIVES: bool = S::SURVIVES;

    fn fresh() -> Opened<Self> {
        let Opened { storage, directory } = S::fresh();
        Opened { storage: Self::new(storage), directory }
    }

    fn reopen(Opened { storage, directory }: Opened<Self>) -> Opened<Self> {
        let Opened { storage, directory } = S::reopen(Opened { storage: storage.into_inner(), directory });
        Opened { storage: Self::new(storage), directory }
    }
}

/// Who publishes values where it does not matter.
pub(crate) const SOMEBODY: Publisher = Publisher::V4([192, 0, 2]);

pub(crate) fn key(n: u8) -> Id {
    Id::sha1(&[n])
}

pub(crate) fn secs(seconds: u64) -> Time {
    Time::from_secs(seconds)
}

pub(crate) fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(1)
}

/// Everything under a key.
pub(crate) fn values(storage: &dyn Storage, n: u8) -> BTreeSet<Bytes> {
    storage.sample(&key(n), usize::MAX, &mut rng()).unwrap().into_iter().collect()
}

/// Commits what is staged, of which there must be something.
pub(crate) fn commit(storage: &mut dyn Storage) -> Ticket {
    let committed = storage.begin_commit().unwrap().run();
    storage.on_committed(committed).unwrap()
}

/// Ends a commit without running it.
pub(crate) fn fail_commit(storage: &mut dyn Storage, commit: Commit) -> Ticket {
    let ticket = commit.ticket();
    drop(commit);
    let error = StorageError::Io { path: "test".into(), source: io::Error::other("not run") };
    storage.on_committed(Committed::failed(ticket, error)).unwrap_err();
    ticket
}
