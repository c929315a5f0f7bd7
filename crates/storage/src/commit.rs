//! `Commit`: the part of a group commit that may block, as a value to be run elsewhere. Knows no backend.

use std::fmt;

use crate::StorageError;

/// Which commit makes a change durable. Later changes never have an earlier ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// The ticket of a storage's first commit.
    pub const FIRST: Self = Self(1);

    /// The ticket of the commit after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Everything that was staged, ready to be made durable.
///
/// Owns what it needs, so that it can be run on another thread. One that is dropped instead leaves its storage
/// waiting for the [`Committed`] it would have given.
#[must_use = "a storage waits for its commit"]
pub struct Commit {
    ticket: Ticket,
    work: Box<dyn FnOnce() -> Result<(), StorageError> + Send>,
}

impl Commit {
    /// The commit that `work` does, which makes everything up to `ticket` durable. For backends.
    pub fn new(ticket: Ticket, work: impl FnOnce() -> Result<(), StorageError> + Send + 'static) -> Self {
        Self { ticket, work: Box::new(work) }
    }

    /// Does it, and blocks until the disk has it.
    pub fn run(self) -> Committed {
        Committed { ticket: self.ticket, result: (self.work)() }
    }

    /// What is durable if this succeeds: everything up to here.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// How a commit ended, to be handed to [`crate::Storage::on_committed`].
#[derive(Debug)]
#[must_use = "a storage waits for its commit"]
pub struct Committed {
    ticket: Ticket,
    result: Result<(), StorageError>,
}

impl Committed {
    /// The commit with this ticket did not happen. For whoever cannot run it.
    pub const fn failed(ticket: Ticket, error: StorageError) -> Self {
        Self { ticket, result: Err(error) }
    }

    /// The ticket of the commit that ended.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Everything up to this ticket is durable; or why the commit failed. For backends.
    ///
    /// # Errors
    /// The commit's own.
    pub fn into_result(self) -> Result<Ticket, StorageError> {
        self.result.map(|()| self.ticket)
    }
}
