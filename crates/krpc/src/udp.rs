//! `UdpTransport`: datagrams over a tokio UDP socket. How they get through the system is in the modules below.

#[cfg(target_os = "linux")]
mod batched;
#[cfg(target_os = "linux")]
mod losses;
mod single;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use socket2::SockRef;
use tokio::net::UdpSocket;

use crate::batch::MAX_BATCH;
use crate::transport::{SendFailure, Transport};
use crate::{Batch, Transmit};

/// Bytes of buffer asked of the system in each direction: room for some 4,000 small datagrams, a burst that a busy
/// node works off in 20 ms. The usual 208 KiB hold 190. Nothing is taken until datagrams wait in it.
const WANTED_BUFFER: usize = 4 << 20;

/// A UDP socket. One socket must serve for everything: peers know a node by the address it sends from.
#[derive(Debug)]
pub struct UdpTransport {
    socket: UdpSocket,
    calls: Calls,
}

/// How datagrams pass between the process and the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    /// Many at a time (`recvmmsg`, `sendmmsg`).
    #[cfg(target_os = "linux")]
    Batched,
    /// One at a time, as everywhere.
    Single,
}

impl UdpTransport {
    /// Binds a socket; port 0 lets the operating system choose one.
    ///
    /// Asks for large buffers and says in the log (level `info`) if the system grants less.
    ///
    /// # Errors
    /// If the address is in use or not ours.
    pub async fn bind(addr: SocketAddr) -> io::Result<Self> {
        let single = Self::bind_single(addr).await?;
        #[cfg(target_os = "linux")]
        let calls = if addr.is_ipv4() { Calls::Batched } else { Calls::Single };
        #[cfg(not(target_os = "linux"))]
        let calls = Calls::Single;
        Ok(Self { calls, ..single })
    }

    /// As [`bind`](Self::bind), but with one system call for each datagram, as on systems without calls for many.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub async fn bind_single(addr: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(addr).await?;
        enlarge_buffers(&socket);
        Ok(Self { socket, calls: Calls::Single })
    }

    /// Takes what the socket has, as far as the batch goes; an error says why there is room left in it.
    fn take_available(&self, batch: &mut Batch) -> io::Result<()> {
        match self.calls {
            #[cfg(target_os = "linux")]
            Calls::Batched => batched::receive(&self.socket, batch),
            Calls::Single => single::receive(&self.socket, batch),
        }
    }

    /// Sends some of `batch`, the first ones, and returns how many; an error is about the very first.
    fn send_some(&self, batch: &[Transmit]) -> io::Result<usize> {
        match self.calls {
            #[cfg(target_os = "linux")]
            Calls::Batched => batched::send(&self.socket, batch),
            Calls::Single => single::send(&self.socket, batch),
        }
    }
}

#[async_trait]
impl Transport for UdpTransport {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_receive(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        // Each error that passes costs one turn; whoever causes them must not keep us here.
        for _ in 0..MAX_BATCH {
            ready!(self.socket.poll_recv_ready(cx))?;
            batch.prepare();
            match self.take_available(batch) {
                // What came before the error is not lost; a lasting error will show again.
                _ if !batch.is_empty() => return Poll::Ready(Ok(())),
                Err(error) if error.kind() != ErrorKind::WouldBlock && !is_passing(&error) => {
                    return Poll::Ready(Err(error));
                }
                _ => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn try_send(&self, batch: &[Transmit], failures: &mut Vec<SendFailure>) -> usize {
        let mut rest = batch;
        while let Some((next, others)) = rest.split_first() {
            match self.send_some(rest) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    failures.push(SendFailure { to: next.to, error });
                    rest = others;
                }
            }
        }
        batch.len().saturating_sub(rest.len())
    }

    async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    #[cfg(target_os = "linux")]
    fn lost_incoming(&self) -> Option<u64> {
        losses::of(&self.socket)
    }
}

/// Asks for larger buffers. A smaller one only loses more in a burst: no reason not to start.
fn enlarge_buffers(socket: &UdpSocket) {
    let socket = SockRef::from(socket);
    let asked = socket.set_send_buffer_size(WANTED_BUFFER).and(socket.set_recv_buffer_size(WANTED_BUFFER));
    // Linux counts its own overhead too and tells twice what it was asked for (socket(7)).
    let share = if cfg!(target_os = "linux") { 2 } else { 1 };
    match asked.and_then(|()| socket.recv_buffer_size()).map(|size| size / share) {
        Ok(granted) if granted >= WANTED_BUFFER => {}
        Ok(granted) => {
            tracing::info!(
                wanted = WANTED_BUFFER,
                granted,
                "the system grants a smaller receive buffer, and bursts may be lost: raise net.core.rmem_max \
                 (Linux) or kern.ipc.maxsockbuf (BSD, macOS)"
            );
        }
        Err(error) => {
            tracing::info!(%error, "the system grants no larger socket buffers, and bursts may be lost");
        }
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
