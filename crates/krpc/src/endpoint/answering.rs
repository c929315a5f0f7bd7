//! Answering: who may ask, and what goes out to whom. Knows the guard's word, not its reasons.

use std::net::SocketAddr;

use bytes::Bytes;
use khashmir_types::Time;

use super::{Delivery, DropReason, Endpoint, ReplyTo};
use crate::codec::{PING_LEN, ReplyTooLong, encode_error};
use crate::message::{ErrorCode, Refusal, Reply};
use crate::{Level, Method, TransactionId};

#[expect(clippy::arithmetic_side_effects, reason = "of counters of 64 bits")]
impl Endpoint {
    /// Answers a query. `reply` must be to the method that was asked for.
    ///
    /// Of the values of a `get_value`, those are sent that fit the datagram; those of a `find_value` only if all of
    /// them fit and the asker takes them. A reply that does not fit at all becomes error 206.
    ///
    /// If [`EndpointConfig::demands_proof`](super::EndpointConfig::demands_proof) says so, an address that has not proved itself gets no more than came from there:
    /// [`Delivery`] says what is to be done then.
    pub fn reply(&mut self, to: &ReplyTo, reply: &Reply, now: Time) -> Delivery {
        debug_assert_eq!(reply.method(), to.method, "a reply of another kind than the query");
        if self.stopped {
            return Delivery::Dropped;
        }
        let Ok(payload) = self.encode(to, reply, to.level) else {
            self.reply_error(to, ErrorCode::ReplyTooLong, now);
            return Delivery::Sent;
        };
        if self.guard.affords(to.addr, payload.len(), now) {
            self.transmit(to.addr, payload);
            return Delivery::Sent;
        }
        // Values that come along with something else can be asked for.
        if let Ok(plain) = self.encode(to, reply, Level::ORIGINAL)
            && plain.len() < payload.len()
            && self.guard.affords(to.addr, plain.len(), now)
        {
            self.transmit(to.addr, plain);
            return Delivery::Sent;
        }
        self.keep_back(to.addr, &payload, now)
    }

    /// Answers a query with an error. An address that has not proved itself gets none that is larger than its query.
    pub fn reply_error(&mut self, to: &ReplyTo, code: ErrorCode, now: Time) {
        if !self.stopped {
            self.refuse(to.addr, &to.transaction, Some(to.method), &code.into(), now);
        }
    }

    /// Takes note that whoever is at `addr` has echoed a random value of ours other than a transaction id, which an endpoint
    /// notes by itself: a token.
    pub fn on_proof(&mut self, addr: SocketAddr, now: Time) {
        for payload in self.guard.on_proof(addr, now) {
            self.transmit(addr, payload);
        }
    }

    /// May a ping that nobody asked for go to `addr` now? If so, it counts. Not if that address has not proved itself and would
    /// get more than came from there.
    pub fn affords_ping(&mut self, addr: SocketAddr, now: Time) -> bool {
        self.guard.affords(addr, PING_LEN, now)
    }

    /// Does a reply wait for a proof of this address, so that it is being pinged?
    #[must_use]
    pub fn awaits_proof(&self, addr: SocketAddr) -> bool {
        self.guard.awaits_proof(addr)
    }

    /// May a datagram that is not awaited come in?
    pub(super) fn admit(&mut self, from: SocketAddr, len: usize, now: Time) -> bool {
        let standing = self.guard.standing(from, now);
        let admitted = self.guard.admit(from, standing, len, now);
        admitted.map_err(|reason| self.drop_datagram(from, reason)).is_ok()
    }

    /// Counts a query, and says whether it is answered.
    pub(super) fn serves(&mut self, from: SocketAddr, method: Option<Method>) -> bool {
        match method {
            Some(method) => self.counters.of_mut(method).received += 1,
            None => self.counters.unknown += 1,
        }
        // Whoever is silent must answer those who want a proof of its address before they say more. Only values are so large
        // that they do, as other queries are as long as their answers.
        let is_proof = || method == Some(Method::Ping) && self.calls.awaits_values(from);
        let serves = self.config.answers_queries || is_proof();
        if !serves {
            self.drop_datagram(from, DropReason::Unserved);
        }
        serves
    }

    fn encode(&mut self, to: &ReplyTo, reply: &Reply, level: Level) -> Result<Bytes, ReplyTooLong> {
        let is_drained = self.transmits.is_empty();
        self.replies.encode(&to.transaction, &self.own_id, reply, level, is_drained)
    }

    /// Keeps a reply back until its address has proved itself, in memory of its own.
    fn keep_back(&mut self, to: SocketAddr, payload: &[u8], now: Time) -> Delivery {
        let delivery = self.guard.keep(to, Bytes::copy_from_slice(payload), PING_LEN, now);
        if delivery == Delivery::Dropped {
            self.drop_datagram(to, DropReason::Unproven);
        } else {
            self.counters.withheld += 1;
        }
        delivery
    }

    pub(super) fn refuse(
        &mut self,
        to: SocketAddr,
        transaction: &TransactionId,
        method: Option<Method>,
        refusal: &Refusal,
        now: Time,
    ) {
        if let Some(method) = method {
            self.counters.of_mut(method).refused += 1;
        }
        let payload = encode_error(transaction, refusal);
        if self.guard.affords(to, payload.len(), now) {
            self.transmit(to, payload);
        } else {
            self.drop_datagram(to, DropReason::Unproven);
        }
    }
}
