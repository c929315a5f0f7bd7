//! `Host`: a place where an engine runs, or ran, with its disk, its clock and those who use it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Engine, OperationId, Outcome, Settings, Time, Value};

use crate::HostId;
use crate::adversary::Adversary;
use crate::chance::mix;
use crate::disk::Disk;
use crate::event::{Due, What};
use crate::gate::Gate;

/// A place where an engine runs, or ran.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) occupant: Occupant,
    pub(crate) disk: Disk,
    pub(crate) settings: Arc<Settings>,
    /// The earliest wake that is planned. Later ones that are planned too mean nothing.
    pub(crate) armed: Time,
    /// Wakes in a row at one moment.
    pub(crate) wakes_at_once: u32,
    /// How many things this host has planned, for itself and for others.
    pub(crate) planned: u32,
    /// How often an engine was started here: what was meant for an earlier one is for nobody.
    pub(crate) life: u32,
    pub(crate) clock: Clock,
    /// Of everything that happened here, in order.
    pub(crate) digest: u64,
    /// Sent and received.
    pub(crate) bytes: u64,
    pub(crate) watches: Vec<Watch>,
    /// What stands between it and the network, if anything does.
    pub(crate) gate: Option<Box<Gate>>,
}

/// Who is at a host.
#[derive(Debug)]
pub(crate) enum Occupant {
    Nobody,
    Engine(Box<Engine<Disk>>),
    Adversary(Box<dyn Adversary>),
    /// Somebody who is no node and only notes what comes.
    Outsider(Vec<Received>),
}

impl Occupant {
    /// In whose name the datagram goes that it has just sent, if not in its own.
    pub(crate) fn forged_name(&self) -> Option<HostId> {
        match self {
            Self::Adversary(adversary) => adversary.forged_name(),
            Self::Nobody | Self::Engine(_) | Self::Outsider(_) => None,
        }
    }
}

/// A datagram that reached an outsider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When.
    pub at: Time,
    /// From where.
    pub from: SocketAddr,
    /// What it holds.
    pub payload: Bytes,
}

/// An operation that somebody waits for.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) operation: OperationId,
    pub(crate) started: Time,
    pub(crate) first_value: Option<Time>,
    /// What the host had sent and received when it began.
    pub(crate) bytes: u64,
    pub(crate) values: Vec<Value>,
}

/// An operation that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Where it ran.
    pub host: HostId,
    /// Which it was.
    pub operation: OperationId,
    /// When it began.
    pub started: Time,
    /// From the beginning to the first value.
    pub first_value: Option<Duration>,
    /// From the beginning to the end.
    pub elapsed: Duration,
    /// Bytes that the host sent and received meanwhile, for whatever purpose, without headers of UDP and IP.
    pub bytes: u64,
    /// The values it brought, in the order of arrival.
    pub values: Vec<Value>,
    /// What came of it.
    pub outcome: Outcome,
}

/// A host's clock: how far it is ahead of the world's, and how many millionths it is too fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) ahead_micros: i64,
    pub(crate) ppm: i32,
}

/// When clocks that are too fast or too slow were right, in microseconds.
const ORIGIN: i128 = crate::world::START.as_micros() as i128;

const MILLION: i128 = 1_000_000;

impl Clock {
    /// What the host's clock shows at `now`.
    pub(crate) fn shows(self, now: Time) -> Time {
        if self == Self::default() {
            return now;
        }
        let since = i128::from(now.as_micros()) - ORIGIN;
        let shown = ORIGIN + since + since * i128::from(self.ppm) / MILLION + i128::from(self.ahead_micros);
        Time::from_micros(u64::try_from(shown.max(0)).unwrap_or(u64::MAX))
    }

    /// A moment at which the host's clock shows `shown`, or up to two microseconds more.
    pub(crate) fn moment(self, shown: Time) -> Time {
        if self == Self::default() || shown == Time::FAR_FUTURE {
            return shown;
        }
        let elapsed = i128::from(shown.as_micros()) - i128::from(self.ahead_micros) - ORIGIN;
        let since = elapsed * MILLION / (MILLION + i128::from(self.ppm));
        // Divisions round towards zero: one microsecond more is never too early.
        Time::from_micros(u64::try_from((ORIGIN + since + 1).max(0)).unwrap_or(u64::MAX))
    }
}

impl Host {
    pub(crate) fn new(settings: Arc<Settings>, occupant: Occupant) -> Self {
        Self {
            occupant,
            disk: Disk::new(),
            settings,
            armed: Time::FAR_FUTURE,
            wakes_at_once: 0,
            planned: 0,
            life: 0,
            clock: Clock::default(),
            digest: 0,
            bytes: 0,
            watches: Vec::new(),
            gate: None,
        }
    }

    /// The number of the next thing this host plans.
    pub(crate) fn next_planned(&mut self) -> u32 {
        self.planned = self.planned.wrapping_add(1);
        self.planned
    }

    pub(crate) fn engine(&self) -> Option<&Engine<Disk>> {
        match &self.occupant {
            Occupant::Engine(engine) => Some(engine),
            _ => None,
        }
    }

    pub(crate) fn engine_mut(&mut self) -> Option<&mut Engine<Disk>> {
        match &mut self.occupant {
            Occupant::Engine(engine) => Some(engine),
            _ => None,
        }
    }

    /// Takes note of what happens to the host.
    pub(crate) fn note(&mut self, due: &Due) {
        let mut digest = self.digest;
        let mut add = |word: u64| digest = mix(digest ^ word);
        add(due.at.as_micros());
        add(u64::from(due.from.0) << 32 | u64::from(due.sequence));
        match &due.what {
            What::Datagram { name, from_port, to_port, payload } => {
                let forgery = u64::from(name.0 ^ due.from.0);
                add(forgery << 32 | u64::from(*from_port) << 16 | u64::from(*to_port));
                add(payload.len() as u64);
                add(hash(payload));
            }
            What::Wake => add(1),
            What::Committed { life, .. } => add(2 | u64::from(*life) << 8),
            What::Start(_) => add(3),
            What::Switch(switch) => add(4 | (*switch as u64) << 8),
        }
        self.digest = digest;
    }
}

/// A quick hash, a word at a time: it need only tell apart what chance would make equal.
fn hash(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x517c_c1b7_2722_0a95;
    bytes.chunks(8).fold(0, |hash: u64, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(ODD)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_shows_times_and_finds_their_moments() {
        let now = crate::world::START + Duration::from_secs(3600);
        let slow = Clock { ahead_micros: -5_000_000, ppm: 100 };
        assert_eq!(slow.shows(now), now - Duration::from_micros(5_000_000 - 360_000));
        for (ahead_micros, ppm) in [(-5_000_000, 100), (10_000_000, -73), (1, 9_999), (0, -9_999)] {
            let clock = Clock { ahead_micros, ppm };
            for micros in 0..1000 {
                let shown = now + Duration::from_micros(micros);
                let late = clock.shows(clock.moment(shown)).since(shown);
                assert!(
                    clock.shows(clock.moment(shown)) >= shown && late <= Duration::from_micros(2),
                    "{clock:?}"
                );
            }
            assert_eq!(clock.moment(Time::FAR_FUTURE), Time::FAR_FUTURE);
        }
    }
}
