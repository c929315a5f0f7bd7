//! Many datagrams with one system call (`recvmmsg`, `sendmmsg`), through nix: rustix lacks the first, and quinn-udp
//! sends batches to one peer only. For IPv4, which is what the protocol speaks.

use std::array::from_fn;
use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::batch::{MAX_BATCH, Taken};
use crate::{Batch, Transmit};

/// Where the system finds addresses and buffers, each for one direction, as a call leaves traces that the other would
/// stumble over.
struct Headers {
    incoming: MultiHeaders<SockaddrIn>,
    outgoing: MultiHeaders<SockaddrIn>,
}

thread_local! {
    /// Scratch space of a call, of no meaning between calls. One for each thread, not for each socket: it must not move to
    /// another thread, sockets do, and there may be a thousand of them.
    static HEADERS: RefCell<Headers> = RefCell::new(Headers {
        incoming: MultiHeaders::preallocate(MAX_BATCH, None),
        outgoing: MultiHeaders::preallocate(MAX_BATCH, None),
    });
}

/// Fills `batch` with what `socket` has; an error says why there is room left in it.
pub(super) fn receive(socket: &UdpSocket, batch: &mut Batch) -> io::Result<()> {
    socket.try_io(Interest::READABLE, || {
        HEADERS.with_borrow_mut(|headers| take(socket.as_raw_fd(), &mut headers.incoming, batch))
    })
}

/// Sends some of `batch`, the first ones, and returns how many; an error is about the very first.
pub(super) fn send(socket: &UdpSocket, batch: &[Transmit]) -> io::Result<usize> {
    socket.try_io(Interest::WRITABLE, || {
        HEADERS.with_borrow_mut(|headers| give(socket.as_raw_fd(), &mut headers.outgoing, batch))
    })
}

fn take(fd: RawFd, headers: &mut MultiHeaders<SockaddrIn>, batch: &mut Batch) -> io::Result<()> {
    let (mut vacant, taken) = batch.vacancies();
    let mut slots: [_; MAX_BATCH] = from_fn(|_| [IoSliceMut::new(vacant.next().unwrap_or_default())]);
    let room = slots.iter().take_while(|[slot]| !slot.is_empty()).count();
    let received = recvmmsg(fd, headers, slots.iter_mut().take(room), MsgFlags::MSG_DONTWAIT, None)?;
    taken.extend(received.filter_map(|message| {
        Some(Taken { peer: SocketAddrV4::from(message.address?).into(), len: message.bytes })
    }));
    // If there is room left, whatever comes from now on makes the socket readable anew.
    if taken.len() < room { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

fn give(fd: RawFd, headers: &mut MultiHeaders<SockaddrIn>, batch: &[Transmit]) -> io::Result<usize> {
    let mut addrs = [None; MAX_BATCH];
    let mut payloads = [[IoSlice::new(&[])]; MAX_BATCH];
    for (transmit, (addr, payload)) in batch.iter().zip(addrs.iter_mut().zip(&mut payloads)) {
        let SocketAddr::V4(to) = transmit.to else { break };
        (*addr, *payload) = (Some(SockaddrIn::from(to)), [IoSlice::new(&transmit.payload)]);
    }
    let count = addrs.iter().flatten().count();
    if count == 0 {
        return Err(ErrorKind::InvalidInput.into());
    }
    let sent = sendmmsg(fd, headers, payloads.iter().take(count), addrs, [], MsgFlags::MSG_DONTWAIT)?;
    Ok(sent.count())
}
