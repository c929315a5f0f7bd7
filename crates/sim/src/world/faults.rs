//! What can be wrong with the network: partitions, NAT, firewalls, dead and lossy lines.

use std::time::Duration;

use super::World;
use crate::HostId;
use crate::chance::Chance;
use crate::gate::{Gate, Loss};
use crate::nat::{Flows, Nat, NatBox};
use crate::partition::{Cut, Partition};

/// For how long the firewall of an unreachable host lets in answers: between the 30 s after which Linux forgets a UDP
/// flow of one datagram and the 120 s after which it forgets any.
const FIREWALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Faults of the network. Each lasts until it is taken back, whoever is at the host meanwhile, and [`counts`](Self::counts)
/// says how often it fired.
impl World {
    /// Splits the network into groups, in place of an earlier partition: `true` or a number for the islands, `false` or 0
    /// for the mainland, where also hosts are that are added later.
    ///
    /// What is on its way may still arrive.
    pub fn partition<G: Into<u8>>(&mut self, group: impl Fn(HostId) -> G, cut: Cut) {
        let groups = self.hosts().map(|host| group(host).into()).collect();
        self.terrain.partition = Some(Partition::new(groups, cut));
    }

    /// Makes the network whole again.
    pub fn heal(&mut self) {
        self.terrain.partition = None;
    }

    /// Puts a host behind a NAT that has nothing mapped yet, or takes the one away that is there.
    ///
    /// Others see the host at its [`addr`](Self::addr), but with a port that the NAT chooses; what is sent to the port of
    /// its `addr` is dropped. The engine knows of it as little as a real one.
    pub fn set_nat(&mut self, host: HostId, nat: Option<Nat>) {
        const PURPOSE: u64 = 0x4a7;
        let chance = Chance::of(self.seed(), &[PURPOSE, u64::from(host.0), self.now().as_micros()]);
        self.gate_mut(host).nat = nat.map(|nat| NatBox::new(nat, chance));
    }

    /// Puts a host behind a firewall that lets in only what comes from an address and port that the host has sent to in the
    /// last minute, or takes it away.
    pub fn set_unreachable(&mut self, host: HostId, is_unreachable: bool) {
        self.gate_mut(host).firewall = is_unreachable.then(|| Flows::new(FIREWALL_TIMEOUT));
    }

    /// Makes a host hear nothing at all, though it is heard; or ends it.
    pub fn set_deaf(&mut self, host: HostId, is_deaf: bool) {
        self.gate_mut(host).is_deaf = is_deaf;
    }

    /// Has the line of a host lose datagrams, in addition to what the [`Links`](crate::Links) lose.
    pub fn set_loss(&mut self, host: HostId, loss: Loss) {
        self.gate_mut(host).loss = loss;
    }

    fn gate_mut(&mut self, host: HostId) -> &mut Gate {
        self.shard_mut(host).0.host_mut(host).gate.get_or_insert_default()
    }
}
