//! `Disk`: a storage that outlives the engine on it, as a disk outlives a process, and can be made to fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use khashmir::storage::{
    Commit, Committed, FaultyStorage, MemoryStorage, Operation, Publisher, Storage, StorageError,
    StoreLimits, Swept, Ticket, Totals,
};
use khashmir::{Contact, Id, Time};
use rand::Rng;

/// The disk of a host: a [`MemoryStorage`] that stays when its engine ends. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    /// May something be staged? Engines ask with every datagram, and most have the state out of their cache.
    may_be_staged: bool,
}

#[derive(Debug)]
struct State {
    storage: FaultyStorage<MemoryStorage>,
    /// The commit under way.
    sealed: Option<Ticket>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let storage = FaultyStorage::new(MemoryStorage::new());
        Self { state: Arc::new(Mutex::new(State { storage, sealed: None })), may_be_staged: true }
    }

    /// Makes the next `calls` of `operation` fail; 0 ends it.
    pub fn fail_next(&self, operation: Operation, calls: u32) {
        self.lock().storage.fail_next(operation, calls);
    }

    /// To be called when the process that used it is gone: a commit that was under way is.
    pub(crate) fn reopen(&self) {
        let mut state = self.lock();
        if let Some(ticket) = state.sealed.take() {
            let lost = StorageError::Closed { path: "virtual".into() };
            drop(state.storage.on_committed(Committed::failed(ticket, lost)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A host and its disk belong to one thread at a time: nobody ever waits here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Disk {
    fn put(
        &mut self,
        key: &Id,
        value: &[u8],
        publisher: Publisher,
        now: Time,
    ) -> Result<Ticket, StorageError> {
        self.may_be_staged = true;
        self.lock().storage.put(key, value, publisher, now)
    }

    fn set_limits(&mut self, limits: StoreLimits) {
        self.lock().storage.set_limits(limits);
    }

    fn contains(&self, key: &Id, value: &[u8]) -> Result<bool, StorageError> {
        self.lock().storage.contains(key, value)
    }

    fn count(&self, key: &Id) -> Result<u64, StorageError> {
        self.lock().storage.count(key)
    }

    fn sample_into(
        &self,
        key: &Id,
        limit: usize,
        rng: &mut dyn Rng,
        out: &mut Vec<Bytes>,
    ) -> Result<(), StorageError> {
        self.lock().storage.sample_into(key, limit, rng, out)
    }

    fn expire(&mut self, before: Time, limit: usize) -> Result<Swept, StorageError> {
        self.may_be_staged = true;
        self.lock().storage.expire(before, limit)
    }

    fn latest(&self) -> Time {
        self.lock().storage.latest()
    }

    fn totals(&self) -> Totals {
        self.lock().storage.totals()
    }

    fn own_id(&self) -> Result<Option<Id>, StorageError> {
        self.lock().storage.own_id()
    }

    fn set_own_id(&mut self, id: Id) -> Result<Ticket, StorageError> {
        self.may_be_staged = true;
        self.lock().storage.set_own_id(id)
    }

    fn contacts(&self) -> Result<Vec<Contact>, StorageError> {
        self.lock().storage.contacts()
    }

    fn set_contacts(&mut self, contacts: &[Contact]) -> Result<Ticket, StorageError> {
        self.may_be_staged = true;
        self.lock().storage.set_contacts(contacts)
    }

    fn begin_commit(&mut self) -> Option<Commit> {
        if !self.may_be_staged {
            return None;
        }
        let mut state = self.lock();
        let commit = state.storage.begin_commit();
        state.sealed = commit.as_ref().map(Commit::ticket).or(state.sealed);
        drop(state);
        self.may_be_staged = commit.is_some();
        commit
    }

    fn on_committed(&mut self, committed: Committed) -> Result<Ticket, StorageError> {
        // What a commit lost that failed is staged again.
        self.may_be_staged = true;
        let mut state = self.lock();
        state.sealed = None;
        state.storage.on_committed(committed)
    }

    fn staged(&self) -> usize {
        self.lock().storage.staged()
    }
}
