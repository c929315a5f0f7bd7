//! `MemoryStorage`: everything in memory, gone with the process. Knows no file.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};
use rand::Rng;

use crate::row::{Meta, Row, RowKey};
use crate::slots::{Rows, Slots};
use crate::{Commit, Committed, Publisher, Storage, StorageError, StoreLimits, Swept, Ticket, Totals};

/// A storage in memory, for simulations, tests and nodes that may forget.
///
/// It keeps the contract of [`Storage`] to the letter, tickets and commits included, but its commits have nothing
/// to do, it is never backlogged, and no call fails.
#[derive(Debug)]
pub struct MemoryStorage {
    slots: Slots<MemoryRows>,
    /// The ticket of what is staged now.
    ticket: Ticket,
    /// Bytes in the commit under way.
    sealed: Option<usize>,
}

impl MemoryStorage {
    /// An empty storage. Allocates nothing until something is stored.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: Slots::empty(MemoryRows { meta: Vec::new(), rows: BTreeMap::new(), staged: 0 }),
            ticket: Ticket::FIRST,
            sealed: None,
        }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage for MemoryStorage {
    fn put(
        &mut self,
        key: &Id,
        value: &[u8],
        publisher: Publisher,
        now: Time,
    ) -> Result<Ticket, StorageError> {
        self.slots.put(key, value, publisher, now)?;
        Ok(self.ticket)
    }

    fn contains(&self, key: &Id, value: &[u8]) -> Result<bool, StorageError> {
        self.slots.contains(key, value)
    }

    fn count(&self, key: &Id) -> Result<u64, StorageError> {
        self.slots.count(key)
    }

    fn set_limits(&mut self, limits: StoreLimits) {
        self.slots.set_limits(limits);
    }

    fn sample_into(
        &self,
        key: &Id,
        limit: usize,
        rng: &mut dyn Rng,
        out: &mut Vec<Bytes>,
    ) -> Result<(), StorageError> {
        self.slots.sample_into(key, limit, rng, out)
    }

    fn expire(&mut self, before: Time, limit: usize) -> Result<Swept, StorageError> {
        self.slots.expire(before, limit)
    }

    fn latest(&self) -> Time {
        self.slots.latest()
    }

    fn totals(&self) -> Totals {
        self.slots.totals()
    }

    fn own_id(&self) -> Result<Option<Id>, StorageError> {
        self.slots.own_id()
    }

    fn set_own_id(&mut self, id: Id) -> Result<Ticket, StorageError> {
        self.slots.set_own_id(id);
        Ok(self.ticket)
    }

    fn contacts(&self) -> Result<Vec<Contact>, StorageError> {
        self.slots.contacts()
    }

    fn set_contacts(&mut self, contacts: &[Contact]) -> Result<Ticket, StorageError> {
        self.slots.set_contacts(contacts);
        Ok(self.ticket)
    }

    fn begin_commit(&mut self) -> Option<Commit> {
        let staged = &mut self.slots.rows_mut().staged;
        if self.sealed.is_some() || *staged == 0 {
            return None;
        }
        self.sealed = Some(std::mem::take(staged));
        let commit = Commit::new(self.ticket, || Ok(()));
        self.ticket = self.ticket.next();
        Some(commit)
    }

    fn on_committed(&mut self, committed: Committed) -> Result<Ticket, StorageError> {
        let sealed = self.sealed.take().unwrap_or(0);
        committed.into_result().inspect_err(|_| self.slots.rows_mut().staged += sealed)
    }

    fn staged(&self) -> usize {
        self.slots.rows().staged + self.sealed.unwrap_or(0)
    }
}

/// Rows in a tree.
#[derive(Debug, Default)]
pub(crate) struct MemoryRows {
    /// The rows there is one of. Apart, since most storages of a simulation have no others, and a tree of two rows takes as
    /// much memory as one of eleven.
    meta: Vec<(Meta, Row)>,
    rows: BTreeMap<RowKey, Row>,
    /// Bytes that a commit would have to write.
    staged: usize,
}

impl Rows for MemoryRows {
    fn row(&self, key: &RowKey) -> Result<Option<Row>, StorageError> {
        let RowKey::Meta(name) = key else { return Ok(self.rows.get(key).cloned()) };
        Ok(self.meta.iter().find(|(other, _)| other == name).map(|(_, row)| row.clone()))
    }

    fn next(&self, from: Bound<RowKey>) -> Result<Option<RowKey>, StorageError> {
        Ok(self.rows.range((from, Bound::Unbounded)).next().map(|(key, _)| *key))
    }

    fn stage(&mut self, key: RowKey, row: Option<Row>) {
        self.staged += Row::staged_bytes(row.as_ref());
        match (key, row) {
            (RowKey::Meta(name), row) => {
                self.meta.retain(|(other, _)| *other != name);
                self.meta.reserve_exact(1);
                self.meta.extend(row.map(|row| (name, row)));
            }
            (key, Some(row)) => drop(self.rows.insert(key, row)),
            (key, None) => drop(self.rows.remove(&key)),
        }
    }

    fn check_room(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn corrupt(&self, reason: &str) -> StorageError {
        StorageError::corrupt(Path::new("memory"), reason)
    }
}
