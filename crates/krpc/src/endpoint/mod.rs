//! `Endpoint`: one node's calls in flight and the queries put to it, without I/O.
//!
//! Knows addresses, transactions and time; must not know what a query is for, or which node is worth asking.

mod answering;
mod arena;
mod calls;
mod config;
mod counters;
mod event;
mod guard;
mod pace;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use khashmir_types::{Contact, Id, Time};
use rand::Rng;
use tracing::trace;

pub use config::{ConfigError, EndpointConfig};
pub use counters::{Counters, DropReason, MethodCounters};
pub use event::{CallId, CallRefused, Callee, Delivery, Event, Failure, Repeat, ReplyTo, Transmit};

use crate::codec::{MAX_DATAGRAM, Message, ReplyBody, answer_len, decode, encode_query_padded};
use crate::message::Query;
use crate::{Level, TransactionId};
use arena::Arena;
use calls::{Call, Calls, Flight};
use guard::Guard;
use pace::Pace;

/// The KRPC of one node: asks, matches answers to questions, and passes on what others ask.
///
/// It does no I/O. The rule of use: hand in one input ([`handle_datagram`](Self::handle_datagram),
/// [`handle_timeout`](Self::handle_timeout), [`handle_send_error`](Self::handle_send_error) or any call),
/// drain [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) until both are `None`,
/// then sleep until [`poll_timeout`](Self::poll_timeout) or the next datagram.
///
/// A call ends exactly once, with [`Event::Answered`] or [`Event::Failed`], unless it was cancelled. Equal
/// inputs give equal outputs.
///
/// The queues of transmits and events have no limit of their own. They stay short if the rule is kept: a
/// datagram adds at most one answer and one event, and calls are limited by [`EndpointConfig`]. Their memory, and that of
/// replies, is used again until [`release_memory`](Self::release_memory).
#[derive(Debug)]
pub struct Endpoint {
    own_id: Id,
    config: EndpointConfig,
    calls: Calls,
    next_call: u64,
    pace: Pace,
    guard: Guard,
    replies: Arena,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    counters: Counters,
    stopped: bool,
}

#[expect(clippy::arithmetic_side_effects, reason = "of counters of 64 bits, and of times, which saturate")]
impl Endpoint {
    /// The endpoint of the node `own_id`, with secrets of its own from `rng`.
    ///
    /// # Panics
    /// If `config` does not pass [`EndpointConfig::validate`]: whoever takes it from outside asks that first.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a fault of the program, which no peer can cause")]
    pub fn new(own_id: Id, config: EndpointConfig, rng: &mut impl Rng) -> Self {
        config.validate().expect("the caller has validated the configuration");
        Self {
            own_id,
            pace: Pace::new(&config),
            guard: Guard::new(&config, rng),
            config,
            calls: Calls::default(),
            next_call: 0,
            replies: Arena::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            stopped: false,
        }
    }

    /// Asks `callee`. The query goes out at once, or when fewer than
    /// [`max_outstanding`](EndpointConfig::max_outstanding) calls are in flight and the pace allows it, in the
    /// order of calling; its timeout counts from then.
    ///
    /// # Errors
    /// If the queue is full, the query fits no datagram, or the endpoint was stopped.
    pub fn call(
        &mut self,
        callee: impl Into<Callee>,
        query: &Query,
        now: Time,
        rng: &mut impl Rng,
    ) -> Result<CallId, CallRefused> {
        self.call_with(callee, query, Repeat::UntilTimeout, now, rng)
    }

    /// As [`call`](Self::call), with a choice whether the query is sent again.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_with(
        &mut self,
        callee: impl Into<Callee>,
        query: &Query,
        repeat: Repeat,
        now: Time,
        rng: &mut impl Rng,
    ) -> Result<CallId, CallRefused> {
        if self.stopped {
            return Err(CallRefused::Stopped);
        }
        self.dispatch(now);
        if self.calls.queued() >= self.config.max_queued {
            return Err(CallRefused::QueueFull);
        }
        let transaction = TransactionId::random_bytes(rng);
        let callee = callee.into();
        let length = if self.guard.pads_for(callee.addr) { answer_len(query.method()) } else { 0 };
        // The answer to a ping is always the same, and a ping that nobody asked for had better be short.
        let level = if *query == Query::Ping { Level::ORIGINAL } else { Level::OURS };
        let payload = encode_query_padded(&transaction.into(), &self.own_id, query, level, length);
        if payload.len() > MAX_DATAGRAM {
            return Err(CallRefused::TooLong { found: payload.len(), limit: MAX_DATAGRAM });
        }
        let id = CallId(self.next_call);
        self.next_call += 1;
        let method = query.method();
        self.calls.enqueue(id, Call { callee, method, transaction, payload, repeat, flight: None });
        self.dispatch(now);
        Ok(id)
    }

    /// Forgets a call: no event will follow, and an answer is dropped. Does nothing if it has ended.
    pub fn cancel(&mut self, call: CallId) {
        self.calls.remove(call);
    }

    /// Takes a datagram that was received from `from`.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Time) {
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += datagram.len() as u64;
        if self.stopped {
            return self.drop_datagram(from, DropReason::Stopped);
        }
        // An answer to a call must come in, whatever else does. What turns out to be none is looked at again.
        let is_awaited = self.calls.awaits(from);
        if !is_awaited && !self.admit(from, datagram.len(), now) {
            return self.dispatch(now);
        }
        match decode(datagram) {
            Ok(Message::Query { .. } | Message::Refused { .. })
                if is_awaited && !self.admit(from, datagram.len(), now) => {}
            Ok(message) => self.handle_message(from, message, now),
            Err(error) => {
                trace!(%from, %error, "dropped");
                self.counters.count_drop(error.into());
            }
        }
        self.dispatch(now);
    }

    /// Does what is due: resends, gives up, sends what was queued. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((id, flight)) = self.calls.due(now) {
            if now >= flight.since + self.config.timeout {
                self.fail(id, Failure::Timeout);
            } else {
                self.send(id, flight.since, flight.sendings.saturating_add(1), now);
            }
        }
        self.dispatch(now);
    }

    /// Takes note that the operating system refused a datagram to `to`: the calls in flight to it fail.
    pub fn handle_send_error(&mut self, to: SocketAddr, now: Time) {
        for id in self.calls.in_flight_to(to) {
            self.fail(id, Failure::SendError);
        }
        self.dispatch(now);
    }

    /// Ends all calls with [`Failure::Stopped`]. From now on nothing is asked and nothing answered; what waits
    /// in [`poll_transmit`](Self::poll_transmit) may still be sent.
    pub fn stop(&mut self) {
        self.stopped = true;
        while let Some(id) = self.calls.first() {
            self.fail(id, Failure::Stopped);
        }
    }

    /// Gives back what memory is only kept to be used again. To be called when nothing is left to drain and nothing is
    /// expected soon; it costs the next datagrams a few allocations, and changes nothing else.
    pub fn release_memory(&mut self) {
        self.replies = Arena::default();
        self.transmits.shrink_to_fit();
        self.events.shrink_to_fit();
    }

    /// The next datagram to send, if there is one.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event, if there is one. Events come in the order in which they happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called next, if nothing else happens; `None` for
    /// never. May lie in the past, and may change with every input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let may_launch = self.calls.queued() > 0 && self.calls.in_flight() < self.config.max_outstanding;
        let launch = may_launch.then(|| self.pace.ready_at());
        launch.into_iter().chain(self.calls.next_deadline()).min()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Our own id, which goes out with every query and reply.
    #[must_use]
    pub const fn own_id(&self) -> Id {
        self.own_id
    }

    /// Calls that have not ended: in flight or queued.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.calls.in_flight().saturating_add(self.calls.queued())
    }

    fn handle_message(&mut self, from: SocketAddr, message: Message<'_>, now: Time) {
        match message {
            Message::Query { transaction, sender, query, level } => {
                let reply_to = ReplyTo { addr: from, transaction, method: query.method(), level };
                if self.serves(from, Some(query.method())) {
                    self.events.push_back(Event::Query { from, sender, query, reply_to });
                }
            }
            Message::Refused { transaction, method, refusal } => {
                if self.serves(from, method) {
                    self.refuse(from, &transaction, method, &refusal, now);
                }
            }
            Message::Reply { transaction, body } => match self.calls.answered_by(from, &transaction) {
                Some(id) => self.settle(id, body, now),
                None => self.drop_datagram(from, DropReason::Unexpected),
            },
            Message::Error { transaction, code, text } => match self.calls.answered_by(from, &transaction) {
                Some(id) => self.fail(id, Failure::Error { code, text }),
                None => self.drop_datagram(from, DropReason::Unexpected),
            },
            Message::UnknownType { transaction } => match self.calls.answered_by(from, &transaction) {
                Some(id) => self.fail(id, Failure::UnknownType),
                None => self.drop_datagram(from, DropReason::UnknownType),
            },
        }
    }

    /// Ends a call with the reply it got.
    fn settle(&mut self, id: CallId, body: ReplyBody<'_>, now: Time) {
        let Some(call) = self.calls.remove(id) else { return };
        let (found, reply) = match body.read(call.method) {
            Ok((found, _)) if !self.may_answer(call.callee, found) => {
                return self.report_failure(id, &call, Failure::WrongId { found });
            }
            Ok(answer) => answer,
            Err(_) => return self.report_failure(id, &call, Failure::Malformed),
        };
        self.counters.of_mut(call.method).answered += 1;
        let from = Contact::new(found, call.callee.addr);
        self.on_proof(from.addr, now);
        let only_sending = call.flight.filter(|flight| flight.sendings == 1);
        let rtt = only_sending.map(|flight| now.since(flight.since));
        self.events.push_back(Event::Answered { call: id, from, reply, rtt });
    }

    fn may_answer(&self, callee: Callee, found: Id) -> bool {
        !found.is_null() && found != self.own_id && callee.id.is_none_or(|expected| expected == found)
    }

    fn fail(&mut self, id: CallId, cause: Failure) {
        if let Some(call) = self.calls.remove(id) {
            self.report_failure(id, &call, cause);
        }
    }

    fn report_failure(&mut self, id: CallId, call: &Call, cause: Failure) {
        let Call { callee, method, .. } = *call;
        trace!(%callee, %method, %cause, "call failed");
        self.counters.of_mut(method).failed += 1;
        self.events.push_back(Event::Failed { call: id, callee, method, cause });
    }

    /// Sends queued calls as far as the limits allow.
    fn dispatch(&mut self, now: Time) {
        while self.calls.queued() > 0
            && self.calls.in_flight() < self.config.max_outstanding
            && self.pace.admits(now)
        {
            if let Some(id) = self.calls.dequeue() {
                self.send(id, now, 1, now);
            }
        }
    }

    /// Sends a call for the `sendings`-th time, the first having been at `since`.
    fn send(&mut self, id: CallId, since: Time, sendings: u32, now: Time) {
        let wait = match self.calls.repeat(id) {
            Repeat::UntilTimeout => {
                self.config.initial_delay.saturating_mul(1 << sendings.saturating_sub(1).min(31))
            }
            Repeat::Never => self.config.timeout,
        };
        let deadline = (now + wait).min(since + self.config.timeout);
        let Some(call) = self.calls.launch(id, Flight { since, sendings, deadline }) else { return };
        let (to, payload, method) = (call.callee.addr, call.payload.clone(), call.method);
        let counters = self.counters.of_mut(method);
        if sendings == 1 {
            counters.sent += 1;
        } else {
            counters.resent += 1;
        }
        self.transmit(to, payload);
    }

    /// The one way out. Calls and the codec keep to [`MAX_DATAGRAM`]; should they fail to, silence is better.
    fn transmit(&mut self, to: SocketAddr, payload: Bytes) {
        debug_assert!(payload.len() <= MAX_DATAGRAM, "longer than a datagram may be");
        if payload.len() > MAX_DATAGRAM {
            return;
        }
        self.counters.datagrams_out += 1;
        self.counters.bytes_out += payload.len() as u64;
        self.transmits.push_back(Transmit { to, payload });
    }

    fn drop_datagram(&mut self, from: SocketAddr, reason: DropReason) {
        trace!(%from, reason = reason.name(), "dropped");
        self.counters.count_drop(reason);
    }
}

#[cfg(test)]
mod tests;
