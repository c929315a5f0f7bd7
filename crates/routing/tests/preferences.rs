//! What is off by default: the preference for near nodes, and larger first buckets.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use khashmir_routing::{Insertion, KTable, Standing, TableConfig, Upkeep};
use khashmir_types::{Contact, Id, Time};

const NOW: Time = Time::from_secs(1_000_000);

/// Node `n` of those that share `shared` bits with us.
fn node(shared: u8, n: u8) -> Contact {
    let mut id = *Id::MAX.with_bit(shared.into(), false).as_bytes();
    id[19] = n;
    Contact::new(Id::new(id), ([10, 0, shared, n], 9977).into())
}

/// A table of [`Id::MAX`] with five buckets of eight, in the first of which `node(0, n)` takes 100 + 10 n ms.
fn table(config: TableConfig) -> KTable {
    let mut table = KTable::new(Id::MAX, config, NOW);
    (0..5).for_each(|shared| (0..8).for_each(|n| table.on_answer(node(shared, n), NOW)));
    (0..8).for_each(|n| set_rtt(&mut table, node(0, n), 100 + 10 * u64::from(n)));
    table
}

fn near() -> TableConfig {
    TableConfig { prefers_near: true, ..TableConfig::default() }
}

fn set_rtt(table: &mut KTable, contact: Contact, millis: u64) {
    table.on_rtt(&contact, Duration::from_millis(millis));
}

/// `contact` answers within `millis`.
fn answer(table: &mut KTable, contact: Contact, millis: u64) {
    table.on_answer(contact, NOW);
    set_rtt(table, contact, millis);
}

fn holds(table: &KTable, contact: Contact) -> bool {
    table.node(&contact.id).is_some_and(|node| node.contact() == contact)
}

fn reserve(table: &KTable) -> Vec<Contact> {
    table.buckets().flat_map(|(_, bucket)| bucket.replacements()).collect()
}

#[test]
fn a_near_node_takes_the_place_of_the_slowest_which_waits() {
    let mut table = table(near());
    answer(&mut table, node(0, 20), 120);
    assert!(holds(&table, node(0, 20)));
    assert_eq!(reserve(&table), [node(0, 7)]);
    assert_eq!(table.rtt(&node(0, 7).id), Some(Duration::from_millis(170)));
}

#[test]
fn no_nearness_counts_unless_it_is_asked_for() {
    let mut table = table(TableConfig::default());
    answer(&mut table, node(0, 20), 1);
    assert_eq!(reserve(&table), [node(0, 20)]);
}

#[test]
fn a_node_that_is_not_much_nearer_waits() {
    let mut table = table(near());
    answer(&mut table, node(0, 20), 128); // three quarters of 170 ms are 127.5 ms
    assert_eq!(reserve(&table), [node(0, 20)]);
}

#[test]
fn a_node_is_judged_by_its_smoothed_round_trip() {
    let mut table = table(near());
    answer(&mut table, node(0, 20), 160);
    answer(&mut table, node(0, 20), 1); // 140 ms
    assert!(!holds(&table, node(0, 20)));
    answer(&mut table, node(0, 20), 1); // 123 ms
    assert!(holds(&table, node(0, 20)));
}

#[test]
fn half_of_the_places_stay_with_those_who_were_there_first() {
    let mut table = table(near());
    (20..100).for_each(|n| answer(&mut table, node(0, n), u64::from(200 - n) / 4));
    let old = (0..8).filter(|n| holds(&table, node(0, *n))).collect::<Vec<_>>();
    assert_eq!(old, [0, 1, 2, 3]);
    answer(&mut table, node(0, 100), 1);
    assert!(holds(&table, node(0, 100)), "a favoured node does not yield to a nearer one");
    assert_eq!((0..8).filter(|n| holds(&table, node(0, *n))).count(), 4);
}

#[test]
fn everyone_around_us_stays_near_or_not() {
    let mut table = table(near());
    for shared in (0..5).rev() {
        (0..8).for_each(|n| set_rtt(&mut table, node(shared, n), 100));
        answer(&mut table, node(shared, 20), 1);
    }
    // The fifth bucket split for its ninth node: of six, the three closest to us take no part.
    assert_eq!(table.bucket_count(), 6);
    assert_eq!((0..5).filter(|shared| holds(&table, node(*shared, 20))).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_node_of_unknown_round_trip_is_not_displaced() {
    let mut table = table(near());
    (0..8).for_each(|n| set_rtt(&mut table, node(1, n), 10));
    answer(&mut table, node(2, 20), 1);
    answer(&mut table, node(1, 20), 9);
    assert_eq!(reserve(&table), [node(1, 20), node(2, 20)]);
}

#[test]
fn a_node_that_owes_us_an_answer_does_not_slip_into_reserve() {
    let mut table = table(near());
    table.on_failure(node(0, 7), NOW);
    table.on_answer(Contact::new(node(0, 6).id, node(9, 9).addr), NOW); // contends for the id
    answer(&mut table, node(0, 20), 80);
    assert_eq!(reserve(&table), [node(0, 5)]);
    assert_eq!(table.poll_upkeep(NOW), Some(Upkeep::Ping(node(0, 6))));
}

#[test]
fn a_near_node_whose_address_is_taken_waits() {
    let mut table = table(near());
    let waiting = Contact::new(node(0, 20).id, node(9, 20).addr);
    table.on_answer(waiting, NOW);
    table.on_answer(node(9, 20), NOW);
    set_rtt(&mut table, waiting, 1);
    assert!(!holds(&table, waiting) && holds(&table, node(9, 20)));
}

#[test]
fn first_buckets_hold_more_once_they_do_not_split() {
    let mut table = table(TableConfig { first_buckets: [20, 10, 4, 0], ..TableConfig::default() });
    (8..30).for_each(|n| (0..5).for_each(|shared| table.on_answer(node(shared, n), NOW)));
    let sizes = table.buckets().map(|(_, bucket)| bucket.nodes().len()).collect::<Vec<_>>();
    assert_eq!(sizes, [20, 10, 8, 8, 8, 0]);
    assert_eq!(table.insert(node(0, 40), Standing::Proven, NOW), Insertion::Full { oldest: node(0, 0) });
}

#[test]
fn a_query_from_a_node_that_a_first_bucket_has_room_for_is_followed_by_a_ping() {
    let mut table = table(TableConfig { first_buckets: [9, 0, 0, 0], ..TableConfig::default() });
    table.on_query(node(0, 8), NOW);
    table.on_query(node(1, 8), NOW);
    assert_eq!(table.poll_upkeep(NOW), Some(Upkeep::Ping(node(0, 8))));
    assert_eq!(table.poll_upkeep(NOW), None);
}

#[test]
fn a_table_that_shrinks_merges_when_one_bucket_of_k_holds_all() {
    let mut table = table(TableConfig { first_buckets: [20, 0, 0, 0], ..TableConfig::default() });
    (8..20).for_each(|n| table.on_answer(node(0, n), NOW));
    (1..5).for_each(|shared| (0..8).for_each(|n| table.on_wrong_id(node(shared, n), NOW)));
    assert_eq!((table.len(), table.bucket_count()), (20, 2));
    (8..20).for_each(|n| table.on_wrong_id(node(0, n), NOW));
    assert_eq!((table.len(), table.bucket_count()), (8, 1));
}
