//! The routing table alone: no network, just ten thousand nodes that answer.
//!
//! Shows how the table knows its own neighbourhood in full and the far parts of the network by a few nodes each.
//! Run with `cargo run --package khashmir-routing --example table`.
#![allow(clippy::print_stdout)]

use khashmir_routing::{Among, KTable, TableConfig, Upkeep};
use khashmir_types::{Contact, Id, Time};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

const NODES: u16 = 10_000;

fn main() {
    let mut rng = ChaCha12Rng::seed_from_u64(2008);
    let now = Time::from_secs(1_200_000_000);
    let mut table = KTable::new(Id::random(&mut rng), TableConfig::default(), now);
    for n in 0..NODES {
        let [high, low] = n.to_be_bytes();
        table.on_answer(Contact::new(Id::random(&mut rng), ([10, 0, high, low], 9977).into()), now);
    }

    println!("We are {}.", table.own_id());
    println!("Of {NODES} nodes that answered we know {}:\n", table.len());
    for (range, bucket) in table.buckets() {
        let is_ours = if range.contains(&table.own_id()) { "<- we are here" } else { "" };
        let (nodes, reserve) = ("#".repeat(bucket.nodes().len()), "+".repeat(bucket.replacements().count()));
        println!("  from {:.12}…  {nodes:8} {reserve:4} {is_ours}", range.first().to_string());
    }
    println!("\n(# in the table, + in reserve)");
    println!("From its depth the network has about {} nodes.\n", table.estimated_network_size());

    let key = Id::sha1(b"some file");
    println!("The closest to {key}:");
    for contact in table.closest(&key, 8, Among::Proven) {
        println!("  {contact}, sharing {} bits", contact.id.distance(&key).shared_prefix_bits());
    }

    table.refresh_all(now);
    let refreshes = std::iter::from_fn(|| table.poll_upkeep(now));
    let refreshes = refreshes.filter(|upkeep| matches!(upkeep, Upkeep::Refresh(_))).count();
    println!("\nAt the start it wants {refreshes} refreshes, one for each bucket.");
    if let Some(next) = table.poll_timeout() {
        println!("Then it is quiet for {} minutes.", next.since(now).as_secs() / 60);
    }
}
