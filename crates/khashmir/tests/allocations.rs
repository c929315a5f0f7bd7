//! That a settled node answers reading queries without asking for memory.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;

use bytes::Bytes;
use common::{KEY, NOW, Node};
use khashmir::krpc::{Query, Transmit};

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
