//! `UdpTransport`: datagrams over a tokio UDP socket.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::net::UdpSocket;

use crate::transport::{Datagram, MAX_BATCH, SendFailure, Transport};
use crate::{MAX_INCOMING, Transmit};

/// A UDP socket. One socket must serve for everything: peers know a node by the address it sends from.
#[derive(Debug)]
pub struct UdpTransport {
    socket: UdpSocket,
}

impl UdpTransport {
    /// Binds a socket; port 0 lets the operating system choose one.
    ///
    /// # Errors
    /// If the address is in use or not ours.
    pub async fn bind(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::bind(addr).await? })
    }

    /// Takes what the socket has, as far as the batch goes.
    fn take_available(&self, batch: &mut Vec<Datagram>) -> io::Result<()> {
        // One byte more than an endpoint reads, so that a longer datagram does not pass for one that fits.
        let mut buffer = [0; MAX_INCOMING + 1];
        for _ in 0..MAX_BATCH {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((len, peer)) => {
                    batch.push(Datagram { peer, payload: Bytes::copy_from_slice(&buffer[..len]) });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for UdpTransport {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn receive(&self, batch: &mut Vec<Datagram>) -> io::Result<()> {
        let before = batch.len();
        while batch.len() == before {
            self.socket.readable().await?;
            match self.take_available(batch) {
                // What came before the error is not lost; a lasting error will show again.
                Err(error) if batch.len() == before => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn send(&self, batch: &[Transmit]) -> Vec<SendFailure> {
        let mut failures = Vec::new();
        for Transmit { to, payload } in batch {
            if let Err(error) = self.socket.send_to(payload, to).await {
                failures.push(SendFailure { to: *to, error });
            }
        }
        failures
    }
}

/// Is this error the echo of some datagram (an ICMP message, a datagram too long for the buffer on Windows, a
/// signal), so that the socket goes on working?
fn is_passing(error: &io::Error) -> bool {
    /// `WSAEMSGSIZE`: on Windows a cut datagram is an error.
    const MESSAGE_TOO_LONG: i32 = 10040;
    let too_long = cfg!(windows) && error.raw_os_error() == Some(MESSAGE_TOO_LONG);
    too_long
        || matches!(
            error.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::Interrupted
        )
}
