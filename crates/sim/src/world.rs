//! `World`: a network of engines in virtual time, from one seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use khashmir::krpc::Transmit;
use khashmir::{Contact, Engine, OperationId, Request, Settings, Time};

use crate::address::{Addresses, HostId};
use crate::chance::mix;
use crate::counts::Counts;
use crate::disk::Disk;
use crate::event::{Due, Switch, What};
use crate::host::{Clock, Ended, Host, Occupant, Received};
use crate::links::Links;
use crate::shard::Shard;
use crate::terrain::{Sent, Terrain};

mod adversaries;
mod faults;
mod quick_start;
mod requests;
mod run;
mod turnstile;

/// When every world begins: September 2001.
pub(crate) const START: Time = Time::from_secs(1_000_000_000);

/// Virtual time after which an operation that has not ended never will: a store is two actions of at most 60 s.
const LONGEST_OPERATION: Duration = Duration::from_secs(180);

/// Most hosts of a world: as many addresses as there are for them.
const MAX_HOSTS: usize = 1 << 30;

/// A network of shipped engines in virtual time.
///
/// Everything follows from the seed: equal seeds and equal calls give equal worlds, datagram for datagram, whatever the
/// number of threads. [`digest`](Self::digest) is how to see that they do.
#[derive(Debug)]
pub struct World {
    now: Time,
    terrain: Terrain,
    /// Host `n` is in shard `n % shards.len()`.
    shards: Vec<Shard>,
}

impl World {
    /// A world without hosts, in which every datagram arrives, after 10 ms. Engines have the default settings.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            now: START,
            terrain: Terrain {
                seed,
                addresses: Addresses::default(),
                hosts: 0,
                links: Links::default(),
                partition: None,
                settings: Arc::default(),
                bootstrap: Vec::new(),
                commit: Duration::from_millis(10),
                keeps_sent: false,
            },
            shards: vec![Shard::new(0, 1, START)],
        }
    }

    /// This world run by so many threads, at least one. To be chosen before the first host is added; results do not
    /// depend on it.
    ///
    /// # Panics
    /// If there are hosts already.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        assert!(self.is_empty(), "threads are chosen before the first host is added");
        let threads = threads.max(1);
        self.shards = (0..threads).map(|index| Shard::new(index, threads, START)).collect();
        self
    }

    /// This world with other links.
    #[must_use]
    pub fn with_links(mut self, links: Links) -> Self {
        self.set_links(links);
        self
    }

    /// This world with other settings for engines that are added without their own.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.terrain.settings = settings.into();
        self
    }

    /// From now on datagrams travel so. What is on its way arrives as planned.
    ///
    /// # Panics
    /// If a datagram could arrive at the moment at which it is sent.
    pub fn set_links(&mut self, links: Links) {
        assert!(!links.shortest().is_zero(), "a datagram takes at least a microsecond");
        self.terrain.links = links;
    }

    /// From now on every datagram is kept for [`sent`](Self::sent). For small worlds: nothing of it is ever forgotten.
    pub fn keep_sent(&mut self) {
        self.terrain.keeps_sent = true;
    }

    /// Whom nodes ask that are switched on from now on: three of these, chosen at random. At first it is nobody.
    pub fn set_bootstrap(&mut self, hosts: &[HostId]) {
        self.terrain.bootstrap = hosts.iter().map(|host| self.addr(*host)).collect();
    }

    /// Adds a host where an engine starts with the world's settings and an empty disk.
    pub fn add(&mut self) -> HostId {
        let settings = self.terrain.settings.clone();
        self.add_engine(None, settings)
    }

    /// As [`add`](Self::add), with settings of its own.
    pub fn add_with(&mut self, settings: Settings) -> HostId {
        self.add_engine(None, settings.into())
    }

    /// As [`add_with`](Self::add_with), at an address of its own. If a host is there, it can no more be reached.
    pub fn add_at(&mut self, addr: SocketAddr, settings: Settings) -> HostId {
        self.add_engine(Some(addr), settings.into())
    }

    /// Adds `count` hosts that join through random earlier ones, one every 10 ms, and lets them come to rest: two minutes.
    pub fn grow(&mut self, count: usize) -> Vec<HostId> {
        const PURPOSE: u64 = 0x960e;
        let mut chance = crate::Chance::of(self.terrain.seed, &[PURPOSE, self.len() as u64]);
        let mut added = Vec::with_capacity(count);
        for _ in 0..count {
            let others = self.len();
            let host = self.add();
            if others > 0 {
                let number = u32::try_from(chance.below(others)).expect("as many as were added");
                let bootstrap = vec![self.addr(HostId(number))];
                self.input(host, |engine, now| {
                    engine.set_bootstrap(&bootstrap);
                    let _ = engine.start(Request::Join { bootstrap }, now);
                });
            }
            added.push(host);
            self.run_for(Duration::from_millis(10));
        }
        self.run_for(Duration::from_secs(120));
        added
    }

    /// Adds a host where somebody is who is no node: it notes what it receives, and sends with [`send`](Self::send).
    pub fn add_outsider(&mut self, addr: SocketAddr) -> HostId {
        let settings = self.terrain.settings.clone();
        self.add_host(Some(addr), Host::new(settings, Occupant::Outsider(Vec::new())))
    }

    /// Ends a node without warning: its engine is gone, what its disk has stays.
    pub fn cut_power(&mut self, host: HostId) {
        self.switch(host, Switch::Off);
    }

    /// Starts a node again from its disk, as after a power cut if it still ran. It joins through the bootstrap hosts.
    pub fn restart(&mut self, host: HostId) {
        self.switch(host, Switch::On);
    }

    /// Starts another node at a host, with an empty disk.
    pub fn replace(&mut self, host: HostId) {
        self.switch(host, Switch::New);
    }

    /// Sets the clock of a host: so much ahead of the world's (or behind), and so many millionths too fast (or slow).
    /// To be set while the host is off, or before it has done anything: a node's clock never goes backwards while it runs,
    /// so that only a restart can put it back.
    pub fn set_clock(&mut self, host: HostId, ahead_micros: i64, ppm: i32) {
        self.shard_mut(host).0.host_mut(host).clock = Clock { ahead_micros, ppm };
    }

    /// Hands the engine of a host an input; `None` if there is none.
    pub fn input<T>(&mut self, host: HostId, input: impl FnOnce(&mut Engine<Disk>, Time) -> T) -> Option<T> {
        let now = self.now;
        let (shard, terrain) = self.shard_mut(host);
        shard.input(host, now, terrain, input)
    }

    /// Begins an operation at a host, whose end will be among [`ended`](Self::ended). `None` if no engine runs there, or
    /// if it refuses.
    pub fn start(&mut self, host: HostId, request: Request) -> Option<OperationId> {
        let now = self.now;
        let (shard, terrain) = self.shard_mut(host);
        shard.start(host, request, now, terrain)
    }

    /// Plans an operation, as [`start`](Self::start) begins it. Nothing comes of it if no engine runs then.
    pub fn plan(&mut self, at: Time, host: HostId, request: Request) {
        self.plan_due(at, host, What::Start(Box::new(request)));
    }

    /// Plans the end of a node, as by [`cut_power`](Self::cut_power).
    pub fn plan_power_cut(&mut self, at: Time, host: HostId) {
        self.plan_due(at, host, What::Switch(Switch::Off));
    }

    /// Plans a start of a node: from its disk, or as another one with an empty disk.
    pub fn plan_start(&mut self, at: Time, host: HostId, keeps_disk: bool) {
        self.plan_due(at, host, What::Switch(if keeps_disk { Switch::On } else { Switch::New }));
    }

    /// Sends a datagram from a host, whoever is there.
    pub fn send(&mut self, from: HostId, to: SocketAddr, payload: impl Into<Bytes>) {
        let now = self.now;
        let (shard, terrain) = self.shard_mut(from);
        shard.send(from, Transmit { to, payload: payload.into() }, now, terrain);
    }

    /// The operations that have ended since the last call, in the order of hosts and operations.
    #[must_use]
    pub fn ended(&mut self) -> Vec<Ended> {
        let mut ended: Vec<_> =
            self.shards.iter_mut().flat_map(|shard| std::mem::take(&mut shard.ended)).collect();
        ended.sort_by_key(|ended| (ended.host, ended.operation));
        ended
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.terrain.seed
    }

    /// Hosts, whoever is there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.terrain.hosts
    }

    /// Are there no hosts?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terrain.hosts == 0
    }

    /// All hosts, in the order in which they were added.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        let count = u32::try_from(self.terrain.hosts).expect("at most MAX_HOSTS");
        (0..count).map(HostId)
    }

    /// The address of a host.
    #[must_use]
    pub fn addr(&self, host: HostId) -> SocketAddr {
        self.terrain.addr(host)
    }

    /// The engine that runs at a host.
    #[must_use]
    pub fn engine(&self, host: HostId) -> Option<&Engine<Disk>> {
        self.host(host).engine()
    }

    /// The id and address of the node at a host.
    #[must_use]
    pub fn contact(&self, host: HostId) -> Option<Contact> {
        let id = match &self.host(host).occupant {
            Occupant::Engine(engine) => Some(engine.id()),
            Occupant::Adversary(adversary) => adversary.id(),
            Occupant::Nobody | Occupant::Outsider(_) => None,
        };
        id.map(|id| Contact::new(id, self.addr(host)))
    }

    /// The disk of a host.
    #[must_use]
    pub fn disk(&self, host: HostId) -> &Disk {
        &self.host(host).disk
    }

    /// What an outsider has received so far, oldest first.
    #[must_use]
    pub fn received(&self, host: HostId) -> &[Received] {
        match &self.host(host).occupant {
            Occupant::Outsider(received) => received,
            _ => &[],
        }
    }

    /// Everything sent since [`keep_sent`](Self::keep_sent), oldest first; at one moment, in the order of hosts.
    ///
    /// # Panics
    /// If nothing was to be kept: that nothing was sent would be a wrong answer.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        assert!(self.terrain.keeps_sent, "only what is kept can be looked at");
        let mut sent: Vec<_> = self.shards.iter().flat_map(|shard| shard.out.sent.iter().cloned()).collect();
        sent.sort_by_key(|sent| (sent.at, self.terrain.host_at(sent.from)));
        sent
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shards.iter().fold(Counts::default(), |mut counts, shard| {
            counts += shard.out.counts;
            counts
        })
    }

    /// Things planned, datagrams on their way included.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shards.iter().map(Shard::pending).sum()
    }

    /// A digest of everything that has happened to every host, in order, datagrams byte for byte.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let hosts = self.shards.iter().flat_map(Shard::hosts);
        hosts.fold(mix(self.terrain.seed), |sum, (id, host)| {
            sum.wrapping_add(mix(host.digest ^ mix(u64::from(id.0))))
        })
    }

    fn add_engine(&mut self, addr: Option<SocketAddr>, settings: Arc<Settings>) -> HostId {
        let id = self.add_host(addr, Host::new(settings, Occupant::Nobody));
        self.switch(id, Switch::On);
        id
    }

    fn add_host(&mut self, addr: Option<SocketAddr>, host: Host) -> HostId {
        assert!(self.terrain.hosts < MAX_HOSTS, "a world has at most {MAX_HOSTS} hosts");
        let id = HostId(u32::try_from(self.terrain.hosts).expect("at most MAX_HOSTS"));
        self.terrain.hosts += 1;
        self.shard_mut(id).0.add(host);
        if let Some(addr) = addr {
            self.terrain.addresses.set(id, addr);
        }
        id
    }

    fn switch(&mut self, host: HostId, switch: Switch) {
        let now = self.now;
        let (shard, terrain) = self.shard_mut(host);
        shard.switch(host, switch, now, terrain);
    }

    fn plan_due(&mut self, at: Time, to: HostId, what: What) {
        let shard = self.shard_mut(to).0;
        let sequence = shard.host_mut(to).next_planned();
        shard.out.plan(Due { at, to, from: to, sequence, what });
    }

    fn host(&self, id: HostId) -> &Host {
        self.shards[id.index() % self.shards.len()].host(id)
    }

    fn shard_mut(&mut self, id: HostId) -> (&mut Shard, &Terrain) {
        let shards = self.shards.len();
        (&mut self.shards[id.index() % shards], &self.terrain)
    }
}
