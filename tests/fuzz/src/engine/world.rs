//! `World`: an engine in virtual time, and all that was said between it and others.
//! Keeps the rule of use, and looks at everything that comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use khashmir::krpc::{self, Message, Method, Query, Token, TransactionId, Transmit};
use khashmir::storage::{Commit, Committed};
use khashmir::{Engine, Event, Id, MemoryStorage, OperationId, Request, Scope, StorageError, Time};

use super::{cast, checks, network};

/// A query of the engine's, as it went out.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) to: SocketAddr,
    pub(super) transaction: TransactionId,
    pub(super) method: Method,
    pub(super) payload: Bytes,
}

/// A query of somebody's that has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unanswered {
    from: SocketAddr,
    transaction: TransactionId,
    is_store: bool,
}

/// What becomes of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Works,
    Fails,
    /// The commit is under way, for as long as it takes.
    Hangs,
}

pub(super) struct World {
    engine: Engine<MemoryStorage>,
    now: Time,
    disk: Disk,
    held: Option<Commit>,
    /// The last queries of the engine's, the oldest first.
    pub(super) asked: Vec<Asked>,
    unanswered: Vec<Unanswered>,
    /// The last token that each address was given.
    tokens: BTreeMap<IpAddr, Token>,
    running: BTreeSet<OperationId>,
    /// Addresses that the user, not a peer, named.
    named: BTreeSet<SocketAddr>,
    own_stores: u64,
    /// Has a commit just succeeded, so that stores may be acknowledged?
    acknowledges: bool,
}

/// Queries of the engine's that may still be answered. Older ones may be, but not by us.
const MAX_ASKED: usize = 64;

/// Datagrams that one input may cause: all calls that can be in flight, and one to every bootstrap node there may be.
const MAX_TRANSMITS: usize = 256 + 64;

/// Wakings at one moment, after which the engine must want to sleep.
const MAX_WAKINGS: usize = 64;

/// Wakings after which every operation must have ended, if nobody answers any more.
const MAX_TURNS: usize = 20_000;

impl World {
    pub(super) fn new(settings: u8) -> Self {
        let now = Time::from_secs(1_000_000_000);
        let mut engine = Engine::new(MemoryStorage::new(), cast::settings(settings), [7; 32], now)
            .expect("the settings work, and memory is there");
        engine.add_own_addr(cast::own_addr());
        engine.set_bootstrap(&[cast::addr(8), cast::addr(251)]);
        let mut world = Self {
            engine,
            now,
            disk: Disk::Works,
            held: None,
            asked: Vec::new(),
            unanswered: Vec::new(),
            tokens: BTreeMap::new(),
            running: BTreeSet::new(),
            named: BTreeSet::from([cast::addr(8), cast::addr(251)]),
            own_stores: 0,
            acknowledges: false,
        };
        world.settle();
        world
    }

    pub(super) fn own_id(&self) -> Id {
        self.engine.id()
    }

    /// The id that the table knows at `addr`.
    pub(super) fn known_at(&self, addr: SocketAddr) -> Option<Id> {
        self.engine.table().contacts().find(|contact| contact.addr == addr).map(|contact| contact.id)
    }

    /// The token that `ip` was given, if `n` wants it and there is one; else anything.
    pub(super) fn token(&self, ip: IpAddr, n: u8) -> Token {
        let given = self.tokens.get(&ip).filter(|_| n < 200);
        given.cloned().unwrap_or_else(|| Token::new(vec![n; usize::from(n % 32)]))
    }

    pub(super) fn deliver(&mut self, from: SocketAddr, datagram: &[u8]) {
        let before = checks::Known::of(&self.engine);
        let query = match krpc::decode(datagram) {
            Ok(Message::Query { transaction, query, .. }) => {
                Some((transaction, matches!(query, Query::StoreValue { .. })))
            }
            Ok(Message::Refused { transaction, .. }) => Some((transaction, false)),
            _ => None,
        };
        if let Some((transaction, mut is_store)) = query {
            // Which of two with one transaction id is answered, nobody can tell: a reply may wait for a proof of the address.
            let twins = self
                .unanswered
                .iter_mut()
                .filter(|query| query.from == from && query.transaction == transaction);
            for twin in twins {
                (twin.is_store, is_store) = (false, false);
            }
            self.unanswered.push(Unanswered { from, transaction, is_store });
        }
        self.engine.handle_datagram(from, datagram, self.now);
        let sent = self.drain();
        checks::answers(from, datagram, &sent);
        if !checks::may_be_an_answer(datagram) {
            before.check(&self.engine);
        }
        self.settle();
    }

    /// Those asked last answer as they should, one after the other, and those that are asked because of it.
    pub(super) fn network_answers(&mut self, questions: u8, shape: u8) {
        for n in 0..questions % 64 {
            let Some(asked) = self.asked.pop() else { break };
            let pause = Duration::from_millis(u64::from(shape % 16));
            self.let_pass(pause);
            self.deliver(asked.to, &network::answer(&asked, shape.wrapping_add(n)));
        }
    }

    /// Wakes the engine when it wants to be woken.
    pub(super) fn wake(&mut self) {
        let at = self.engine.poll_timeout();
        self.now = self.now.max(at.min(self.now + cast::pause(9)));
        self.settle();
    }

    pub(super) fn let_pass(&mut self, pause: Duration) {
        self.now += pause;
        self.settle();
    }

    pub(super) fn start(&mut self, request: Request) {
        match &request {
            Request::Ping { addr } | Request::AddContact { addr } => self.named.extend([*addr]),
            Request::Join { bootstrap } => self.named.extend(bootstrap),
            _ => {}
        }
        self.own_stores += u64::from(matches!(request, Request::Store { .. }));
        if let Ok(operation) = self.engine.start(request, self.now) {
            assert!(self.running.insert(operation), "an operation's id was used before");
        }
        self.settle();
    }

    pub(super) fn cancel(&mut self, n: u8) {
        if let Some(operation) = self.running.iter().nth(usize::from(n)).copied() {
            self.running.remove(&operation);
            self.engine.cancel(operation, self.now);
            self.settle();
        }
    }

    /// From now on commits succeed, fail, or take long; one that took long ends.
    pub(super) fn commits(&mut self, n: u8) {
        self.disk = [Disk::Works, Disk::Fails, Disk::Hangs][usize::from(n % 3)];
        if let Some(commit) = self.held.take() {
            self.finish(commit);
        }
        self.settle();
    }

    pub(super) fn refuse_to_send(&mut self, to: SocketAddr) {
        self.engine.handle_send_error(to, self.now);
        self.settle();
    }

    /// Nobody says anything any more: everything must end, in bounded time and steps.
    pub(super) fn end(mut self) {
        self.commits(0);
        for _ in 0..MAX_TURNS {
            if self.running.is_empty() {
                break;
            }
            self.wake();
        }
        self.check();
        assert!(self.running.is_empty(), "operations that never end: {:?}", self.running);
        self.engine.stop(self.now);
        self.settle();
        for _ in 0..MAX_WAKINGS {
            if self.engine.is_stopped() {
                break;
            }
            self.wake();
        }
        assert!(self.engine.is_stopped());
        self.engine.close(self.now);
        self.drain();
    }

    /// Drains, and does what is due, until there is nothing left to do at this moment.
    fn settle(&mut self) {
        for _ in 0..MAX_WAKINGS {
            self.drain();
            if self.engine.poll_timeout() > self.now {
                return;
            }
            self.engine.handle_timeout(self.now);
        }
        panic!("it never sleeps: at {} it wants to wake at {}", self.now, self.engine.poll_timeout());
    }

    /// Takes everything that the engine puts out, and returns what it sent.
    fn drain(&mut self) -> Vec<Transmit> {
        let mut sent = Vec::new();
        loop {
            while let Some(transmit) = self.engine.poll_transmit() {
                assert!(sent.len() < MAX_TRANSMITS, "it never stops sending");
                self.on_transmit(&transmit);
                sent.push(transmit);
            }
            while let Some(event) = self.engine.poll_event() {
                self.on_event(event);
            }
            let Some(commit) = self.engine.poll_commit(self.now) else { return sent };
            assert!(self.held.is_none(), "two commits at a time");
            match self.disk {
                Disk::Hangs => self.held = Some(commit),
                Disk::Works | Disk::Fails => self.finish(commit),
            }
        }
    }

    fn finish(&mut self, commit: Commit) {
        let committed = if self.disk == Disk::Fails {
            let error =
                StorageError::Io { path: "fuzz".into(), source: std::io::Error::other("told to fail") };
            Committed::failed(commit.ticket(), error)
        } else {
            commit.run()
        };
        self.acknowledges = self.disk != Disk::Fails;
        self.engine.handle_committed(committed, self.now);
        while let Some(transmit) = self.engine.poll_transmit() {
            self.on_transmit(&transmit);
        }
        self.acknowledges = false;
    }

    fn on_transmit(&mut self, transmit: &Transmit) {
        let Transmit { to, payload } = transmit;
        match checks::sent(payload) {
            Message::Query { transaction, query, .. } => {
                let scope = self.engine.settings().scope;
                // Who has asked may have to prove its address.
                let is_proof = query == Query::Ping && self.unanswered.iter().any(|asked| asked.from == *to);
                let is_fine = scope.admits(*to) || is_proof && Scope::ANY.admits(*to);
                assert!(is_fine || self.named.contains(to), "{to} is asked");
                self.asked.push(Asked {
                    to: *to,
                    transaction,
                    method: query.method(),
                    payload: payload.clone(),
                });
                self.asked.drain(..self.asked.len().saturating_sub(MAX_ASKED));
            }
            Message::Reply { transaction, body } => {
                let is_store = self.settle_account(*to, transaction);
                assert!(!is_store || self.acknowledges, "acknowledged before it was durable");
                if let Ok((_, krpc::Reply::FindNode { token: Some(token), .. })) = body.read(Method::FindNode)
                {
                    self.tokens.insert(to.ip(), token);
                }
            }
            Message::Error { transaction, .. } => drop(self.settle_account(*to, transaction)),
            other => panic!("it sends {other:?}"),
        }
    }

    /// An answer must be to a query that has none yet. Says whether that was a store.
    fn settle_account(&mut self, to: SocketAddr, transaction: TransactionId) -> bool {
        let is_meant = |query: &Unanswered| query.from == to && query.transaction == transaction;
        // Of two with one transaction id, a store is answered later.
        let found =
            self.unanswered.iter().rposition(|query| is_meant(query) && query.is_store == self.acknowledges);
        let found = found.or_else(|| self.unanswered.iter().rposition(is_meant));
        let index = found.expect("nobody has asked what it answers");
        self.unanswered.remove(index).is_store
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Values { operation, values } => {
                assert!(self.running.contains(&operation) && !values.is_empty());
                assert!(values.iter().all(|value| !value.data.is_empty()));
            }
            Event::Finished { operation, outcome } => {
                let is_ours = self.running.remove(&operation);
                assert!(
                    is_ours || matches!(outcome, khashmir::Outcome::Joined(_)),
                    "it ends twice, or unasked"
                );
            }
            Event::Isolated => {}
        }
    }

    /// Looks at every limit.
    pub(super) fn check(&self) {
        checks::bounds(&self.engine, self.now, self.own_stores);
    }
}
