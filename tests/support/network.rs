//! A small network of shipped engines in virtual time: no socket, no clock, no thread. Equal seeds and equal
//! requests give equal datagrams. Knows who sends what to whom, not what it means.

mod disk;
mod queue;
mod requests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Contact, Engine, Event, OperationId, Outcome, Request, Settings, Time, Value};
use khashmir_storage::Committed;
use rand::rngs::ChaCha12Rng;
use rand::{Rng, RngExt, SeedableRng};

pub(crate) use disk::Disk;
use queue::Queue;

/// From the start of a commit to its report: a slow disk's sync.
const COMMIT: Duration = Duration::from_millis(10);

/// Virtual time after which an operation that has not ended never will: a store is two actions of at most 60 s.
const LONGEST_OPERATION: Duration = Duration::from_secs(180);

/// Wakes in a row at one moment after which a node is called busy for ever.
const MAX_WAKES_AT_ONCE: u32 = 1000;

/// Names a node of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(usize);

/// How datagrams travel: each takes a random time in this range, and this share is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
    pub(crate) loss: f64,
}

/// A datagram as it was sent, whether it arrived or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) at: Time,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) payload: Bytes,
}

/// Some engines, what is on the way between them, and everything they ever sent.
#[derive(Debug)]
pub(crate) struct Network {
    now: Time,
    link: Link,
    rng: ChaCha12Rng,
    hosts: Vec<Host>,
    places: BTreeMap<SocketAddr, Node>,
    queue: Queue<What>,
    sent: Vec<Sent>,
}

/// Where an engine runs, or ran.
#[derive(Debug)]
struct Host {
    addr: SocketAddr,
    settings: Settings,
    disk: Disk,
    engine: Option<Engine<Disk>>,
    /// How often an engine was started here: what was meant for an earlier one is for nobody.
    life: u32,
    wake: Time,
    wakes_at_once: u32,
    values: BTreeMap<OperationId, Vec<Value>>,
    outcomes: BTreeMap<OperationId, Outcome>,
}

/// Something that will happen.
#[derive(Debug)]
enum What {
    Arrive { from: SocketAddr, to: SocketAddr, payload: Bytes },
    Wake { node: Node, life: u32 },
    Committed { node: Node, life: u32, committed: Committed },
}

impl Network {
    /// No node yet; every datagram arrives, after 10 ms.
    pub(crate) fn new(seed: u64) -> Self {
        let delay = Duration::from_millis(10);
        Self {
            now: Time::from_secs(1_000_000_000),
            link: Link { shortest: delay, longest: delay, loss: 0.0 },
            rng: ChaCha12Rng::seed_from_u64(seed),
            hosts: Vec::new(),
            places: BTreeMap::new(),
            queue: Queue::default(),
            sent: Vec::new(),
        }
    }

    /// `nodes` nodes that have joined through the first, one after the other, and come to rest.
    pub(crate) fn settled(seed: u64, nodes: usize, link: Option<Link>) -> (Self, Vec<Node>) {
        let mut network = Self::new(seed);
        network.link = link.unwrap_or(network.link);
        let nodes: Vec<_> = (0..nodes).map(|_| network.add(Settings::default())).collect();
        for node in &nodes[1..] {
            network.join(*node, &[nodes[0]]);
        }
        network.run_for(Duration::from_secs(120));
        (network, nodes)
    }

    /// Starts a node at a public address of its own.
    pub(crate) fn add(&mut self, settings: Settings) -> Node {
        let [high, low] = u16::try_from(self.hosts.len() + 1).expect("a small network").to_be_bytes();
        self.add_at(([11, 0, high, low], 9977).into(), settings)
    }

    /// Starts a node at `addr`, with an empty disk.
    pub(crate) fn add_at(&mut self, addr: SocketAddr, settings: Settings) -> Node {
        let node = Node(self.hosts.len());
        let (values, outcomes) = (BTreeMap::new(), BTreeMap::new());
        let (disk, engine, wake) = (Disk::new(), None, Time::EPOCH);
        self.hosts.push(Host {
            addr,
            settings,
            disk,
            engine,
            life: 0,
            wake,
            wakes_at_once: 0,
            values,
            outcomes,
        });
        self.places.insert(addr, node);
        self.restart(node);
        node
    }

    /// Starts a node again from its disk, as after a power cut if it still ran.
    pub(crate) fn restart(&mut self, node: Node) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.cut_power(node);
        let host = &mut self.hosts[node.0];
        host.disk.reopen();
        let engine = Engine::new(host.disk.clone(), host.settings.clone(), seed, self.now).unwrap();
        host.engine = Some(engine);
        (host.wake, host.outcomes, host.values) = (Time::EPOCH, BTreeMap::new(), BTreeMap::new());
        self.drain(node);
    }

    /// Ends a node without warning.
    pub(crate) fn cut_power(&mut self, node: Node) {
        let host = &mut self.hosts[node.0];
        host.engine = None;
        host.life += 1;
    }

    /// Hands the engine of a node an input.
    pub(crate) fn input<T>(&mut self, node: Node, input: impl FnOnce(&mut Engine<Disk>, Time) -> T) -> T {
        let engine = self.hosts[node.0].engine.as_mut().expect("the node runs");
        let result = input(engine, self.now);
        self.drain(node);
        result
    }

    /// Lets a node carry out a request to its end; returns the values it brought and the outcome.
    pub(crate) fn run(&mut self, node: Node, request: Request) -> (Vec<Value>, Outcome) {
        let operation = self.input(node, |engine, now| engine.start(request, now)).unwrap();
        self.finish(node, operation)
    }

    /// Lets time pass until an operation has ended.
    pub(crate) fn finish(&mut self, node: Node, operation: OperationId) -> (Vec<Value>, Outcome) {
        let latest = self.now + LONGEST_OPERATION;
        while !self.hosts[node.0].outcomes.contains_key(&operation) {
            assert!(self.step(latest), "{operation:?} of {node:?} does not end");
        }
        let host = &mut self.hosts[node.0];
        (host.values.remove(&operation).unwrap_or_default(), host.outcomes.remove(&operation).unwrap())
    }

    /// Lets `duration` pass.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step(until) {}
        self.now = until;
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn addr(&self, node: Node) -> SocketAddr {
        self.hosts[node.0].addr
    }

    pub(crate) fn disk(&self, node: Node) -> &Disk {
        &self.hosts[node.0].disk
    }

    pub(crate) fn engine(&self, node: Node) -> &Engine<Disk> {
        self.hosts[node.0].engine.as_ref().expect("the node runs")
    }

    pub(crate) fn contact(&self, node: Node) -> Contact {
        Contact::new(self.engine(node).id(), self.addr(node))
    }

    /// Everything that was sent so far, oldest first.
    pub(crate) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Lets the next thing happen, if it happens until then.
    fn step(&mut self, until: Time) -> bool {
        let Some((at, what)) = self.queue.pop(until) else { return false };
        self.now = at;
        match what {
            What::Arrive { from, to, payload } => {
                if let Some(node) = self.places.get(&to).copied().filter(|node| self.runs(*node)) {
                    self.input(node, |engine, now| engine.handle_datagram(from, &payload, now));
                }
            }
            What::Wake { node, life } => self.wake(node, life),
            What::Committed { node, life, committed } => {
                if self.hosts[node.0].life == life {
                    self.input(node, |engine, now| engine.handle_committed(committed, now));
                }
            }
        }
        true
    }

    fn wake(&mut self, node: Node, life: u32) {
        let (now, host) = (self.now, &mut self.hosts[node.0]);
        if host.life == life && host.wake == now {
            host.wake = Time::EPOCH;
            self.input(node, Engine::handle_timeout);
            let host = &mut self.hosts[node.0];
            host.wakes_at_once = if host.wake == now { host.wakes_at_once + 1 } else { 0 };
            assert!(host.wakes_at_once < MAX_WAKES_AT_ONCE, "{node:?} wants to wake up again and again");
        }
    }

    /// Takes out of an engine all it has to give, as its rule of use demands.
    fn drain(&mut self, node: Node) {
        let (now, host) = (self.now, &mut self.hosts[node.0]);
        let (addr, life, Some(engine)) = (host.addr, host.life, &mut host.engine) else { return };
        let transmits: Vec<_> = std::iter::from_fn(|| engine.poll_transmit()).collect();
        while let Some(event) = engine.poll_event() {
            match event {
                Event::Values { operation, values } => {
                    host.values.entry(operation).or_default().extend(values);
                }
                Event::Finished { operation, outcome } => {
                    let earlier = host.outcomes.insert(operation, outcome);
                    assert_eq!(earlier, None, "an operation ends once");
                }
                Event::Isolated => {}
            }
        }
        let commit = engine.poll_commit(now);
        let wake = engine.poll_timeout().max(now);
        let is_new = std::mem::replace(&mut host.wake, wake) != wake;
        for transmit in transmits {
            self.send(addr, transmit.to, transmit.payload);
        }
        if let Some(commit) = commit {
            self.queue.push(now + COMMIT, What::Committed { node, life, committed: commit.run() });
        }
        if is_new {
            self.queue.push(wake, What::Wake { node, life });
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, payload: Bytes) {
        self.sent.push(Sent { at: self.now, from, to, payload: payload.clone() });
        if !self.rng.random_bool(self.link.loss) {
            let delay = self.rng.random_range(self.link.shortest..=self.link.longest);
            self.queue.push(self.now + delay, What::Arrive { from, to, payload });
        }
    }

    fn runs(&self, node: Node) -> bool {
        self.hosts[node.0].engine.is_some()
    }
}
