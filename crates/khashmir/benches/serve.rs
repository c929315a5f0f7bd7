//! What a query costs a node itself: decoding, table, store and encoding, without a socket.
//!
//! `cargo bench -p khashmir --bench serve`
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use khashmir_krpc::Query;

#[path = "../tests/common/mod.rs"]
mod common;

use common::{KEY, NOW, Node};

/// The question of the asker with this number.
type Question = fn(u64) -> Query;

fn serve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("serve");
    let queries: [(&str, Question); 4] = [
        ("ping", |_| Query::Ping),
        ("find_node", |n| Query::FindNode { target: common::id(n) }),
        ("find_value", |n| Query::FindValue { key: common::id(n) }),
        ("get_value", |_| Query::GetValue { key: KEY, num: 3 }),
    ];
    for (name, query) in queries {
        let mut node = Node::with_values(3);
        let datagrams = common::datagrams(query);
        let mut next = datagrams.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (from, datagram) = next.next().expect("a cycle does not end");
                node.engine.handle_datagram(*from, datagram, NOW);
                black_box(node.engine.poll_transmit())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, serve);
criterion_main!(benches);
