//! Network address translation, in the words of RFC 4787. Knows no engine, and hosts by number alone.

use std::time::Duration;

use khashmir::Time;
use rand::RngExt;

use crate::HostId;
use crate::chance::Chance;

/// The box that translates the ports of a host, which has the box's address for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// How it maps and filters.
    pub kind: NatKind,
    /// After so long without a datagram from inside, a mapping is forgotten (RFC 4787, REQ-5 and REQ-6). What comes from
    /// outside does not prolong it.
    pub mapping_timeout: Duration,
}

impl Nat {
    /// One that forgets mappings after two minutes, the shortest time that RFC 4787 allows (REQ-5). Many forget them after
    /// 30 to 60 seconds.
    #[must_use]
    pub const fn new(kind: NatKind) -> Self {
        Self { kind, mapping_timeout: Duration::from_secs(120) }
    }
}

/// How a NAT maps and filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// One outer port for all, through which all get in: endpoint-independent mapping and filtering.
    FullCone,
    /// One outer port for all, through which those addresses and ports get in that were sent to: endpoint-independent
    /// mapping, address and port-dependent filtering.
    PortRestricted,
    /// An outer port for each address and port that is sent to, through which nobody else gets in: address and
    /// port-dependent mapping and filtering.
    Symmetric,
}

/// Somebody a host has sent to: the host that was reached, and the port there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) host: HostId,
    pub(crate) port: u16,
}

/// A NAT with what it remembers.
#[derive(Debug)]
pub(crate) struct NatBox {
    nat: Nat,
    flows: Flows,
    /// The outer port given out last: with an endpoint-independent mapping the only one.
    port: u16,
    /// When a datagram last came from inside.
    used: Time,
    chance: Chance,
}

impl NatBox {
    /// `chance` is where it takes its outer ports from.
    pub(crate) fn new(nat: Nat, chance: Chance) -> Self {
        Self { nat, flows: Flows::new(nat.mapping_timeout), port: 0, used: Time::EPOCH, chance }
    }

    /// Lets out a datagram; returns the outer port from which it comes. There is no `peer` where nobody is.
    pub(crate) fn let_out(&mut self, peer: Option<Peer>, now: Time) -> u16 {
        let is_symmetric = self.nat.kind == NatKind::Symmetric;
        if !is_symmetric && !self.is_mapped(now) {
            self.port = draw(&mut self.chance, |port| port == self.port);
        }
        self.used = now;
        let Some(peer) = peer else { return self.port };
        match self.nat.kind {
            NatKind::FullCone => self.port,
            NatKind::PortRestricted => self.flows.use_or_open(peer, now, |_| self.port),
            NatKind::Symmetric => {
                let Self { flows, chance, port: last, .. } = self;
                flows.use_or_open(peer, now, |flows| {
                    *last = draw(chance, |port| port == *last || flows.iter().any(|flow| flow.port == port));
                    *last
                })
            }
        }
    }

    /// Does it let in what `peer` sent to an outer port?
    pub(crate) fn admits(&self, peer: Peer, port: u16, now: Time) -> bool {
        match self.nat.kind {
            NatKind::FullCone => self.port == port && self.is_mapped(now),
            NatKind::PortRestricted | NatKind::Symmetric => self.flows.port(peer, now) == Some(port),
        }
    }

    fn is_mapped(&self, now: Time) -> bool {
        now.since(self.used) < self.nat.mapping_timeout
    }
}

/// To whom a host has sent of late, and from which port: what was used last at the end.
#[derive(Debug)]
pub(crate) struct Flows {
    flows: Vec<Flow>,
    timeout: Duration,
}

#[derive(Debug)]
struct Flow {
    peer: Peer,
    port: u16,
    used: Time,
}

/// Most flows of a host: what small routers have room for. The one not used for longest makes room for another.
const MAX_FLOWS: usize = 1024;

impl Flows {
    /// None, of which each ends if it is not used for `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { flows: Vec::new(), timeout }
    }

    /// Uses the flow to a peer, or opens one from a `new_port` that may depend on those that are open; returns its port.
    fn use_or_open(&mut self, peer: Peer, now: Time, new_port: impl FnOnce(&[Flow]) -> u16) -> u16 {
        let ended = self.flows.partition_point(|flow| now.since(flow.used) >= self.timeout);
        self.flows.drain(..ended);
        let port = match self.flows.iter().rposition(|flow| flow.peer == peer) {
            Some(place) => self.flows.remove(place).port,
            None => new_port(&self.flows),
        };
        if self.flows.len() == MAX_FLOWS {
            self.flows.remove(0);
        }
        self.flows.push(Flow { peer, port, used: now });
        port
    }

    /// Uses the flow to a peer, or opens one.
    pub(crate) fn note(&mut self, peer: Peer, now: Time) {
        self.use_or_open(peer, now, |_| 0);
    }

    /// The port from which the host has sent to a peer, if it did so of late.
    fn port(&self, peer: Peer, now: Time) -> Option<u16> {
        let flow = self.flows.iter().rfind(|flow| flow.peer == peer)?;
        (now.since(flow.used) < self.timeout).then_some(flow.port)
    }

    /// Has the host sent to a peer of late?
    pub(crate) fn has(&self, peer: Peer, now: Time) -> bool {
        self.port(peer, now).is_some()
    }
}

/// A port that is free, and none of those that belong to well-known services. At most [`MAX_FLOWS`] are not free.
fn draw(chance: &mut Chance, is_taken: impl Fn(u16) -> bool) -> u16 {
    loop {
        let port = chance.random_range(1024..=u16::MAX);
        if !is_taken(port) {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = crate::world::START;
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn nat(kind: NatKind) -> NatBox {
        NatBox::new(Nat { kind, mapping_timeout: TIMEOUT }, Chance::of(7, &[]))
    }

    fn peer(host: u32, port: u16) -> Peer {
        Peer { host: HostId(host), port }
    }

    #[test]
    fn cones_have_one_port_for_all_and_a_symmetric_nat_one_for_each() {
        for kind in [NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric] {
            let mut nat = nat(kind);
            let mut let_out = |peer| nat.let_out(Some(peer), NOW);
            let ports = [peer(1, 1), peer(1, 2), peer(2, 1)].map(&mut let_out);
            assert_eq!(ports, [peer(1, 1), peer(1, 2), peer(2, 1)].map(&mut let_out), "{kind:?} keeps ports");
            assert_eq!(ports[0] == ports[1] && ports[1] == ports[2], kind != NatKind::Symmetric, "{kind:?}");
        }
    }

    #[test]
    fn a_full_cone_lets_in_all_others_only_whom_they_were_sent_to() {
        for (kind, admits_others) in
            [(NatKind::FullCone, true), (NatKind::PortRestricted, false), (NatKind::Symmetric, false)]
        {
            let mut nat = nat(kind);
            assert!(!nat.admits(peer(1, 9), 0, NOW), "nothing is mapped yet");
            let port = nat.let_out(Some(peer(1, 9)), NOW);
            assert!(nat.admits(peer(1, 9), port, NOW));
            assert!(!nat.admits(peer(1, 9), port ^ 1, NOW), "another port");
            for other in [peer(1, 8), peer(2, 9)] {
                assert_eq!(nat.admits(other, port, NOW), admits_others, "{kind:?}");
            }
        }
    }

    #[test]
    fn mappings_live_by_what_is_sent_and_come_back_with_other_ports() {
        for kind in [NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric] {
            let mut nat = nat(kind);
            let port = nat.let_out(Some(peer(1, 9)), NOW);
            let later = NOW + TIMEOUT - Duration::from_micros(1);
            assert!(nat.admits(peer(1, 9), port, later));
            assert!(!nat.admits(peer(1, 9), port, NOW + TIMEOUT), "what comes in does not prolong it");
            assert_eq!(nat.let_out(Some(peer(1, 9)), later), port);
            assert!(nat.admits(peer(1, 9), port, NOW + TIMEOUT), "what goes out does");
            assert_ne!(nat.let_out(Some(peer(1, 9)), later + TIMEOUT), port, "{kind:?}");
        }
    }

    #[test]
    fn the_flow_not_used_for_longest_makes_room() {
        let mut flows = Flows::new(TIMEOUT);
        for host in 0..MAX_FLOWS as u32 {
            flows.note(peer(host, 1), NOW);
        }
        flows.note(peer(0, 1), NOW);
        flows.note(peer(5000, 1), NOW);
        assert_eq!(flows.flows.len(), MAX_FLOWS);
        assert!(flows.has(peer(0, 1), NOW) && flows.has(peer(5000, 1), NOW) && !flows.has(peer(1, 1), NOW));
        flows.note(peer(1, 1), NOW + TIMEOUT);
        assert_eq!(flows.flows.len(), 1, "what has ended takes no room");
    }
}
