//! What becomes of operations: the values and outcomes that callers see. Knows no engine and no channel.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use khashmir_actions::{Holder, Tally};
use khashmir_krpc::Failure;
use khashmir_types::{Contact, Id};

/// A value found under a key, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The value, 1 byte or more. Whether it is what the application expects is for the application to check.
    pub data: Bytes,
    /// Who had it.
    pub source: Source,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Our own store.
    Local,
    /// This node, the first to send it.
    Node(Contact),
}

/// How an operation on the network went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The questions asked and what came back.
    pub tally: Tally,
    /// Did it end by its own rule, and wholly? If not, it was cut short, by its limit on queries or time or by a
    /// shutdown; or values that nobody took were dropped; or the copy kept here failed.
    pub complete: bool,
    /// From the start to the end.
    pub elapsed: Duration,
}

/// The outcome of `find_node`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The closest nodes that answered, by distance to the target; at most k. Never ourselves.
    pub closest: Vec<Contact>,
    /// Those that were heard after them, as they were suspiciously dense or sparse for the size of the network; none, as a rule.
    pub beyond: Vec<Contact>,
    /// How it went.
    pub progress: Progress,
}

/// The outcome of `find_value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// The nodes that say they have values, by distance to the key.
    pub holders: Vec<Holder>,
    /// How many values our own store has under the key.
    pub local: u64,
    /// How it went.
    pub progress: Progress,
}

/// The outcome of `get`, after its last value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetOutcome {
    /// Different values found, our own included.
    pub values: usize,
    /// How many of them came from our own store.
    pub from_local: usize,
    /// How many other nodes said that they have values.
    pub holders: usize,
    /// How it went, the search for holders and the fetching taken together.
    pub progress: Progress,
}

/// The outcome of `store`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOutcome {
    /// The nodes that acknowledged the value, by distance to the key.
    pub stored: Vec<Contact>,
    /// Was it stored durably at ourselves too? It is if we are one of the closest nodes to the key.
    pub stored_here: bool,
    /// Nodes that answered with an error or with nonsense, or whose token left no room for the value.
    pub refused: usize,
    /// Nodes that did not answer in time, or could not be sent to.
    pub timed_out: usize,
    /// How it went, the search for nodes and the storing taken together.
    pub progress: Progress,
}

/// The outcome of `join`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinOutcome {
    /// The bootstrap nodes that answered.
    pub answered: Vec<Contact>,
    /// The bootstrap nodes that did not, and why.
    pub failed: Vec<(SocketAddr, JoinFailure)>,
    /// The bootstrap nodes that were not waited for: another was quicker, or the join was cut short.
    pub unheard: Vec<SocketAddr>,
    /// Nodes near us that the first lookup found. A `Role::Client` does not look.
    pub nearby: usize,
    /// Our address as the bootstrap nodes see it, if one of them said.
    pub seen_as: Option<SocketAddrV4>,
    /// From the start to the end.
    pub elapsed: Duration,
}

impl JoinOutcome {
    /// Have we found a network?
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.nearby > 0 || !self.answered.is_empty()
    }
}

/// Why a bootstrap node is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinFailure {
    /// The [`Scope`](crate::Scope) does not admit contacts at such an address.
    #[error("a private or loopback address, which this node does not admit")]
    OutOfScope,
    /// It did not answer as it should.
    #[error(transparent)]
    Call(#[from] Failure),
}

/// The answer to a `ping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// Who answered.
    pub contact: Contact,
    /// From the question to the answer; with datagrams lost on the way, so much longer.
    pub rtt: Duration,
}

/// Something to do on the network. [`Engine::start`](crate::Engine::start) begins it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Find the k nodes closest to `target`. Ends in [`Outcome::Found`].
    FindNode {
        /// Any id.
        target: Id,
    },
    /// Find the nodes that hold values under `key`. Ends in [`Outcome::Holders`].
    FindValue {
        /// The key.
        key: Id,
    },
    /// Get the values under `key`. Brings [`Event::Values`](crate::Event::Values), ends in [`Outcome::Got`].
    Get {
        /// The key.
        key: Id,
    },
    /// Store `value` under `key` at the nodes closest to it. Ends in [`Outcome::Stored`].
    Store {
        /// The key.
        key: Id,
        /// The value: 1 byte to [`MAX_STORABLE`](crate::MAX_STORABLE).
        value: Bytes,
    },
    /// Join the network through any of these nodes, or, without any, through those in the table.
    /// Ends in [`Outcome::Joined`].
    Join {
        /// Where to begin.
        bootstrap: Vec<SocketAddr>,
    },
    /// Ask the node at this address to take us in, and take it in. Ends in [`Outcome::Pong`].
    AddContact {
        /// Where it is.
        addr: SocketAddr,
    },
    /// Ask the node at this address for a sign of life. Ends in [`Outcome::Pong`].
    Ping {
        /// Where it is.
        addr: SocketAddr,
    },
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Request::FindNode`].
    Found(Found),
    /// Of [`Request::FindValue`].
    Holders(Holders),
    /// Of [`Request::Get`].
    Got(GetOutcome),
    /// Of [`Request::Store`].
    Stored(StoreOutcome),
    /// Of [`Request::Join`].
    Joined(JoinOutcome),
    /// Of [`Request::AddContact`] and [`Request::Ping`].
    Pong(Result<Pong, Failure>),
}
