//! `Khashmir`: the handle to a running node.

use std::net::SocketAddr;

use bytes::Bytes;
use khashmir_krpc::MAX_STORABLE;
use khashmir_types::{Contact, Id};
use tokio::net::lookup_host;
use tokio::sync::{mpsc, oneshot, watch};

use crate::command::{Bootstrap, Command, Getter, MAX_COMMANDS, MAX_UNREAD_VALUES};
use crate::outcome::{Found, Holders, JoinOutcome, Outcome, Pong, Request, StoreOutcome};
use crate::{Builder, Error, Get, Refused, Statistics};

/// A running node. Clone it freely: all clones speak to the same node, from any task.
///
/// The node runs until [`shutdown`](Self::shutdown), or until the last clone is dropped, which ends it as
/// gracefully, but in the background.
///
/// Futures of this type can be dropped at any time: the operation then goes on, its outcome is lost. Only
/// [`Get`] is cancelled by dropping it.
#[derive(Clone, Debug)]
pub struct Khashmir {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) id: Id,
    pub(crate) local_addr: SocketAddr,
    /// Closed once the node has ended.
    pub(crate) alive: watch::Receiver<()>,
}

impl Khashmir {
    /// Describes a node to be started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The node's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The address the node is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Joins a network through these hosts (`host:port`, names or addresses) and whatever contacts are remembered.
    ///
    /// The hosts are remembered: the node joins again, with growing pauses, whenever it finds itself alone, also
    /// after this call has failed. Without any host, remembered contacts must do.
    ///
    /// # Errors
    /// [`Error::NotJoined`] if nobody answered; then the node goes on trying.
    pub async fn join<H: Into<String>>(
        &self,
        bootstrap: impl IntoIterator<Item = H>,
    ) -> Result<JoinOutcome, Error> {
        let hosts = bootstrap.into_iter().map(Into::into).collect();
        let bootstrap = Bootstrap::resolve_all(hosts).await;
        let unresolved = bootstrap.iter().filter_map(Bootstrap::unresolved).collect();
        let Outcome::Joined(outcome) = self.ask(|reply| Command::Join(bootstrap, reply)).await? else {
            unreachable!("a join ends in its own outcome")
        };
        if outcome.is_joined() { Ok(outcome) } else { Err(Error::NotJoined { outcome, unresolved }) }
    }

    /// Makes the acquaintance of the node at `addr`: it learns of us, and we of it.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] if it did not answer as it should.
    pub async fn add_contact(&self, addr: SocketAddr) -> Result<Pong, Error> {
        self.greet(addr, Request::AddContact { addr }).await
    }

    /// Asks the node at `addr` for a sign of life.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] if it did not answer as it should.
    pub async fn ping(&self, addr: SocketAddr) -> Result<Pong, Error> {
        self.greet(addr, Request::Ping { addr }).await
    }

    /// Finds the k nodes closest to `target` that answer.
    ///
    /// # Errors
    /// Only if it could not start.
    pub async fn find_node(&self, target: Id) -> Result<Found, Error> {
        match self.start(Request::FindNode { target }).await? {
            Outcome::Found(found) => Ok(found),
            _ => unreachable!("a find_node ends in its own outcome"),
        }
    }

    /// Finds the nodes that hold values under `key`.
    ///
    /// # Errors
    /// Only if it could not start.
    pub async fn find_value(&self, key: Id) -> Result<Holders, Error> {
        match self.start(Request::FindValue { key }).await? {
            Outcome::Holders(holders) => Ok(holders),
            _ => unreachable!("a find_value ends in its own outcome"),
        }
    }

    /// Gets the values under `key`: our own at once, those of others as they arrive.
    ///
    /// Begins at once, before the stream is read.
    pub fn get(&self, key: Id) -> Get {
        let (values_in, values) = mpsc::channel(MAX_UNREAD_VALUES);
        let (outcome_in, outcome) = oneshot::channel();
        let getter = Getter { values: values_in, outcome: outcome_in };
        let command = Command::Get(Request::Get { key }, getter);
        // A closed channel drops the getter, and with it the stream ends.
        if let Err(mpsc::error::TrySendError::Full(Command::Get(_, getter))) = self.commands.try_send(command)
        {
            // Whoever waits for the outcome learns why; nobody else cares.
            let _ = getter.outcome.send(Err(Refused::Busy { limit: MAX_COMMANDS }));
        }
        Get { values, outcome }
    }

    /// Stores `value` under `key` at the nodes closest to it, beside the values that are there already.
    ///
    /// It stays for `key_expire` (3 h by default in this network) unless it is stored again. A returned outcome does
    /// not mean that anybody has it: see [`StoreOutcome::stored`] and [`StoreOutcome::stored_here`].
    ///
    /// # Errors
    /// [`Error::ValueLength`] for an empty value or one over [`MAX_STORABLE`] bytes.
    pub async fn store(&self, key: Id, value: impl Into<Bytes>) -> Result<StoreOutcome, Error> {
        let value = value.into();
        if value.is_empty() || value.len() > MAX_STORABLE {
            return Err(Error::ValueLength { found: value.len() });
        }
        match self.start(Request::Store { key, value }).await? {
            Outcome::Stored(outcome) => Ok(outcome),
            _ => unreachable!("a store ends in its own outcome"),
        }
    }

    /// What the node has counted, and how things stand.
    ///
    /// # Errors
    /// [`Error::Closed`] if the node has been shut down.
    pub async fn stats(&self) -> Result<Statistics, Error> {
        self.query(Command::Statistics).await
    }

    /// The contacts in the routing table, those that have answered us first.
    ///
    /// # Errors
    /// [`Error::Closed`] if the node has been shut down.
    pub async fn contacts(&self) -> Result<Vec<Contact>, Error> {
        self.query(Command::Contacts).await
    }

    /// Ends the node: running operations end with what they have, the table is saved, what was stored is made
    /// durable and acknowledged, the socket and the store are closed. Returns when all that is done.
    ///
    /// Other clones of the handle get [`Error::Closed`] from then on. Shutting down twice is harmless.
    pub async fn shutdown(self) {
        // If this cannot be sent, somebody else's shutdown was first: its end is ours.
        let _ = self.commands.send(Command::Shutdown).await;
        let mut alive = self.alive;
        while alive.changed().await.is_ok() {}
    }

    async fn greet(&self, addr: SocketAddr, request: Request) -> Result<Pong, Error> {
        match self.start(request).await? {
            Outcome::Pong(pong) => pong.map_err(|failure| Error::NoAnswer { addr, failure }),
            _ => unreachable!("a greeting ends in its own outcome"),
        }
    }

    async fn start(&self, request: Request) -> Result<Outcome, Error> {
        self.ask(|reply| Command::Start(request, reply)).await
    }

    async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<Outcome, crate::Refused>>) -> Command,
    ) -> Result<Outcome, Error> {
        Ok(self.query(command).await??)
    }

    async fn query<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)
    }
}

impl Bootstrap {
    /// Resolves hosts one after the other; a few are usual, and a slow one delays only the join.
    pub(crate) async fn resolve_all(hosts: Vec<String>) -> Vec<Self> {
        let mut resolved = Vec::with_capacity(hosts.len());
        for host in hosts {
            resolved.push(Self::resolve(host).await);
        }
        resolved
    }

    async fn resolve(host: String) -> Self {
        // The protocol carries IPv4 only.
        let addrs = lookup_host(&host).await.map(|addrs| addrs.filter(SocketAddr::is_ipv4).collect());
        match addrs {
            Ok(addrs) => Self { host, addrs, error: None },
            Err(error) => Self { host, addrs: Vec::new(), error: Some(error.to_string()) },
        }
    }

    fn unresolved(&self) -> Option<(String, String)> {
        let reason = || self.error.clone().unwrap_or_else(|| "no IPv4 address".to_owned());
        self.addrs.is_empty().then(|| (self.host.clone(), reason()))
    }
}
