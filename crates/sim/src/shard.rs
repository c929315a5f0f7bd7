//! `Shard`: some of the hosts, with what will happen to them. Runs by itself for as long as no other shard can
//! reach it; which hosts share a shard changes nothing.

use std::hint::black_box;

use bytes::Bytes;
use khashmir::krpc::Transmit;
use khashmir::{Engine, Event, OperationId, Outcome, Request, Time};

use crate::HostId;
use crate::chance::Chance;
use crate::disk::Disk;
use crate::event::{Due, Switch, What};
use crate::host::{Ended, Host, Occupant, Received, Watch};
use crate::nat::Peer;
use crate::out::Out;
use crate::terrain::Terrain;

/// Wakes in a row at one moment after which an engine is called busy for ever.
const MAX_WAKES_AT_ONCE: u32 = 10_000;

/// So many events ahead an engine is read, and before that its host and what is sent to it.
const AHEAD: usize = 2;
const FAR_AHEAD: usize = 4;

/// Bytes.
const CACHE_LINE: usize = 64;

/// Bootstrap nodes that a node asks when it is switched on.
const BOOTSTRAP: usize = 3;

#[derive(Debug)]
pub(crate) struct Shard {
    /// Of every `shards` hosts, it has the one with this number.
    index: usize,
    hosts: Vec<Host>,
    pub(crate) out: Out,
    pub(crate) ended: Vec<Ended>,
}

impl Shard {
    pub(crate) fn new(index: usize, shards: usize, now: Time) -> Self {
        Self { index, hosts: Vec::new(), out: Out::new(index, shards, now), ended: Vec::new() }
    }

    pub(crate) fn add(&mut self, host: Host) {
        self.hosts.push(host);
    }

    pub(crate) fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.index() / self.out.outboxes.len()]
    }

    pub(crate) fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.index() / self.out.outboxes.len()]
    }

    /// The hosts of this shard, in the order of their numbers.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (HostId, &Host)> {
        let shards = self.out.outboxes.len();
        let id =
            move |place| HostId(u32::try_from(place * shards + self.index).expect("as many as were added"));
        self.hosts.iter().enumerate().map(move |(place, host)| (id(place), host))
    }

    pub(crate) fn next_at(&mut self) -> Option<Time> {
        self.out.wheel.next_at()
    }

    pub(crate) fn pending(&self) -> usize {
        self.out.wheel.len()
    }

    pub(crate) fn receive(&mut self, dues: impl IntoIterator<Item = Due>) {
        dues.into_iter().for_each(|due| self.out.wheel.push(due));
    }

    /// Lets everything happen that is planned for before `end`.
    pub(crate) fn run(&mut self, end: Time, terrain: &Terrain) {
        while let Some(due) = self.out.wheel.pop(end) {
            self.look_ahead();
            self.happen(due, terrain);
        }
    }

    /// Reads a little of what the next events will need. In a large world hardly anything is in the cache: reads side by side take
    /// hardly longer than one, and events that wait for one read after the other take several times as long.
    fn look_ahead(&self) {
        let host = |due: &Due| &self.hosts[due.to.index() / self.out.outboxes.len()];
        if let Some(due) = self.out.wheel.ahead(FAR_AHEAD) {
            black_box(host(due).armed);
            if let What::Datagram { payload, .. } = &due.what {
                payload.iter().step_by(CACHE_LINE).for_each(|byte| _ = black_box(*byte));
            }
        }
        if let Some(engine) = self.out.wheel.ahead(AHEAD).and_then(|due| host(due).engine()) {
            black_box((engine.poll_timeout(), engine.traffic().datagrams_in, engine.settings().role));
        }
    }

    /// Hands the engine of a host an input, and takes out what it has to give.
    pub(crate) fn input<T>(
        &mut self,
        id: HostId,
        now: Time,
        terrain: &Terrain,
        input: impl FnOnce(&mut Engine<Disk>, Time) -> T,
    ) -> Option<T> {
        let host = self.host_mut(id);
        let shown = host.clock.shows(now);
        let result = input(host.engine_mut()?, shown);
        self.settle(id, now, terrain);
        Some(result)
    }

    /// Begins an operation that is reported when it has ended.
    pub(crate) fn start(
        &mut self,
        id: HostId,
        request: Request,
        now: Time,
        terrain: &Terrain,
    ) -> Option<OperationId> {
        let host = self.host_mut(id);
        let shown = host.clock.shows(now);
        let bytes = host.bytes;
        let operation = host.engine_mut()?.start(request, shown).ok()?;
        let (started, values) = (now, Vec::new());
        host.watches.push(Watch { operation, started, first_value: None, bytes, values });
        self.settle(id, now, terrain);
        Some(operation)
    }

    /// Switches a host on or off.
    pub(crate) fn switch(&mut self, id: HostId, switch: Switch, now: Time, terrain: &Terrain) {
        let out = &mut self.out;
        let host = &mut self.hosts[id.index() / out.outboxes.len()];
        if !matches!(host.occupant, Occupant::Nobody) {
            host.occupant = Occupant::Nobody;
            out.counts.stops += 1;
        }
        host.life += 1;
        host.armed = Time::FAR_FUTURE;
        host.watches = Vec::new();
        host.disk.reopen();
        match switch {
            Switch::Off => return,
            Switch::On => {}
            Switch::New => host.disk = Disk::new(),
        }
        out.counts.starts += 1;
        let (seed, shown) = (terrain.engine_seed(id, host.life), host.clock.shows(now));
        let mut engine = Engine::new(host.disk.clone(), (*host.settings).clone(), seed, shown)
            .expect("the settings were checked, and the disk is not told to fail at a start");
        join(&mut engine, id, shown, terrain);
        host.occupant = Occupant::Engine(Box::new(engine));
        self.settle(id, now, terrain);
    }

    /// Sends a datagram from a host, whoever is there.
    pub(crate) fn send(&mut self, id: HostId, transmit: Transmit, now: Time, terrain: &Terrain) {
        let host = &mut self.hosts[id.index() / self.out.outboxes.len()];
        self.out.send(host, id, id, transmit, now, terrain);
    }

    fn happen(&mut self, due: Due, terrain: &Terrain) {
        let (id, now) = (due.to, due.at);
        let host = &mut self.hosts[id.index() / self.out.outboxes.len()];
        if matches!(due.what, What::Wake) && host.armed != now {
            return;
        }
        self.out.counts.events += 1;
        host.note(&due);
        match due.what {
            What::Datagram { name, from_port, to_port, ref payload } => {
                let peer = Peer { host: name, port: from_port };
                if self.deliver(&due, peer, to_port, payload, terrain) {
                    self.settle(id, now, terrain);
                }
            }
            What::Wake => self.wake(id, now, terrain),
            What::Committed { life, committed } => {
                if host.life == life {
                    self.input(id, now, terrain, |engine, now| engine.handle_committed(*committed, now));
                }
            }
            What::Start(request) => {
                self.start(id, *request, now, terrain);
            }
            What::Switch(switch) => self.switch(id, switch, now, terrain),
        }
    }

    /// Lets a datagram in, if what stands before the host does, and hands it to whoever is there; returns whether anybody
    /// may have something to say to it.
    fn deliver(&mut self, due: &Due, peer: Peer, to_port: u16, payload: &Bytes, terrain: &Terrain) -> bool {
        let (id, now, counts) = (due.to, due.at, &mut self.out.counts);
        let host = &mut self.hosts[id.index() / self.out.outboxes.len()];
        let mut is_meant = terrain.addr(id).port() == to_port;
        if let Some(gate) = &host.gate {
            let chance = terrain.chance(due.from, due.sequence);
            if let Err(refusal) = gate.let_in(peer, to_port, now, chance) {
                counts.refuse(refusal);
                return false;
            }
            is_meant |= gate.nat.is_some();
        }
        let shown = host.clock.shows(now);
        let mut from = terrain.addr(peer.host);
        from.set_port(peer.port);
        match &mut host.occupant {
            Occupant::Engine(engine) if is_meant => engine.handle_datagram(from, payload, shown),
            Occupant::Adversary(adversary) if is_meant => adversary.handle_datagram(from, payload, shown),
            Occupant::Outsider(received) if is_meant => {
                received.push(Received { at: now, from, payload: payload.clone() });
            }
            _ => {
                counts.to_nobody += 1;
                return false;
            }
        }
        counts.delivered += 1;
        host.bytes += payload.len() as u64;
        true
    }

    fn wake(&mut self, id: HostId, now: Time, terrain: &Terrain) {
        let host = self.host_mut(id);
        host.armed = Time::FAR_FUTURE;
        let shown = host.clock.shows(now);
        match &mut host.occupant {
            Occupant::Engine(engine) if engine.poll_timeout() <= shown => engine.handle_timeout(shown),
            Occupant::Adversary(adversary) if adversary.poll_timeout() <= shown => {
                adversary.handle_timeout(shown);
            }
            _ => {}
        }
        self.settle(id, now, terrain);
        let host = self.host_mut(id);
        host.wakes_at_once = if host.armed == now { host.wakes_at_once + 1 } else { 0 };
        assert!(host.wakes_at_once < MAX_WAKES_AT_ONCE, "{id:?} wants to wake up again and again");
    }

    /// Takes out of an engine all it has to give, as its rule of use demands.
    pub(crate) fn settle(&mut self, id: HostId, now: Time, terrain: &Terrain) {
        let out = &mut self.out;
        let host = &mut self.hosts[id.index() / out.outboxes.len()];
        while let Some(transmit) = next_transmit(&mut host.occupant) {
            let name = host.occupant.forged_name().unwrap_or(id);
            out.send(host, id, name, transmit, now, terrain);
        }
        let shown = host.clock.shows(now);
        if let Occupant::Engine(engine) = &mut host.occupant {
            while let Some(event) = engine.poll_event() {
                report(&mut self.ended, &mut host.watches, host.bytes, id, event, now);
            }
            if let Some(commit) = engine.poll_commit(shown) {
                let (life, committed) = (host.life, Box::new(commit.run()));
                let (at, sequence) = (now + terrain.commit, host.next_planned());
                out.plan(Due { at, to: id, from: id, sequence, what: What::Committed { life, committed } });
            }
        }
        // There may be a million of them.
        host.engine_mut().map(Engine::release_memory);
        out.arm(host, id, now);
    }
}

fn next_transmit(occupant: &mut Occupant) -> Option<Transmit> {
    match occupant {
        Occupant::Engine(engine) => engine.poll_transmit(),
        Occupant::Adversary(adversary) => adversary.poll_transmit(),
        Occupant::Nobody | Occupant::Outsider(_) => None,
    }
}

/// Has a node that was just switched on look for the network.
fn join(engine: &mut Engine<Disk>, id: HostId, now: Time, terrain: &Terrain) {
    const PURPOSE: u64 = 0x701e;
    if terrain.bootstrap.is_empty() {
        return;
    }
    let mut chance = Chance::of(terrain.seed, &[PURPOSE, u64::from(id.0), now.as_micros()]);
    let first = chance.below(terrain.bootstrap.len());
    let all = terrain.bootstrap.iter().cycle().skip(first).take(BOOTSTRAP.min(terrain.bootstrap.len()));
    let bootstrap: Vec<_> = all.copied().collect();
    engine.set_bootstrap(&bootstrap);
    // Nobody waits for it: if it fails, the engine tries again by itself.
    let _ = engine.start(Request::Join { bootstrap }, now);
}

/// Passes an event on to whoever waits for it.
fn report(
    ended: &mut Vec<Ended>,
    watches: &mut Vec<Watch>,
    bytes: u64,
    host: HostId,
    event: Event,
    now: Time,
) {
    match event {
        Event::Values { operation, values } => {
            if let Some(watch) = watches.iter_mut().find(|watch| watch.operation == operation) {
                watch.first_value.get_or_insert(now);
                watch.values.extend(values);
            }
        }
        Event::Finished { operation, outcome } => {
            if let Some(place) = watches.iter().position(|watch| watch.operation == operation) {
                ended.push(watches.swap_remove(place).end(host, bytes, outcome, now));
                if watches.is_empty() {
                    *watches = Vec::new();
                }
            }
        }
        Event::Isolated => {}
    }
}

impl Watch {
    fn end(self, host: HostId, bytes: u64, outcome: Outcome, now: Time) -> Ended {
        let Self { operation, started, first_value, bytes: before, values } = self;
        Ended {
            host,
            operation,
            started,
            first_value: first_value.map(|at| at.since(started)),
            elapsed: now.since(started),
            bytes: bytes - before,
            values,
            outcome,
        }
    }
}
