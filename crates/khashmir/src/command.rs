//! What the handle asks of the driver. Bounded; every command carries the way back.

use std::net::SocketAddr;

use khashmir_types::Contact;
use tokio::sync::{mpsc, oneshot};

use crate::outcome::{GetOutcome, Outcome, Request, Value};
use crate::{Refused, Statistics};

/// Commands that wait for the driver. A caller waits for a place: back-pressure, nothing is lost.
pub(crate) const MAX_COMMANDS: usize = 256;

/// Values a get may have found that its caller has not taken yet. As many as the original retrieves at
/// most; more than that are dropped, and the outcome says that the get is not complete.
pub(crate) const MAX_UNREAD_VALUES: usize = 10_000;

#[derive(Debug)]
pub(crate) enum Command {
    /// Start an operation with one outcome.
    Start(Request, oneshot::Sender<Result<Outcome, Refused>>),
    /// Start a get, whose values come as they arrive.
    Get(Request, Getter),
    /// Join through these hosts, now and whenever we find ourselves alone.
    Join(Vec<Bootstrap>, oneshot::Sender<Result<Outcome, Refused>>),
    Statistics(oneshot::Sender<Statistics>),
    Contacts(oneshot::Sender<Vec<Contact>>),
    /// End gracefully.
    Shutdown,
}

/// A bootstrap host as the user named it, and what that name stands for at present.
#[derive(Clone, Debug)]
pub(crate) struct Bootstrap {
    pub(crate) host: String,
    pub(crate) addrs: Vec<SocketAddr>,
    /// Why it could not be resolved.
    pub(crate) error: Option<String>,
}

/// The driver's end of a get.
#[derive(Debug)]
pub(crate) struct Getter {
    pub(crate) values: mpsc::Sender<Value>,
    pub(crate) outcome: oneshot::Sender<Result<GetOutcome, Refused>>,
}
