//! The seam between an endpoint and whatever carries datagrams.
//!
//! Knows batches of bytes and addresses; must not know what is in them.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Transmit;

/// Datagrams taken in one batch at most: enough to spare wake-ups under load, few enough (128 KiB) that
/// sending and timers get their turn.
pub const MAX_BATCH: usize = 64;

/// A datagram that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where it came from. May be forged.
    pub peer: SocketAddr,
    /// What it holds. If it was longer than [`MAX_INCOMING`](crate::MAX_INCOMING) bytes, it may be cut, but not
    /// to that length or less, so that an endpoint still sees that it was too long.
    pub payload: Bytes,
}

/// A datagram that could not be sent.
#[derive(Debug)]
pub struct SendFailure {
    /// Where it should have gone.
    pub to: SocketAddr,
    /// What the carrier said.
    pub error: io::Error,
}

/// Carries datagrams in batches, unreliably, as UDP does: they may be lost, doubled or reordered.
///
/// Every implementation must behave as `tests/transport.rs` of this crate asks.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The address that others can send to, as far as this host knows.
    ///
    /// # Errors
    /// If the operating system does not tell.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Waits for at least one datagram and appends what there is to `batch`, [`MAX_BATCH`] at most.
    ///
    /// Cancel-safe: dropping the future loses nothing. Meant for one receiver at a time.
    ///
    /// # Errors
    /// If nothing can be received any more. What a peer or the network did is no error.
    async fn receive(&self, batch: &mut Vec<Datagram>) -> io::Result<()>;

    /// Sends all of `batch`, in order, and returns those that were refused.
    ///
    /// Waits while the carrier has no room. A refused datagram does not stop the others. Dropping the future
    /// leaves the rest unsent.
    async fn send(&self, batch: &[Transmit]) -> Vec<SendFailure>;
}
