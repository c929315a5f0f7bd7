//! `Storage`: what a node asks of the place where its values live. Knows no backend.

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};
use rand::Rng;

use crate::{Commit, Committed, Publisher, StorageError, StoreLimits, Ticket};

/// Where a node keeps the values of others, its own id, and the contacts to start from.
///
/// Everything but [`Commit::run`] is quick enough for the path of a packet: reads may touch the disk where the
/// cache misses, but no call waits for a write. The trait can be used as `Box<dyn Storage>`.
///
/// Within its [`StoreLimits`] a storage takes every value. It bounds what it holds in memory until a commit
/// ([`StorageError::Backlogged`]).
///
/// A call that returns an error has changed nothing, except where its documentation says how far it went.
pub trait Storage: Send {
    /// Stages `value` under `key` as refreshed at `now`. The same pair again only renews that time, and stays with
    /// its first publisher.
    ///
    /// It can be read at once. It is durable once a commit whose ticket is the returned one or a later one has
    /// succeeded.
    ///
    /// A new value that would exceed a limit displaces others, at most 16:
    ///
    /// * if its key is full, the oldest value of the publisher that has most of a few values drawn there, and at
    ///   least two; where nobody has, one of its own publisher's;
    /// * if its publisher is at its limit, an old value of that publisher;
    /// * if the storage is full, an old value of the publisher that has most bytes (within a fifth).
    ///
    /// An old value is the oldest of the publisher and, every other time, that of the four oldest whose key is
    /// farthest from our own id. Values of
    /// [`Publisher::Ourselves`] are never displaced.
    ///
    /// Values are told apart by their SHA-1: of two different values of one key with the same digest, which only
    /// somebody who made both on purpose can have, only the first is kept.
    ///
    /// # Errors
    /// [`StorageError::Full`] if no room can be made; up to 16 values may have gone all the same.
    /// [`StorageError::Backlogged`] if too much is staged, or what a read of the backend gives.
    fn put(
        &mut self,
        key: &Id,
        value: &[u8],
        publisher: Publisher,
        now: Time,
    ) -> Result<Ticket, StorageError>;

    /// Sets how much is kept; until then there is no limit. What exceeds a new limit goes as others come.
    fn set_limits(&mut self, limits: StoreLimits);

    /// Is `value` stored under `key`?
    ///
    /// # Errors
    /// What a read of the backend gives.
    fn contains(&self, key: &Id, value: &[u8]) -> Result<bool, StorageError>;

    /// How many values there are under `key`.
    ///
    /// # Errors
    /// What a read of the backend gives.
    fn count(&self, key: &Id) -> Result<u64, StorageError>;

    /// At most `limit` values of `key`: a uniform sample without replacement, in unspecified order, and so all of
    /// them if there are no more.
    ///
    /// The cost grows with the number of values returned, not with the number there are.
    ///
    /// # Errors
    /// What a read of the backend gives.
    fn sample(&self, key: &Id, limit: usize, rng: &mut dyn Rng) -> Result<Vec<Bytes>, StorageError> {
        let mut values = Vec::new();
        self.sample_into(key, limit, rng, &mut values)?;
        Ok(values.iter().map(|value| Bytes::copy_from_slice(value)).collect())
    }

    /// As [`Storage::sample`], at the end of `out`: for whoever asks again and again. The values may share memory that is
    /// used again once all are let go of: whoever keeps one copies it.
    ///
    /// # Errors
    /// What a read of the backend gives. Some values may have been added then.
    fn sample_into(
        &self,
        key: &Id,
        limit: usize,
        rng: &mut dyn Rng,
        out: &mut Vec<Bytes>,
    ) -> Result<(), StorageError>;

    /// Removes at most `limit` of the values last refreshed strictly before `before`, the oldest first.
    ///
    /// It stops early, with `more` set, where too much is staged or much has been renewed.
    ///
    /// # Errors
    /// [`StorageError::Backlogged`] if too much is staged already, or what a read of the backend gives; values
    /// removed before the failing read stay removed.
    fn expire(&mut self, before: Time, limit: usize) -> Result<Swept, StorageError>;

    /// The latest time that a value was put with; [`Time::EPOCH`] if none ever was.
    ///
    /// Whoever opens a storage and is at an earlier moment has a clock that was set back. Times that went on from there would
    /// make new values older than those there are, so go on from here.
    fn latest(&self) -> Time;

    /// How much there is in all, what is staged included.
    fn totals(&self) -> Totals;

    /// The node's own id, if one was ever set.
    ///
    /// # Errors
    /// What a read of the backend gives.
    fn own_id(&self) -> Result<Option<Id>, StorageError>;

    /// Stages the node's own id. Never refused for a backlog: it replaces what was there.
    ///
    /// # Errors
    /// None of the backends here fails.
    fn set_own_id(&mut self, id: Id) -> Result<Ticket, StorageError>;

    /// The contacts last saved, in the order they were given.
    ///
    /// # Errors
    /// What a read of the backend gives.
    fn contacts(&self) -> Result<Vec<Contact>, StorageError>;

    /// Stages `contacts` in place of those saved before, all or none. Only the first [`crate::MAX_CONTACTS`] are
    /// kept. Never refused for a backlog: it replaces what was there.
    ///
    /// # Errors
    /// None of the backends here fails.
    fn set_contacts(&mut self, contacts: &[Contact]) -> Result<Ticket, StorageError>;

    /// Takes everything staged as one commit, or `None` if there is nothing to do or a commit is under way.
    ///
    /// The commit must be run and what it returns handed to [`Storage::on_committed`]; until then there will be
    /// no other, and everything can be read and staged as usual. After a failure there may be a commit though
    /// nothing is staged: it opens the backend again. A disk that is full stays full for a while, so wait before
    /// the next attempt.
    #[must_use]
    fn begin_commit(&mut self) -> Option<Commit>;

    /// Reports the end of a commit. On success everything up to the returned ticket is durable.
    ///
    /// # Errors
    /// The commit's own. Then nothing up to its ticket may be acknowledged; what it covered stays staged and
    /// readable, and becomes durable with the next commit that succeeds.
    fn on_committed(&mut self, committed: Committed) -> Result<Ticket, StorageError>;

    /// About how many bytes of memory are held for changes that are not durable yet; zero if there are none.
    fn staged(&self) -> usize;
}

/// How much a storage holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Keys with at least one value.
    pub keys: u64,
    /// Values under all keys.
    pub values: u64,
    /// Bytes in all values; keys and what a backend adds do not count.
    pub bytes: u64,
}

/// How far [`Storage::expire`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Swept {
    /// Values removed.
    pub values: usize,
    /// Is there more to do? Then call again, after a commit if `values` is less than the limit.
    pub more: bool,
}
