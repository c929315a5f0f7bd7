//! `Adversary`: whatever is at a host in place of an honest engine. Knows no world.
//!
//! Most attackers are honest nodes with a few lies: see [`Tamper`]. Whoever has nothing of a node implements
//! [`Adversary`] itself, as [`Flooder`] does.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::ops::AddAssign;

use khashmir::krpc::Transmit;
use khashmir::{Id, Time};

use crate::HostId;

mod asked;
mod claim;
mod colluder;
mod flooder;
mod inventor;
mod kind;
mod liar;
mod prefixes;
mod ring;
mod swallower;
mod tampered;

pub use asked::{Answer, Asked};
pub use claim::Claim;
pub use colluder::Colluder;
pub use flooder::{Flood, Flooder};
pub use inventor::{Decoys, Inventor};
pub use kind::{AdversaryError, AdversaryKind};
pub use liar::Liar;
pub use prefixes::{MAX_PREFIXES, spread_over_prefixes};
pub use ring::Ring;
pub use swallower::Swallower;
pub use tampered::{Tamper, Tampered};

/// Something other than an engine at a host: it gets what is sent there, and sends what it likes.
///
/// The rule of use is that of an engine: one input, then `poll_transmit` until `None`, then `poll_timeout`. To
/// keep worlds reproducible it shares nothing that changes with other hosts, and draws from a
/// [`Chance`](crate::Chance) of its own.
pub trait Adversary: Debug + Send {
    /// Takes in a datagram.
    fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Time);

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next datagram to send.
    #[must_use]
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// In whose name the datagram goes that [`poll_transmit`](Self::poll_transmit) has just returned: from the address of
    /// that host, whether it is there or not. Answers go to that address. `None` for its own.
    #[must_use]
    fn forged_name(&self) -> Option<HostId> {
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; [`Time::FAR_FUTURE`] for never.
    #[must_use]
    fn poll_timeout(&self) -> Time {
        Time::FAR_FUTURE
    }

    /// The id it wants to be known by, if there is one.
    fn id(&self) -> Option<Id>;

    /// What it has done so far.
    fn deeds(&self) -> Deeds {
        Deeds::default()
    }
}

/// What adversaries have done. A run in which they did nothing shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Queries that reached them.
    pub asked: u64,
    /// Lies told, queries swallowed, datagrams flooded.
    pub misdeeds: u64,
}

impl AddAssign for Deeds {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.misdeeds += other.misdeeds;
    }
}
