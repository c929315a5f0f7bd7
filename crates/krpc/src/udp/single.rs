//! One system call for each datagram: works everywhere.

use std::io;

use tokio::net::UdpSocket;

use crate::batch::Taken;
use crate::{Batch, Transmit};

/// Fills `batch` with what `socket` has; an error says why there is room left in it.
pub(super) fn receive(socket: &UdpSocket, batch: &mut Batch) -> io::Result<()> {
    let (slots, taken) = batch.vacancies();
    for slot in slots {
        let (len, peer) = socket.try_recv_from(slot)?;
        taken.push(Taken { peer, len });
    }
    Ok(())
}

/// Sends some of `batch`, the first ones, and returns how many; an error is about the very first.
pub(super) fn send(socket: &UdpSocket, batch: &[Transmit]) -> io::Result<usize> {
    for (sent, Transmit { to, payload }) in batch.iter().enumerate() {
        match socket.try_send_to(payload, *to) {
            Err(error) if sent == 0 => return Err(error),
            // It will show again, when that datagram is the first.
            Err(_) => return Ok(sent),
            Ok(_) => {}
        }
    }
    Ok(batch.len())
}
