//! scratch
#![allow(missing_docs, clippy::print_stdout)]
use khashmir::{Id, Request};
use khashmir_sim::*;
use std::time::{Duration, Instant};
#[allow(clippy::disallowed_methods)]
fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let threads: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let t = Instant::now();
    let mut world = World::new(7).with_threads(threads).with_links(Links::world_wide());
    let hosts = world.grow(n);
    let joined = t.elapsed();
    println!(
        "join {joined:?} {:?} digest {:x} {:.0} ev/s",
        world.counts(),
        world.digest(),
        world.counts().events as f64 / joined.as_secs_f64()
    );
    let before = world.counts();
    let t = Instant::now();
    let now = world.now();
    for i in 0..n {
        world.plan(
            now + Duration::from_millis(i as u64),
            hosts[i],
            Request::FindNode { target: Id::sha1(&i.to_be_bytes()) },
        );
    }
    world.run_for(Duration::from_millis(n as u64 + 20000));
    let ended = world.ended();
    let mut ms: Vec<_> = ended.iter().map(|e| e.elapsed.as_millis()).collect();
    ms.sort();
    println!(
        "lookups {} in {:?}: p50 {} p99 {} max {}; {:.0} ev/s; sent {}",
        ended.len(),
        t.elapsed(),
        ms[ms.len() / 2],
        ms[ms.len() * 99 / 100],
        ms[ms.len() - 1],
        (world.counts().events - before.events) as f64 / t.elapsed().as_secs_f64(),
        (world.counts().sent - before.sent) / n as u64
    );
}
