//! That a settled node answers reading queries without asking for memory, and that a flood takes little.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use common::{KEY, NOW, Node};
use khashmir::krpc::{Query, TransactionId, Transmit, encode_query};
use khashmir::{Engine, MemoryStorage, Settings};

/// Answers as a driver does, a batch at a time, and returns how many answers there were.
fn serve(node: &mut Node, datagrams: &[(SocketAddr, Bytes)], batch: &mut Vec<Transmit>) -> usize {
    let mut answers = 0;
    for some in datagrams.chunks(khashmir::krpc::MAX_BATCH) {
        some.iter().for_each(|(from, datagram)| node.engine.handle_datagram(*from, datagram, NOW));
        batch.extend(std::iter::from_fn(|| node.engine.poll_transmit()));
        answers += batch.len();
        batch.clear();
    }
    answers
}

#[track_caller]
fn allocates_nothing(query: impl Fn(u64) -> Query) {
    let (mut node, datagrams, mut batch) = (Node::with_values(3), common::datagrams(query), Vec::new());
    for _ in 0..10 {
        serve(&mut node, &datagrams, &mut batch);
    }
    let measured = allocation_counter::measure(|| {
        for _ in 0..100 {
            assert_eq!(serve(&mut node, &datagrams, &mut batch), datagrams.len());
        }
    });
    assert_eq!(measured.count_total, 0, "{measured:?}");
}

#[test]
fn a_ping_allocates_nothing() {
    allocates_nothing(|_| Query::Ping);
}

#[test]
fn a_find_node_allocates_nothing() {
    allocates_nothing(|n| Query::FindNode { target: common::id(n) });
}

#[test]
fn a_find_value_allocates_nothing() {
    allocates_nothing(|n| Query::FindValue { key: common::id(n) });
}

#[test]
fn a_find_value_that_brings_values_along_allocates_nothing() {
    allocates_nothing(|_| Query::FindValue { key: KEY });
}

#[test]
fn a_get_value_allocates_nothing() {
    allocates_nothing(|_| Query::GetValue { key: KEY, num: 3 });
    allocates_nothing(|_| Query::GetValue { key: KEY, num: 0 });
}

#[test]
fn an_engine_that_has_released_its_memory_takes_it_again() {
    let mut node = Node::with_values(3);
    let datagrams = common::datagrams(|_| Query::GetValue { key: KEY, num: 0 });
    let mut serve_and_release = || {
        let answers = serve(&mut node, &datagrams, &mut Vec::new());
        node.engine.release_memory();
        assert!(answers >= datagrams.len(), "besides answers there may be pings");
    };
    // Values are shared from the first time that they are given away.
    serve_and_release();
    let measured = allocation_counter::measure(serve_and_release);
    assert!(measured.count_total > 0);
    assert_eq!(measured.bytes_current, 0, "{measured:?}");
}

/// Datagrams of strangers in a flood; set it to ten million for an hour of a slow line.
const FLOOD: u32 = 200_000;

#[test]
fn a_flood_from_ever_new_addresses_leaves_little_behind() {
    let mut engine = Engine::new(MemoryStorage::new(), Settings::default(), [7; 32], NOW).unwrap();
    let query = |n: u32| {
        let (id, target) = (common::id(n.into()), common::id(u64::from(n) + 1));
        let t = TransactionId::from_slice(&n.to_be_bytes()).unwrap();
        match n % 4 {
            0 => encode_query(&t, &id, &Query::FindNode { target }),
            1 => encode_query(&t, &id, &Query::GetValue { key: target, num: 0 }),
            2 => encode_query(&t, &id, &Query::Join),
            _ => Bytes::from_static(b"d1:ade1:q1:x1:t1:T1:y1:qe"),
        }
    };
    let mut flood = |numbers: std::ops::Range<u32>| {
        for n in numbers {
            let now = NOW + Duration::from_micros(u64::from(n) * 20);
            let from = SocketAddr::from(((0x2000_0000 + n.wrapping_mul(97)).to_be_bytes(), 9977));
            engine.handle_datagram(from, &query(n), now);
            while engine.poll_transmit().is_some() {}
            while engine.poll_event().is_some() {}
            if engine.poll_timeout() <= now {
                engine.handle_timeout(now);
            }
        }
    };
    // What it takes for a flood is there after the first few.
    flood(0..FLOOD / 10);
    let measured = allocation_counter::measure(|| flood(FLOOD / 10..FLOOD));
    assert!(measured.bytes_current < 64 * 1024 && measured.bytes_max < 1 << 20, "{measured:?}");
}
