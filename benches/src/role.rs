//! `Role`: what a process of this program is for another one, and what the two say to one another.
//!
//! A role is an argument; then lines of JSON go over the standard streams: first the process says `Hello`, then it answers
//! each `Order` with numbers. It ends when its standard input does, and so never outlives whoever started it.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Send every datagram back, in another length, over the calls that a node uses.
    Echo {
        /// The core to stay on.
        core: Option<usize>,
    },
    /// Be a node.
    Node(NodeRole),
    /// Fill a store with the values of so many keys, and go on committing.
    Fill {
        /// Where the store is.
        directory: PathBuf,
        /// Of the corpus.
        keys: u64,
    },
    /// Be a network.
    Network {
        /// How many.
        nodes: usize,
        /// Where their stores are; without it they are in memory.
        directory: Option<PathBuf>,
    },
}

/// Which node to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct NodeRole {
    /// The core to stay on.
    pub(crate) core: Option<usize>,
    /// Nodes to have in the table, the nearest first.
    pub(crate) neighbours: Vec<SocketAddr>,
    /// A directory for the store; without one it is in memory.
    pub(crate) state: Option<PathBuf>,
    /// How many keys of the corpus to have values for, from the start.
    pub(crate) keys: u64,
    /// Other keys of the corpus, and how many values to have for each.
    pub(crate) large: Vec<(u64, u64)>,
}

impl Role {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// The first line of a process: it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Nodes in its table.
    pub(crate) contacts: usize,
    /// Does it stay on the core that it was given?
    pub(crate) pinned: bool,
}

/// Something to do or to tell.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// An echo's: send this many bytes back from now on.
    Answer(usize),
    /// How many calls for memory were there?
    Allocations,
    /// A store's: answer when the next commit begins.
    AwaitCommit,
    /// A network's: how many seconds did it take to start and to join?
    BuiltIn,
    /// A network's: look up random ids. The answer is what `Network::look_up` says.
    Lookups {
        /// So many at a time.
        at_once: u64,
        /// For so long.
        millis: u64,
    },
}
