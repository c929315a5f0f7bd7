//! Answering the queries of others. One function for each method; none of them waits.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use khashmir_krpc::{Delivery, ErrorCode, MAX_DATAGRAM, Method, Query, Reply, ReplyTo, Token};
use khashmir_routing::Among;
use khashmir_storage::{Committed, Publisher, Storage, StorageError};
use khashmir_types::{Contact, Id, Time};
use rand::seq::SliceRandom;

use super::Engine;
use super::operation::Here;
use super::parked::Waiting;
use crate::Role;

/// Values read for a reply at first: if so many do not fit, more need not be read.
const FIRST_SAMPLE: usize = 32;

/// The most values that a reply to `find_value` brings along. With more of them a holder is worth asking for a choice.
const MAX_VALUES_ALONG: usize = 8;

/// The most values worth reading for one reply: the shortest takes 3 bytes of the datagram.
const MAX_VALUES_IN_REPLY: usize = MAX_DATAGRAM / 3;

impl<S: Storage> Engine<S> {
    /// Answers a query, then lets the table know who asked. The sender's id is never null; it may be ours.
    pub(super) fn serve(
        &mut self,
        from: SocketAddr,
        sender: Id,
        query: Query,
        reply_to: &ReplyTo,
        now: Time,
    ) {
        if !self.settings.role.serves(query.method()) {
            return self.endpoint.reply_error(reply_to, ErrorCode::UnknownMethod, now);
        }
        let sender = Contact::new(sender, from);
        match self.answer(from, query, reply_to, now) {
            Ok(Some(reply)) => {
                if self.endpoint.reply(reply_to, &reply, now) == Delivery::NeedsProof {
                    self.ask_for_proof(sender, now);
                }
                self.scratch.take_back(reply);
            }
            Ok(None) => {}
            Err(code) => self.endpoint.reply_error(reply_to, code, now),
        }
        if self.admits(&sender) {
            self.table.on_query(sender, now);
        }
    }

    /// The reply to a query, or `None` if it comes later.
    fn answer(
        &mut self,
        from: SocketAddr,
        query: Query,
        reply_to: &ReplyTo,
        now: Time,
    ) -> Result<Option<Reply>, ErrorCode> {
        Ok(Some(match query {
            Query::Ping => Reply::Ping,
            Query::Join => Reply::Join { addr: seen_as(from) },
            Query::FindNode { target } => {
                let token = self.takes_stores().then(|| Token::from(self.tokens.issue(from.ip())));
                Reply::FindNode { nodes: self.closest(&target), token }
            }
            Query::FindValue { key } => {
                let num = self.storage.count(&key).map_err(server_error)?;
                let values = self.values_along(&key, num, reply_to)?;
                Reply::FindValue { nodes: self.closest(&key), num, values }
            }
            Query::GetValue { key, num } => Reply::GetValue { values: self.values(&key, num, reply_to)? },
            Query::StoreValue { key, value, token } => {
                self.keep(from, &key, &value, &token, reply_to, now)?;
                return Ok(None);
            }
        }))
    }

    /// Only nodes that have answered us are named to others.
    fn closest(&mut self, target: &Id) -> Vec<Contact> {
        let mut nodes = self.scratch.nodes();
        self.table.closest_into(target, self.settings.table.k, Among::Proven, &mut nodes);
        nodes
    }

    /// All values of `key`, for an asker that takes them at once, if they are few: it need not ask again.
    fn values_along(&mut self, key: &Id, num: u64, reply_to: &ReplyTo) -> Result<Vec<Bytes>, ErrorCode> {
        match usize::try_from(num) {
            Ok(num @ 1..=MAX_VALUES_ALONG) if reply_to.level().takes_values() => self.sample(key, num),
            _ => Ok(Vec::new()),
        }
    }

    /// A sample of the values of `key`: those that a reply can carry, as long as there are any.
    fn values(&mut self, key: &Id, num: u64, reply_to: &ReplyTo) -> Result<Vec<Bytes>, ErrorCode> {
        let limit = match usize::try_from(num) {
            Ok(0) | Err(_) => MAX_VALUES_IN_REPLY,
            Ok(num) => num.min(MAX_VALUES_IN_REPLY),
        };
        let fits = |value: &Bytes| reply_to.fits(std::slice::from_ref(value));
        let mut values = self.sample(key, limit.min(FIRST_SAMPLE))?;
        if limit > FIRST_SAMPLE && values.len() == FIRST_SAMPLE && reply_to.fits(&values) {
            values = self.sample(key, limit)?;
        }
        if limit < MAX_VALUES_IN_REPLY && !values.iter().all(fits) {
            // Only a store that others have filled, or a long transaction id, brings us here.
            let mut more = self.sample(key, MAX_VALUES_IN_REPLY)?;
            more.retain(fits);
            more.truncate(limit);
            if !more.is_empty() {
                values = more;
            }
        }
        if !reply_to.fits(&values) {
            // Chance decides which are sent, or the others would be hidden for good.
            values.shuffle(&mut self.rng);
        }
        Ok(values)
    }

    fn sample(&mut self, key: &Id, limit: usize) -> Result<Vec<Bytes>, ErrorCode> {
        let mut values = self.scratch.values();
        self.storage.sample_into(key, limit, &mut self.rng, &mut values).map_err(server_error)?;
        Ok(values)
    }

    /// Stages a value and parks its acknowledgement until it is durable.
    fn keep(
        &mut self,
        from: SocketAddr,
        key: &Id,
        value: &[u8],
        token: &Token,
        reply_to: &ReplyTo,
        now: Time,
    ) -> Result<(), ErrorCode> {
        if !self.tokens.is_valid(from.ip(), token.as_bytes()) {
            return Err(ErrorCode::InvalidToken);
        }
        self.endpoint.on_proof(from, now);
        if self.parked.len() >= self.settings.max_parked || !self.takes_stores() {
            return Err(ErrorCode::Server);
        }
        let publisher = self.publisher(from.ip());
        let ticket = self.storage.put(key, value, publisher, self.storage_time(now)).map_err(server_error)?;
        self.parked.park(ticket, Waiting::Peer(*reply_to));
        Ok(())
    }

    /// On whose account a value from `ip` goes. What the endpoint does not limit has no quota either.
    fn publisher(&self, ip: IpAddr) -> Publisher {
        let is_exempt = self.settings.calls.is_loopback_exempt && ip.is_loopback();
        if is_exempt { Publisher::Ourselves } else { Publisher::at(ip) }
    }

    /// Could a value be stored here now? While it could not, stores are refused at once, so that nothing more gathers, and
    /// nobody gets a token for one.
    fn takes_stores(&self) -> bool {
        self.settings.role.serves(Method::StoreValue) && !self.stopping && self.storage_error().is_none()
    }

    /// Tells all who still wait that their values may be lost: nothing will be committed any more.
    pub(super) fn release_all_parked(&mut self, now: Time) {
        while let Some(waiting) = self.parked.release_any() {
            match waiting {
                Waiting::Peer(reply_to) => self.endpoint.reply_error(&reply_to, ErrorCode::Server, now),
                Waiting::Ourselves(id) => self.on_stored_here(id, Here::Failed, now),
            }
        }
    }

    /// Answers those whose values a commit covers: durable, or not.
    pub(super) fn release_parked(&mut self, committed: Committed, now: Time) {
        let ticket = committed.ticket();
        let durable = match self.storage.on_committed(committed) {
            Ok(_) => {
                self.activity.on_commit(Ok(()));
                true
            }
            Err(error) => {
                tracing::debug!(%error, "commit failed");
                self.activity.on_commit(Err(&error));
                self.schedule.on_commit_failed(now);
                false
            }
        };
        while let Some(waiting) = self.parked.release(ticket) {
            match waiting {
                Waiting::Peer(reply_to) if durable => {
                    // Its token has proved the address.
                    let _ = self.endpoint.reply(&reply_to, &Reply::StoreValue, now);
                }
                Waiting::Peer(reply_to) => self.endpoint.reply_error(&reply_to, ErrorCode::Server, now),
                Waiting::Ourselves(id) => {
                    self.on_stored_here(id, if durable { Here::Durable } else { Here::Failed }, now);
                }
            }
        }
    }
}

impl Role {
    /// Does a node of this role answer `query`?
    fn serves(self, method: Method) -> bool {
        use Method::{FindNode, FindValue, GetValue, Join, Ping, StoreValue};
        match method {
            // A client's endpoint lets no ping through but of those it asks.
            Ping => true,
            Join | FindNode => self >= Self::Base,
            FindValue | GetValue => self >= Self::Read,
            StoreValue => self >= Self::Write,
        }
    }
}

/// What a peer's address looks like from here, where the protocol can say it.
fn seen_as(from: SocketAddr) -> Option<std::net::SocketAddrV4> {
    match from {
        SocketAddr::V4(addr) => Some(addr),
        SocketAddr::V6(_) => None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn server_error(error: StorageError) -> ErrorCode {
    tracing::debug!(%error, "store not reached");
    ErrorCode::Server
}
