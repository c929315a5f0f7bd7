//! The bare echo: what the socket allows, over the transport of the shipped node and in its runtime.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use bytes::{BufMut, BytesMut};
use khashmir::krpc::{Batch, Datagram, Transmit, Transport, UdpTransport};

use super::{control, pin, runtime};
use crate::role::{Hello, Order};

pub(super) fn play(core: Option<usize>) -> Result<()> {
    let pinned = pin(core);
    runtime()?.block_on(async {
        let bound = UdpTransport::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let transport = bound.context("cannot bind a port on loopback")?;
        let length = Arc::new(AtomicUsize::new(0));
        let hello = Hello { addr: transport.local_addr()?, contacts: 0, pinned };
        let ordered = Arc::clone(&length);
        let end = control::begin(&hello, move |order| obey(order, &ordered))?;
        tokio::select! {
            failed = echo(&transport, &length) => failed,
            _ = end => Ok(()),
        }
    })
}

fn obey(order: Order, length: &AtomicUsize) -> Vec<f64> {
    match order {
        Order::Answer(bytes) => {
            length.store(bytes, Ordering::Relaxed);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

async fn echo(transport: &UdpTransport, length: &AtomicUsize) -> Result<()> {
    let (mut batch, mut answers, mut buffer) = (Batch::new(), Vec::new(), BytesMut::new());
    loop {
        transport.receive(&mut batch).await?;
        let length = length.load(Ordering::Relaxed);
        // What was sent is dropped, so that the same memory serves again.
        buffer.reserve(batch.len() * length);
        for Datagram { peer, payload } in batch.iter() {
            resize(&mut buffer, payload, length);
            answers.push(Transmit { to: peer, payload: buffer.split().freeze() });
        }
        transport.send(&answers).await;
        answers.clear();
    }
}

/// Writes the end of `datagram`, or the whole behind as many zeros as it takes, so that there are `length` bytes.
fn resize(buffer: &mut BytesMut, datagram: &[u8], length: usize) {
    buffer.put_bytes(0, length.saturating_sub(datagram.len()));
    buffer.put_slice(&datagram[datagram.len().saturating_sub(length)..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_datagram_comes_back() {
        let resized = |length| {
            let mut buffer = BytesMut::new();
            resize(&mut buffer, b"abc", length);
            buffer
        };
        assert_eq!([2, 3, 4].map(resized), [&b"bc"[..], b"abc", b"\0abc"]);
    }
}
