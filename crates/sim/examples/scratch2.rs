//! scratch2
#![allow(missing_docs, clippy::print_stdout)]
use khashmir::{Id, Request};
use khashmir_sim::*;
use std::time::{Duration, Instant};
#[allow(clippy::disallowed_methods)]
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmRSS")).collect()
}
#[allow(clippy::disallowed_methods)]
fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let threads: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let lookups: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let t = Instant::now();
    let mut world = World::new(7).with_threads(threads).with_links(Links::world_wide());
    let hosts = world.quick_start(n);
    println!("{} table {}", rss(), world.engine(hosts[5]).unwrap().table().memory_size());
    println!("quick {:?} contacts {}", t.elapsed(), world.engine(hosts[5]).unwrap().table().len());
    let t = Instant::now();
    world.run_for(Duration::from_secs(60));
    println!("{} table {} {}", rss(), world.engine(hosts[5]).unwrap().table().memory_size(), world.pending());
    println!("60 s idle {:?} {:?}", t.elapsed(), world.counts());
    let before = world.counts();
    let t = Instant::now();
    let now = world.now();
    for i in 0..lookups {
        world.plan(
            now + Duration::from_micros((i * 60_000_000 / lookups) as u64),
            hosts[i * 7919 % n],
            Request::FindNode { target: Id::sha1(&i.to_be_bytes()) },
        );
    }
    world.run_for(Duration::from_secs(80));
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
        (world.counts().sent - before.sent) / lookups as u64
    );
    let (mut asked, mut hops) = (0, 0);
    for e in &ended {
        if let khashmir::Outcome::Found(f) = &e.outcome {
            asked += f.progress.tally.asked;
            hops += f.progress.tally.hops;
        }
    }
    println!("asked {} hops {}", asked as f64 / ended.len() as f64, hops as f64 / ended.len() as f64);
}
