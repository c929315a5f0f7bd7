//! What can go wrong for a caller of the handle.

use std::io;
use std::net::SocketAddr;

use khashmir_krpc::Failure;
use khashmir_storage::StorageError;

use crate::SettingsError;
use crate::outcome::JoinOutcome;

/// Why an operation did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Too much is under way. Trying again later may succeed.
    #[error("{limit} operations are running or waiting already; wait for one to end")]
    Busy {
        /// How many may: [`Settings::max_operations`](crate::Settings::max_operations), or 256 that wait to start.
        limit: usize,
    },
    /// The node is being shut down.
    #[error("the node is being shut down")]
    Stopping,
    /// The value cannot be stored.
    #[error("a value has 1 to {max} bytes, this has {found}", max = crate::MAX_STORABLE)]
    ValueLength {
        /// Bytes in the value.
        found: usize,
    },
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy { limit } => Self::Busy { limit },
            Refused::Stopping => Self::Closed,
            Refused::ValueLength { found } => Self::ValueLength { found },
        }
    }
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be bound: in use, not ours, or not allowed.
    #[error("cannot bind {addr}: {source}{}", bind_advice(source))]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The protocol names contacts by IPv4 addresses only.
    #[error(
        "cannot bind {addr}: the protocol carries IPv4 contacts only; bind an IPv4 address such as 0.0.0.0"
    )]
    NotIpv4 {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The store cannot be opened or read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The directory for the store cannot be made.
    #[error("cannot make the directory {}: {source}; choose another", path.display())]
    State {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A setting cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The system gives no randomness.
    #[error("the system gives no random bytes for a seed: {0}")]
    Randomness(String),
}

fn bind_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program has this port: stop it, or choose another port (0 takes any free one)"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for root: choose a higher one",
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        _ => "",
    }
}

/// Why an operation gave no outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too much is under way. Trying again later may succeed.
    #[error("{limit} operations are running or waiting already; wait for one to end")]
    Busy {
        /// How many may: [`Settings::max_operations`](crate::Settings::max_operations), or 256 that wait to start.
        limit: usize,
    },
    /// The node has been shut down.
    #[error("the node has been shut down")]
    Closed,
    /// The value cannot be stored.
    #[error("a value has 1 to {max} bytes, this has {found}; store larger content elsewhere and its address here", max = crate::MAX_STORABLE)]
    ValueLength {
        /// Bytes in the value.
        found: usize,
    },
    /// The node that was asked did not answer as it should.
    #[error("{addr} did not answer as it should: {failure}")]
    NoAnswer {
        /// Whom we asked.
        addr: SocketAddr,
        /// What happened instead.
        failure: Failure,
    },
    /// No node of a network was found.
    #[error("{}", not_joined(.outcome, .unresolved))]
    NotJoined {
        /// Whom we asked, and what happened.
        outcome: JoinOutcome,
        /// Bootstrap hosts whose names could not be resolved, and why.
        unresolved: Vec<(String, String)>,
    },
}

impl Error {
    /// May the same call succeed later, without changing anything?
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::NoAnswer { .. } | Self::NotJoined { .. })
    }
}

fn not_joined(outcome: &JoinOutcome, unresolved: &[(String, String)]) -> String {
    let failed = outcome.failed.iter().map(|(addr, failure)| format!("{addr}: {failure}"));
    let unheard = outcome.unheard.iter().map(|addr| format!("{addr}: not waited for"));
    let unresolved = unresolved.iter().map(|(host, error)| format!("{host}: {error}"));
    let reasons: Vec<String> = failed.chain(unheard).chain(unresolved).collect();
    if reasons.is_empty() {
        "no bootstrap node is named and no contact is remembered".to_owned()
    } else {
        format!("no bootstrap node answered ({})", reasons.join(", "))
    }
}
