//! What several tests ask of a `World`. Knows no test.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{GetOutcome, Id};
use khashmir_sim::{HostId, Links, World};

/// `nodes` nodes that have joined through the first, one after the other, and come to rest. Everything sent is kept.
pub(crate) fn settled(seed: u64, nodes: usize, links: Links) -> (World, Vec<HostId>) {
    let mut world = World::new(seed).with_links(links);
    world.keep_sent();
    let nodes: Vec<_> = (0..nodes).map(|_| world.add()).collect();
    for node in &nodes[1..] {
        world.join(*node, &nodes[..1]);
    }
    world.run_for(Duration::from_secs(120));
    (world, nodes)
}

/// Every datagram arrives, each after a time of its own in this range of milliseconds.
pub(crate) fn jittery(shortest: u64, longest: u64) -> Links {
    let hold = Duration::from_millis(longest - shortest);
    Links { reordering: 1.0, hold, ..Links::constant(Duration::from_millis(shortest)) }
}

/// Gets the values of a key, which must all be different and as many as the outcome says.
pub(crate) fn get(world: &mut World, node: HostId, key: Id) -> (BTreeSet<Bytes>, GetOutcome) {
    let (values, outcome) = world.get(node, key);
    assert_eq!(values.len(), outcome.values);
    let values: BTreeSet<_> = values.into_iter().map(|value| value.data).collect();
    assert_eq!(values.len(), outcome.values, "no value comes twice");
    (values, outcome)
}
