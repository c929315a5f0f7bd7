//! Finding a network, staying in it, and coming back to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Contact, Id, JoinFailure, Method, Scope, Settings, Storage, Time};
use khashmir_krpc::{Message, Query, decode};

use crate::support::network::{Network, Node, Sent};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn two_nodes_join_and_know_each_other() {
    let mut network = Network::new(1);
    let (first, second) = (network.add(Settings::default()), network.add(Settings::default()));
    let outcome = network.join(second, &[first]);
    assert_eq!(outcome.answered, [network.contact(first)]);
    assert_eq!((outcome.nearby, outcome.failed.len()), (1, 0));
    assert_eq!(outcome.seen_as.map(SocketAddr::from), Some(network.addr(second)));
    network.run_for(MINUTE);
    for (node, other) in [(first, second), (second, first)] {
        assert_eq!(contacts(&network, node), BTreeSet::from([network.contact(other)]));
        assert!(network.engine(node).is_joined());
    }
}

#[test]
fn after_joining_through_one_node_every_lookup_is_exact() {
    let (mut network, nodes) = Network::settled(2, 20, None);
    for target in nodes.iter().map(|node| network.contact(*node).id).collect::<Vec<_>>() {
        for asker in [nodes[0], nodes[7], nodes[19]] {
            let found = network.find_node(asker, target);
            assert_eq!(found.closest, closest(&network, &nodes, &target, asker), "{asker:?} for {target}");
            assert!(found.progress.complete);
        }
    }
}

#[test]
fn after_joining_through_one_node_everybody_knows_its_neighbours() {
    let (network, nodes) = Network::settled(3, 20, None);
    for node in &nodes {
        let known = contacts(&network, *node);
        let nearest = closest(&network, &nodes, &network.contact(*node).id, *node);
        let missing = nearest.iter().filter(|contact| !known.contains(contact)).count();
        // Beyond the bucket of its own id a node keeps any k of a range, not the closest.
        assert!(
            missing <= 2 && known.contains(&nearest[0]),
            "{node:?} does not know {missing} of its 8 neighbours"
        );
    }
}

#[test]
fn a_join_with_one_dead_bootstrap_node_does_not_wait_for_it() {
    let mut network = Network::new(4);
    let [alive, dead, newcomer] = [0; 3].map(|_| network.add(Settings::default()));
    network.cut_power(dead);
    let outcome = network.join(newcomer, &[dead, alive]);
    assert!(outcome.is_joined());
    assert!(outcome.elapsed < Duration::from_secs(1), "{:?}", outcome.elapsed);
}

#[test]
fn a_restarted_node_rejoins_from_what_it_saved() {
    let (mut network, nodes) = Network::settled(5, 6, None);
    let (node, key) = (nodes[5], Id::sha1(b"key"));
    assert!(network.store(node, key, "value").stored_here);
    network.run_for(10 * MINUTE);
    let (before, known) = (network.contact(node), contacts(&network, node));
    network.cut_power(node);
    network.run_for(MINUTE);
    network.restart(node);
    assert_eq!(network.contact(node), before);
    let outcome = network.join(node, &[]);
    assert!(outcome.is_joined(), "{outcome:?}");
    network.run_for(MINUTE);
    assert_eq!(contacts(&network, node), known);
    assert_eq!(network.engine(node).storage().count(&key).unwrap(), 1);
    assert_eq!(network.get(nodes[1], key).0, BTreeSet::from([Bytes::from("value")]));
}

#[test]
fn a_bootstrap_node_counts_though_every_remembered_contact_is_dead() {
    let mut network = Network::new(19);
    let [alive, neighbour, dead, node] = [0; 4].map(|_| network.add(Settings::default()));
    network.join(neighbour, &[alive]);
    assert!(network.join(node, &[dead]).is_joined());
    network.run_for(10 * MINUTE);
    network.cut_power(dead);
    network.restart(node);
    let outcome = network.join(node, &[alive]);
    assert_eq!(outcome.answered, [network.contact(alive)]);
    assert!(outcome.is_joined(), "{outcome:?}");
    assert!(outcome.elapsed < Duration::from_secs(20), "{:?}", outcome.elapsed);
    network.run_for(MINUTE);
    assert!(contacts(&network, node).contains(&network.contact(neighbour)));
}

#[test]
fn a_node_that_lost_its_disk_is_known_by_its_new_id() {
    let (mut network, nodes) = Network::settled(20, 8, None);
    let (old, bootstrap) = (network.contact(nodes[3]), nodes[0]);
    network.cut_power(nodes[3]);
    let node = network.add_at(old.addr, Settings::default());
    assert!(network.join(node, &[bootstrap]).is_joined());
    let new = network.contact(node);
    assert!(new.id != old.id && new.addr == old.addr);
    network.run_for(3 * HOUR);
    for other in nodes.iter().filter(|other| **other != nodes[3]) {
        let known = contacts(&network, *other);
        assert!(!known.contains(&old) && known.contains(&new), "{other:?}");
    }
}

#[test]
fn a_node_that_was_killed_at_once_keeps_its_id() {
    let mut network = Network::new(6);
    let node = network.add(Settings::default());
    let before = network.contact(node);
    network.run_for(Duration::from_secs(1));
    network.restart(node);
    assert_eq!(network.contact(node), before);
}

#[test]
fn a_join_that_failed_is_tried_again_after_the_rejoin_delay() {
    let mut network = Network::new(7);
    let (node, _) = alone(&mut network);
    let failed = network.now();
    network.run_for(2 * MINUTE);
    let retry = joins(&network, node).into_iter().find(|at| *at > failed).unwrap();
    let delay = network.engine(node).settings().rejoin_delay;
    assert!(
        retry.since(failed) >= delay && retry.since(failed) <= delay * 5 / 4,
        "{:?}",
        retry.since(failed)
    );
}

#[test]
fn an_isolated_node_tries_ever_more_rarely_but_never_stops() {
    let mut network = Network::new(8);
    let (node, _) = alone(&mut network);
    network.run_for(24 * HOUR);
    let attempts = joins(&network, node);
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    let longest = network.engine(node).settings().max_rejoin_delay * 5 / 4 + Duration::from_secs(10);
    assert!(pauses.iter().all(|pause| *pause <= longest), "{pauses:?}");
    assert!(network.now().since(*attempts.last().unwrap()) <= longest, "it tries to the end");
    assert!(attempts.len() < 110, "{} attempts in a day", attempts.len());
    assert!(pauses[0] < MINUTE + Duration::from_secs(10), "{pauses:?}");
    assert!(pauses[1] > pauses[0] && pauses[2] > pauses[1], "{pauses:?}");
}

#[test]
fn isolated_nodes_do_not_try_in_step() {
    let mut network = Network::new(9);
    let (one, bootstrap) = alone(&mut network);
    let other = network.add(Settings::default());
    assert!(!network.join(other, &[bootstrap]).is_joined());
    network.run_for(12 * HOUR);
    let pauses = |node| {
        let joins = joins(&network, node);
        joins.windows(2).map(|pair| pair[1].since(pair[0])).collect::<BTreeSet<_>>()
    };
    assert!(pauses(one).is_disjoint(&pauses(other)));
}

#[test]
fn an_isolated_node_joins_when_its_bootstrap_node_comes_back() {
    let mut network = Network::new(10);
    let (node, bootstrap) = alone(&mut network);
    network.run_for(6 * HOUR);
    network.restart(bootstrap);
    network.run_for(20 * MINUTE);
    assert!(network.engine(node).is_joined() && network.engine(bootstrap).is_joined());
}

#[test]
fn a_node_that_lost_its_network_finds_it_again() {
    let mut network = Network::new(11);
    let (first, second) = (network.add(Settings::default()), network.add(Settings::default()));
    network.join(second, &[first]);
    network.run_for(10 * MINUTE);
    network.cut_power(first);
    network.run_for(6 * HOUR);
    assert!(!network.engine(second).is_joined(), "nobody else is there");
    network.restart(first);
    network.run_for(20 * MINUTE);
    assert!(network.engine(second).is_joined());
    assert_eq!(network.get(first, Id::NULL).1.progress.tally.asked, 1);
}

#[test]
fn a_lone_node_that_was_told_of_nobody_sends_nothing() {
    let mut network = Network::new(12);
    let node = network.add(Settings::default());
    assert!(!network.join(node, &[]).is_joined());
    network.run_for(24 * HOUR);
    assert_eq!(network.sent(), []);
}

#[test]
fn nobody_out_of_scope_is_asked_remembered_or_named() {
    let loopback: SocketAddr = "127.0.0.1:9977".parse().unwrap();
    let private: SocketAddr = "10.1.2.3:9977".parse().unwrap();
    let scope = |addr: SocketAddr| Scope::of(addr.ip());
    for (seed, scope, refused) in [
        (13, scope(loopback), vec![private]),
        (14, scope(private), vec![loopback]),
        (15, Scope::PUBLIC, vec![private, loopback]),
    ] {
        let mut network = Network::new(seed);
        let hub = network.add(scoped(Scope::ANY));
        for addr in [loopback, private] {
            let node = network.add_at(addr, scoped(Scope::ANY));
            assert!(network.join(node, &[hub]).is_joined());
        }
        network.run_for(MINUTE);
        assert_eq!(contacts(&network, hub).len(), 2);
        let node = network.add(scoped(scope));
        assert!(network.join(node, &[hub]).is_joined());
        network.find_node(node, Id::MAX);
        network.run_for(HOUR);
        let from = network.addr(node);
        for refused in refused {
            let own = |sent: &&Sent| sent.from == from && sent.to == refused;
            let queries = network.sent().iter().filter(own).filter(|sent| query(&sent.payload).is_some());
            assert_eq!(queries.count(), 0, "{refused} in {scope:?}");
            assert!(contacts(&network, node).iter().all(|contact| contact.addr != refused));
        }
    }
}

#[test]
fn a_bootstrap_node_out_of_scope_is_refused_with_the_reason() {
    let mut network = Network::new(16);
    let private = network.add_at("192.168.7.7:9977".parse().unwrap(), scoped(Scope::ANY));
    let node = network.add(Settings::default());
    let outcome = network.join(node, &[private]);
    assert_eq!(outcome.failed, [(network.addr(private), JoinFailure::OutOfScope)]);
    assert_eq!(network.sent(), []);
}

#[test]
fn a_node_told_of_itself_alone_knows_nobody() {
    let mut network = Network::new(17);
    let node = network.add(Settings::default());
    assert!(!network.join(node, &[node]).is_joined());
    network.run_for(MINUTE);
    assert_eq!(contacts(&network, node), BTreeSet::new());
}

#[test]
fn the_dead_are_forgotten() {
    let (mut network, nodes) = Network::settled(18, 12, None);
    let (dead, living) = nodes.split_at(4);
    let gone: Vec<_> = dead.iter().map(|node| network.contact(*node)).collect();
    dead.iter().for_each(|node| network.cut_power(*node));
    network.run_for(4 * HOUR);
    for node in living {
        let known = contacts(&network, *node);
        assert!(gone.iter().all(|contact| !known.contains(contact)), "{node:?} still knows the dead");
        assert!(known.len() >= 5, "{node:?} knows {} of 7", known.len());
    }
}

/// A node that could not join, and the bootstrap node that is down.
fn alone(network: &mut Network) -> (Node, Node) {
    let (bootstrap, node) = (network.add(Settings::default()), network.add(Settings::default()));
    network.cut_power(bootstrap);
    assert!(!network.join(node, &[bootstrap]).is_joined());
    (node, bootstrap)
}

fn contacts(network: &Network, node: Node) -> BTreeSet<Contact> {
    network.engine(node).table().contacts().collect()
}

/// The eight nodes that are closest to `target`, but for the one that asks.
fn closest(network: &Network, nodes: &[Node], target: &Id, asker: Node) -> Vec<Contact> {
    let others = nodes.iter().filter(|node| **node != asker);
    let mut contacts: Vec<_> = others.map(|node| network.contact(*node)).collect();
    contacts.sort_by_key(|contact| contact.id.distance(target));
    contacts.truncate(8);
    contacts
}

/// When a node sent each of its `join` queries, the first time.
fn joins(network: &Network, node: Node) -> Vec<Time> {
    let own = network.sent().iter().filter(|sent| sent.from == network.addr(node));
    let mut seen = BTreeSet::new();
    own.filter(|sent| query(&sent.payload).is_some_and(|query| query.method() == Method::Join))
        .filter(|sent| seen.insert(&sent.payload))
        .map(|sent| sent.at)
        .collect()
}

fn query(datagram: &[u8]) -> Option<Query> {
    match decode(datagram) {
        Ok(Message::Query { query, .. }) => Some(query),
        _ => None,
    }
}

fn scoped(scope: Scope) -> Settings {
    let mut settings = Settings::default();
    settings.scope = scope;
    settings
}
