//! `Lossy`: a transport that loses datagrams on purpose, repeatably.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rand::{Rng, RngExt};

use crate::Transmit;
use crate::transport::{Datagram, SendFailure, Transport};

/// Loses a share of the datagrams sent through it; those received pass.
#[derive(Debug)]
pub struct Lossy<T, R> {
    inner: T,
    loss_percent: u32,
    rng: Mutex<R>,
}

impl<T: Transport, R: Rng + Send + 'static> Lossy<T, R> {
    /// Sends through `inner` but for `loss_percent` of the datagrams (100 and more: all), chosen by `rng`.
    pub const fn new(inner: T, loss_percent: u32, rng: R) -> Self {
        Self { inner, loss_percent, rng: Mutex::new(rng) }
    }

    fn survivors(&self, batch: &[Transmit]) -> Vec<Transmit> {
        // A generator is usable at every moment, whatever became of another holder.
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        batch.iter().filter(|_| rng.random_range(0..100) >= self.loss_percent).cloned().collect()
    }
}

#[async_trait]
impl<T: Transport, R: Rng + Send + 'static> Transport for Lossy<T, R> {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    async fn receive(&self, batch: &mut Vec<Datagram>) -> io::Result<()> {
        self.inner.receive(batch).await
    }

    async fn send(&self, batch: &[Transmit]) -> Vec<SendFailure> {
        let survivors = self.survivors(batch);
        self.inner.send(&survivors).await
    }
}
