//! `Engine`: the whole node as a state machine without I/O. Joins the layers; what they do is theirs.
//! Knows no clock, no socket, no runtime: time, datagrams and commits come in, wishes go out.

mod ageing;
mod join;
mod operation;
mod operations;
mod parked;
mod patience;
mod recent;
mod reunion;
mod scratch;
mod serve;
mod stages;
mod statistics;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

use khashmir_krpc::{CallId, Endpoint, EndpointConfig, Transmit};
use khashmir_routing::{KNode, KTable};
use khashmir_storage::{Commit, Committed, Storage, StorageError};
use khashmir_types::{Contact, Id, Time};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use crate::outcome::{Outcome, Value};
use crate::tokens::Tokens;
use crate::{Role, Settings, SettingsError};

use ageing::Ageing;
use join::Membership;
use operation::Operation;
pub use operation::OperationId;
use parked::Parked;
use patience::Patience;
use recent::Recent;
use reunion::Reunion;
use scratch::Scratch;
use statistics::Activity;
pub use statistics::{Delays, MethodStatistics, Statistics};
use upkeep::Schedule;

/// A node of the DHT, without I/O.
///
/// The rule of use: hand in one input (`handle_*`, [`start`](Self::start), [`cancel`](Self::cancel),
/// [`stop`](Self::stop)), drain [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event) and
/// [`poll_commit`](Self::poll_commit) until each says `None`, then wait until
/// [`poll_timeout`](Self::poll_timeout) or the next input. `now` must not go backwards.
///
/// Equal seed and equal inputs give equal outputs, byte for byte.
#[derive(Debug)]
pub struct Engine<S> {
    id: Id,
    settings: Settings,
    rng: ChaCha12Rng,
    endpoint: Endpoint,
    table: KTable,
    storage: S,
    tokens: Tokens,
    operations: BTreeMap<OperationId, Operation>,
    next_operation: u64,
    /// When operations want to be polled, each at most once: in step with `Operation::wakes`.
    wakes: BTreeSet<(Time, OperationId)>,
    /// Operations that wait for room in the endpoint's queue of calls, the oldest first.
    stalled: BTreeSet<OperationId>,
    /// What each call in flight is for. Bounded by the endpoint's own limits.
    calls: HashMap<CallId, Pending>,
    parked: Parked,
    ageing: Ageing,
    schedule: Schedule,
    membership: Membership,
    activity: Activity,
    patience: Patience,
    reunion: Reunion,
    recent: Recent,
    scratch: Scratch,
    /// Drained by the caller after every input, and so as short as what one input brings about.
    events: VecDeque<Event>,
    stopping: bool,
}

/// What the engine tells about the operations it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// New values of a get, in order of arrival, none twice.
    Values {
        /// The get.
        operation: OperationId,
        /// At least one.
        values: Vec<Value>,
    },
    /// An operation has ended. Its last event; there is exactly one, unless it was cancelled. Joins that the engine
    /// began by itself end so too.
    Finished {
        /// The operation.
        operation: OperationId,
        /// What became of it.
        outcome: Outcome,
    },
    /// We know no living node and are about to join again. Whoever knows bootstrap nodes by name does well to
    /// resolve the names anew and to call [`Engine::set_bootstrap`].
    Isolated,
}

/// A call in flight.
#[derive(Clone, Copy, Debug)]
struct Pending {
    purpose: Purpose,
    since: Time,
}

/// What a call in flight is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// An operation's action asked.
    Operation(OperationId),
    /// An operation speaks to an address whose node it does not know yet.
    Introduction(OperationId),
    /// The table wished it.
    Upkeep,
    /// Somebody whom we had lost may be there again.
    Reunion,
    /// A stranger is to prove its address, as a reply waits.
    Proof,
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A setting cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl<S: Storage> Engine<S> {
    /// A node over `storage`: with the id and the contacts remembered there, or a new id if there is none.
    ///
    /// All its randomness comes from `seed`, which must be unpredictable to others.
    ///
    /// # Errors
    /// If a setting cannot work, or the store cannot be read or written.
    pub fn new(mut storage: S, settings: Settings, seed: [u8; 32], now: Time) -> Result<Self, EngineError> {
        settings.validate()?;
        let mut rng = ChaCha12Rng::from_seed(seed);
        let id = match storage.own_id()? {
            Some(id) => id,
            None => Id::random(&mut rng),
        };
        // Saved at once, not at the first checkpoint: a node that lives a few seconds keeps its id too.
        storage.set_own_id(id)?;
        let mut table = KTable::new(id, settings.table, now);
        table
            .load(storage.contacts()?.into_iter().filter(|contact| settings.scope.admits(contact.addr)), now);
        Ok(Self::assemble(storage, settings, table, rng, now))
    }

    /// A node over `storage` that goes on with `table`, its id included, instead of asking the contacts remembered in
    /// storage: as if it had never stopped. For simulations, and for whoever keeps tables elsewhere.
    ///
    /// The table keeps its own settings; those in `settings` are for nothing. All its contacts count as admitted.
    ///
    /// # Errors
    /// If a setting cannot work, or the store cannot be written.
    pub fn resume(
        mut storage: S,
        settings: Settings,
        table: KTable,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Self, EngineError> {
        settings.validate()?;
        storage.set_own_id(table.own_id())?;
        let mut engine = Self::assemble(storage, settings, table, ChaCha12Rng::from_seed(seed), now);
        let nodes = engine.table.buckets().flat_map(|(_, bucket)| bucket.nodes());
        nodes.filter_map(KNode::rtt).for_each(|rtt| engine.patience.on_rtt(rtt));
        Ok(engine)
    }

    fn assemble(mut storage: S, settings: Settings, table: KTable, mut rng: ChaCha12Rng, now: Time) -> Self {
        let id = table.own_id();
        storage.set_limits(settings.limits);
        let answers_queries = settings.role != Role::Client;
        Self {
            id,
            endpoint: Endpoint::new(
                id,
                EndpointConfig { answers_queries, ..settings.calls.clone() },
                &mut rng,
            ),
            table,
            ageing: Ageing::new(settings.key_expire, storage.latest(), now),
            storage,
            tokens: Tokens::new(&mut rng),
            operations: BTreeMap::new(),
            next_operation: 0,
            wakes: BTreeSet::new(),
            stalled: BTreeSet::new(),
            calls: HashMap::new(),
            parked: Parked::default(),
            schedule: Schedule::new(&settings, now),
            membership: Membership::default(),
            activity: Activity::new(now),
            patience: Patience::default(),
            reunion: Reunion::default(),
            recent: Recent::default(),
            scratch: Scratch::default(),
            events: VecDeque::new(),
            stopping: false,
            rng,
            settings,
        }
    }

    /// Takes in a datagram. Whatever it holds, it is never an error of ours.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Time) {
        self.endpoint.handle_datagram(from, datagram, now);
        self.settle(now);
    }

    /// Lets time pass. To be called at [`poll_timeout`](Self::poll_timeout); harmless at any other moment.
    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        while let Some(&(at, operation)) = self.wakes.first()
            && at <= now
        {
            self.wakes.pop_first();
            self.advance(operation, now);
        }
        self.run_schedule(now);
        self.settle(now);
    }

    /// Takes in that a datagram to `to` could not be sent.
    pub fn handle_send_error(&mut self, to: SocketAddr, now: Time) {
        self.endpoint.handle_send_error(to, now);
        self.settle(now);
    }

    /// Takes in how a commit went, and answers those who waited for it.
    pub fn handle_committed(&mut self, committed: Committed, now: Time) {
        self.release_parked(committed, now);
        self.settle(now);
    }

    /// Names the bootstrap nodes to join through whenever we find ourselves alone. At most 64 are kept.
    pub fn set_bootstrap(&mut self, bootstrap: &[SocketAddr]) {
        self.membership.set_bootstrap(bootstrap);
    }

    /// Names an address of our own, so that we do not ask ourselves over the wire. At most 8 are kept. What peers
    /// say about our address does not count: a liar could keep us from asking another node.
    pub fn add_own_addr(&mut self, addr: SocketAddr) {
        self.membership.add_own_addr(addr);
    }

    /// The next datagram to send.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next commit to run, off the packet path; hand its result to
    /// [`handle_committed`](Self::handle_committed). There is at most one at a time.
    #[must_use]
    pub fn poll_commit(&mut self, now: Time) -> Option<Commit> {
        if self.schedule.may_commit(now) { self.storage.begin_commit() } else { None }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; [`Time::FAR_FUTURE`] for never. May change with every
    /// input.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        let wake = self.wakes.first().map(|(at, _)| *at);
        let schedule = self.schedule.next(self.stopping);
        [self.endpoint.poll_timeout(), self.upkeep_timeout(), wake, self.membership.rejoin_at(), schedule]
            .into_iter()
            .flatten()
            .fold(Time::FAR_FUTURE, Time::min)
    }

    /// Gives back what memory is only kept to be used again for the next datagrams. To be called by whoever has many engines
    /// when nothing is left to drain and nothing is expected soon. Changes nothing else.
    pub fn release_memory(&mut self) {
        self.endpoint.release_memory();
        self.scratch = Scratch::default();
        self.events.shrink_to_fit();
    }

    /// Our own id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The routing table.
    #[must_use]
    pub fn table(&self) -> &KTable {
        &self.table
    }

    /// The store.
    #[must_use]
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// What was counted of datagrams, calls and queries.
    #[must_use]
    pub fn traffic(&self) -> &khashmir_krpc::Counters {
        self.endpoint.counters()
    }

    /// Do we know at least one living node?
    #[must_use]
    pub fn is_joined(&self) -> bool {
        !self.table.is_isolated()
    }

    /// Why the last commit failed, if no other has succeeded since: then stores are refused with error 201,
    /// and everything else goes on.
    #[must_use]
    pub fn storage_error(&self) -> Option<&str> {
        self.activity.storage_error()
    }

    /// Has [`stop`](Self::stop) been called, and is everything durable that had to be?
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping && self.parked.len() == 0 && self.storage.staged() == 0
    }

    /// Works off what an input has brought about.
    fn settle(&mut self, now: Time) {
        self.drain_endpoint(now);
        self.resume_stalled(now);
        self.run_upkeep(now);
        self.watch_membership(now);
    }

    /// The time to store values with.
    fn storage_time(&self, now: Time) -> Time {
        self.ageing.storage_time(now)
    }

    /// Would one more call find a place in the endpoint's queue?
    fn has_call_room(&self) -> bool {
        self.endpoint.open_calls() < self.settings.calls.max_queued
    }

    /// May `contact` be asked, remembered and handed on?
    fn admits(&self, contact: &Contact) -> bool {
        !contact.id.is_null()
            && contact.id != self.id
            && self.settings.scope.admits(contact.addr)
            && !self.membership.is_own_addr(contact.addr)
    }
}

#[cfg(test)]
mod tests;
