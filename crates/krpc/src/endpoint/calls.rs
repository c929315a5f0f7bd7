//! `Calls`: the calls of an endpoint that have not ended, queued or in flight.
//!
//! Keeps its indexes in step; must not decide when anything is sent, resent or given up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use khashmir_types::Time;

use super::event::{CallId, Callee, Repeat};
use crate::{Method, TransactionId};

/// A query of ours and what is known of its fate.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) callee: Callee,
    pub(super) method: Method,
    pub(super) transaction: [u8; TransactionId::LEN],
    pub(super) payload: Bytes,
    pub(super) repeat: Repeat,
    /// `None` while it is queued.
    pub(super) flight: Option<Flight>,
}

/// A call that was sent at least once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// When it was first sent.
    pub(super) since: Time,
    /// How often it was sent.
    pub(super) sendings: u32,
    /// When to send it again or to give it up.
    pub(super) deadline: Time,
}

/// Owns no memory while it is empty: a simulation holds a million endpoints, nearly all of them idle.
#[derive(Debug, Default)]
pub(super) struct Calls {
    all: BTreeMap<CallId, Call>,
    /// Not yet sent, first come first served, and so in ascending order.
    queued: VecDeque<CallId>,
    /// In flight, by when something must be done.
    deadlines: BTreeSet<(Time, CallId)>,
    /// In flight, by whom they ask.
    by_callee: BTreeSet<(SocketAddr, CallId)>,
}

impl Calls {
    pub(super) fn enqueue(&mut self, id: CallId, call: Call) {
        self.all.insert(id, call);
        self.queued.push_back(id);
    }

    /// Takes the next call out of the queue; it must be launched.
    pub(super) fn dequeue(&mut self) -> Option<CallId> {
        self.queued.pop_front()
    }

    /// Is this call to be sent again?
    pub(super) fn repeat(&self, id: CallId) -> Repeat {
        self.all.get(&id).map_or(Repeat::Never, |call| call.repeat)
    }

    /// Notes that a call was sent, for the first time or again.
    pub(super) fn launch(&mut self, id: CallId, flight: Flight) -> Option<&Call> {
        let call = self.all.get_mut(&id)?;
        if let Some(before) = call.flight.replace(flight) {
            self.deadlines.remove(&(before.deadline, id));
        } else {
            self.by_callee.insert((call.callee.addr, id));
        }
        self.deadlines.insert((flight.deadline, id));
        Some(call)
    }

    pub(super) fn remove(&mut self, id: CallId) -> Option<Call> {
        let call = self.all.remove(&id)?;
        if let Some(flight) = call.flight {
            self.deadlines.remove(&(flight.deadline, id));
            self.by_callee.remove(&(call.callee.addr, id));
        } else if let Ok(place) = self.queued.binary_search(&id) {
            self.queued.remove(place);
        }
        if self.all.is_empty() {
            *self = Self::default();
        }
        Some(call)
    }

    /// The call that an answer from `addr` with this transaction id belongs to.
    pub(super) fn answered_by(&self, addr: SocketAddr, transaction: &TransactionId) -> Option<CallId> {
        let is_it =
            |id: &CallId| self.all.get(id).is_some_and(|call| call.transaction == transaction.as_bytes());
        self.to(addr).find(is_it)
    }

    /// Is a call in flight to `addr`?
    pub(super) fn awaits(&self, addr: SocketAddr) -> bool {
        self.to(addr).next().is_some()
    }

    /// Is a `get_value` in flight to `addr`?
    pub(super) fn awaits_values(&self, addr: SocketAddr) -> bool {
        let is_one = |id: CallId| self.all.get(&id).is_some_and(|call| call.method == Method::GetValue);
        self.to(addr).any(is_one)
    }

    /// The first call whose deadline is not after `now`.
    pub(super) fn due(&self, now: Time) -> Option<(CallId, Flight)> {
        let (_, id) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now)?;
        Some((*id, self.all.get(id)?.flight?))
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The calls in flight to `addr`, oldest first.
    pub(super) fn in_flight_to(&self, addr: SocketAddr) -> Vec<CallId> {
        self.to(addr).collect()
    }

    pub(super) fn first(&self) -> Option<CallId> {
        self.all.first_key_value().map(|(id, _)| *id)
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.len()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.deadlines.len()
    }

    /// The calls in flight to `addr`, oldest first: as a rule one.
    fn to(&self, addr: SocketAddr) -> impl Iterator<Item = CallId> {
        let all = (addr, CallId(0))..=(addr, CallId(u64::MAX));
        self.by_callee.range(all).map(|(_, id)| *id)
    }
}
