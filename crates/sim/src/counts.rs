//! `Counts`: what has happened in a world, counted.

use std::ops::AddAssign;

use crate::gate::Refusal;

/// What has happened in a world so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Things that happened to hosts: datagrams that reached an engine, timeouts, commits, requests.
    pub events: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Those of them that came from another address than their sender's.
    pub forged: u64,
    /// Bytes in all of them.
    pub bytes: u64,
    /// Copies of them that reached an engine or another occupant.
    pub delivered: u64,
    /// Datagrams lost on the way, and copies lost on the line of a host.
    pub lost: u64,
    /// Datagrams that arrived twice.
    pub duplicated: u64,
    /// Copies that were corrupted.
    pub corrupted: u64,
    /// Copies that were held back.
    pub held: u64,
    /// Datagrams that a partition cut off.
    pub cut: u64,
    /// Copies that a NAT did not let in.
    pub nat_dropped: u64,
    /// Copies that the firewall of an unreachable host did not let in.
    pub firewalled: u64,
    /// Copies that a deaf host did not hear.
    pub unheard: u64,
    /// Datagrams to addresses where nobody is, or to hosts that are off.
    pub to_nobody: u64,
    /// Hosts switched on, the first time included.
    pub starts: u64,
    /// Hosts switched off.
    pub stops: u64,
}

impl Counts {
    /// How often each fault has fired, by the name of its field. A report can say with it which of those asked for did not.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("corrupted", self.corrupted),
            ("held", self.held),
            ("cut", self.cut),
            ("forged", self.forged),
            ("nat_dropped", self.nat_dropped),
            ("firewalled", self.firewalled),
            ("unheard", self.unheard),
            ("to_nobody", self.to_nobody),
            ("stops", self.stops),
        ]
        .into_iter()
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Lost => self.lost += 1,
            Refusal::Deaf => self.unheard += 1,
            Refusal::Nat => self.nat_dropped += 1,
            Refusal::Firewall => self.firewalled += 1,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        // Named one by one, so that none is forgotten.
        let Self {
            events,
            sent,
            forged,
            bytes,
            delivered,
            lost,
            duplicated,
            corrupted,
            held,
            cut,
            nat_dropped,
            firewalled,
            unheard,
            to_nobody,
            starts,
            stops,
        } = other;
        self.events += events;
        self.sent += sent;
        self.forged += forged;
        self.bytes += bytes;
        self.delivered += delivered;
        self.lost += lost;
        self.duplicated += duplicated;
        self.corrupted += corrupted;
        self.held += held;
        self.cut += cut;
        self.nat_dropped += nat_dropped;
        self.firewalled += firewalled;
        self.unheard += unheard;
        self.to_nobody += to_nobody;
        self.starts += starts;
        self.stops += stops;
    }
}
