//! Recorded attacks fired at a live node over a real socket.

use std::net::SocketAddr;

use khashmir::{Id, Khashmir};
use khashmir_krpc::{MAX_DATAGRAM, Message, Query, Reply, TransactionId, decode, encode_query};
use khashmir_recordings::{bytes, load};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use tokio::net::UdpSocket;

use super::sockets::{any_port, get, node, within};

/// Datagrams fired at once: with the longest of them less than a socket's buffer holds.
const BATCH: usize = 32;

#[test]
fn a_node_under_recorded_attack_answers_serves_and_learns_nothing() {
    within(async {
        let (victim, friend) = (node().await, node().await);
        friend.join([victim.local_addr().to_string()]).await.unwrap();
        let mut attacker = Attacker::new(&victim).await;
        for batch in requests().chunks(BATCH) {
            for datagram in batch {
                attacker.fire(datagram).await;
            }
            attacker.is_answered().await;
        }
        let statistics = victim.stats().await.unwrap();
        assert_eq!(statistics.stored.values, 0, "none of them had a token");
        let contacts = victim.contacts().await.unwrap();
        assert!(contacts.iter().all(|contact| contact.addr == friend.local_addr()), "{contacts:?}");
        assert!(statistics.dropped().map(|(_, count)| count).sum::<u64>() > 100);
        let key = Id::sha1(b"afterwards");
        assert_eq!(friend.store(key, "from the friend").await.unwrap().stored.len(), 1);
        assert_eq!(victim.store(key, "from the victim").await.unwrap().stored.len(), 1);
        assert_eq!(get(&friend, key).await.len(), 2);
        assert_eq!(get(&victim, key).await.len(), 2);
        victim.shutdown().await;
        friend.shutdown().await;
    });
}

/// Every recorded datagram that is sent out of the blue.
fn requests() -> Vec<Vec<u8>> {
    let index = load("attack/index.json");
    let classes = index["classes"].as_object().expect("the sizes of the classes").keys();
    let mut datagrams = Vec::new();
    for class in classes.filter(|class| !class.starts_with("answer-")) {
        let entries = load(&format!("attack/{class}.json"))["entries"].clone();
        let entries = entries.as_array().expect("a list of entries").iter();
        datagrams
            .extend(entries.filter(|entry| entry["context"] == "request").map(|entry| bytes(&entry["hex"])));
    }
    assert!(datagrams.len() > 400, "{} datagrams", datagrams.len());
    datagrams
}

struct Attacker {
    socket: UdpSocket,
    victim: SocketAddr,
    rng: ChaCha12Rng,
}

impl Attacker {
    async fn new(victim: &Khashmir) -> Self {
        let socket = UdpSocket::bind(any_port()).await.unwrap();
        Self { socket, victim: victim.local_addr(), rng: ChaCha12Rng::seed_from_u64(1) }
    }

    async fn fire(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.victim).await.expect("loopback carries any datagram");
    }

    /// Pings the victim, and reads what it has sent until that ping is answered.
    async fn is_answered(&mut self) {
        let transaction = TransactionId::random(&mut self.rng);
        self.fire(&encode_query(&transaction, &Id::sha1(b"attacker"), &Query::Ping)).await;
        let mut buffer = vec![0; 65_536];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).await.unwrap();
            assert!(from == self.victim && length <= MAX_DATAGRAM, "{length} bytes from {from}");
            if let Ok(Message::Reply { transaction: answered, body }) = decode(&buffer[..length])
                && answered == transaction
            {
                assert_eq!(body.read(khashmir::Method::Ping).unwrap().1, Reply::Ping);
                return;
            }
        }
    }
}
