//! What goes over the wire: how much, how often, and the same again for the same seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use khashmir::{Id, Time};
use khashmir_krpc::{Message, Query, TransactionId, decode, encode_query};
use khashmir_sim::{HostId, Links, World};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use crate::support::world::{get, jittery, settled};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn equal_seeds_give_equal_datagrams_and_others_do_not() {
    let trace = |seed| {
        let (mut world, nodes) = settled(seed, 8, jittery(1, 90).with_loss(0.05));
        world.store(nodes[3], Id::sha1(b"key"), "value");
        get(&mut world, nodes[6], Id::sha1(b"key"));
        world.cut_power(nodes[2]);
        world.run_for(HOUR);
        world.restart(nodes[2]);
        world.run_for(HOUR);
        world.sent()
    };
    let first = trace(301);
    assert!(first.len() > 400, "{} datagrams", first.len());
    assert!(first == trace(301), "the same seed");
    assert!(first != trace(302), "another seed");
}

#[test]
fn a_settled_network_is_quiet() {
    let (mut world, nodes) = settled(303, 20, Links::default());
    world.run_for(HOUR);
    let (before, hours) = (world.counts().sent, 6);
    world.run_for(hours * HOUR);
    let minutes = f64::from(hours * 60);
    let rate = (world.counts().sent - before) as f64 / nodes.len() as f64 / minutes;
    // Measured: 0.69; with other seeds 0.55 to 0.85.
    assert!(rate < 1.1, "{rate} datagrams per node and minute");
}

#[test]
fn two_nodes_alone_are_nearly_silent() {
    let (mut world, _) = settled(304, 2, Links::default());
    world.run_for(HOUR);
    let before = world.counts().sent;
    world.run_for(10 * HOUR);
    let sent = world.counts().sent - before;
    // Measured: 40, an hourly refresh of the one bucket at each.
    assert!(sent <= 80, "{sent} datagrams in ten hours");
}

#[test]
fn a_lookup_asks_each_node_at_most_once() {
    let (mut world, nodes) = settled(305, 20, Links::default());
    for n in 0..20_u8 {
        let (target, node) = (Id::sha1(&[n]), nodes[usize::from(n)]);
        let before = world.now();
        let found = world.find_node(node, target);
        let asked = asked(&world, before, node, |query| *query == Query::FindNode { target });
        assert_eq!(asked.values().sum::<usize>(), found.progress.tally.asked);
        assert!(asked.values().all(|times| *times == 1), "{asked:?}");
        assert!(found.progress.tally.asked <= 19);
        assert_eq!(found.progress.tally.answered, found.progress.tally.asked);
    }
}

#[test]
fn a_store_and_a_get_keep_to_their_budgets() {
    let (mut world, nodes) = settled(306, 20, Links::default());
    for n in 0..20_u8 {
        let (key, node) = (Id::sha1(&[n, n]), nodes[usize::from(n)]);
        let before = world.now();
        let outcome = world.store(node, key, "value");
        let stores = asked(&world, before, node, |query| matches!(query, Query::StoreValue { .. }));
        assert_eq!((stores.len(), stores.values().sum::<usize>()), (6, 6), "six copies, six datagrams");
        assert_eq!(outcome.stored.len(), 6);
        assert!(outcome.progress.tally.asked <= 19 + 6);
        let reader = nodes[usize::from(n + 7) % 20];
        let before = world.now();
        let (values, outcome) = get(&mut world, reader, key);
        let gets = asked(&world, before, reader, |query| matches!(query, Query::GetValue { .. }));
        assert!(gets.values().all(|times| *times == 1) && gets.len() <= 7, "{gets:?}");
        assert!(values.len() == 1 && outcome.progress.tally.asked <= 19 + 7);
    }
}

#[test]
fn the_next_value_of_a_key_is_stored_without_another_search() {
    let (mut world, nodes) = settled(309, 60, Links::default());
    let (key, node) = (Id::sha1(b"many"), nodes[7]);
    let is_search =
        |query: &Query| matches!(query, Query::FindNode { target } if *target == Id::sha1(b"many"));
    let first = world.store(node, key, "first");
    let before = world.now();
    let second = world.store(node, key, "second");
    assert!(asked(&world, before, node, is_search).is_empty());
    assert_eq!((&second.stored, second.stored_here), (&first.stored, first.stored_here));
    assert_eq!(get(&mut world, nodes[40], key).0.len(), 2);

    // Some minutes later it looks again, as the tokens may have died.
    world.run_for(Duration::from_secs(301));
    let before = world.now();
    world.store(node, key, "third");
    assert!(!asked(&world, before, node, is_search).is_empty());
}

#[test]
fn a_store_whose_nodes_are_gone_searches_after_all() {
    let (mut world, nodes) = settled(310, 60, Links::default());
    let (key, node) = (Id::sha1(b"many"), nodes[7]);
    let first = world.store(node, key, "first");
    for contact in &first.stored {
        let gone = nodes.iter().find(|host| world.contact(**host).is_some_and(|it| it.id == contact.id));
        world.cut_power(*gone.unwrap());
    }
    let second = world.store(node, key, "second");
    assert_eq!(second.stored.len(), 6);
    assert!(second.stored.iter().all(|contact| !first.stored.contains(contact)));
}

#[test]
fn a_join_in_a_small_network_is_no_storm() {
    let (mut world, nodes) = settled(307, 20, Links::default());
    let before = world.counts().sent;
    let newcomer = world.add();
    world.join(newcomer, &nodes[..1]);
    world.run_for(Duration::from_secs(120));
    let sent = world.counts().sent - before;
    // Measured: 54, the pings of those who got to know the newcomer included.
    assert!(sent <= 110, "{sent} datagrams for one join");
}

#[test]
fn forged_queries_bring_their_victims_few_datagrams() {
    let mut world = World::new(308);
    world.keep_sent();
    let node = world.add();
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let victims: Vec<SocketAddr> =
        (0..1000_u16).map(|n| ([12, 0, (n >> 8) as u8, n as u8], 9).into()).collect();
    for victim in &victims {
        let ping = encode_query(&TransactionId::random(&mut rng), &Id::random(&mut rng), &Query::Ping);
        world.input(node, |engine, now| engine.handle_datagram(*victim, &ping, now)).unwrap();
    }
    world.run_for(Duration::from_secs(60));
    let to_victims = world.sent().iter().filter(|sent| victims.contains(&sent.to)).count();
    // An answer for each, and a single ping for at most 64, and for one more every 14 s.
    assert!(to_victims <= 1000 + 64 + 5, "{to_victims} datagrams");
    assert_eq!(world.engine(node).unwrap().table().len(), 0);
}

/// How often a node has asked whom since then, of the questions that count.
fn asked(
    world: &World,
    since: Time,
    node: HostId,
    counts: impl Fn(&Query) -> bool,
) -> BTreeMap<SocketAddr, usize> {
    let mut asked = BTreeMap::new();
    for sent in world.sent().iter().filter(|sent| sent.at >= since && sent.from == world.addr(node)) {
        if let Ok(Message::Query { query, .. }) = decode(&sent.payload)
            && counts(&query)
        {
            *asked.entry(sent.to).or_default() += 1;
        }
    }
    asked
}
