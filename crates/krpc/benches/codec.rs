//! What reading a query and writing its reply cost, against the reference.
//!
//! `cargo bench -p khashmir-krpc --bench codec`
#![allow(missing_docs)]

use std::hint::black_box;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use khashmir_krpc::{Level, Method, Query, Reply, Token, TransactionId, decode, encode_query, write_reply};
use khashmir_types::{Contact, Id};

const SENDER: Id = Id::new([0xa5; 20]);

fn transaction() -> TransactionId {
    [7; 20].into()
}

fn contacts() -> Vec<Contact> {
    (0..8).map(|n| Contact::new(Id::new([n; 20]), SocketAddr::from(([10, 0, 0, n], 9977)))).collect()
}

fn queries() -> [(Method, Query); 4] {
    [
        (Method::Ping, Query::Ping),
        (Method::FindNode, Query::FindNode { target: Id::MAX }),
        (Method::FindValue, Query::FindValue { key: Id::MAX }),
        (Method::GetValue, Query::GetValue { key: Id::MAX, num: 3 }),
    ]
}

fn replies() -> [(Method, Reply); 4] {
    let values = vec![Bytes::from_static(b"twenty bytes of value"); 3];
    [
        (Method::Ping, Reply::Ping),
        (Method::FindNode, Reply::FindNode { nodes: contacts(), token: Some(Token::from([3; 20])) }),
        (Method::FindValue, Reply::FindValue { nodes: contacts(), num: 3, values: values.clone() }),
        (Method::GetValue, Reply::GetValue { values }),
    ]
}

fn codec(criterion: &mut Criterion) {
    for (method, query) in queries() {
        let datagram = encode_query(&transaction(), &SENDER, &query);
        criterion.bench_function(&format!("decode query/{method}"), |bencher| {
            bencher.iter(|| decode(black_box(&datagram)));
        });
    }
    for (method, reply) in replies() {
        let mut buffer = BytesMut::with_capacity(1 << 16);
        criterion.bench_function(&format!("write reply/{method}"), |bencher| {
            bencher.iter(|| {
                buffer.clear();
                write_reply(&mut buffer, &transaction(), &SENDER, black_box(&reply), Level::OURS)
            });
        });
    }
    let datagram = encode_query(&transaction(), &SENDER, &Query::FindNode { target: Id::MAX });
    criterion.bench_function("serde_bencode/find_node to a value", |bencher| {
        bencher.iter(|| serde_bencode::from_bytes::<serde_bencode::value::Value>(black_box(&datagram)));
    });
}

criterion_group!(benches, codec);
criterion_main!(benches);
