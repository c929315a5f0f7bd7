//! `MemoryNetwork`: datagrams between transports of one process, for tests, examples and demonstrations.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::Transmit;
use crate::transport::{Datagram, MAX_BATCH, SendFailure, Transport};

/// Datagrams that wait at one address at most: about what a UDP socket's buffer holds. Further ones are lost,
/// as with UDP.
const MAX_INBOX: usize = 256;

/// A network of its own, in memory: any address can be bound, and nothing leaves the process. Clones are the
/// same network.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    inboxes: Arc<Mutex<HashMap<SocketAddr, Sender<Datagram>>>>,
}

impl MemoryNetwork {
    /// Binds an address until the transport is dropped; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is in use, or all ports are.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<MemoryTransport> {
        let mut inboxes = self.inboxes();
        let ports = if addr.port() == 0 { 1..=u16::MAX } else { addr.port()..=addr.port() };
        let mut candidates = ports.map(|port| SocketAddr::new(addr.ip(), port));
        let free = candidates.find(|candidate| !inboxes.contains_key(candidate));
        let addr = free.ok_or(ErrorKind::AddrInUse)?;
        let (sender, receiver) = mpsc::channel(MAX_INBOX);
        inboxes.insert(addr, sender);
        Ok(MemoryTransport { addr, network: self.clone(), inbox: receiver.into() })
    }

    fn inboxes(&self) -> MutexGuard<'_, HashMap<SocketAddr, Sender<Datagram>>> {
        // The map is whole at every moment, whatever became of another holder.
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One address of a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemoryTransport {
    addr: SocketAddr,
    network: MemoryNetwork,
    inbox: tokio::sync::Mutex<Receiver<Datagram>>,
}

#[async_trait]
impl Transport for MemoryTransport {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    async fn receive(&self, batch: &mut Vec<Datagram>) -> io::Result<()> {
        match self.inbox.lock().await.recv_many(batch, MAX_BATCH).await {
            0 => Err(ErrorKind::NotConnected.into()),
            _ => Ok(()),
        }
    }

    async fn send(&self, batch: &[Transmit]) -> Vec<SendFailure> {
        let inboxes = self.network.inboxes();
        let mut failures = Vec::new();
        for Transmit { to, payload } in batch {
            if to.port() == 0 {
                failures.push(SendFailure { to: *to, error: ErrorKind::InvalidInput.into() });
            } else if let Some(inbox) = inboxes.get(to) {
                // A full inbox loses the datagram, as UDP does.
                let _ = inbox.try_send(Datagram { peer: self.addr, payload: payload.clone() });
            }
        }
        failures
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.network.inboxes().remove(&self.addr);
    }
}
