//! What it costs to find the closest nodes in a full table.
//!
//! `cargo bench -p khashmir-routing --bench closest`
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use khashmir_routing::{Among, KTable, TableConfig};
use khashmir_types::{Contact, Id, Time};

const NOW: Time = Time::from_secs(1_000_000);

fn id(n: u32) -> Id {
    Id::sha1(&n.to_be_bytes())
}

/// The table of a node among so many.
fn table(nodes: u32) -> KTable {
    let mut table = KTable::new(id(0), TableConfig::default(), NOW);
    for n in 1..nodes {
        let [_, a, b, c] = n.to_be_bytes();
        table.on_answer(Contact::new(id(n), ([10, a, b, c], 9977).into()), NOW);
    }
    table
}

fn closest(criterion: &mut Criterion) {
    for nodes in [20, 1_000, 200_000] {
        let table = table(nodes);
        let targets: Vec<_> = (0..64).map(|n| id(n + 1_000_000)).collect();
        let (mut next, mut found) = (targets.iter().cycle(), Vec::new());
        criterion.bench_function(&format!("closest 8 of {}", table.len()), |bencher| {
            bencher.iter(|| {
                let target = next.next().expect("a cycle does not end");
                table.closest_into(black_box(target), 8, Among::Proven, &mut found);
                found.len()
            });
        });
    }
}

criterion_group!(benches, closest);
criterion_main!(benches);
