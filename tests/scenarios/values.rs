//! Values stored by some and found by others, whatever becomes of the nodes between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Id, Settings, Storage};

use crate::support::network::{Link, Network, Node};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn two_nodes_store_and_get_both_ways() {
    let (mut network, nodes) = Network::settled(101, 2, None);
    for (publisher, reader) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
        let key = Id::sha1(format!("{publisher:?}").as_bytes());
        let outcome = network.store(publisher, key, "value");
        assert_eq!(outcome.stored, [network.contact(reader)]);
        assert!(outcome.stored_here && outcome.progress.complete);
        assert_eq!(network.get(reader, key).0, set(["value"]));
        assert_eq!(network.get(publisher, key).0, set(["value"]));
    }
}

#[test]
fn every_value_is_found_by_every_node() {
    let (mut network, nodes) = Network::settled(102, 20, None);
    let stored = publish(&mut network, &nodes);
    assert_all_found(&mut network, &nodes, &stored);
}

#[test]
fn every_value_is_found_though_a_tenth_of_all_datagrams_is_lost() {
    let (shortest, longest) = (Duration::from_millis(5), Duration::from_millis(150));
    let link = Link { shortest, longest, loss: 0.1 };
    let (mut network, nodes) = Network::settled(103, 20, Some(link));
    let stored = publish(&mut network, &nodes);
    assert_all_found(&mut network, &nodes, &stored);
}

#[test]
fn every_value_is_found_though_a_quarter_of_the_nodes_is_gone() {
    let (mut network, nodes) = Network::settled(104, 20, None);
    let stored = publish(&mut network, &nodes);
    let (gone, left) = nodes.split_at(5);
    gone.iter().for_each(|node| network.cut_power(*node));
    assert_all_found(&mut network, left, &stored);
    let outcome = network.store(left[0], Id::sha1(b"afterwards"), "value");
    assert_eq!(outcome.stored.len(), 6);
}

#[test]
fn all_of_many_short_values_arrive() {
    let (mut network, nodes) = Network::settled(105, 12, None);
    let key = Id::sha1(b"popular");
    let values: BTreeSet<_> = (0..50).map(|n| Bytes::from(format!("publisher {n:02}"))).collect();
    for (n, value) in values.iter().enumerate() {
        assert_eq!(network.store(nodes[n % 5], key, value.clone()).stored.len(), 6);
    }
    for node in [nodes[0], nodes[11]] {
        assert_eq!(network.get(node, key).0, values);
    }
}

#[test]
fn of_values_that_fit_no_reply_together_a_get_brings_more_than_one_reply_holds() {
    let (mut network, nodes) = Network::settled(106, 12, None);
    let key = Id::sha1(b"popular and long");
    let values: BTreeSet<_> = (0..50).map(|n| Bytes::from(format!("{n:0200}"))).collect();
    for (n, value) in values.iter().enumerate() {
        assert!(!network.store(nodes[n % 5], key, value.clone()).stored.is_empty());
    }
    // A reply has room for six of them; six nodes choose theirs at random, and those far away have none.
    let far = *nodes.iter().max_by_key(|node| network.contact(**node).id.distance(&key)).unwrap();
    let (found, _) = network.get(far, key);
    assert!(found.is_subset(&values));
    assert!(found.len() >= 12, "{} of 50", found.len());
}

#[test]
fn the_longest_value_comes_back_whole_and_a_longer_one_is_not_sent() {
    let (mut network, nodes) = Network::settled(107, 3, None);
    let (key, longest) = (Id::sha1(b"long"), vec![7; khashmir::MAX_STORABLE]);
    assert_eq!(network.store(nodes[0], key, longest.clone()).stored.len(), 2);
    assert_eq!(network.get(nodes[2], key).0, set([longest]));
    assert!(network.sent().iter().all(|sent| sent.payload.len() <= 1472));
}

#[test]
fn a_lone_node_keeps_its_own_values_and_is_quiet() {
    let mut network = Network::new(108);
    let (node, key) = (network.add(Settings::default()), Id::sha1(b"key"));
    let outcome = network.store(node, key, "value");
    assert!(outcome.stored_here && outcome.stored.is_empty());
    let (values, outcome) = network.get(node, key);
    assert_eq!((values, outcome.from_local), (set(["value"]), 1));
    network.run_for(24 * HOUR);
    assert_eq!(network.sent(), []);
}

#[test]
fn a_value_stored_alone_is_found_by_those_who_join_later() {
    let mut network = Network::new(109);
    let (holder, key) = (network.add(Settings::default()), Id::sha1(b"key"));
    network.store(holder, key, "value");
    for _ in 0..2 {
        let newcomer = network.add(Settings::default());
        assert!(network.join(newcomer, &[holder]).is_joined());
        assert_eq!(network.get(newcomer, key).0, set(["value"]));
    }
}

#[test]
fn a_value_stored_again_is_one_value() {
    let (mut network, nodes) = Network::settled(110, 3, None);
    let key = Id::sha1(b"key");
    for node in [nodes[0], nodes[1], nodes[0]] {
        network.store(node, key, "value");
    }
    for node in nodes {
        assert_eq!(network.get(node, key).0, set(["value"]));
        assert_eq!(network.engine(node).storage().totals().values, 1);
    }
}

#[test]
fn values_expire_three_hours_after_they_were_last_stored() {
    let mut network = Network::new(111);
    let node = network.add(Settings::default());
    let (once, again) = (Id::sha1(b"once"), Id::sha1(b"again"));
    network.store(node, once, "value");
    network.store(node, again, "value");
    network.run_for(2 * HOUR);
    network.store(node, again, "value");
    network.run_for(HOUR - MINUTE);
    assert_eq!(network.get(node, once).0, set(["value"]), "not before its time");
    // Expiry comes with the next checkpoint, at most 5.5 min later.
    network.run_for(7 * MINUTE);
    assert_eq!(network.get(node, once).0, set::<&str>([]));
    assert_eq!(network.get(node, again).0, set(["value"]), "it was refreshed");
    network.run_for(2 * HOUR);
    assert_eq!(network.get(node, again).0, set::<&str>([]));
}

#[test]
fn the_copies_at_others_expire_too_and_storing_again_keeps_them() {
    let (mut network, nodes) = Network::settled(112, 8, None);
    let (kept, lost) = (Id::sha1(b"kept"), Id::sha1(b"lost"));
    network.store(nodes[1], lost, "value");
    for _ in 0..8 {
        network.store(nodes[1], kept, "value");
        network.run_for(HOUR);
    }
    assert_eq!(network.get(nodes[5], kept).0, set(["value"]));
    assert_eq!(network.get(nodes[5], lost).0, set::<&str>([]));
    let outcome = network.store(nodes[2], lost, "value");
    assert!(!outcome.stored.is_empty());
    assert_eq!(network.get(nodes[5], lost).0, set(["value"]));
}

#[test]
fn a_value_that_expired_while_the_node_was_down_is_not_served() {
    let mut network = Network::new(113);
    let (node, key) = (network.add(Settings::default()), Id::sha1(b"key"));
    network.store(node, key, "value");
    network.cut_power(node);
    network.run_for(3 * HOUR + MINUTE);
    network.restart(node);
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.get(node, key).0, set::<&str>([]));
}

/// Ten keys with three values each, each stored by another node.
fn publish(network: &mut Network, nodes: &[Node]) -> BTreeMap<Id, BTreeSet<Bytes>> {
    let mut stored: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for n in 0..30_usize {
        let (key, value) = (Id::sha1(&[n as u8 / 3]), Bytes::from(format!("value {n}")));
        let outcome = network.store(nodes[n * 7 % nodes.len()], key, value.clone());
        assert_eq!(outcome.stored.len(), 6, "{outcome:?}");
        stored.entry(key).or_default().insert(value);
    }
    stored
}

fn assert_all_found(network: &mut Network, nodes: &[Node], stored: &BTreeMap<Id, BTreeSet<Bytes>>) {
    for node in nodes {
        for (key, values) in stored {
            let (found, outcome) = network.get(*node, *key);
            assert_eq!(&found, values, "{node:?} gets {key}: {outcome:?}");
        }
    }
}

fn set<V: Into<Bytes>>(values: impl IntoIterator<Item = V>) -> BTreeSet<Bytes> {
    values.into_iter().map(Into::into).collect()
}
