//! `FaultyStorage`: another storage whose operations fail when told to. Knows nothing of why a real one would.

use std::cell::Cell;
use std::io;

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};
use rand::Rng;

use crate::{Commit, Committed, Publisher, Storage, StorageError, StoreLimits, Swept, Ticket, Totals};

/// What a [`FaultyStorage`] can be told to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Storage::contains`], [`Storage::count`], [`Storage::sample`], [`Storage::own_id`] and [`Storage::contacts`].
    Read,
    /// [`Storage::put`], [`Storage::set_own_id`] and [`Storage::set_contacts`].
    Write,
    /// [`Storage::expire`].
    Sweep,
    /// Running what [`Storage::begin_commit`] returns.
    Commit,
}

/// A storage that fails on demand and otherwise is the one inside, for tests of what uses a storage.
///
/// What fails has not happened, and says so with a retryable [`StorageError::Io`].
#[derive(Debug)]
pub struct FaultyStorage<S> {
    storage: S,
    /// How many calls of each operation, in the order of the enum, are still to fail.
    failures: [Cell<u32>; 4],
}

impl<S: Storage> FaultyStorage<S> {
    /// `storage`, without a fault yet.
    pub fn new(storage: S) -> Self {
        Self { storage, failures: Default::default() }
    }

    /// Makes the next `calls` of `operation` fail; `u32::MAX` is as good as all, 0 ends it.
    pub fn fail_next(&mut self, operation: Operation, calls: u32) {
        self.failures[operation as usize].set(calls);
    }

    /// The storage inside.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.storage
    }

    fn check(&self, operation: Operation) -> Result<(), StorageError> {
        let failures = &self.failures[operation as usize];
        match failures.get().checked_sub(1) {
            None => Ok(()),
            Some(left) => {
                failures.set(left);
                Err(StorageError::Io { path: "faulty".into(), source: io::Error::other("told to fail") })
            }
        }
    }
}

impl<S: Storage> Storage for FaultyStorage<S> {
    fn put(
        &mut self,
        key: &Id,
        value: &[u8],
        publisher: Publisher,
        now: Time,
    ) -> Result<Ticket, StorageError> {
        self.check(Operation::Write)?;
        self.storage.put(key, value, publisher, now)
    }

    fn contains(&self, key: &Id, value: &[u8]) -> Result<bool, StorageError> {
        self.check(Operation::Read)?;
        self.storage.contains(key, value)
    }

    fn count(&self, key: &Id) -> Result<u64, StorageError> {
        self.check(Operation::Read)?;
        self.storage.count(key)
    }

    fn set_limits(&mut self, limits: StoreLimits) {
        self.storage.set_limits(limits);
    }

    fn sample_into(
        &self,
        key: &Id,
        limit: usize,
        rng: &mut dyn Rng,
        out: &mut Vec<Bytes>,
    ) -> Result<(), StorageError> {
        self.check(Operation::Read)?;
        self.storage.sample_into(key, limit, rng, out)
    }

    fn expire(&mut self, before: Time, limit: usize) -> Result<Swept, StorageError> {
        self.check(Operation::Sweep)?;
        self.storage.expire(before, limit)
    }

    fn latest(&self) -> Time {
        self.storage.latest()
    }

    fn totals(&self) -> Totals {
        self.storage.totals()
    }

    fn own_id(&self) -> Result<Option<Id>, StorageError> {
        self.check(Operation::Read)?;
        self.storage.own_id()
    }

    fn set_own_id(&mut self, id: Id) -> Result<Ticket, StorageError> {
        self.check(Operation::Write)?;
        self.storage.set_own_id(id)
    }

    fn contacts(&self) -> Result<Vec<Contact>, StorageError> {
        self.check(Operation::Read)?;
        self.storage.contacts()
    }

    fn set_contacts(&mut self, contacts: &[Contact]) -> Result<Ticket, StorageError> {
        self.check(Operation::Write)?;
        self.storage.set_contacts(contacts)
    }

    fn begin_commit(&mut self) -> Option<Commit> {
        let commit = self.storage.begin_commit()?;
        match self.check(Operation::Commit) {
            Ok(()) => Some(commit),
            Err(fault) => Some(Commit::new(commit.ticket(), || {
                drop(commit);
                Err(fault)
            })),
        }
    }

    fn on_committed(&mut self, committed: Committed) -> Result<Ticket, StorageError> {
        self.storage.on_committed(committed)
    }

    fn staged(&self) -> usize {
        self.storage.staged()
    }
}
