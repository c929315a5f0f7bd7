//! `RedbStorage`: values in one file, through redb. Knows what a commit does and what follows its failure;
//! nothing of slots.

mod file;
mod glanced;
mod layers;
mod overlay;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ::redb::Database;
use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};
use rand::Rng;

use crate::slots::Slots;
use crate::{Commit, Committed, Publisher, Storage, StorageError, StoreLimits, Swept, Ticket, Totals};
use file::{Connection, StoreFile};
use layers::Layers;
use overlay::Overlay;

/// Settings of a [`RedbStorage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedbOptions {
    /// Bytes of the file that may be kept in memory: 64 MiB, enough for a key with 100,000 values and for some
    /// 300,000 small ones. It grows as pages are read; a page that is not there costs a system call, several times the rest of
    /// a read. Redb's own default is 1 GiB.
    pub cache_bytes: usize,
    /// Bytes that may be staged before changes are refused with [`StorageError::Backlogged`]: 32 MiB, more than a
    /// second or two of what a disk takes. One call may go over it by what it stages.
    pub staged_bytes: usize,
    /// Read and check the whole file when it is opened, for a file that may have been damaged from outside. A
    /// file of millions of values takes a while; after a crash this is not needed. Off.
    pub check_file: bool,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, staged_bytes: 32 << 20, check_file: false }
    }
}

/// A storage in one file that survives `kill -9` and power cuts at any moment.
///
/// What is staged lies in memory, in front of the last committed state of the file. A commit seals it and writes
/// it in one transaction, with one state of the file before and one after, while reads and further changes
/// go on. The file is marked so that opening it after a crash takes no longer than after a clean end ("quick
/// repair"), which also makes redb's commits safe where strangers choose the content.
///
/// When a write fails, the commit opens the file again, as redb asks for; if that fails too, the next commit tries.
/// Meanwhile reads may fail with [`StorageError::Closed`].
///
/// Room of removed values is used again but not given back to the file system.
#[derive(Debug)]
pub struct RedbStorage {
    slots: Slots<Layers>,
    file: Arc<StoreFile>,
    /// `None` while a commit has it, and after it could not be opened again.
    database: Option<Database>,
    commit: Option<Receiver<Connection>>,
    /// The ticket of what is staged now.
    ticket: Ticket,
}

impl RedbStorage {
    /// Opens the file at `path`, or creates it if nothing is there.
    ///
    /// # Errors
    /// If it is in use, not ours, of another version, damaged, or cannot be read and written. What was at `path` is
    /// then left as it was.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::open_with(path, RedbOptions::default())
    }

    /// [`RedbStorage::open`] with other settings.
    ///
    /// # Errors
    /// As [`RedbStorage::open`].
    pub fn open_with(path: impl AsRef<Path>, options: RedbOptions) -> Result<Self, StorageError> {
        Self::start(StoreFile::new(path.as_ref(), options))
    }

    fn start(file: StoreFile) -> Result<Self, StorageError> {
        let file = Arc::new(file);
        let Connection { database, reader } = file.open_or_create()?;
        let slots = Slots::open(Layers::new(Arc::clone(&file), reader))?;
        Ok(Self { slots, file, database: Some(database), commit: None, ticket: Ticket::FIRST })
    }
}

impl Storage for RedbStorage {
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
        if self.slots.rows().is_staged() && self.commit.is_none() {
            self.slots.stage_summary();
        }
        let layers = self.slots.rows_mut();
        let is_open = self.database.is_some() && !layers.has_failed();
        if self.commit.is_some() || (is_open && !layers.is_staged()) {
            return None;
        }
        let (hand_back, handed_back) = sync_channel(1);
        self.commit = Some(handed_back);
        let work = Work {
            file: Arc::clone(&self.file),
            database: self.database.take(),
            is_open,
            sealed: layers.seal(),
            hand_back,
        };
        let commit = Commit::new(self.ticket, || work.run());
        self.ticket = self.ticket.next();
        Some(commit)
    }

    fn on_committed(&mut self, committed: Committed) -> Result<Ticket, StorageError> {
        let connection = self.commit.take().and_then(|handed_back| handed_back.try_recv().ok());
        let reader = connection.map(|Connection { database, reader }| {
            self.database = Some(database);
            reader
        });
        let result = committed.into_result();
        self.slots.rows_mut().unseal(result.is_ok(), reader);
        result
    }

    fn staged(&self) -> usize {
        self.slots.rows().staged()
    }
}

/// What a commit takes along. The database travels with it, so that it can be closed and opened again where
/// blocking is allowed.
struct Work {
    file: Arc<StoreFile>,
    database: Option<Database>,
    /// Can the database be used as it is?
    is_open: bool,
    /// Shared with the reads that go on meanwhile; nobody changes it.
    sealed: Arc<Overlay>,
    hand_back: SyncSender<Connection>,
}

impl Work {
    fn run(mut self) -> Result<(), StorageError> {
        let usable = self.database.take().filter(|_| self.is_open);
        let written = self.file.write(usable, &self.sealed);
        let (connection, result) = match written {
            Ok(connection) => (Some(connection), Ok(())),
            Err(error) => {
                tracing::debug!(%error, "commit failed");
                (self.file.open().ok(), Err(error))
            }
        };
        self.hand_back(connection);
        result
    }

    fn hand_back(&self, connection: Option<Connection>) {
        if let Some(connection) = connection {
            // Nobody receives it if the storage is gone. Then the file is closed here.
            let _ = self.hand_back.send(connection);
        }
    }
}

impl Drop for Work {
    /// A commit that is dropped without having run returns the database as it is.
    fn drop(&mut self) {
        let unused = self.database.take();
        self.hand_back(unused.and_then(|database| self.file.connect(database).ok()));
    }
}
