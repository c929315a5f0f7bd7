//! `Guard`: whom an endpoint listens to, before anything is decoded, and to whom it says how much.
//! Knows addresses, sizes and time; must not know messages.

mod budget;
mod credit;
mod held;
mod key;
mod proven;

use std::net::SocketAddr;

use bytes::Bytes;
use khashmir_types::Time;
use rand::Rng;

use super::{Delivery, DropReason, EndpointConfig};
use budget::{Budget, Over};
use credit::Credit;
use held::Held;
use key::Key;
use proven::Proven;

/// What stands between an endpoint and whoever sends it something.
///
/// Anybody can send in the name of any address. So addresses that have *proved* themselves, by echoing one of our random
/// values, have budgets of their own, one each; all others share what is left, by prefix. And to who has proved nothing goes no
/// more than came from there. Its memory is bounded, and nearly nothing while nobody floods.
#[derive(Debug)]
pub(super) struct Guard {
    key: Key,
    demands_proof: bool,
    is_loopback_exempt: bool,
    proven: Proven,
    addresses: Budget,
    prefixes: Budget,
    credit: Credit,
    held: Held,
}

/// What is known of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No limit is for it.
    Exempt,
    /// It receives what is sent to its address.
    Proven,
    /// Somebody else may have sent in its name.
    Unproven,
}

impl Guard {
    pub(super) fn new(config: &EndpointConfig, rng: &mut impl Rng) -> Self {
        Self {
            key: Key::new(rng),
            demands_proof: config.demands_proof,
            is_loopback_exempt: config.is_loopback_exempt,
            proven: Proven::default(),
            addresses: Budget::new(config.answers_per_second, u32::MAX),
            prefixes: Budget::new(config.unproven_per_prefix, config.unproven_per_second),
            credit: Credit::default(),
            held: Held::default(),
        }
    }

    pub(super) fn standing(&self, addr: SocketAddr, now: Time) -> Standing {
        if self.is_exempt(addr) {
            Standing::Exempt
        } else if self.proven.has(self.key.of_addr(addr), now) {
            Standing::Proven
        } else {
            Standing::Unproven
        }
    }

    /// May a datagram of `len` bytes that is no answer to us come in? If so, it counts.
    pub(super) fn admit(
        &mut self,
        from: SocketAddr,
        standing: Standing,
        len: usize,
        now: Time,
    ) -> Result<(), DropReason> {
        match standing {
            Standing::Exempt => Ok(()),
            Standing::Proven => {
                let admitted = self.addresses.admit(self.key.of_addr(SocketAddr::new(from.ip(), 0)), now);
                admitted.map_err(|_| DropReason::TooManyQueries)
            }
            Standing::Unproven => {
                let admitted = self.prefixes.admit(self.key.of_prefix(from.ip()), now);
                admitted.map_err(|over| match over {
                    Over::Each => DropReason::PrefixBudget,
                    Over::All => DropReason::TotalBudget,
                })?;
                self.credit.earn(len, now);
                Ok(())
            }
        }
    }

    /// Is a reply of `len` bytes within what `to` may get at once?
    pub(super) fn affords(&mut self, to: SocketAddr, len: usize, now: Time) -> bool {
        !self.demands_proof || self.standing(to, now) != Standing::Unproven || self.credit.spend(len)
    }

    /// What is to be done with a reply that [`affords`](Self::affords) refused. A ping is worth `ping` bytes.
    pub(super) fn keep(&mut self, to: SocketAddr, payload: Bytes, ping: usize, now: Time) -> Delivery {
        // One ping is enough for all that waits.
        if self.held.awaits(to) || self.held.has_room(now) && self.credit.spend(ping) {
            self.held.keep(to, payload, now)
        } else {
            Delivery::Dropped
        }
    }

    /// The address has echoed one of our random values. Returns the replies that waited for that.
    pub(super) fn on_proof(&mut self, addr: SocketAddr, now: Time) -> Vec<Bytes> {
        if !self.is_exempt(addr) {
            self.proven.add(self.key.of_addr(addr), now);
        }
        self.held.release(addr)
    }

    /// Is a proof of this address awaited?
    pub(super) fn awaits_proof(&self, addr: SocketAddr) -> bool {
        self.held.awaits(addr)
    }

    /// Does a query to `addr` do well to be as long as its answer will be?
    pub(super) fn pads_for(&self, addr: SocketAddr) -> bool {
        self.demands_proof && !self.is_exempt(addr)
    }

    fn is_exempt(&self, addr: SocketAddr) -> bool {
        self.is_loopback_exempt && addr.ip().is_loopback()
    }
}
