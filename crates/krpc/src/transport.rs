//! The seam between an endpoint and whatever carries datagrams.
//!
//! Knows batches of bytes and addresses; must not know what is in them.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use async_trait::async_trait;

use crate::{Batch, Transmit};

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
/// The hot path is [`poll_receive`](Self::poll_receive) and [`try_send`](Self::try_send), which allocate nothing in
/// steady state; the rest waits. Every implementation must behave as `tests/transport.rs` of this crate asks.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The address that others can send to, as far as this host knows.
    ///
    /// # Errors
    /// If the operating system does not tell.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Fills `batch` anew with what there is, at least one datagram; while there is none, the task of `cx` is woken when
    /// one may have come.
    ///
    /// Nothing is lost between two calls. Meant for one receiver at a time.
    ///
    /// # Errors
    /// If nothing can be received any more. What a peer or the network did is no error.
    fn poll_receive(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>>;

    /// Sends as much of `batch` as the carrier has room for, in order, and returns how many are done with: sent, or
    /// refused and added to `failures`. A refused datagram does not stop the others.
    fn try_send(&self, batch: &[Transmit], failures: &mut Vec<SendFailure>) -> usize;

    /// Waits until the carrier may have room again.
    ///
    /// # Errors
    /// If nothing can be sent any more.
    async fn writable(&self) -> io::Result<()>;

    /// Waits for at least one datagram; otherwise as [`poll_receive`](Self::poll_receive).
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`poll_receive`](Self::poll_receive).
    async fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        poll_fn(|cx| self.poll_receive(cx, batch)).await
    }

    /// Sends all of `batch`, in order, and returns those that were refused.
    ///
    /// Waits while the carrier has no room. Dropping the future leaves the rest unsent.
    async fn send(&self, batch: &[Transmit]) -> Vec<SendFailure> {
        let mut failures = Vec::new();
        let mut rest = batch;
        loop {
            rest = rest.get(self.try_send(rest, &mut failures)..).unwrap_or_default();
            let Some((next, others)) = rest.split_first() else { return failures };
            if let Err(error) = self.writable().await {
                failures.push(SendFailure { to: next.to, error });
                rest = others;
            }
        }
    }

    /// Datagrams that came in and were lost since the start because nobody took them soon enough, if the carrier
    /// knows. May take a millisecond: for statistics, not for the path of a packet.
    fn lost_incoming(&self) -> Option<u64> {
        None
    }
}
