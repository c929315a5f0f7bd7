//! What will happen to hosts, and in which order. Knows no engine.

use std::cmp::Ordering;

use bytes::Bytes;
use khashmir::storage::Committed;
use khashmir::{Request, Time};

use crate::HostId;
use crate::wheel::Planned;

/// Something that will happen to a host.
///
/// What happens at one moment is ordered by the host it happens to, then by who planned it and when: an order that
/// every number of threads gives.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) at: Time,
    pub(crate) to: HostId,
    pub(crate) from: HostId,
    /// How many things `from` had planned before.
    pub(crate) sequence: u32,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// A datagram that was sent from and to these ports, in the name of this host: of who sent it, but for forgers.
    Datagram { name: HostId, from_port: u16, to_port: u16, payload: Bytes },
    /// The engine wished to be called.
    Wake,
    /// A commit of the engine that was started for the `life`-th time has ended.
    Committed { life: u32, committed: Box<Committed> },
    /// Somebody uses the host.
    Start(Box<Request>),
    /// The host is switched on or off.
    Switch(Switch),
}

/// What becomes of a host as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// It starts with what its disk has.
    On,
    /// It starts as another node, with an empty disk.
    New,
    /// It ends without warning.
    Off,
}

impl Planned for Due {
    fn at(&self) -> Time {
        self.at
    }
}

impl Due {
    fn key(&self) -> (Time, HostId, HostId, u32) {
        (self.at, self.to, self.from, self.sequence)
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}
