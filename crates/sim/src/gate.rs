//! `Gate`: what stands between one host and the network. Knows no engine and no other host.

use khashmir::Time;

use crate::chance::Chance;
use crate::nat::{Flows, NatBox, Peer};

/// What stands between a host and the network. Hosts that nothing stands before have none.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) nat: Option<NatBox>,
    /// To whom the host has sent of late, if a firewall lets nobody else in.
    pub(crate) firewall: Option<Flows>,
    pub(crate) is_deaf: bool,
    pub(crate) loss: Loss,
}

/// The share of datagrams that the line of one host loses, 0 to 1, in addition to what is lost between all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Of what it sends.
    pub outward: f64,
    /// Of what is sent to it.
    pub inward: f64,
}

/// Why a datagram does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Lost,
    Deaf,
    Nat,
    Firewall,
}

impl Gate {
    /// Lets out a datagram that the host sends from `port`; returns the port it comes from as others see it. There is
    /// no `peer` where nobody is.
    pub(crate) fn let_out(&mut self, port: u16, peer: Option<Peer>, now: Time) -> u16 {
        if let (Some(firewall), Some(peer)) = (&mut self.firewall, peer) {
            firewall.note(peer, now);
        }
        self.nat.as_mut().map_or(port, |nat| nat.let_out(peer, now))
    }

    /// Lets in a datagram that a peer sent to `port`, or says why not. `chance` is that of the datagram.
    pub(crate) fn let_in(&self, peer: Peer, port: u16, now: Time, mut chance: Chance) -> Result<(), Refusal> {
        if self.is_deaf {
            return Err(Refusal::Deaf);
        }
        if chance.hits(self.loss.inward) {
            return Err(Refusal::Lost);
        }
        if self.nat.as_ref().is_some_and(|nat| !nat.admits(peer, port, now)) {
            return Err(Refusal::Nat);
        }
        if self.firewall.as_ref().is_some_and(|firewall| !firewall.has(peer, now)) {
            return Err(Refusal::Firewall);
        }
        Ok(())
    }
}
