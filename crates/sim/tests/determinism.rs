//! Equal seeds give equal worlds, whatever the number of threads; other seeds give others.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use khashmir::Id;
use khashmir_sim::{Counts, Links, World};

/// A world in which everything happens that can: joins, lookups, losses, power cuts.
fn live(seed: u64, threads: usize) -> (u64, Counts, usize) {
    let links = Links {
        loss: 0.05,
        duplication: 0.02,
        corruption: 0.02,
        reordering: 0.1,
        hold: Duration::from_millis(300),
        ..Links::world_wide()
    };
    let mut world = World::new(seed).with_threads(threads).with_links(links);
    let hosts = world.grow(30);
    world.set_bootstrap(&hosts[..2]);
    let mut found = 0;
    for (number, host) in hosts.iter().enumerate().skip(20) {
        let key = Id::sha1(&[number as u8]);
        world.store(*host, key, "a value");
        world.plan_power_cut(world.now() + Duration::from_secs(1), *host);
        world.plan_start(world.now() + Duration::from_secs(60), *host, number % 2 == 0);
        found += world.get(hosts[5], key).0.len();
    }
    world.run_for(Duration::from_secs(600));
    (world.digest(), world.counts(), found)
}

#[test]
fn equal_seeds_give_equal_worlds_whatever_the_number_of_threads() {
    let (digest, counts, found) = live(7, 1);
    assert!(found >= 9, "{found} of 10 values found");
    assert!(
        counts.lost > 0 && counts.duplicated > 0 && counts.corrupted > 0 && counts.held > 0,
        "{counts:?}"
    );
    for threads in [1, 2, 3] {
        assert_eq!(live(7, threads), (digest, counts, found), "{threads} threads");
    }
}

#[test]
fn another_seed_gives_another_world() {
    assert_ne!(live(7, 1).0, live(8, 1).0);
}
