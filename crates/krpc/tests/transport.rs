//! What every transport must do, asked of each implementation.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;

use bytes::Bytes;
use khashmir_krpc::{
    Datagram, Lossy, MAX_BATCH, MAX_INCOMING, MemoryNetwork, Transmit, Transport, UdpTransport,
};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

fn to(to: SocketAddr, payload: impl Into<Bytes>) -> Transmit {
    Transmit { to, payload: payload.into() }
}

/// Receives until `count` datagrams are there.
async fn received(transport: &impl Transport, count: usize) -> Vec<Datagram> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut batch = Vec::new();
        transport.receive(&mut batch).await.unwrap();
        assert!((1..=MAX_BATCH).contains(&batch.len()), "a batch of {}", batch.len());
        all.append(&mut batch);
    }
    all
}

async fn conforms(alice: impl Transport, bob: impl Transport) {
    let (alice_addr, bob_addr) = (alice.local_addr().unwrap(), bob.local_addr().unwrap());

    // More than a batch arrives whole, in order, and names its sender.
    let payloads: Vec<Bytes> = (0..100_u8).map(|n| vec![n; usize::from(n)].into()).collect();
    let batch: Vec<_> = payloads.iter().map(|payload| to(bob_addr, payload.clone())).collect();
    assert!(alice.send(&batch).await.is_empty());
    let expected: Vec<_> =
        payloads.into_iter().map(|payload| Datagram { peer: alice_addr, payload }).collect();
    assert_eq!(received(&bob, 100).await, expected);

    // The answer finds its way back; batches are appended to.
    assert!(bob.send(&[to(alice_addr, "back")]).await.is_empty());
    let mut batch = expected[..1].to_vec();
    alice.receive(&mut batch).await.unwrap();
    assert_eq!((batch.len(), &batch[1].payload[..]), (2, &b"back"[..]));

    // A refused datagram is reported and stops no other.
    let nowhere = SocketAddr::new(bob_addr.ip(), 0);
    let failures = alice.send(&[to(bob_addr, "1"), to(nowhere, "2"), to(bob_addr, "3")]).await;
    assert_eq!(failures.iter().map(|failure| failure.to).collect::<Vec<_>>(), [nowhere]);
    let payloads: Vec<_> = received(&bob, 2).await.into_iter().map(|datagram| datagram.payload).collect();
    assert_eq!(payloads, ["1", "3"]);

    // A datagram that is too long does not pass for one that fits, and harms no other.
    alice
        .send(&[
            to(bob_addr, vec![0; MAX_INCOMING]),
            to(bob_addr, vec![0; MAX_INCOMING + 1000]),
            to(bob_addr, "after"),
        ])
        .await;
    let datagrams = received(&bob, 3).await;
    assert_eq!(datagrams[0].payload.len(), MAX_INCOMING);
    assert!(datagrams[1].payload.len() > MAX_INCOMING);
    assert_eq!(&datagrams[2].payload[..], b"after");

    // A receive that is given up loses nothing.
    let mut lost = Vec::new();
    tokio::select! {
        biased;
        _ = bob.receive(&mut lost) => panic!("nothing was sent"),
        () = std::future::ready(()) => {}
    }
    alice.send(&[to(bob_addr, "kept")]).await;
    assert_eq!(&received(&bob, 1).await[0].payload[..], b"kept");

    // What goes to a peer that is gone is lost, and the sender goes on.
    drop(bob);
    alice.send(&[to(bob_addr, "lost")]).await;
    assert!(alice.send(&[to(alice_addr, "self")]).await.is_empty());
    assert_eq!(&received(&alice, 1).await[0].payload[..], b"self");
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
        let mut all = received(&bob, 1).await;
        while all.last().unwrap().payload != "end" {
            all.append(&mut received(&bob, 1).await);
        }
        runs.push(all.into_iter().map(|datagram| datagram.payload).collect::<Vec<_>>());
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
    let first = received(&bob, 256).await;
    assert_eq!(&first.last().unwrap().payload[..], 255_u16.to_be_bytes());
}
