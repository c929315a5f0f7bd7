//! Joining a network, and joining again whenever we find ourselves alone. Knows no names, only addresses.

use std::collections::BTreeSet;
use std::net::{SocketAddr, SocketAddrV4};

use khashmir_actions::Action;
use khashmir_krpc::{Failure, Method, Query};
use khashmir_storage::Storage;
use khashmir_types::{Contact, Id, Time};
use rand::RngExt;

use super::operation::{Goal, Operation, OperationId, Stage};
use super::{Engine, Event, Pending, Purpose};
use crate::outcome::{JoinFailure, JoinOutcome, Outcome};
use crate::settings::{Role, Settings};

/// Bootstrap addresses kept: more would only make the first seconds of a join louder.
const MAX_BOOTSTRAP: usize = 64;

/// Own addresses kept: a host has few.
const MAX_OWN_ADDRS: usize = 8;

/// What a join has got so far.
#[derive(Debug, Default)]
pub(super) struct Joining {
    outcome: JoinOutcome,
    /// Bootstrap nodes that have not answered yet.
    open: BTreeSet<SocketAddr>,
    /// The lookup of our own neighbourhood: it starts with the first answer.
    lookup: Lookup,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Lookup {
    #[default]
    NotStarted,
    Running,
    Ended,
}

/// Whom to join through, and when.
#[derive(Debug, Default)]
pub(super) struct Membership {
    bootstrap: Vec<SocketAddr>,
    own_addrs: Vec<SocketAddr>,
    /// Are we, or were we ever, to be in a network? A node that was never told to join stays alone.
    wanted: bool,
    /// Joins that failed since the last that did not.
    failures: u32,
    /// The join that runs now.
    running: Option<OperationId>,
    rejoin_at: Option<Time>,
}

impl Membership {
    pub(super) fn set_bootstrap(&mut self, bootstrap: &[SocketAddr]) {
        self.bootstrap = bootstrap.iter().copied().take(MAX_BOOTSTRAP).collect();
    }

    pub(super) fn bootstrap(&self) -> &[SocketAddr] {
        &self.bootstrap
    }

    pub(super) fn add_own_addr(&mut self, addr: SocketAddr) {
        if self.own_addrs.len() < MAX_OWN_ADDRS && !self.own_addrs.contains(&addr) {
            self.own_addrs.push(addr);
        }
    }

    pub(super) fn is_own_addr(&self, addr: SocketAddr) -> bool {
        self.own_addrs.contains(&addr)
    }

    pub(super) fn rejoin_at(&self) -> Option<Time> {
        self.rejoin_at
    }

    /// How long to wait before the next attempt: doubling, and up to a quarter longer, so that nodes which
    /// lost the network at the same moment do not come back at the same moment.
    fn delay(&self, settings: &Settings, jitter: f64) -> std::time::Duration {
        let doubled = settings.rejoin_delay.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        doubled.min(settings.max_rejoin_delay).mul_f64(1.0 + jitter / 4.0)
    }
}

impl<S: Storage> Engine<S> {
    /// Begins to join through `bootstrap` and whatever contacts the table has.
    pub(super) fn start_join(&mut self, bootstrap: &[SocketAddr], id: OperationId, now: Time) {
        if !bootstrap.is_empty() {
            self.membership.set_bootstrap(bootstrap);
        }
        self.activity.on_started(Method::Join);
        self.membership.wanted = true;
        self.membership.rejoin_at = None;
        self.membership.running = Some(id);
        self.operations.insert(id, Operation::new(Goal::Join(Joining::default()), Stage::Waiting, now));
        for addr in self.membership.bootstrap.clone() {
            if self.membership.is_own_addr(addr) {
                continue;
            }
            let called = if self.settings.scope.admits(addr) {
                self.introduce(addr, &Query::Join, id, now).map_err(JoinFailure::from)
            } else {
                Err(JoinFailure::OutOfScope)
            };
            self.joining(id, |joining| match called {
                Ok(()) => drop(joining.open.insert(addr)),
                Err(failure) => joining.outcome.failed.push((addr, failure)),
            });
        }
        // Contacts of a former life may answer sooner than any bootstrap node, and need none.
        if !self.table.is_empty() {
            self.start_neighbourhood(id, now);
        }
        self.conclude_join(id, now);
    }

    /// Calls the unknown node at `addr` for the operation `id`.
    pub(super) fn introduce(
        &mut self,
        addr: SocketAddr,
        query: &Query,
        id: OperationId,
        now: Time,
    ) -> Result<(), Failure> {
        let call = self.endpoint.call(addr, query, now, &mut self.rng).map_err(|_| Failure::SendError)?;
        self.calls.insert(call, Pending { purpose: Purpose::Introduction(id), since: now });
        Ok(())
    }

    /// A bootstrap node has answered.
    pub(super) fn on_bootstrap(
        &mut self,
        id: OperationId,
        node: Contact,
        seen_as: Option<SocketAddrV4>,
        now: Time,
    ) {
        self.joining(id, |joining| {
            joining.open.remove(&node.addr);
            joining.outcome.answered.push(node);
            joining.outcome.seen_as = joining.outcome.seen_as.or(seen_as);
        });
        // A visitor needs one node to ask, not a neighbourhood.
        if self.settings.role != Role::Client {
            self.restart_fruitless_lookup(id);
            self.start_neighbourhood(id, now);
        }
        self.conclude_join(id, now);
    }

    /// A bootstrap node has not answered.
    pub(super) fn on_bootstrap_failure(
        &mut self,
        id: OperationId,
        addr: SocketAddr,
        failure: Failure,
        now: Time,
    ) {
        self.joining(id, |joining| {
            joining.open.remove(&addr);
            joining.outcome.failed.push((addr, failure.into()));
        });
        self.conclude_join(id, now);
    }

    /// The lookup of our own neighbourhood has found `nearby` nodes.
    pub(super) fn on_neighbourhood(&mut self, id: OperationId, nearby: usize, now: Time) {
        self.joining(id, |joining| {
            joining.outcome.nearby = nearby;
            // A lookup that found nobody began with dead contacts; a bootstrap node may still answer.
            joining.lookup = if nearby > 0 { Lookup::Ended } else { Lookup::NotStarted };
        });
        self.conclude_join(id, now);
    }

    /// Gives up a lookup that nobody has answered: its contacts are dead, but now there is one that lives.
    fn restart_fruitless_lookup(&mut self, id: OperationId) {
        if let Some(Operation { goal: Goal::Join(joining), stage, .. }) = self.operations.get_mut(&id)
            && let Stage::FindNode(action) = stage
            && action.outcome().tally.answered == 0
        {
            *stage = Stage::Waiting;
            joining.lookup = Lookup::NotStarted;
        }
    }

    /// Looks up the id next to our own, once, as the original does (`findCloseNodes`).
    fn start_neighbourhood(&mut self, id: OperationId, now: Time) {
        let mut start = false;
        self.joining(id, |joining| {
            start = joining.lookup == Lookup::NotStarted;
            if start {
                joining.lookup = Lookup::Running;
            }
        });
        if start {
            // The bootstrap nodes too, which need not have found room in the table.
            let answered = self.joined_through(id);
            let stage = self.find_node_stage(next_to(&self.id), &answered, self.lookup(), now);
            self.set_stage(id, stage, now);
            self.advance(id, now);
        }
    }

    /// Ends the join if there is nothing left to wait for: the lookup found somebody, or nobody is left to answer.
    fn conclude_join(&mut self, id: OperationId, now: Time) {
        let Some(Operation { goal: Goal::Join(joining), .. }) = self.operations.get(&id) else { return };
        let is_visit = self.settings.role == Role::Client && !joining.outcome.answered.is_empty();
        let ended = is_visit
            || match joining.lookup {
                Lookup::Running => false,
                Lookup::NotStarted => joining.open.is_empty(),
                Lookup::Ended => true,
            };
        if ended {
            self.finish_join(id, now);
        }
    }

    /// Ends the join with what it has got.
    pub(super) fn finish_join(&mut self, id: OperationId, now: Time) {
        let Some(Operation { goal: Goal::Join(joining), started, .. }) = self.operations.get_mut(&id) else {
            return;
        };
        let mut outcome = std::mem::take(&mut joining.outcome);
        outcome.unheard = std::mem::take(&mut joining.open).into_iter().collect();
        outcome.elapsed = now.since(*started);
        if outcome.is_joined() {
            self.membership.failures = 0;
            // Our own neighbourhood is known now; the rest of the space is not (Kademlia, section 2.3).
            if self.settings.role != Role::Client {
                self.table.refresh_all(now);
            }
            // Not only at the next checkpoint: whoever is killed in the first minute finds back too.
            self.save();
        } else {
            self.membership.failures = self.membership.failures.saturating_add(1);
        }
        self.forget_join(id);
        self.finish(id, Outcome::Joined(outcome), now);
    }

    /// The join `id` has ended, or was given up.
    pub(super) fn forget_join(&mut self, id: OperationId) {
        self.membership.running = self.membership.running.filter(|running| *running != id);
    }

    /// Plans to join again if we are alone, and forgets the plan if we no longer are.
    pub(super) fn watch_membership(&mut self, now: Time) {
        // Whoever has found us has made us a member too.
        self.membership.wanted |= self.is_joined();
        let alone = self.membership.wanted && !self.is_joined() && self.membership.running.is_none();
        if self.stopping {
            self.membership.rejoin_at = None;
        } else if !alone {
            // Somebody has turned up: then this is the moment to find our neighbourhood.
            if self.membership.rejoin_at.take().is_some() {
                self.rejoin(now);
            }
        } else if self.membership.rejoin_at.is_none() {
            let delay = self.membership.delay(&self.settings, self.rng.random());
            self.membership.rejoin_at = Some(now + delay);
            self.events.push_back(Event::Isolated);
        }
    }

    /// Joins again, through the bootstrap nodes and the contacts last saved.
    pub(super) fn rejoin(&mut self, now: Time) {
        if let Ok(contacts) = self.storage.contacts() {
            let scope = self.settings.scope;
            self.table.load(contacts.into_iter().filter(|contact| scope.admits(contact.addr)), now);
        }
        let id = self.new_operation_id();
        self.start_join(&[], id, now);
    }

    /// The bootstrap nodes that have answered so far and may be asked.
    fn joined_through(&self, id: OperationId) -> Vec<Contact> {
        let Some(Operation { goal: Goal::Join(joining), .. }) = self.operations.get(&id) else {
            return Vec::new();
        };
        joining.outcome.answered.iter().filter(|contact| self.admits(contact)).copied().collect()
    }

    fn joining(&mut self, id: OperationId, change: impl FnOnce(&mut Joining)) {
        if let Some(Operation { goal: Goal::Join(joining), .. }) = self.operations.get_mut(&id) {
            change(joining);
        }
    }
}

/// The id whose last byte is one more, without carry: close to ours, and not ours.
pub(super) fn next_to(id: &Id) -> Id {
    let mut bytes = *id.as_bytes();
    bytes[Id::LEN - 1] = bytes[Id::LEN - 1].wrapping_add(1);
    Id::new(bytes)
}
