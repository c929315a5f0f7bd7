//! What every transport must do, asked of each implementation.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use khashmir_krpc::{
    Batch, Lossy, MAX_BATCH, MAX_INCOMING, MemoryNetwork, MemoryTransport, SendFailure, Transmit, Transport,
    UdpTransport,
};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

fn to(to: SocketAddr, payload: impl Into<Bytes>) -> Transmit {
    Transmit { to, payload: payload.into() }
}

/// A datagram of one's own.
type Owned = (SocketAddr, Bytes);

fn owned(batch: &Batch) -> Vec<Owned> {
    batch.iter().map(|datagram| (datagram.peer, Bytes::copy_from_slice(datagram.payload))).collect()
}

/// Receives until `count` datagrams are there.
async fn received(transport: &impl Transport, count: usize) -> Vec<Owned> {
    let (mut all, mut batch) = (Vec::new(), Batch::new());
    while all.len() < count {
        transport.receive(&mut batch).await.unwrap();
        assert!((1..=MAX_BATCH).contains(&batch.len()), "a batch of {}", batch.len());
        all.append(&mut owned(&batch));
    }
    all
}

/// As [`received`], without the senders.
async fn payloads_of(transport: &impl Transport, count: usize) -> Vec<Bytes> {
    received(transport, count).await.into_iter().map(|(_, payload)| payload).collect()
}

async fn conforms(alice: impl Transport, bob: impl Transport) {
    let (alice_addr, bob_addr) = (alice.local_addr().unwrap(), bob.local_addr().unwrap());

    // More than a batch arrives whole, in order, and names its sender.
    let payloads: Vec<Bytes> = (0..100_u8).map(|n| vec![n; usize::from(n)].into()).collect();
    let batch: Vec<_> = payloads.iter().map(|payload| to(bob_addr, payload.clone())).collect();
    assert!(alice.send(&batch).await.is_empty());
    let expected: Vec<Owned> = payloads.into_iter().map(|payload| (alice_addr, payload)).collect();
    assert_eq!(received(&bob, 100).await, expected);

    // The answer finds its way back; a batch is filled anew.
    let mut batch = Batch::new();
    for answer in ["back", "again"] {
        assert!(bob.send(&[to(alice_addr, answer)]).await.is_empty());
        alice.receive(&mut batch).await.unwrap();
        assert_eq!(owned(&batch), [(bob_addr, answer.into())]);
    }

    // A refused datagram is reported and stops no other.
    let nowhere = SocketAddr::new(bob_addr.ip(), 0);
    let failures = alice.send(&[to(bob_addr, "1"), to(nowhere, "2"), to(bob_addr, "3")]).await;
    assert_eq!(failures.iter().map(|failure| failure.to).collect::<Vec<_>>(), [nowhere]);
    assert_eq!(payloads_of(&bob, 2).await, ["1", "3"]);

    // A datagram that is too long does not pass for one that fits, and harms no other.
    alice
        .send(&[
            to(bob_addr, vec![0; MAX_INCOMING]),
            to(bob_addr, vec![0; MAX_INCOMING + 1000]),
            to(bob_addr, "after"),
        ])
        .await;
    let datagrams = payloads_of(&bob, 3).await;
    assert_eq!(datagrams[0].len(), MAX_INCOMING);
    assert!(datagrams[1].len() > MAX_INCOMING);
    assert_eq!(datagrams[2], "after");

    // A receive that is given up loses nothing.
    let mut lost = Batch::new();
    tokio::select! {
        biased;
        _ = bob.receive(&mut lost) => panic!("nothing was sent"),
        () = std::future::ready(()) => {}
    }
    alice.send(&[to(bob_addr, "kept")]).await;
    assert_eq!(payloads_of(&bob, 1).await, ["kept"]);

    // What goes to a peer that is gone is lost, and the sender goes on.
    drop(bob);
    alice.send(&[to(bob_addr, "lost")]).await;
    assert!(alice.send(&[to(alice_addr, "self")]).await.is_empty());
    assert_eq!(payloads_of(&alice, 1).await, ["self"]);
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn udp_conforms() {
    conforms(UdpTransport::bind(loopback()).await.unwrap(), UdpTransport::bind(loopback()).await.unwrap())
        .await;
}

#[tokio::test]
async fn udp_with_single_calls_conforms() {
    let bind = || UdpTransport::bind_single(loopback());
    conforms(bind().await.unwrap(), bind().await.unwrap()).await;
}

#[tokio::test]
async fn udp_over_ipv6_conforms() {
    let bind = || UdpTransport::bind("[::1]:0".parse().unwrap());
    // Not every machine has it.
    let (Ok(alice), Ok(bob)) = (bind().await, bind().await) else { return };
    conforms(alice, bob).await;
}

#[tokio::test]
async fn both_kinds_of_calls_understand_one_another() {
    conforms(
        UdpTransport::bind(loopback()).await.unwrap(),
        UdpTransport::bind_single(loopback()).await.unwrap(),
    )
    .await;
}

#[tokio::test]
async fn a_burst_that_finds_no_room_is_waited_for() {
    let (alice, bob) =
        (UdpTransport::bind(loopback()).await.unwrap(), UdpTransport::bind(loopback()).await.unwrap());
    let bob_addr = bob.local_addr().unwrap();
    let batch = vec![to(bob_addr, vec![7; 1400]); 200];
    let receiver = tokio::spawn(async move { received(&bob, 200).await.len() });
    assert!(alice.send(&batch).await.is_empty());
    assert_eq!(receiver.await.unwrap(), 200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_drops_is_counted() {
    let (alice, bob) =
        (UdpTransport::bind(loopback()).await.unwrap(), UdpTransport::bind(loopback()).await.unwrap());
    let bob_addr = bob.local_addr().unwrap();
    assert_eq!(bob.lost_incoming(), Some(0));
    // Nobody takes them: more than any buffer that is granted here holds.
    let batch = vec![to(bob_addr, vec![7; 1400]); 1000];
    for _ in 0..20 {
        alice.send(&batch).await;
    }
    let lost = bob.lost_incoming().unwrap();
    assert!(lost > 0);
    let arrived = received(&bob, 1).await.len() as u64;
    assert!(lost + arrived <= 20_000);
}

#[tokio::test]
async fn memory_conforms() {
    let network = MemoryNetwork::default();
    conforms(network.bind(loopback()).unwrap(), network.bind(loopback()).unwrap()).await;
}

#[tokio::test]
async fn lossy_without_loss_conforms() {
    let network = MemoryNetwork::default();
    let lossless = || Lossy::new(network.bind(loopback()).unwrap(), 0, ChaCha12Rng::seed_from_u64(1));
    conforms(lossless(), lossless()).await;
}

/// Has room for one datagram only every other time.
struct Narrow {
    inner: MemoryTransport,
    has_room: AtomicBool,
}

impl Narrow {
    fn bind(network: &MemoryNetwork) -> Self {
        Self { inner: network.bind(loopback()).unwrap(), has_room: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Transport for Narrow {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_receive(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        self.inner.poll_receive(cx, batch)
    }

    fn try_send(&self, batch: &[Transmit], failures: &mut Vec<SendFailure>) -> usize {
        if !self.has_room.swap(false, Ordering::Relaxed) || batch.is_empty() {
            return 0;
        }
        self.inner.try_send(&batch[..1], failures)
    }

    async fn writable(&self) -> io::Result<()> {
        self.has_room.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::test]
async fn a_carrier_that_seldom_has_room_conforms() {
    let network = MemoryNetwork::default();
    conforms(Narrow::bind(&network), Narrow::bind(&network)).await;
}

#[tokio::test]
async fn chance_is_asked_once_for_each_datagram_however_often_there_is_no_room() {
    let (wide, narrow) = (MemoryNetwork::default(), MemoryNetwork::default());
    let rng = || ChaCha12Rng::seed_from_u64(1);
    let over_wide = Lossy::new(wide.bind(loopback()).unwrap(), 50, rng());
    let over_narrow = Lossy::new(Narrow::bind(&narrow), 50, rng());
    let (from_wide, from_narrow) = (wide.bind(loopback()).unwrap(), narrow.bind(loopback()).unwrap());
    let batch = |bob: SocketAddr| (0..100_u8).map(|n| to(bob, vec![n])).collect::<Vec<_>>();
    over_wide.send(&batch(from_wide.local_addr().unwrap())).await;
    over_narrow.send(&batch(from_narrow.local_addr().unwrap())).await;
    let (mut wide, mut narrow) = (Batch::new(), Batch::new());
    for _ in 0..3 {
        from_wide.receive(&mut wide).await.unwrap();
        from_narrow.receive(&mut narrow).await.unwrap();
        let payloads = |batch| owned(batch).into_iter().map(|(_, payload)| payload).collect::<Vec<_>>();
        assert_eq!(payloads(&wide), payloads(&narrow));
    }
}

#[tokio::test]
async fn lossy_loses_the_same_share_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let network = MemoryNetwork::default();
        let alice = Lossy::new(network.bind(loopback()).unwrap(), 30, ChaCha12Rng::seed_from_u64(1));
        let bob = network.bind(loopback()).unwrap();
        let bob_addr = bob.local_addr().unwrap();
        let batch: Vec<_> = (0..200_u8).map(|n| to(bob_addr, vec![n])).collect();
        alice.send(&batch).await;
        network.bind(loopback()).unwrap().send(&[to(bob_addr, "end")]).await;
        let mut all = payloads_of(&bob, 1).await;
        while all.last().unwrap() != "end" {
            all.append(&mut payloads_of(&bob, 1).await);
        }
        runs.push(all);
    }
    assert_eq!(runs[0], runs[1]);
    assert!((110..170).contains(&runs[0].len()), "{} of 200 arrived", runs[0].len());
}

#[test]
fn an_address_in_memory_is_free_again_once_its_transport_is_dropped() {
    let network = MemoryNetwork::default();
    let addr: SocketAddr = "192.0.2.1:9977".parse().unwrap();
    let first = network.bind(addr).unwrap();
    assert_eq!(network.bind(addr).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    assert!(network.bind(addr).is_ok());
}

#[tokio::test]
async fn a_full_inbox_loses_what_comes_last() {
    let network = MemoryNetwork::default();
    let (alice, bob) = (network.bind(loopback()).unwrap(), network.bind(loopback()).unwrap());
    let bob_addr = bob.local_addr().unwrap();
    let batch: Vec<_> = (0..1000_u16).map(|n| to(bob_addr, n.to_be_bytes().to_vec())).collect();
    assert!(alice.send(&batch).await.is_empty(), "loss is no failure");
    let first = payloads_of(&bob, 256).await;
    assert_eq!(first.last().unwrap()[..], 255_u16.to_be_bytes());
}
