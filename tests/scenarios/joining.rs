//! Finding a network, staying in it, and coming back to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Contact, Id, JoinFailure, Method, Scope, Settings, Storage, Time};
use khashmir_krpc::{Message, Query, decode};
use khashmir_sim::{Cut, HostId, Links, Sent, World};

use crate::support::world::{get, settled};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn two_nodes_join_and_know_each_other() {
    let mut world = World::new(1);
    let (first, second) = (world.add(), world.add());
    let outcome = world.join(second, &[first]);
    assert_eq!(outcome.answered, [world.contact(first).unwrap()]);
    assert_eq!((outcome.nearby, outcome.failed.len()), (1, 0));
    assert_eq!(outcome.seen_as.map(SocketAddr::from), Some(world.addr(second)));
    world.run_for(MINUTE);
    for (node, other) in [(first, second), (second, first)] {
        assert_eq!(contacts(&world, node), BTreeSet::from([world.contact(other).unwrap()]));
        assert!(world.engine(node).unwrap().is_joined());
    }
}

#[test]
fn after_joining_through_one_node_every_lookup_is_exact() {
    let (mut world, nodes) = settled(2, 20, Links::default());
    for target in nodes.iter().map(|node| world.contact(*node).unwrap().id).collect::<Vec<_>>() {
        for asker in [nodes[0], nodes[7], nodes[19]] {
            let found = world.find_node(asker, target);
            assert_eq!(found.closest, closest(&world, &nodes, &target, asker), "{asker:?} for {target}");
            assert!(found.progress.complete);
        }
    }
}

#[test]
fn after_joining_through_one_node_everybody_knows_its_neighbours() {
    let (world, nodes) = settled(3, 20, Links::default());
    for node in &nodes {
        let known = contacts(&world, *node);
        let nearest = closest(&world, &nodes, &world.contact(*node).unwrap().id, *node);
        let missing = nearest.iter().filter(|contact| !known.contains(contact)).count();
        // Beyond the bucket of its own id a node keeps any k of a range, not the closest.
        assert!(
            missing <= 2 && known.contains(&nearest[0]),
            "{node:?} does not know {missing} of its 8 neighbours"
        );
    }
}

#[test]
fn two_halves_that_lost_one_another_find_together_again() {
    let (mut world, nodes) = settled(4, 9, Links::default());
    let is_cut_off = |host: HostId| host.index() >= 5;
    world.partition(is_cut_off, Cut::Both);
    // Only who asks the lost in vain loses them.
    for round in 0..24_u8 {
        for node in &nodes {
            world.find_node(*node, Id::sha1(&[round]));
        }
        world.run_for(5 * MINUTE);
    }
    let is_lost = |world: &World, node: HostId| {
        let known = contacts(world, node);
        nodes.iter().all(|other| {
            is_cut_off(*other) == is_cut_off(node) || !known.contains(&world.contact(*other).unwrap())
        })
    };
    assert!(nodes.iter().all(|node| is_lost(&world, *node)), "the halves are to forget one another");
    world.heal();
    world.run_for(HOUR);
    for node in &nodes {
        let found = world.find_node(*node, Id::sha1(b"anything"));
        assert_eq!(found.closest, closest(&world, &nodes, &Id::sha1(b"anything"), *node), "{node:?}");
    }
}

#[test]
fn a_join_with_one_dead_bootstrap_node_does_not_wait_for_it() {
    let mut world = World::new(4);
    let [alive, dead, newcomer] = [0; 3].map(|_| world.add());
    world.cut_power(dead);
    let outcome = world.join(newcomer, &[dead, alive]);
    assert!(outcome.is_joined());
    assert!(outcome.elapsed < Duration::from_secs(1), "{:?}", outcome.elapsed);
}

#[test]
fn a_restarted_node_rejoins_from_what_it_saved() {
    let (mut world, nodes) = settled(5, 6, Links::default());
    let (node, key) = (nodes[5], Id::sha1(b"key"));
    assert!(world.store(node, key, "value").stored_here);
    world.run_for(10 * MINUTE);
    let (before, known) = (world.contact(node).unwrap(), contacts(&world, node));
    world.cut_power(node);
    world.run_for(MINUTE);
    world.restart(node);
    assert_eq!(world.contact(node).unwrap(), before);
    let outcome = world.join(node, &[]);
    assert!(outcome.is_joined(), "{outcome:?}");
    world.run_for(MINUTE);
    assert_eq!(contacts(&world, node), known);
    assert_eq!(world.engine(node).unwrap().storage().count(&key).unwrap(), 1);
    assert_eq!(get(&mut world, nodes[1], key).0, BTreeSet::from([Bytes::from("value")]));
}

#[test]
fn a_bootstrap_node_counts_though_every_remembered_contact_is_dead() {
    let mut world = World::new(19);
    let [alive, neighbour, dead, node] = [0; 4].map(|_| world.add());
    world.join(neighbour, &[alive]);
    assert!(world.join(node, &[dead]).is_joined());
    world.run_for(10 * MINUTE);
    world.cut_power(dead);
    world.restart(node);
    let outcome = world.join(node, &[alive]);
    assert_eq!(outcome.answered, [world.contact(alive).unwrap()]);
    assert!(outcome.is_joined(), "{outcome:?}");
    assert!(outcome.elapsed < Duration::from_secs(20), "{:?}", outcome.elapsed);
    world.run_for(MINUTE);
    assert!(contacts(&world, node).contains(&world.contact(neighbour).unwrap()));
}

#[test]
fn a_node_that_lost_its_disk_is_known_by_its_new_id() {
    let (mut world, nodes) = settled(20, 8, Links::default());
    let (old, bootstrap) = (world.contact(nodes[3]).unwrap(), nodes[0]);
    world.cut_power(nodes[3]);
    world.replace(nodes[3]);
    assert!(world.join(nodes[3], &[bootstrap]).is_joined());
    let new = world.contact(nodes[3]).unwrap();
    assert!(new.id != old.id && new.addr == old.addr);
    world.run_for(3 * HOUR);
    for other in nodes.iter().filter(|other| **other != nodes[3]) {
        let known = contacts(&world, *other);
        assert!(!known.contains(&old) && known.contains(&new), "{other:?}");
    }
}

#[test]
fn a_node_that_was_killed_at_once_keeps_its_id() {
    let mut world = World::new(6);
    let node = world.add();
    let before = world.contact(node).unwrap();
    world.run_for(Duration::from_secs(1));
    world.restart(node);
    assert_eq!(world.contact(node).unwrap(), before);
}

#[test]
fn a_join_that_failed_is_tried_again_after_the_rejoin_delay() {
    let mut world = World::new(7);
    world.keep_sent();
    let Alone { node, failed, .. } = alone(&mut world);
    world.run_for(2 * MINUTE);
    let retry = joins(&world, node).into_iter().find(|at| *at > failed).unwrap();
    let delay = world.engine(node).unwrap().settings().rejoin_delay;
    assert!(
        retry.since(failed) >= delay && retry.since(failed) <= delay * 5 / 4,
        "{:?}",
        retry.since(failed)
    );
}

#[test]
fn an_isolated_node_tries_ever_more_rarely_but_never_stops() {
    let mut world = World::new(8);
    world.keep_sent();
    let Alone { node, .. } = alone(&mut world);
    world.run_for(24 * HOUR);
    let attempts = joins(&world, node);
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    let longest = world.engine(node).unwrap().settings().max_rejoin_delay * 5 / 4 + Duration::from_secs(10);
    assert!(pauses.iter().all(|pause| *pause <= longest), "{pauses:?}");
    assert!(world.now().since(*attempts.last().unwrap()) <= longest, "it tries to the end");
    assert!(attempts.len() < 110, "{} attempts in a day", attempts.len());
    assert!(pauses[0] < MINUTE + Duration::from_secs(10), "{pauses:?}");
    assert!(pauses[1] > pauses[0] && pauses[2] > pauses[1], "{pauses:?}");
}

#[test]
fn isolated_nodes_do_not_try_in_step() {
    let mut world = World::new(9);
    world.keep_sent();
    let Alone { node: one, bootstrap, .. } = alone(&mut world);
    let other = world.add();
    assert!(!world.join(other, &[bootstrap]).is_joined());
    world.run_for(12 * HOUR);
    let pauses = |node| {
        let joins = joins(&world, node);
        joins.windows(2).map(|pair| pair[1].since(pair[0])).collect::<BTreeSet<_>>()
    };
    assert!(pauses(one).is_disjoint(&pauses(other)));
}

#[test]
fn an_isolated_node_joins_when_its_bootstrap_node_comes_back() {
    let mut world = World::new(10);
    let Alone { node, bootstrap, .. } = alone(&mut world);
    world.run_for(6 * HOUR);
    world.restart(bootstrap);
    world.run_for(20 * MINUTE);
    assert!(world.engine(node).unwrap().is_joined() && world.engine(bootstrap).unwrap().is_joined());
}

#[test]
fn a_node_that_lost_its_network_finds_it_again() {
    let mut world = World::new(11);
    let (first, second) = (world.add(), world.add());
    world.join(second, &[first]);
    world.run_for(10 * MINUTE);
    world.cut_power(first);
    world.run_for(6 * HOUR);
    assert!(!world.engine(second).unwrap().is_joined(), "nobody else is there");
    world.restart(first);
    world.run_for(20 * MINUTE);
    assert!(world.engine(second).unwrap().is_joined());
    assert_eq!(get(&mut world, first, Id::NULL).1.progress.tally.asked, 1);
}

#[test]
fn a_lone_node_that_was_told_of_nobody_sends_nothing() {
    let mut world = World::new(12);
    let node = world.add();
    assert!(!world.join(node, &[]).is_joined());
    world.run_for(24 * HOUR);
    assert_eq!(world.counts().sent, 0);
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
        let mut world = World::new(seed);
        world.keep_sent();
        let hub = world.add_with(scoped(Scope::ANY));
        for addr in [loopback, private] {
            let node = world.add_at(addr, scoped(Scope::ANY));
            assert!(world.join(node, &[hub]).is_joined());
        }
        world.run_for(MINUTE);
        assert_eq!(contacts(&world, hub).len(), 2);
        let node = world.add_with(scoped(scope));
        assert!(world.join(node, &[hub]).is_joined());
        world.find_node(node, Id::MAX);
        world.run_for(HOUR);
        let (from, sent) = (world.addr(node), world.sent());
        for refused in refused {
            let own = |sent: &&Sent| sent.from == from && sent.to == refused;
            let queries = sent.iter().filter(own).filter(|sent| query(&sent.payload).is_some());
            assert_eq!(queries.count(), 0, "{refused} in {scope:?}");
            assert!(contacts(&world, node).iter().all(|contact| contact.addr != refused));
        }
    }
}

#[test]
fn a_bootstrap_node_out_of_scope_is_refused_with_the_reason() {
    let mut world = World::new(16);
    let private = world.add_at("192.168.7.7:9977".parse().unwrap(), scoped(Scope::ANY));
    let node = world.add();
    let outcome = world.join(node, &[private]);
    assert_eq!(outcome.failed, [(world.addr(private), JoinFailure::OutOfScope)]);
    assert_eq!(world.counts().sent, 0);
}

#[test]
fn a_node_told_of_itself_alone_knows_nobody() {
    let mut world = World::new(17);
    let node = world.add();
    assert!(!world.join(node, &[node]).is_joined());
    world.run_for(MINUTE);
    assert_eq!(contacts(&world, node), BTreeSet::new());
}

#[test]
fn the_dead_are_forgotten() {
    let (mut world, nodes) = settled(18, 12, Links::default());
    let (dead, living) = nodes.split_at(4);
    let gone: Vec<_> = dead.iter().map(|node| world.contact(*node).unwrap()).collect();
    dead.iter().for_each(|node| world.cut_power(*node));
    world.run_for(4 * HOUR);
    for node in living {
        let known = contacts(&world, *node);
        assert!(gone.iter().all(|contact| !known.contains(contact)), "{node:?} still knows the dead");
        assert!(known.len() >= 5, "{node:?} knows {} of 7", known.len());
    }
}

/// A node that could not join, when it gave up, and the bootstrap node that is down.
struct Alone {
    node: HostId,
    failed: Time,
    bootstrap: HostId,
}

fn alone(world: &mut World) -> Alone {
    let (bootstrap, node) = (world.add(), world.add());
    world.cut_power(bootstrap);
    let began = world.now();
    let outcome = world.join(node, &[bootstrap]);
    assert!(!outcome.is_joined());
    Alone { node, failed: began + outcome.elapsed, bootstrap }
}

fn contacts(world: &World, node: HostId) -> BTreeSet<Contact> {
    world.engine(node).unwrap().table().contacts().collect()
}

/// The eight nodes that are closest to `target`, but for the one that asks.
fn closest(world: &World, nodes: &[HostId], target: &Id, asker: HostId) -> Vec<Contact> {
    let others = nodes.iter().filter(|node| **node != asker);
    let mut contacts: Vec<_> = others.map(|node| world.contact(*node).unwrap()).collect();
    contacts.sort_by_key(|contact| contact.id.distance(target));
    contacts.truncate(8);
    contacts
}

/// When a node sent each of its `join` queries, the first time.
fn joins(world: &World, node: HostId) -> Vec<Time> {
    let (from, sent) = (world.addr(node), world.sent());
    let own = sent.iter().filter(|sent| sent.from == from);
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
