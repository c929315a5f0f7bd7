//! What goes over the wire: how much, how often, and the same again for the same seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use khashmir::{Id, Settings};
use khashmir_krpc::{Message, Query, TransactionId, decode, encode_query};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use crate::support::network::{Link, Network, Node, Sent};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn equal_seeds_give_equal_datagrams_and_others_do_not() {
    let trace = |seed| {
        let (shortest, longest) = (Duration::from_millis(1), Duration::from_millis(90));
        let (mut network, nodes) = Network::settled(seed, 8, Some(Link { shortest, longest, loss: 0.05 }));
        network.store(nodes[3], Id::sha1(b"key"), "value");
        network.get(nodes[6], Id::sha1(b"key"));
        network.cut_power(nodes[2]);
        network.run_for(HOUR);
        network.restart(nodes[2]);
        network.run_for(HOUR);
        network.sent().to_vec()
    };
    let first = trace(301);
    assert!(first.len() > 400, "{} datagrams", first.len());
    assert!(first == trace(301), "the same seed");
    assert!(first != trace(302), "another seed");
}

#[test]
fn a_settled_network_is_quiet() {
    let (mut network, nodes) = Network::settled(303, 20, None);
    network.run_for(HOUR);
    let (before, hours) = (network.sent().len(), 6);
    network.run_for(hours * HOUR);
    let minutes = f64::from(hours * 60);
    let rate = (network.sent().len() - before) as f64 / nodes.len() as f64 / minutes;
    // Measured: 0.53.
    assert!(rate < 1.1, "{rate} datagrams per node and minute");
}

#[test]
fn two_nodes_alone_are_nearly_silent() {
    let (mut network, _) = Network::settled(304, 2, None);
    network.run_for(HOUR);
    let before = network.sent().len();
    network.run_for(10 * HOUR);
    let sent = network.sent().len() - before;
    // Measured: 40, an hourly refresh of the one bucket at each.
    assert!(sent <= 80, "{sent} datagrams in ten hours");
}

#[test]
fn a_lookup_asks_each_node_at_most_once() {
    let (mut network, nodes) = Network::settled(305, 20, None);
    for n in 0..20_u8 {
        let (target, node) = (Id::sha1(&[n]), nodes[usize::from(n)]);
        let before = network.sent().len();
        let found = network.find_node(node, target);
        let asked = asked(&network, before, node, |query| *query == Query::FindNode { target });
        assert_eq!(asked.values().sum::<usize>(), found.progress.tally.asked);
        assert!(asked.values().all(|times| *times == 1), "{asked:?}");
        assert!(found.progress.tally.asked <= 19);
        assert_eq!(found.progress.tally.answered, found.progress.tally.asked);
    }
}

#[test]
fn a_store_and_a_get_keep_to_their_budgets() {
    let (mut network, nodes) = Network::settled(306, 20, None);
    for n in 0..20_u8 {
        let (key, node) = (Id::sha1(&[n, n]), nodes[usize::from(n)]);
        let before = network.sent().len();
        let outcome = network.store(node, key, "value");
        let stores = asked(&network, before, node, |query| matches!(query, Query::StoreValue { .. }));
        assert_eq!((stores.len(), stores.values().sum::<usize>()), (6, 6), "six copies, six datagrams");
        assert_eq!(outcome.stored.len(), 6);
        assert!(outcome.progress.tally.asked <= 19 + 6);
        let reader = nodes[usize::from(n + 7) % 20];
        let before = network.sent().len();
        let (values, outcome) = network.get(reader, key);
        let gets = asked(&network, before, reader, |query| matches!(query, Query::GetValue { .. }));
        assert!(gets.values().all(|times| *times == 1) && gets.len() <= 7, "{gets:?}");
        assert!(values.len() == 1 && outcome.progress.tally.asked <= 19 + 7);
    }
}

#[test]
fn a_join_in_a_small_network_is_no_storm() {
    let (mut network, nodes) = Network::settled(307, 20, None);
    let before = network.sent().len();
    let newcomer = network.add(Settings::default());
    network.join(newcomer, &nodes[..1]);
    network.run_for(Duration::from_secs(120));
    let sent = network.sent().len() - before;
    // Measured: 54, the pings of those who got to know the newcomer included.
    assert!(sent <= 110, "{sent} datagrams for one join");
}

#[test]
fn forged_queries_bring_their_victims_few_datagrams() {
    let mut network = Network::new(308);
    let node = network.add(Settings::default());
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let victims: Vec<SocketAddr> =
        (0..1000_u16).map(|n| ([12, 0, (n >> 8) as u8, n as u8], 9).into()).collect();
    for victim in &victims {
        let ping = encode_query(&TransactionId::random(&mut rng), &Id::random(&mut rng), &Query::Ping);
        network.input(node, |engine, now| engine.handle_datagram(*victim, &ping, now));
    }
    network.run_for(Duration::from_secs(60));
    let to_victims = network.sent().iter().filter(|sent| victims.contains(&sent.to)).count();
    // An answer for each, and a single ping for at most 64, and for one more every 14 s.
    assert!(to_victims <= 1000 + 64 + 5, "{to_victims} datagrams");
    assert_eq!(network.engine(node).table().len(), 0);
}

/// How often a node asked whom, of the questions that count.
fn asked(
    network: &Network,
    since: usize,
    node: Node,
    counts: impl Fn(&Query) -> bool,
) -> BTreeMap<SocketAddr, usize> {
    let mut asked = BTreeMap::new();
    let own = |sent: &&Sent| sent.from == network.addr(node);
    for sent in network.sent()[since..].iter().filter(own) {
        if let Ok(Message::Query { query, .. }) = decode(&sent.payload)
            && counts(&query)
        {
            *asked.entry(sent.to).or_default() += 1;
        }
    }
    asked
}
