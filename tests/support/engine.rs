//! `Rig`: one shipped `Engine` in virtual time, without sockets. What it sends and tells is collected.
//! Knows nothing of recordings.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Engine, Event, MemoryStorage, OperationId, Outcome, Request, Scope, Settings, Time, Wanted};

/// When every rig begins: an ordinary moment, long after the epoch.
pub const START: Time = Time::from_secs(1_000_000_000);

/// A datagram that the engine sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub at: Time,
    pub to: SocketAddr,
    pub payload: Bytes,
}

pub struct Rig {
    pub engine: Engine<MemoryStorage>,
    pub now: Time,
    sent: Vec<Sent>,
    events: Vec<(Time, Event)>,
}

impl Rig {
    /// An engine over `storage`; nothing has been asked of it yet.
    pub fn new(storage: MemoryStorage, settings: Settings) -> Self {
        let engine = Engine::new(storage, settings, [7; 32], START).unwrap();
        Self { engine, now: START, sent: Vec::new(), events: Vec::new() }
    }

    pub fn start(&mut self, request: Request) -> OperationId {
        let operation = self.engine.start(request, self.now).unwrap();
        self.collect();
        operation
    }

    /// Hands in a datagram. Commits are left for [`Self::commit`]: what is sent before is not yet durable.
    pub fn deliver(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.engine.handle_datagram(from, datagram, self.now);
        self.collect();
    }

    /// Runs whatever commits are due.
    pub fn commit(&mut self) {
        while let Some(commit) = self.engine.poll_commit(self.now) {
            self.engine.handle_committed(commit.run(), self.now);
            self.collect();
        }
    }

    /// Lets time pass until `end`, waking the engine whenever it wants to be woken.
    pub fn run_until(&mut self, end: Time) {
        self.commit();
        while self.engine.poll_timeout() <= end {
            self.now = self.now.max(self.engine.poll_timeout());
            self.engine.handle_timeout(self.now);
            self.collect();
            self.commit();
        }
        self.now = self.now.max(end);
    }

    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// What was sent since the last call.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// What was told since the last call.
    pub fn take_events(&mut self) -> Vec<(Time, Event)> {
        std::mem::take(&mut self.events)
    }

    /// How `operation` ended, and when: exactly once, or it fails the test.
    pub fn outcome_of(&self, operation: OperationId) -> Result<(Time, Outcome), String> {
        let mut ends = self.events.iter().filter_map(|(at, event)| match event {
            Event::Finished { operation: ended, outcome } if *ended == operation => Some((*at, outcome)),
            _ => None,
        });
        let (at, outcome) = ends.next().ok_or("the operation has not ended")?;
        match ends.next() {
            None => Ok((at, outcome.clone())),
            Some(_) => Err("the operation ended twice".into()),
        }
    }

    /// Has `operation` ended?
    pub fn is_finished(&self, operation: OperationId) -> bool {
        let is_end = |event: &Event| matches!(event, Event::Finished { operation: o, .. } if *o == operation);
        self.events.iter().any(|(_, event)| is_end(event))
    }

    fn collect(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            self.sent.push(Sent { at: self.now, to: transmit.to, payload: transmit.payload });
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push((self.now, event));
        }
    }
}

/// The settings that the first revision had, without limits of ours that it had not: K 8, concurrency 4
/// without leap-frogging, redundancy 3, 20 s to answer and nothing sent twice but in the last microsecond.
pub fn original_settings() -> Settings {
    let mut settings = Settings::default();
    settings.scope = Scope::ANY;
    settings.calls.timeout = Duration::from_secs(20);
    settings.calls.initial_delay = Duration::from_micros(19_999_999);
    settings.calls.demands_proof = false;
    settings.calls.answers_per_second = u32::MAX;
    settings.calls.unproven_per_prefix = u32::MAX;
    settings.calls.unproven_per_second = u32::MAX;
    settings.table.first_buckets = [0; 4];
    settings.table.prefers_near = false;
    settings.adapts_patience = false;
    settings.lookup.concurrency = 4;
    settings.lookup.max_in_flight = 4;
    settings.lookup.eager = 0;
    settings.lookup.slow_after = Duration::from_secs(600);
    settings.lookup.lost_after = Duration::from_secs(600);
    settings.lookup.deadline = Duration::from_secs(600);
    settings.store_redundancy = 3;
    settings.retrieve_values = Wanted { values: Some(10_000), nodes: Some(3) };
    settings.key_expire = Duration::from_secs(3600);
    settings
}
