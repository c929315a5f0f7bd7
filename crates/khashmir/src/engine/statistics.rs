//! Statistics: what a node counts about itself. A fixed set of names, whatever peers send.

use std::time::Duration;

use khashmir_krpc::{Counters, DropReason, Method};
use khashmir_storage::{Storage, StorageError, Totals};
use khashmir_types::{Id, Time};

use super::Engine;

/// What a node has counted since its start, and how things stand now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Our own id.
    pub id: Id,
    /// Since the start.
    pub uptime: Duration,
    /// Do we know at least one living node?
    pub is_joined: bool,
    /// Has anybody ever asked us anything? If not, a firewall may be in the way.
    pub is_reachable: bool,
    /// Contacts that have answered us.
    pub contacts: usize,
    /// Contacts remembered from a former life that have not answered yet.
    pub unproven_contacts: usize,
    /// Buckets of the routing table.
    pub buckets: usize,
    /// Nodes in the whole network, estimated from the number of buckets as the original does: K × 2^(buckets − 1).
    pub estimated_network_size: f64,
    /// Keys, values and bytes in our store.
    pub stored: Totals,
    /// Stores of others waiting for the commit that makes them durable.
    pub parked: usize,
    /// Commits that failed; their values were refused with error 201.
    pub failed_commits: u64,
    /// Why the last commit failed, if no other has succeeded since.
    pub storage_error: Option<String>,
    /// Operations running now, refreshes included.
    pub operations: usize,
    /// Datagrams that the system lost before we could take them, as the socket's buffer was full; `None` if it does not
    /// tell, or without a socket.
    pub lost_incoming: Option<u64>,
    /// Datagrams and bytes in and out, and what was dropped, with the calls of each method.
    pub traffic: Counters,
    methods: [MethodStatistics; Method::ALL.len()],
}

impl Statistics {
    /// What was counted for `method`.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "there is a place for each method")]
    pub fn of(&self, method: Method) -> &MethodStatistics {
        &self.methods[method as usize]
    }

    /// How many datagrams were dropped, for each reason.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason.name(), self.traffic.dropped(reason)))
    }
}

/// What was counted for one method, beside its calls (which [`Counters::of`] has).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodStatistics {
    /// Local actions begun that ask this question.
    pub started: u64,
    /// Local actions that have ended, and how long they took.
    pub completed: Delays,
    /// How long answers to our calls took, waiting to be sent included.
    pub answers: Delays,
}

/// Durations, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Delays {
    /// The mean, if there was any.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        self.total.checked_div(count)
    }

    fn add(&mut self, delay: Duration) {
        self.count = self.count.saturating_add(1);
        self.total = self.total.saturating_add(delay);
        self.longest = self.longest.max(delay);
    }
}

/// The counters that are the engine's own.
#[derive(Debug)]
pub(super) struct Activity {
    started: Time,
    failed_commits: u64,
    storage_error: Option<String>,
    methods: [MethodStatistics; Method::ALL.len()],
}

impl Activity {
    pub(super) fn new(now: Time) -> Self {
        let methods = Default::default();
        Self { started: now, failed_commits: 0, storage_error: None, methods }
    }

    pub(super) fn on_started(&mut self, method: Method) {
        let started = &mut self.of_mut(method).started;
        *started = started.saturating_add(1);
    }

    pub(super) fn on_completed(&mut self, method: Method, took: Duration) {
        self.of_mut(method).completed.add(took);
    }

    pub(super) fn on_answered(&mut self, method: Method, took: Duration) {
        self.of_mut(method).answers.add(took);
    }

    pub(super) fn storage_error(&self) -> Option<&str> {
        self.storage_error.as_deref()
    }

    pub(super) fn on_commit(&mut self, result: Result<(), &StorageError>) {
        self.failed_commits = self.failed_commits.saturating_add(u64::from(result.is_err()));
        self.storage_error = result.err().map(ToString::to_string);
    }

    #[expect(clippy::indexing_slicing, reason = "there is a place for each method")]
    fn of_mut(&mut self, method: Method) -> &mut MethodStatistics {
        &mut self.methods[method as usize]
    }
}

impl<S: Storage> Engine<S> {
    /// What was counted so far, and how things stand.
    #[must_use]
    pub fn statistics(&self, now: Time) -> Statistics {
        let (contacts, traffic) = (self.table.proven_len(), self.endpoint.counters());
        Statistics {
            id: self.id,
            uptime: now.since(self.activity.started),
            is_joined: contacts > 0,
            is_reachable: traffic.unknown > 0
                || Method::ALL.iter().any(|method| traffic.of(*method).received > 0),
            contacts,
            unproven_contacts: self.table.len().saturating_sub(contacts),
            buckets: self.table.bucket_count(),
            estimated_network_size: self.table.estimated_network_size(),
            stored: self.storage.totals(),
            parked: self.parked.len(),
            failed_commits: self.activity.failed_commits,
            storage_error: self.activity.storage_error.clone(),
            operations: self.operations.len(),
            lost_incoming: None,
            traffic: traffic.clone(),
            methods: self.activity.methods,
        }
    }
}
