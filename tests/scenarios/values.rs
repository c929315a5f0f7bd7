//! Values stored by some and found by others, whatever becomes of the nodes between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Id, Storage};
use khashmir_sim::{HostId, Links, World};

use crate::support::world::{get, jittery, settled};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn two_nodes_store_and_get_both_ways() {
    let (mut world, nodes) = settled(101, 2, Links::default());
    for (publisher, reader) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
        let key = Id::sha1(format!("{publisher:?}").as_bytes());
        let outcome = world.store(publisher, key, "value");
        assert_eq!(outcome.stored, [world.contact(reader).unwrap()]);
        assert!(outcome.stored_here && outcome.progress.complete);
        assert_eq!(get(&mut world, reader, key).0, set(["value"]));
        assert_eq!(get(&mut world, publisher, key).0, set(["value"]));
    }
}

#[test]
fn every_value_is_found_by_every_node() {
    let (mut world, nodes) = settled(102, 20, Links::default());
    let stored = publish(&mut world, &nodes);
    assert_all_found(&mut world, &nodes, &stored);
}

#[test]
fn every_value_is_found_though_a_tenth_of_all_datagrams_is_lost() {
    let (mut world, nodes) = settled(103, 20, jittery(5, 150).with_loss(0.1));
    let stored = publish(&mut world, &nodes);
    assert_all_found(&mut world, &nodes, &stored);
    let counts = world.counts();
    assert!(counts.lost * 12 > counts.sent && counts.lost * 9 < counts.sent, "{counts:?}");
}

#[test]
fn every_value_is_found_though_a_quarter_of_the_nodes_is_gone() {
    let (mut world, nodes) = settled(104, 20, Links::default());
    let stored = publish(&mut world, &nodes);
    let (gone, left) = nodes.split_at(5);
    gone.iter().for_each(|node| world.cut_power(*node));
    assert_all_found(&mut world, left, &stored);
    let outcome = world.store(left[0], Id::sha1(b"afterwards"), "value");
    assert_eq!(outcome.stored.len(), 6);
}

#[test]
fn all_of_many_short_values_arrive() {
    let (mut world, nodes) = settled(105, 12, Links::default());
    let key = Id::sha1(b"popular");
    let values: BTreeSet<_> = (0..50).map(|n| Bytes::from(format!("publisher {n:02}"))).collect();
    for (n, value) in values.iter().enumerate() {
        assert_eq!(world.store(nodes[n % 5], key, value.clone()).stored.len(), 6);
    }
    for node in [nodes[0], nodes[11]] {
        assert_eq!(get(&mut world, node, key).0, values);
    }
}

#[test]
fn of_values_that_fit_no_reply_together_a_get_brings_more_than_one_reply_holds() {
    let (mut world, nodes) = settled(106, 12, Links::default());
    let key = Id::sha1(b"popular and long");
    let values: BTreeSet<_> = (0..50).map(|n| Bytes::from(format!("{n:0200}"))).collect();
    for (n, value) in values.iter().enumerate() {
        assert!(!world.store(nodes[n % 5], key, value.clone()).stored.is_empty());
    }
    // A reply has room for six of them; six nodes choose theirs at random, and those far away have none.
    let far = *nodes.iter().max_by_key(|node| world.contact(**node).unwrap().id.distance(&key)).unwrap();
    let (found, _) = get(&mut world, far, key);
    assert!(found.is_subset(&values));
    assert!(found.len() >= 12, "{} of 50", found.len());
}

#[test]
fn the_longest_value_comes_back_whole_and_a_longer_one_is_not_sent() {
    let (mut world, nodes) = settled(107, 3, Links::default());
    let (key, longest) = (Id::sha1(b"long"), vec![7; khashmir::MAX_STORABLE]);
    assert_eq!(world.store(nodes[0], key, longest.clone()).stored.len(), 2);
    assert_eq!(get(&mut world, nodes[2], key).0, set([longest]));
    assert!(world.sent().iter().all(|sent| sent.payload.len() <= 1472));
}

#[test]
fn few_values_come_along_with_the_answer_that_there_are_some_and_many_are_asked_for() {
    let (mut world, nodes) = settled(110, 20, Links::default());
    let (few, many) = (Id::sha1(b"few"), Id::sha1(b"many"));
    for number in 0..20_u8 {
        let key = if number < 3 { few } else { many };
        world.store(nodes[usize::from(number)], key, vec![number; 30]);
    }
    let questions = |world: &World, since| {
        let is_one = |payload: &[u8]| payload.windows(11).any(|part| part == b"9:get_value");
        world.sent().iter().filter(|sent| sent.at >= since && is_one(&sent.payload)).count()
    };
    let start = world.now();
    assert_eq!(get(&mut world, nodes[9], few).0.len(), 3);
    assert_eq!(questions(&world, start), 0);
    assert_eq!(get(&mut world, nodes[9], many).0.len(), 17);
    assert!(questions(&world, start) > 0);
}

#[test]
fn a_lone_node_keeps_its_own_values_and_is_quiet() {
    let mut world = World::new(108);
    let (node, key) = (world.add(), Id::sha1(b"key"));
    let outcome = world.store(node, key, "value");
    assert!(outcome.stored_here && outcome.stored.is_empty());
    let (values, outcome) = get(&mut world, node, key);
    assert_eq!((values, outcome.from_local), (set(["value"]), 1));
    world.run_for(24 * HOUR);
    assert_eq!(world.counts().sent, 0);
}

#[test]
fn a_value_stored_alone_is_found_by_those_who_join_later() {
    let mut world = World::new(109);
    let (holder, key) = (world.add(), Id::sha1(b"key"));
    world.store(holder, key, "value");
    for _ in 0..2 {
        let newcomer = world.add();
        assert!(world.join(newcomer, &[holder]).is_joined());
        assert_eq!(get(&mut world, newcomer, key).0, set(["value"]));
    }
}

#[test]
fn a_value_stored_again_is_one_value() {
    let (mut world, nodes) = settled(110, 3, Links::default());
    let key = Id::sha1(b"key");
    for node in [nodes[0], nodes[1], nodes[0]] {
        world.store(node, key, "value");
    }
    for node in nodes {
        assert_eq!(get(&mut world, node, key).0, set(["value"]));
        assert_eq!(world.engine(node).unwrap().storage().totals().values, 1);
    }
}

#[test]
fn values_expire_three_hours_after_they_were_last_stored() {
    let mut world = World::new(111);
    let node = world.add();
    let (once, again) = (Id::sha1(b"once"), Id::sha1(b"again"));
    world.store(node, once, "value");
    world.store(node, again, "value");
    world.run_for(2 * HOUR);
    world.store(node, again, "value");
    world.run_for(HOUR - MINUTE);
    assert_eq!(get(&mut world, node, once).0, set(["value"]), "not before its time");
    // Expiry comes with the next checkpoint, at most 5.5 min later.
    world.run_for(7 * MINUTE);
    assert_eq!(get(&mut world, node, once).0, set::<&str>([]));
    assert_eq!(get(&mut world, node, again).0, set(["value"]), "it was refreshed");
    world.run_for(2 * HOUR);
    assert_eq!(get(&mut world, node, again).0, set::<&str>([]));
}

#[test]
fn the_copies_at_others_expire_too_and_storing_again_keeps_them() {
    let (mut world, nodes) = settled(112, 8, Links::default());
    let (kept, lost) = (Id::sha1(b"kept"), Id::sha1(b"lost"));
    world.store(nodes[1], lost, "value");
    for _ in 0..8 {
        world.store(nodes[1], kept, "value");
        world.run_for(HOUR);
    }
    assert_eq!(get(&mut world, nodes[5], kept).0, set(["value"]));
    assert_eq!(get(&mut world, nodes[5], lost).0, set::<&str>([]));
    let outcome = world.store(nodes[2], lost, "value");
    assert!(!outcome.stored.is_empty());
    assert_eq!(get(&mut world, nodes[5], lost).0, set(["value"]));
}

#[test]
fn a_value_that_expired_while_the_node_was_down_is_not_served() {
    let mut world = World::new(113);
    let (node, key) = (world.add(), Id::sha1(b"key"));
    world.store(node, key, "value");
    world.cut_power(node);
    world.run_for(3 * HOUR + MINUTE);
    world.restart(node);
    world.run_for(Duration::from_secs(1));
    assert_eq!(get(&mut world, node, key).0, set::<&str>([]));
}

/// Ten keys with three values each, each stored by another node.
fn publish(world: &mut World, nodes: &[HostId]) -> BTreeMap<Id, BTreeSet<Bytes>> {
    let mut stored: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for n in 0..30_usize {
        let (key, value) = (Id::sha1(&[n as u8 / 3]), Bytes::from(format!("value {n}")));
        let outcome = world.store(nodes[n * 7 % nodes.len()], key, value.clone());
        assert_eq!(outcome.stored.len(), 6, "{outcome:?}");
        stored.entry(key).or_default().insert(value);
    }
    stored
}

fn assert_all_found(world: &mut World, nodes: &[HostId], stored: &BTreeMap<Id, BTreeSet<Bytes>>) {
    for node in nodes {
        for (key, values) in stored {
            let (found, outcome) = get(world, *node, *key);
            assert_eq!(&found, values, "{node:?} gets {key}: {outcome:?}");
        }
    }
}

fn set<V: Into<Bytes>>(values: impl IntoIterator<Item = V>) -> BTreeSet<Bytes> {
    values.into_iter().map(Into::into).collect()
}
