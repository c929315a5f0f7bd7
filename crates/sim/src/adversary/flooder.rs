//! `Flooder`: sends as much as it likes, and hears nothing. Knows no world.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use khashmir::krpc::{Query, TransactionId, Transmit, encode_query};
use khashmir::{Id, Time};
use rand::Rng;
use serde::Deserialize;

use super::{Adversary, Asked, Deeds};
use crate::{Chance, HostId};

/// What a flood consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flood {
    /// A `find_node` for a random target, each in the name of another node: all that a stranger can cost us.
    #[default]
    Queries,
    /// Up to 1472 random bytes.
    Garbage,
}

/// Bytes in the longest garbage: what fits a frame.
const LONGEST_GARBAGE: usize = 1472;

/// Names that are forged: as many as hosts have addresses.
const NAMES: usize = 1 << 30;

/// Sends datagrams to targets chosen at random, at an even pace, and answers nobody: it is no node.
#[derive(Debug)]
pub struct Flooder {
    targets: Arc<[SocketAddr]>,
    flood: Flood,
    interval: Duration,
    /// When the next datagram is due; [`Time::EPOCH`] before the first.
    next: Time,
    outgoing: Option<Transmit>,
    /// The share of datagrams that go in the name of somebody else, and in whose the last one went.
    forged: f64,
    name: Option<HostId>,
    chance: Chance,
    deeds: Deeds,
}

impl Flooder {
    /// Floods `targets` from now on, each datagram `interval` after the last. What it draws it draws from `chance`.
    ///
    /// # Panics
    /// If `interval` is shorter than a microsecond.
    #[must_use]
    pub fn new(targets: Arc<[SocketAddr]>, flood: Flood, interval: Duration, chance: Chance) -> Self {
        assert!(interval >= Duration::from_micros(1), "time goes on by a microsecond at least");
        let deeds = Deeds::default();
        let (next, outgoing) = (Time::EPOCH, None);
        Self { targets, flood, interval, next, outgoing, forged: 0.0, name: None, chance, deeds }
    }

    /// The same, but a share of the datagrams goes in the names of hosts chosen at random, most of which do not exist.
    #[must_use]
    pub fn forging(self, share: f64) -> Self {
        Self { forged: share, ..self }
    }

    fn payload(&mut self) -> Bytes {
        let rng = &mut self.chance;
        match self.flood {
            Flood::Queries => {
                let (transaction, sender) = (TransactionId::random(rng), Id::random(rng));
                encode_query(&transaction, &sender, &Query::FindNode { target: Id::random(rng) })
            }
            Flood::Garbage => {
                let mut garbage = vec![0; rng.below(LONGEST_GARBAGE) + 1];
                rng.fill_bytes(&mut garbage);
                garbage.into()
            }
        }
    }
}

impl Adversary for Flooder {
    fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], _: Time) {
        self.deeds.asked += u64::from(Asked::read(from, datagram).is_some());
    }

    fn handle_timeout(&mut self, now: Time) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        if let Some(to) = self.targets.get(self.chance.below(self.targets.len())).copied() {
            self.outgoing = Some(Transmit { to, payload: self.payload() });
            self.name = None;
            if self.chance.hits(self.forged) {
                self.name = u32::try_from(self.chance.below(NAMES)).ok().map(HostId);
            }
            self.deeds.misdeeds += 1;
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outgoing.take()
    }

    fn forged_name(&self) -> Option<HostId> {
        self.name
    }

    fn poll_timeout(&self) -> Time {
        self.next
    }

    fn id(&self) -> Option<Id> {
        None
    }

    fn deeds(&self) -> Deeds {
        self.deeds
    }
}
