//! `Terrain`: what all hosts of a world share, and none changes. Knows no engine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use khashmir::{Settings, Time};

use crate::HostId;
use crate::address::Addresses;
use crate::chance::Chance;
use crate::links::Links;
use crate::partition::Partition;

/// What all hosts share while time passes. Only between two stretches of time may the world change it.
#[derive(Debug)]
pub(crate) struct Terrain {
    pub(crate) seed: u64,
    pub(crate) addresses: Addresses,
    pub(crate) hosts: usize,
    pub(crate) links: Links,
    /// What cannot reach what, if the network has fallen apart.
    pub(crate) partition: Option<Partition>,
    /// Of hosts that have none of their own.
    pub(crate) settings: Arc<Settings>,
    /// Whom a node asks that is switched on.
    pub(crate) bootstrap: Vec<SocketAddr>,
    /// From the start of a commit to its end.
    pub(crate) commit: Duration,
    /// Do outsiders and tests want to know every datagram?
    pub(crate) keeps_sent: bool,
}

impl Terrain {
    /// How far hosts may run ahead of one another: nothing that one does can reach another sooner.
    pub(crate) fn lookahead(&self) -> Duration {
        self.links.shortest().max(Duration::from_micros(1))
    }

    pub(crate) fn addr(&self, host: HostId) -> SocketAddr {
        self.addresses.of(host)
    }

    pub(crate) fn host_at(&self, addr: SocketAddr) -> Option<HostId> {
        self.addresses.host_at(addr, self.hosts)
    }

    /// Does a partition keep datagrams of one host from another?
    pub(crate) fn cuts(&self, from: HostId, to: HostId) -> bool {
        self.partition.as_ref().is_some_and(|partition| partition.cuts(from, to))
    }

    /// What befalls the thing that a host planned as its `number`-th.
    pub(crate) fn chance(&self, host: HostId, number: u32) -> Chance {
        Chance::of(self.seed, &[u64::from(host.0), u64::from(number)])
    }

    /// 32 bytes for the generator of the engine that is started for the `life`-th time at `host`.
    pub(crate) fn engine_seed(&self, host: HostId, life: u32) -> [u8; 32] {
        const PURPOSE: u64 = 0xe61e;
        let mut seed = [0; 32];
        let mut chance = Chance::of(self.seed, &[PURPOSE, u64::from(host.0), u64::from(life)]);
        rand::Rng::fill_bytes(&mut chance, &mut seed);
        seed
    }
}

/// A datagram as it was sent, whether it arrived or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Time,
    /// By whom.
    pub from: SocketAddr,
    /// To where.
    pub to: SocketAddr,
    /// What it holds.
    pub payload: bytes::Bytes,
}
