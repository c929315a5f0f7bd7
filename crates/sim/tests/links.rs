//! What can befall datagrams befalls them, as often as asked for, is counted, and the network lives with it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use khashmir::Id;
use khashmir_sim::{Counts, Cut, Delay, HostId, Links, Loss, Matrix, Nat, NatKind, World};

/// A world with `count` outsiders, each at an address of its own.
fn outsiders<const COUNT: usize>(links: Links) -> (World, [HostId; COUNT]) {
    let mut world = World::new(7).with_links(links);
    let hosts = std::array::from_fn(|number| {
        world.add_outsider(SocketAddr::from(([203, 0, 113, number as u8], 1000 + number as u16)))
    });
    (world, hosts)
}

/// Sends a datagram, waits, and returns whether it arrived.
fn arrives(world: &mut World, from: HostId, to: HostId, addr: SocketAddr) -> bool {
    let before = world.received(to).len();
    world.send(from, addr, "hello");
    world.run_for(Duration::from_secs(1));
    world.received(to).len() > before
}

/// The port of `host` as `other` sees it, which `host` sends to.
fn outer_port(world: &mut World, host: HostId, other: HostId) -> u16 {
    let addr = world.addr(other);
    assert!(arrives(world, host, other, addr), "a NAT lets everything out");
    let from = world.received(other).last().unwrap().from;
    assert_eq!(from.ip(), world.addr(host).ip());
    from.port()
}

/// Whether `other` reaches `host` at that outer port.
fn reaches(world: &mut World, other: HostId, host: HostId, port: u16) -> bool {
    let addr = SocketAddr::new(world.addr(host).ip(), port);
    arrives(world, other, host, addr)
}

/// Sends 4,000 numbered datagrams, one each millisecond, and returns the payloads in the order of arrival.
fn flood(links: Links) -> (Vec<Bytes>, Counts) {
    let (mut world, [sender, receiver]) = outsiders(links);
    for number in 0..4000 {
        let to = world.addr(receiver);
        world.send(sender, to, format!("{number:08}"));
        world.run_for(Duration::from_millis(1));
    }
    world.run_for(Duration::from_secs(10));
    (world.received(receiver).iter().map(|received| received.payload.clone()).collect(), world.counts())
}

/// Is `count` about a tenth of 4,000? Six standard deviations are about 115.
fn is_a_tenth(count: usize) -> bool {
    (285..=515).contains(&count)
}

#[test]
fn datagrams_are_lost_as_often_as_asked_for() {
    let (arrived, counts) = flood(Links::default().with_loss(0.1));
    assert!(is_a_tenth(counts.lost as usize), "{counts:?}");
    assert_eq!(arrived.len() as u64 + counts.lost, 4000);
}

#[test]
fn datagrams_are_duplicated_as_often_as_asked_for() {
    let (mut arrived, counts) = flood(Links { duplication: 0.1, ..Links::default() });
    assert!(is_a_tenth(counts.duplicated as usize), "{counts:?}");
    assert_eq!(arrived.len() as u64, 4000 + counts.duplicated);
    arrived.dedup();
    assert_eq!(arrived.len(), 4000, "both copies hold the same");
}

#[test]
fn datagrams_are_corrupted_as_often_as_asked_for() {
    let (arrived, counts) = flood(Links { corruption: 0.1, ..Links::default() });
    assert!(is_a_tenth(counts.corrupted as usize), "{counts:?}");
    let sent = |number: usize| format!("{number:08}");
    let changed = arrived.iter().enumerate().filter(|(number, payload)| **payload != sent(*number)).count();
    assert_eq!((arrived.len(), changed as u64), (4000, counts.corrupted));
    assert!(arrived.iter().any(|payload| payload.len() < 8), "some are cut short");
}

#[test]
fn datagrams_overtake_one_another_as_often_as_asked_for() {
    let links = Links { reordering: 0.1, hold: Duration::from_secs(1), ..Links::default() };
    let (mut arrived, counts) = flood(links.clone());
    assert!(is_a_tenth(counts.held as usize), "{counts:?}");
    let overtaken = arrived.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > 250, "{overtaken}");
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 4000, "all arrive in the end");

    let (_, counts) = flood(Links { hold: Duration::ZERO, ..links });
    assert_eq!(counts.held, 0, "what is held back for no time did not happen");
}

#[test]
fn a_line_loses_each_way_on_its_own() {
    let (mut world, [a, b]) = outsiders(Links::default());
    let (addr_a, addr_b) = (world.addr(a), world.addr(b));
    world.set_loss(a, Loss { outward: 1.0, inward: 0.0 });
    assert!(!arrives(&mut world, a, b, addr_b) && arrives(&mut world, b, a, addr_a));
    world.set_loss(a, Loss { outward: 0.0, inward: 1.0 });
    assert!(arrives(&mut world, a, b, addr_b) && !arrives(&mut world, b, a, addr_a));
    assert_eq!(world.counts().lost, 2);
    world.set_loss(a, Loss { outward: 0.0, inward: 0.1 });
    for _ in 0..4000 {
        world.send(b, addr_a, "hello");
    }
    world.run_for(Duration::from_secs(1));
    assert!(is_a_tenth(world.counts().lost as usize - 2), "{:?}", world.counts());
}

#[test]
fn lookups_work_on_bad_lines() {
    let links = Links {
        delay: Delay::Matrix(Arc::new(Matrix::parse("0 40 200\n40 0 120\n200 120 0").unwrap())),
        loss: 0.1,
        duplication: 0.1,
        corruption: 0.05,
        reordering: 0.2,
        hold: Duration::from_millis(300),
    };
    let mut world = World::new(7).with_links(links);
    let hosts = world.grow(40);
    let mut found = 0;
    for number in 0..10 {
        let key = Id::sha1(&[number]);
        world.store(hosts[usize::from(number)], key, "a value");
        found += usize::from(!world.get(hosts[39 - usize::from(number)], key).0.is_empty());
    }
    assert!(found >= 9, "{found} of 10 values found");
}

#[test]
fn a_network_that_fell_apart_mends() {
    let mut world = World::new(7);
    let hosts = world.grow(40);
    let (before, during) = (Id::sha1(b"before"), Id::sha1(b"during"));
    world.store(hosts[3], before, "a value");
    world.partition(|host| host.index() % 2 == 0, Cut::Both);
    world.run_for(Duration::from_secs(5 * 60));
    world.store(hosts[4], during, "a value");
    assert!(world.get(hosts[5], during).0.is_empty(), "it was stored on the other side");
    assert!(!world.get(hosts[6], during).0.is_empty(), "each side is a network of its own");
    let cut = world.counts().cut;
    assert!(cut > 0);

    world.heal();
    world.run_for(Duration::from_secs(90 * 60));
    assert_eq!(world.counts().cut, cut);
    for host in hosts {
        assert!(!world.get(host, during).0.is_empty(), "{host:?}");
        assert!(!world.get(host, before).0.is_empty(), "{host:?}");
    }
}

#[test]
fn a_network_that_fell_apart_for_hours_mends_although_members_come_and_go() {
    let mut world = World::new(7);
    let hosts = world.grow(40);
    world.partition(|host| host.index() % 2 == 0, Cut::Both);
    world.run_for(Duration::from_secs(150 * 60));
    // Those who are away for long enough to be forgotten, and come back, show that the network they belong to is whole.
    hosts[..8].iter().for_each(|host| world.cut_power(*host));
    world.run_for(Duration::from_secs(60 * 60));
    hosts[..8].iter().for_each(|host| world.restart(*host));
    world.run_for(Duration::from_secs(15 * 60));
    let during = Id::sha1(b"during");
    world.store(hosts[20], during, "a value");
    assert!(world.get(hosts[21], during).0.is_empty(), "it was stored on the other side");

    world.heal();
    world.run_for(Duration::from_secs(120 * 60));
    for host in hosts {
        assert!(!world.get(host, during).0.is_empty(), "{host:?}");
    }
}

#[test]
fn what_is_on_its_way_survives_a_cut() {
    let (mut world, [a, b]) = outsiders(Links::default());
    let to = world.addr(b);
    world.send(a, to, "sent before");
    world.partition(|host| host == a, Cut::Both);
    world.send(a, to, "sent after");
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.received(b).len(), world.counts().cut), (1, 1));
}

#[test]
fn a_one_way_cut_lets_the_other_way_pass() {
    let (mut world, [mainland, island, other]) = outsiders(Links::default());
    let group = |host: HostId| host.index() as u8;
    let mut passes = |cut, from, to| {
        world.partition(group, cut);
        let addr = world.addr(to);
        arrives(&mut world, from, to, addr)
    };
    assert!(!passes(Cut::Outward, island, mainland) && passes(Cut::Outward, mainland, island));
    assert!(passes(Cut::Inward, island, mainland) && !passes(Cut::Inward, mainland, island));
    for cut in [Cut::Both, Cut::Outward, Cut::Inward] {
        assert!(!passes(cut, island, other), "{cut:?} between islands");
    }
    assert_eq!(world.counts().cut, 5);
}

#[test]
fn a_full_cone_is_reached_by_strangers_once_it_has_spoken() {
    let (mut world, [host, friend, stranger]) = outsiders(Links::default());
    world.set_nat(host, Some(Nat::new(NatKind::FullCone)));
    let own_port = world.addr(host).port();
    assert!(!reaches(&mut world, stranger, host, own_port));
    let port = outer_port(&mut world, host, friend);
    assert!(reaches(&mut world, friend, host, port));
    assert!(reaches(&mut world, stranger, host, port));
    assert!(!reaches(&mut world, friend, host, own_port), "nobody knows its own port");
    assert_eq!(world.counts().nat_dropped, 2);
}

#[test]
fn a_port_restricted_cone_is_reached_by_those_it_has_spoken_to() {
    let (mut world, [host, friend, stranger]) = outsiders(Links::default());
    world.set_nat(host, Some(Nat::new(NatKind::PortRestricted)));
    let port = outer_port(&mut world, host, friend);
    assert!(reaches(&mut world, friend, host, port));
    assert!(!reaches(&mut world, stranger, host, port));
    assert_eq!(outer_port(&mut world, host, stranger), port, "all see the same port");
    assert!(reaches(&mut world, stranger, host, port));
}

#[test]
fn a_symmetric_nat_is_not_reached_even_by_those_told_another_port() {
    let (mut world, [host, friend, other]) = outsiders(Links::default());
    world.set_nat(host, Some(Nat::new(NatKind::Symmetric)));
    let port = outer_port(&mut world, host, friend);
    let other_port = outer_port(&mut world, host, other);
    assert_ne!(port, other_port);
    assert!(reaches(&mut world, friend, host, port) && reaches(&mut world, other, host, other_port));
    assert!(!reaches(&mut world, friend, host, other_port) && !reaches(&mut world, other, host, port));
}

#[test]
fn mappings_time_out_and_come_back_with_another_port() {
    for kind in [NatKind::FullCone, NatKind::PortRestricted, NatKind::Symmetric] {
        let (mut world, [host, friend]) = outsiders(Links::default());
        world.set_nat(host, Some(Nat { kind, mapping_timeout: Duration::from_secs(30) }));
        let port = outer_port(&mut world, host, friend);
        world.run_for(Duration::from_secs(20));
        assert!(reaches(&mut world, friend, host, port), "{kind:?}");
        world.run_for(Duration::from_secs(20));
        assert!(!reaches(&mut world, friend, host, port), "{kind:?}: what came in prolonged nothing");
        assert_ne!(outer_port(&mut world, host, friend), port, "{kind:?}");
    }
}

#[test]
fn an_unreachable_host_hears_those_it_has_sent_to_of_late() {
    let (mut world, [host, friend, stranger]) = outsiders(Links::default());
    world.set_unreachable(host, true);
    let own_port = world.addr(host).port();
    assert_eq!(outer_port(&mut world, host, friend), own_port, "a firewall translates nothing");
    assert!(reaches(&mut world, friend, host, own_port) && !reaches(&mut world, stranger, host, own_port));
    world.run_for(Duration::from_secs(60));
    assert!(!reaches(&mut world, friend, host, own_port));
    assert_eq!(world.counts().firewalled, 2);
    world.set_unreachable(host, false);
    assert!(reaches(&mut world, stranger, host, own_port));
}

#[test]
fn a_deaf_host_is_heard_and_hears_nobody() {
    let (mut world, [host, other]) = outsiders(Links::default());
    let own_port = world.addr(host).port();
    world.set_deaf(host, true);
    assert_eq!(outer_port(&mut world, host, other), own_port);
    assert!(!reaches(&mut world, other, host, own_port));
    assert_eq!(world.counts().unheard, 1);
}

/// A network in which every second node is behind something, and every fault fires.
fn behind_boxes(threads: usize) -> (u64, Counts, usize) {
    let mut world = World::new(7).with_threads(threads).with_links(Links::world_wide());
    let hosts = world.grow(40);
    for (number, host) in hosts.iter().enumerate() {
        match number % 10 {
            1 => world.set_nat(*host, Some(Nat::new(NatKind::FullCone))),
            3 => world.set_nat(*host, Some(Nat::new(NatKind::PortRestricted))),
            5 => world.set_nat(*host, Some(Nat::new(NatKind::Symmetric))),
            7 => world.set_unreachable(*host, true),
            9 => world.set_loss(*host, Loss { outward: 0.2, inward: 0.2 }),
            _ => {}
        }
    }
    world.set_deaf(hosts[38], true);
    let mut found = 0;
    for number in 0..10 {
        let key = Id::sha1(&[number]);
        world.store(hosts[usize::from(number)], key, "a value");
        found += usize::from(!world.get(hosts[37 - usize::from(number)], key).0.is_empty());
    }
    world.partition(|host| host == hosts[0], Cut::Both);
    world.cut_power(hosts[12]);
    world.run_for(Duration::from_secs(1200));
    (world.digest(), world.counts(), found)
}

#[test]
fn nodes_behind_boxes_store_and_find_in_worlds_of_any_number_of_threads() {
    let (digest, counts, found) = behind_boxes(1);
    assert_eq!(found, 10);
    let fired = ["lost", "cut", "nat_dropped", "firewalled", "unheard", "to_nobody", "stops"];
    for (name, count) in counts.faults() {
        assert_eq!(count > 0, fired.contains(&name), "{name}: {count}");
    }
    assert_eq!(behind_boxes(3), (digest, counts, found));
}
