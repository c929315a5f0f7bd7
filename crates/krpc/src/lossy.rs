//! `Lossy`: a transport that loses datagrams on purpose, repeatably.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use rand::{Rng, RngExt};

use crate::transport::{SendFailure, Transport};
use crate::{Batch, Transmit};

/// Loses a share of the datagrams sent through it; those received pass.
#[derive(Debug)]
pub struct Lossy<T, R> {
    inner: T,
    loss_percent: u32,
    fate: Mutex<Fate<R>>,
}

#[derive(Debug)]
struct Fate<R> {
    rng: R,
    /// The next datagram was spared already, but the carrier had no room: chance is asked once for each.
    is_spared: bool,
}

impl<T: Transport, R: Rng + Send + 'static> Lossy<T, R> {
    /// Sends through `inner` but for `loss_percent` of the datagrams (100 and more: all), chosen by `rng`.
    pub const fn new(inner: T, loss_percent: u32, rng: R) -> Self {
        Self { inner, loss_percent, fate: Mutex::new(Fate { rng, is_spared: false }) }
    }
}

#[async_trait]
impl<T: Transport, R: Rng + Send + 'static> Transport for Lossy<T, R> {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_receive(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        self.inner.poll_receive(cx, batch)
    }

    fn try_send(&self, batch: &[Transmit], failures: &mut Vec<SendFailure>) -> usize {
        // A generator is usable at every moment, whatever became of another holder.
        let mut fate = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        for (done, transmit) in batch.iter().enumerate() {
            if !fate.is_spared && fate.rng.random_range(0..100) < self.loss_percent {
                continue;
            }
            fate.is_spared = self.inner.try_send(std::slice::from_ref(transmit), failures) == 0;
            if fate.is_spared {
                return done;
            }
        }
        batch.len()
    }

    async fn writable(&self) -> io::Result<()> {
        self.inner.writable().await
    }

    fn lost_incoming(&self) -> Option<u64> {
        self.inner.lost_incoming()
    }
}
