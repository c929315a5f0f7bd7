//! `MemoryNetwork`: datagrams between transports of one process, for tests, examples and demonstrations.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::transport::{SendFailure, Transport};
use crate::{Batch, Transmit};

/// Datagrams that wait at one address at most: about what a UDP socket's buffer holds. Further ones are lost,
/// as with UDP.
const MAX_INBOX: usize = 256;

/// A network of its own, in memory: any address can be bound, and nothing leaves the process. Clones are the
/// same network.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    inboxes: Arc<Mutex<HashMap<SocketAddr, Sender<Sent>>>>,
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

    fn inboxes(&self) -> MutexGuard<'_, HashMap<SocketAddr, Sender<Sent>>> {
        // The map is whole at every moment, whatever became of another holder.
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A datagram on its way.
#[derive(Debug)]
struct Sent {
    from: SocketAddr,
    payload: Bytes,
}

/// One address of a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemoryTransport {
    addr: SocketAddr,
    network: MemoryNetwork,
    inbox: Mutex<Receiver<Sent>>,
}

#[async_trait]
impl Transport for MemoryTransport {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn poll_receive(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        // The inbox is whole at every moment, whatever became of another holder.
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = ready!(inbox.poll_recv(cx)) else {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        batch.prepare();
        batch.push(first.from, &first.payload);
        while !batch.is_full()
            && let Ok(next) = inbox.try_recv()
        {
            batch.push(next.from, &next.payload);
        }
        Poll::Ready(Ok(()))
    }

    fn try_send(&self, batch: &[Transmit], failures: &mut Vec<SendFailure>) -> usize {
        let inboxes = self.network.inboxes();
        for Transmit { to, payload } in batch {
            if to.port() == 0 {
                failures.push(SendFailure { to: *to, error: ErrorKind::InvalidInput.into() });
            } else if let Some(inbox) = inboxes.get(to) {
                // A copy: the payload shares its buffer with others, which waiting here would keep. A full inbox loses
                // the datagram, as UDP does.
                let _ = inbox.try_send(Sent { from: self.addr, payload: Bytes::copy_from_slice(payload) });
            }
        }
        batch.len()
    }

    async fn writable(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.network.inboxes().remove(&self.addr);
    }
}
