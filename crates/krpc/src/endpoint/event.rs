//! What goes in and out of an endpoint, as values.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir_types::{Contact, Id};

use crate::codec::fits;
use crate::message::{Query, Reply};
use crate::{Level, Method, TransactionId};

/// Names one call of one endpoint. Later calls have greater names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// Whom a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Callee {
    /// The address asked. Only an answer from exactly this address counts.
    pub addr: SocketAddr,
    /// The id that must answer; `None` if any may.
    pub id: Option<Id>,
}

impl From<Contact> for Callee {
    /// The contact's id must answer, or any if it is null.
    fn from(contact: Contact) -> Self {
        Self { addr: contact.addr, id: Some(contact.id).filter(|id| !id.is_null()) }
    }
}

impl From<SocketAddr> for Callee {
    /// Any id may answer.
    fn from(addr: SocketAddr) -> Self {
        Self { addr, id: None }
    }
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => Contact::new(id, self.addr).fmt(f),
            None => self.addr.fmt(f),
        }
    }
}

/// Is a query that is not answered sent again?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Yes, after growing pauses, until it times out.
    #[default]
    UntilTimeout,
    /// No. For an address that has not proved itself: it may belong to a victim.
    Never,
}

/// Where an answer to a query goes. May be kept until the answer is known; costs nothing at the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    pub(super) addr: SocketAddr,
    pub(super) transaction: TransactionId,
    pub(super) method: Method,
    pub(super) level: Level,
}

impl ReplyTo {
    /// The address the query came from.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What was asked.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// What the asker says it understands; a reply to it may hold what the original does not know.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Do all of `values` fit one reply to this `get_value`? If not, [`Endpoint::reply`](crate::Endpoint::reply)
    /// sends the first that do.
    #[must_use]
    pub fn fits(&self, values: &[Bytes]) -> bool {
        fits(&self.transaction, values)
    }
}

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// It goes out.
    Sent,
    /// It is kept back, as its address may be forged and it is larger than the query: send one ping to that address, once
    /// ([`Repeat::Never`]). It goes out when the ping is answered.
    NeedsProof,
    /// It is kept back, and its address is being pinged already.
    Waits,
    /// It is dropped: too much waits for proofs, or nothing may be sent any more.
    Dropped,
}

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// At most [`MAX_DATAGRAM`](crate::MAX_DATAGRAM) bytes. May share memory with others that were sent at that time:
    /// whoever keeps it for long copies it.
    pub payload: Bytes,
}

/// Something that the user of an endpoint must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody asks. The address may be forged.
    Query {
        /// Where the query came from.
        from: SocketAddr,
        /// The id that the sender claims: never null, perhaps our own.
        sender: Id,
        /// The question.
        query: Query,
        /// For [`Endpoint::reply`](crate::Endpoint::reply) or
        /// [`Endpoint::reply_error`](crate::Endpoint::reply_error).
        reply_to: ReplyTo,
    },
    /// A call of ours was answered. The callee has thereby proved its address.
    Answered {
        /// The call; it has ended.
        call: CallId,
        /// Who answered: the id expected, or the one found; never null, never our own.
        from: Contact,
        /// The answer, to the method that was called.
        reply: Reply,
        /// From sending to answer; `None` if the query was sent more than once, as nobody knows which of them
        /// was answered (Karn's rule).
        rtt: Option<Duration>,
    },
    /// A call of ours failed.
    Failed {
        /// The call; it has ended.
        call: CallId,
        /// Who was called.
        callee: Callee,
        /// What was asked.
        method: Method,
        /// Why.
        cause: Failure,
    },
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The callee answered with an error: it lives, but will not do this.
    #[error("error {code}: {text}")]
    Error {
        /// The error's number, see [`ErrorCode`](crate::ErrorCode); any is possible.
        code: i64,
        /// The start of the callee's text, made printable. Not to be relied upon.
        text: String,
    },
    /// No answer in time (the original's local error 102).
    #[error("no answer")]
    Timeout,
    /// Another id answered than the one expected, or the null id, or our own.
    #[error("answered by {found}")]
    WrongId {
        /// The id that answered.
        found: Id,
    },
    /// The answer has no usable id.
    #[error("malformed answer")]
    Malformed,
    /// The answer is a message of an unknown type (the original's local error 101).
    #[error("answer of unknown type")]
    UnknownType,
    /// The operating system refused to send to this address.
    #[error("could not be sent")]
    SendError,
    /// The endpoint was stopped (the original's local error 103).
    #[error("stopped")]
    Stopped,
}

/// Why a call was not begun. Nothing was sent, and no event will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallRefused {
    /// [`EndpointConfig::max_queued`](crate::EndpointConfig::max_queued) calls wait already; try again when one
    /// has ended.
    #[error("too many calls are waiting to be sent")]
    QueueFull,
    /// The query fits no datagram; only a `store_value` with too large a value does not, see
    /// [`max_storable`](crate::max_storable).
    #[error("the query has {found} bytes, a datagram at most {limit}")]
    TooLong {
        /// Bytes in the query.
        found: usize,
        /// [`MAX_DATAGRAM`](crate::MAX_DATAGRAM).
        limit: usize,
    },
    /// The endpoint was stopped.
    #[error("the endpoint was stopped")]
    Stopped,
}
