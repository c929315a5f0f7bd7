//! `Adversary`: whatever is at a host in place of an honest engine. Knows no world.

use std::fmt::Debug;
use std::net::SocketAddr;

use khashmir::krpc::Transmit;
use khashmir::{Id, Time};

/// Something other than an engine at a host: it gets what is sent there, and sends what it likes.
///
/// The rule of use is that of an engine: one input, then `poll_transmit` until `None`, then `poll_timeout`.
pub trait Adversary: Debug + Send {
    /// Takes in a datagram.
    fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Time);

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next datagram to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// When to call [`handle_timeout`](Self::handle_timeout) next; [`Time::FAR_FUTURE`] for never.
    fn poll_timeout(&self) -> Time {
        Time::FAR_FUTURE
    }

    /// The id it wants to be known by, if there is one.
    fn id(&self) -> Option<Id>;
}
