//! `Disk`: a storage that outlives the engine on it, as a disk outlives a process, and can be made to fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use khashmir_storage::{
    Commit, Committed, FaultyStorage, MemoryStorage, Operation, Storage, StorageError, Swept, Ticket, Totals,
};
use khashmir_types::{Contact, Id, Time};
use rand::Rng;

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    storage: FaultyStorage<MemoryStorage>,
    /// The commit under way.
    sealed: Option<Ticket>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let storage = FaultyStorage::new(MemoryStorage::new());
        Self(Arc::new(Mutex::new(State { storage, sealed: None })))
    }

    /// Makes the next `calls` of `operation` fail; 0 ends it.
    pub(crate) fn fail_next(&self, operation: Operation, calls: u32) {
        self.lock().storage.fail_next(operation, calls);
    }

    /// To be called when the process that used it is gone: a commit that was under way is.
    pub(super) fn reopen(&self) {
        let mut state = self.lock();
        if let Some(ticket) = state.sealed.take() {
            let lost = StorageError::Closed { path: "virtual".into() };
            drop(state.storage.on_committed(Committed::failed(ticket, lost)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Disk {
    fn put(&mut self, key: &Id, value: &[u8], now: Time) -> Result<Ticket, StorageError> {
        self.lock().storage.put(key, value, now)
    }

    fn contains(&self, key: &Id, value: &[u8]) -> Result<bool, StorageError> {
        self.lock().storage.contains(key, value)
    }

    fn count(&self, key: &Id) -> Result<u64, StorageError> {
        self.lock().storage.count(key)
    }

    fn sample(&self, key: &Id, limit: usize, rng: &mut dyn Rng) -> Result<Vec<Bytes>, StorageError> {
        self.lock().storage.sample(key, limit, rng)
    }

    fn expire(&mut self, before: Time, limit: usize) -> Result<Swept, StorageError> {
        self.lock().storage.expire(before, limit)
    }

    fn clamp_times(&mut self, now: Time, limit: usize) -> Result<Swept, StorageError> {
        self.lock().storage.clamp_times(now, limit)
    }

    fn totals(&self) -> Totals {
        self.lock().storage.totals()
    }

    fn own_id(&self) -> Result<Option<Id>, StorageError> {
        self.lock().storage.own_id()
    }

    fn set_own_id(&mut self, id: Id) -> Result<Ticket, StorageError> {
        self.lock().storage.set_own_id(id)
    }

    fn contacts(&self) -> Result<Vec<Contact>, StorageError> {
        self.lock().storage.contacts()
    }

    fn set_contacts(&mut self, contacts: &[Contact]) -> Result<Ticket, StorageError> {
        self.lock().storage.set_contacts(contacts)
    }

    fn begin_commit(&mut self) -> Option<Commit> {
        let mut state = self.lock();
        let commit = state.storage.begin_commit()?;
        state.sealed = Some(commit.ticket());
        Some(commit)
    }

    fn on_committed(&mut self, committed: Committed) -> Result<Ticket, StorageError> {
        let mut state = self.lock();
        state.sealed = None;
        state.storage.on_committed(committed)
    }

    fn staged(&self) -> usize {
        self.lock().storage.staged()
    }
}
