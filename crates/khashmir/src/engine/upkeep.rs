//! What a node does by itself: checkpoints, expiry, refreshes, pings, and the end.

use std::collections::VecDeque;
use std::time::Duration;

use khashmir_krpc::{Query, Repeat};
use khashmir_routing::{Refresh, Upkeep};
use khashmir_storage::{Storage, StorageError};
use khashmir_types::{Contact, Time};
use rand::RngExt;

use super::operation::{Goal, Operation};
use super::{Engine, Pending, Purpose};
use crate::{Scope, Settings};

/// Refreshes that run at a time. They are in no hurry, and a new node wishes a score of them at once.
const MAX_REFRESHES: usize = 2;

/// Values that one sweep removes: some milliseconds of work.
const SWEEP: usize = 1000;

/// Between two sweeps while there is more to remove: time to serve, and for a commit.
const SWEEP_PAUSE: Duration = Duration::from_millis(100);

/// Between a commit that failed and the next attempt: a full disk must not keep a core busy, and whoever
/// waits for the commit still gets an answer well before its call times out.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);

/// What is due when.
#[derive(Debug)]
pub(super) struct Schedule {
    checkpoint: Time,
    sweep: Option<Time>,
    /// No commit before this, as the last one failed.
    commit: Option<Time>,
    refreshing: usize,
    /// Refreshes that wait for others to end. At most one for each bucket at a time is wished, and there are 160.
    refreshes: VecDeque<Refresh>,
}

impl Schedule {
    pub(super) fn new(settings: &Settings, now: Time) -> Self {
        // A first sweep at once: what expired while we were down must not be served for long.
        Self {
            checkpoint: now + settings.first_checkpoint,
            sweep: Some(now),
            commit: None,
            refreshing: 0,
            refreshes: VecDeque::new(),
        }
    }

    /// When there is something to do next. A node that is stopping does no more than commit.
    pub(super) fn next(&self, stopping: bool) -> Option<Time> {
        let others = [Some(self.checkpoint), self.sweep].into_iter().flatten().filter(|_| !stopping);
        others.chain(self.commit).min()
    }

    /// May a commit begin? Asked when the pause after a failure is over, it ends that pause.
    pub(super) fn may_commit(&mut self, now: Time) -> bool {
        self.commit = self.commit.filter(|resume| *resume > now);
        self.commit.is_none()
    }

    /// The last commit failed.
    pub(super) fn on_commit_failed(&mut self, now: Time) {
        self.commit = Some(now + COMMIT_PAUSE);
    }

    /// A refresh has begun.
    pub(super) fn on_refreshing(&mut self) {
        self.refreshing = self.refreshing.saturating_add(1);
    }

    /// A refresh has ended.
    pub(super) fn on_refreshed(&mut self) {
        debug_assert!(self.refreshing > 0, "ended without having begun");
        self.refreshing = self.refreshing.saturating_sub(1);
    }
}

impl<S: Storage> Engine<S> {
    /// Does what has become due.
    pub(super) fn run_schedule(&mut self, now: Time) {
        if self.stopping {
            return;
        }
        if self.schedule.checkpoint <= now {
            self.ageing.on_woken(now.since(self.schedule.checkpoint), now);
            self.checkpoint(now);
            let interval = self.settings.checkpoint_interval;
            self.schedule.checkpoint = now + interval.mul_f64(self.rng.random_range(0.9..1.1));
        }
        if self.schedule.sweep.is_some_and(|due| due <= now) {
            self.sweep(now);
        }
        if self.membership.rejoin_at().is_some_and(|due| due <= now) {
            self.rejoin(now);
        }
    }

    /// Rotates the token secrets, saves what a restart needs, looks for one of those who were lost, and begins to
    /// remove what has expired.
    fn checkpoint(&mut self, now: Time) {
        self.tokens.rotate(&mut self.rng);
        self.save();
        self.seek_lost(now);
        self.schedule.sweep = Some(now);
    }

    /// Stages our id and the table. A table without a living node is no news: the one saved before is worth more.
    pub(super) fn save(&mut self) {
        if !self.is_joined() {
            return;
        }
        let contacts: Vec<_> = self.table.contacts().collect();
        if let Err(error) = self.storage.set_contacts(&contacts) {
            tracing::debug!(%error, "table not saved");
        }
    }

    /// Removes some of the values that nobody has refreshed for too long.
    fn sweep(&mut self, now: Time) {
        let before = match self.ageing.cutoff(now) {
            Ok(before) => before,
            Err(later) => {
                self.schedule.sweep = Some(later);
                return;
            }
        };
        let swept = self.storage.expire(before, SWEEP).map(|swept| swept.more);
        let more = swept.unwrap_or_else(|error| {
            tracing::debug!(%error, "values not expired");
            // A backlog passes with the next commit; whatever else it is, the next checkpoint tries again.
            matches!(error, StorageError::Backlogged { .. })
        });
        self.schedule.sweep = more.then(|| now + SWEEP_PAUSE);
    }

    /// Carries out the table's wishes as far as there is room for them.
    pub(super) fn run_upkeep(&mut self, now: Time) {
        while !self.stopping && !self.is_upkeep_saturated() {
            match self.table.poll_upkeep(now) {
                Some(Upkeep::Ping(contact)) => self.ping(contact, now),
                Some(Upkeep::Refresh(refresh)) => self.schedule.refreshes.push_back(refresh),
                None => break,
            }
        }
        while !self.stopping
            && self.schedule.refreshing < MAX_REFRESHES
            && let Some(refresh) = self.schedule.refreshes.pop_front()
        {
            self.schedule.on_refreshing();
            let (id, target) = (self.new_operation_id(), refresh.range.random(&mut self.rng));
            let stage = self.find_node_stage(target, &[], self.unhurried(), now);
            self.operations.insert(id, Operation::new(Goal::Refresh(refresh.into()), stage, now));
            self.advance(id, now);
        }
    }

    /// Pings a contact: one of the table's as any call, a stranger with a single datagram, as somebody else may
    /// have sent a query in its name to make us send to it.
    fn ping(&mut self, contact: Contact, now: Time) {
        let is_known = self.table.node(&contact.id).is_some();
        // One that is to prove its address has a ping already; whether it is worth knowing, it may show when it asks again.
        let (endpoint, addr) = (&mut self.endpoint, contact.addr);
        if !is_known && (endpoint.awaits_proof(addr) || !endpoint.affords_ping(addr, now)) {
            return self.table.on_failure(contact, now);
        }
        let repeat = if is_known { Repeat::UntilTimeout } else { Repeat::Never };
        match endpoint.call_with(contact, &Query::Ping, repeat, now, &mut self.rng) {
            Ok(call) => {
                self.calls.insert(call, Pending { purpose: Purpose::Upkeep, since: now });
            }
            Err(_) => self.table.on_failure(contact, now),
        }
    }

    /// Pings a node for which a reply waits that is larger than its query was, as its address may be forged. That it answers
    /// does not take it into the table: a client answers now, and is gone in a moment.
    pub(super) fn ask_for_proof(&mut self, contact: Contact, now: Time) {
        // Whoever asked from a private address may be pinged there, in scope or not; nobody is at a multicast one.
        // If it cannot be asked, the reply is forgotten after a while.
        if Scope::ANY.admits(contact.addr)
            && let Ok(call) =
                self.endpoint.call_with(contact, &Query::Ping, Repeat::Never, now, &mut self.rng)
        {
            self.calls.insert(call, Pending { purpose: Purpose::Proof, since: now });
        }
    }

    /// When the table wants something next. Nothing while it must wait for calls to end: their end is an input.
    pub(super) fn upkeep_timeout(&self) -> Option<Time> {
        if self.stopping || self.is_upkeep_saturated() { None } else { self.table.poll_timeout() }
    }

    fn is_upkeep_saturated(&self) -> bool {
        !self.has_call_room()
    }

    /// Begins to end: every operation ends with what it has, the table is saved, nothing new is taken in.
    ///
    /// Go on draining commits until [`is_stopped`](Self::is_stopped); then call [`close`](Self::close).
    pub fn stop(&mut self, now: Time) {
        if self.stopping {
            return;
        }
        self.save();
        self.stopping = true;
        // Whatever failed before, this is the last attempt.
        self.schedule.commit = None;
        let running: Vec<_> = self.operations.keys().copied().collect();
        for id in running {
            self.finish_early(id, now);
        }
        self.settle(now);
    }

    /// Ends for good: whoever still waits for a commit is refused, calls in flight fail, nothing is answered any more. What
    /// [`poll_transmit`](Self::poll_transmit) still has may be sent.
    pub fn close(&mut self, now: Time) {
        self.release_all_parked(now);
        self.endpoint.stop();
        self.settle(now);
    }
}
