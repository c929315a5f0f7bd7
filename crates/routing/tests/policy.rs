//! The rules by which nodes enter and leave the table, one claim each.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use khashmir_routing::{Among, KTable, TableConfig, Upkeep};
use khashmir_types::{Contact, Id, IdRange, Time};

const START: Time = Time::from_secs(1_000_000);
const PING_INTERVAL: Duration = Duration::from_secs(15 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// An empty table of a node whose id begins with a zero bit.
fn empty() -> KTable {
    KTable::new(Id::NULL.with_bit(159, true), TableConfig::default(), START)
}

/// A node in the half of the id space that is not ours, for `n` below 32: the bucket of these never splits.
fn far(n: u8) -> Contact {
    Contact::new(Id::new([0x80 | n; 20]), ([10, 0, 0, n], 9977).into())
}

/// A node in our half of the id space.
fn near(n: u8) -> Contact {
    Contact::new(Id::new([n; 20]), ([10, 0, 1, n], 9977).into())
}

/// A table in whose full bucket eight nodes answered at the start, `far(0)` first.
fn full() -> KTable {
    let mut table = empty();
    (0..8).for_each(|n| table.on_answer(far(n), START));
    table.on_answer(near(1), START);
    table
}

/// The `n`th node that shares just so many bits with us.
fn sharing(shared: u8, n: u8) -> Contact {
    let mut id = *Id::NULL.with_bit(shared.into(), true).as_bytes();
    id[18] = 1 + n;
    Contact::new(Id::new(id), ([10, 1, shared, n], 9977).into())
}

fn pings(table: &mut KTable, now: Time) -> Vec<Contact> {
    let upkeep = std::iter::from_fn(|| table.poll_upkeep(now));
    upkeep
        .filter_map(|upkeep| if let Upkeep::Ping(contact) = upkeep { Some(contact) } else { None })
        .collect()
}

fn refreshes(table: &mut KTable, now: Time) -> Vec<IdRange> {
    let upkeep = std::iter::from_fn(|| table.poll_upkeep(now));
    upkeep
        .filter_map(|upkeep| if let Upkeep::Refresh(refresh) = upkeep { Some(refresh.range) } else { None })
        .collect()
}

fn holds(table: &KTable, contact: Contact) -> bool {
    table.node(&contact.id).is_some_and(|node| node.contact() == contact)
}

fn reserve(table: &KTable) -> Vec<Contact> {
    table.buckets().flat_map(|(_, bucket)| bucket.replacements()).collect()
}

#[test]
fn a_query_only_causes_a_ping() {
    let mut table = empty();
    table.on_query(far(1), START);
    table.on_query(far(1), START);
    assert!(table.is_empty());
    assert_eq!(pings(&mut table, START), [far(1)]);
    table.on_query(far(1), START);
    assert_eq!(pings(&mut table, START), []);
}

#[test]
fn a_newcomer_enters_when_it_answers_and_is_pinged_again_later() {
    let mut table = empty();
    table.on_query(far(1), START);
    assert_eq!(pings(&mut table, START), [far(1)]);
    table.on_answer(far(1), START);
    table.on_answer(far(1), START + SECOND); // too early to tell anything about its NAT
    assert!(holds(&table, far(1)));
    assert_eq!(pings(&mut table, START + PING_INTERVAL - SECOND), []);
    assert_eq!(pings(&mut table, START + PING_INTERVAL), [far(1)]);
    table.on_answer(far(1), START + PING_INTERVAL);
    assert_eq!(pings(&mut table, START + 3 * PING_INTERVAL), []);
}

#[test]
fn a_node_we_asked_first_is_not_pinged_again() {
    let mut table = empty();
    table.on_answer(far(1), START);
    assert_eq!(pings(&mut table, START + 3 * PING_INTERVAL), []);
}

#[test]
fn a_silent_newcomer_is_forgotten_and_may_try_again() {
    let mut table = empty();
    table.on_query(far(1), START);
    assert_eq!(pings(&mut table, START), [far(1)]);
    table.on_failure(far(1), START + SECOND);
    assert!(table.is_empty());
    table.on_query(far(1), START + SECOND);
    assert_eq!(pings(&mut table, START + SECOND), [far(1)]);
}

#[test]
fn our_own_and_the_null_id_never_enter() {
    let mut table = empty();
    for id in [Id::NULL, table.own_id()] {
        let contact = Contact::new(id, far(1).addr);
        table.on_query(contact, START);
        table.on_answer(contact, START);
        table.load([contact], START);
    }
    assert!(table.is_empty());
    assert_eq!(pings(&mut table, START), []);
}

#[test]
fn a_flood_of_queries_causes_few_pings() {
    let flood = |address: fn(u16) -> [u8; 4], port: fn(u16) -> u16| {
        let mut table = empty();
        for n in 0..2_000_u16 {
            let contact = Contact::new(Id::sha1(&n.to_be_bytes()), (address(n), port(n)).into());
            table.on_query(contact, START);
        }
        pings(&mut table, START).len()
    };
    let limit = TableConfig::default().max_newcomers;
    assert_eq!(flood(|_| [10, 0, 0, 1], |_| 9977), 1);
    assert_eq!(flood(|_| [10, 0, 0, 1], |n| 1 + n), limit);
    assert_eq!(flood(|n| [10, 0, (n >> 8) as u8, n as u8], |_| 9977), limit);
}

#[test]
fn a_lasting_flood_causes_pings_at_a_low_rate() {
    let mut table = empty();
    let mut sent = 0;
    for n in 0..36_000_u32 {
        let now = START + Duration::from_millis(100) * n;
        let contact = Contact::new(Id::sha1(&n.to_be_bytes()), (n.to_be_bytes(), 9977).into());
        table.on_query(contact, now);
        for contact in pings(&mut table, now) {
            sent += 1;
            table.on_failure(contact, now);
        }
    }
    // An hour: the burst, and 64 in each quarter.
    assert!((256..=321).contains(&sent), "{sent}");
}

#[test]
fn a_full_bucket_of_young_nodes_wants_no_newcomers() {
    let mut table = full();
    table.on_query(far(20), START + PING_INTERVAL);
    assert_eq!(pings(&mut table, START + PING_INTERVAL), []);
    let later = START + PING_INTERVAL + SECOND;
    table.on_query(far(20), later);
    assert_eq!(pings(&mut table, later), [far(20)]);
}

#[test]
fn a_bucket_that_would_split_wants_only_those_it_would_have_room_for() {
    let mut table = empty();
    (0..8).for_each(|n| table.on_answer(far(n), START));
    assert_eq!(table.bucket_count(), 1);
    table.on_query(far(20), START);
    table.on_query(near(1), START);
    assert_eq!(pings(&mut table, START), [near(1)]);
    table.on_answer(near(1), START);
    assert!(holds(&table, near(1)));
}

#[test]
fn a_proven_node_waits_while_the_oldest_is_young() {
    let mut table = full();
    table.on_answer(far(20), START + PING_INTERVAL);
    assert_eq!((table.len(), reserve(&table)), (9, vec![far(20)]));
    assert_eq!(pings(&mut table, START + PING_INTERVAL), []);
}

#[test]
fn a_stale_node_stays_if_it_answers() {
    let (mut table, later) = (full(), START + PING_INTERVAL + SECOND);
    table.on_answer(far(20), later);
    assert_eq!(pings(&mut table, later), [far(0)]);
    table.on_answer(far(0), later);
    assert!(holds(&table, far(0)));
    assert_eq!(reserve(&table), [far(20)]);
}

#[test]
fn a_stale_node_yields_to_a_proven_one() {
    let (mut table, later) = (full(), START + PING_INTERVAL + SECOND);
    table.on_answer(far(20), later);
    assert_eq!(pings(&mut table, later), [far(0)]);
    table.on_failure(far(0), later + 9 * SECOND);
    assert!(!holds(&table, far(0)));
    assert_eq!(table.node(&far(20).id).unwrap().last_seen(), Some(later));
    assert_eq!(reserve(&table), []);
}

#[test]
fn the_nodes_of_a_bucket_have_their_turns_one_after_the_other_when_strangers_answer() {
    let (mut table, later) = (full(), START + PING_INTERVAL + SECOND);
    for eighth in 0..8 {
        let now = later + u32::from(eighth) * PING_INTERVAL / 8;
        let pinged: Vec<_> = (8..20)
            .flat_map(|stranger| {
                table.on_answer(far(stranger), now);
                let pings = pings(&mut table, now);
                pings.iter().for_each(|oldest| table.on_answer(*oldest, now));
                pings
            })
            .collect();
        assert_eq!(pinged, [far(eighth)]);
    }
    assert!((0..8).all(|n| holds(&table, far(n))));
}

#[test]
fn many_proven_newcomers_cause_one_ping_to_the_oldest() {
    let (mut table, later) = (full(), START + PING_INTERVAL + SECOND);
    let sent = (10..32).flat_map(|n| {
        table.on_answer(far(n), later);
        pings(&mut table, later)
    });
    assert_eq!(sent.collect::<Vec<_>>(), [far(0)]);
}

#[test]
fn a_stranger_is_pinged_for_a_full_bucket_only_while_its_reserve_lacks_recent_nodes() {
    let mut table = full();
    let later = START + PING_INTERVAL + SECOND;
    (8..11).for_each(|n| table.on_answer(far(n), later));
    table.on_query(far(20), later);
    assert!(pings(&mut table, later).contains(&far(20)), "three of four places are taken");
    table.on_answer(far(20), later);
    table.on_query(far(21), later);
    assert!(!pings(&mut table, later).contains(&far(21)), "four wait for a place");
    let stale = later + TableConfig::default().bucket_staleness + SECOND;
    table.on_query(far(21), stale);
    assert!(pings(&mut table, stale).contains(&far(21)), "who knows whether they still live?");
}

#[test]
fn a_reserve_keeps_those_heard_last() {
    let mut table = full();
    (10..20).for_each(|n| table.on_answer(far(n), START + SECOND * u32::from(n)));
    table.on_answer(far(16), START + SECOND * 30);
    assert_eq!(reserve(&table), [far(17), far(18), far(19), far(16)]);
    table.on_failure(far(18), START + SECOND * 31);
    assert_eq!(reserve(&table), [far(17), far(19), far(16)]);
}

#[test]
fn a_failed_node_is_pinged_again_and_removed_at_the_third_failure_in_a_row() {
    let (mut table, mut now) = (empty(), START);
    table.on_answer(far(1), now);
    for _ in 0..2 {
        table.on_failure(far(1), now);
        assert_eq!(pings(&mut table, now + PING_INTERVAL - SECOND), []);
        now += PING_INTERVAL;
        assert_eq!(pings(&mut table, now), [far(1)]);
    }
    table.on_failure(far(1), now);
    assert!(table.is_empty());
}

#[test]
fn an_answer_forgives_all_failures() {
    let mut table = empty();
    table.on_answer(far(1), START);
    table.on_failure(far(1), START);
    table.on_failure(far(1), START);
    table.on_answer(far(1), START);
    assert_eq!(table.node(&far(1).id).unwrap().fails(), 0);
    assert_eq!(pings(&mut table, START + 2 * PING_INTERVAL), []);
}

#[test]
fn a_failure_at_another_address_is_not_counted() {
    let mut table = empty();
    table.on_answer(far(1), START);
    let elsewhere = Contact::new(far(1).id, far(2).addr);
    table.on_failure(elsewhere, START);
    table.on_wrong_id(elsewhere, START);
    assert_eq!(table.node(&far(1).id).unwrap().fails(), 0);
}

#[test]
fn a_node_heard_lately_replaces_one_that_failed_too_often() {
    let mut table = full();
    table.on_answer(far(20), START + SECOND);
    table.on_answer(far(21), START + 2 * SECOND);
    (0..3).for_each(|_| table.on_failure(far(3), START + 3 * SECOND));
    assert!(!holds(&table, far(3)) && holds(&table, far(21)));
    assert_eq!(reserve(&table), [far(20)]);
}

#[test]
fn a_node_not_heard_lately_replaces_one_that_failed_when_it_answers_again() {
    let (mut table, later) = (full(), START + 2 * PING_INTERVAL);
    (20..23).for_each(|n| table.on_answer(far(n), START + SECOND * u32::from(n)));
    (0..3).for_each(|_| table.on_failure(far(3), later));
    assert!(!holds(&table, far(22)));
    assert_eq!(pings(&mut table, later), [far(22)]);
    table.on_failure(far(22), later);
    assert_eq!(pings(&mut table, later), [far(21)]);
    table.on_answer(far(21), later);
    assert!(holds(&table, far(21)));
    assert_eq!(reserve(&table), [far(20)]);
    assert_eq!(pings(&mut table, later), []);
}

#[test]
fn a_wrong_id_removes_at_once() {
    let mut table = full();
    table.on_answer(far(20), START);
    table.on_wrong_id(far(3), START);
    assert!(!holds(&table, far(3)) && holds(&table, far(20)));
}

#[test]
fn a_known_id_that_answers_elsewhere_moves_when_its_old_address_fails() {
    let mut table = full();
    let moved = Contact::new(far(3).id, far(30).addr);
    table.on_answer(moved, START);
    assert!(holds(&table, far(3)));
    assert_eq!(pings(&mut table, START), [far(3)]);
    table.on_failure(far(3), START + SECOND);
    assert!(holds(&table, moved));
}

#[test]
fn a_known_id_that_answers_elsewhere_is_forgotten_when_its_old_address_answers() {
    let mut table = full();
    table.on_answer(Contact::new(far(3).id, far(30).addr), START);
    assert_eq!(pings(&mut table, START), [far(3)]);
    table.on_answer(far(3), START + SECOND);
    table.on_failure(far(3), START + 2 * SECOND);
    assert!(holds(&table, far(3)));
}

#[test]
fn a_query_under_a_known_id_from_elsewhere_changes_nothing() {
    let mut table = empty();
    table.on_answer(far(3), START);
    table.on_query(Contact::new(far(3).id, far(30).addr), START + 2 * PING_INTERVAL);
    assert!(holds(&table, far(3)));
    assert_eq!(pings(&mut table, START + 2 * PING_INTERVAL), []);
}

#[test]
fn a_new_id_at_a_known_address_enters_when_the_old_one_is_gone() {
    let mut table = empty();
    table.on_answer(far(3), START);
    let renamed = Contact::new(near(5).id, far(3).addr);
    table.on_answer(renamed, START);
    assert_eq!(table.contacts().collect::<Vec<_>>(), [far(3)]);
    assert_eq!(pings(&mut table, START), [far(3)]);
    table.on_wrong_id(far(3), START);
    assert_eq!(table.contacts().collect::<Vec<_>>(), [renamed]);
}

#[test]
fn a_new_id_at_a_known_address_is_forgotten_if_the_old_one_answers() {
    let mut table = empty();
    table.on_answer(far(3), START);
    table.on_answer(Contact::new(near(5).id, far(3).addr), START);
    assert_eq!(pings(&mut table, START), [far(3)]);
    table.on_answer(far(3), START);
    table.on_wrong_id(far(3), START);
    assert!(table.is_empty());
}

#[test]
fn a_node_with_the_id_of_one_and_the_address_of_another_waits_for_both_to_fail() {
    let mut table = empty();
    (1..3).for_each(|n| table.on_answer(far(n), START));
    let both = Contact::new(far(1).id, far(2).addr);
    table.on_answer(both, START);
    assert_eq!(pings(&mut table, START), [far(1), far(2)]);
    table.on_failure(far(1), START);
    assert_eq!(table.contacts().collect::<Vec<_>>(), [far(2)]);
    table.on_wrong_id(far(2), START);
    assert_eq!(table.contacts().collect::<Vec<_>>(), [both]);
}

#[test]
fn only_the_first_to_contend_for_an_id_is_remembered() {
    let mut table = full();
    let claims = (20..30).map(|n| Contact::new(far(3).id, far(n).addr)).collect::<Vec<_>>();
    claims.iter().for_each(|claim| table.on_answer(*claim, START));
    assert_eq!(pings(&mut table, START), [far(3)]);
    table.on_failure(far(3), START);
    assert!(holds(&table, claims[0]));
}

#[test]
fn few_contenders_are_remembered_at_a_time() {
    let mut table = empty();
    (0..32).for_each(|n| table.on_answer(near(n + 1), START));
    assert!(table.len() > 20);
    let known = table.contacts().collect::<Vec<_>>();
    known.iter().for_each(|c| table.on_answer(Contact::new(c.id, (c.addr.ip(), 1).into()), START));
    assert_eq!(pings(&mut table, START).len(), 8);
    // They do not block the place for ever: after a while they count as gone.
    let later = START + PING_INTERVAL + SECOND;
    let last = known.last().unwrap();
    table.on_answer(Contact::new(last.id, (last.addr.ip(), 2).into()), later);
    assert_eq!(pings(&mut table, later), [*last]);
}

#[test]
fn loaded_contacts_are_pinged_and_named_to_nobody_before_they_answer() {
    let mut table = empty();
    let twice = [far(1), far(2), far(1), Contact::new(far(3).id, far(2).addr)];
    table.load(twice, START);
    assert_eq!((table.len(), table.proven_len()), (2, 0));
    assert_eq!(pings(&mut table, START), [far(1), far(2)]);
    table.on_answer(far(2), START);
    assert_eq!(table.closest(&far(1).id, 8, Among::Proven), [far(2)]);
    assert_eq!(table.closest(&far(1).id, 8, Among::All), [far(1), far(2)]);
    assert_eq!(table.contacts().collect::<Vec<_>>(), [far(2), far(1)]);
}

#[test]
fn a_loaded_contact_counts_as_older_than_all_that_answered() {
    let mut table = empty();
    (0..7).for_each(|n| table.on_answer(far(n), START));
    table.load([far(7)], START);
    assert_eq!(pings(&mut table, START), [far(7)]);
    table.on_answer(far(20), START);
    table.on_failure(far(7), START + SECOND);
    assert!(holds(&table, far(20)) && !holds(&table, far(7)));
}

#[test]
fn a_bucket_is_refreshed_when_stale_and_then_not_before_it_is_stale_again() {
    let (mut table, staleness) = (empty(), TableConfig::default().bucket_staleness);
    let due = START + staleness + Duration::from_micros(1);
    assert_eq!(refreshes(&mut table, START + staleness), []);
    assert_eq!(table.poll_timeout(), Some(due));
    assert_eq!(refreshes(&mut table, due), [IdRange::ALL]);
    assert_eq!(refreshes(&mut table, due + staleness), []);
    assert_eq!(table.poll_timeout(), Some(due + staleness + Duration::from_micros(1)));
}

#[test]
fn looking_for_a_target_spares_its_bucket_the_refresh() {
    let (mut table, later) = (full(), START + Duration::from_secs(3_601));
    table.touch(&far(31).id, later);
    assert_eq!(refreshes(&mut table, later), [IdRange::of_prefix(&near(1).id, 1)]);
}

#[test]
fn all_buckets_are_refreshed_at_the_start_the_own_one_first() {
    let mut table = full();
    table.refresh_all(START);
    let (own, far) = (IdRange::of_prefix(&near(1).id, 1), IdRange::of_prefix(&far(1).id, 1));
    assert_eq!(refreshes(&mut table, START), [own, far]);
    assert_eq!(refreshes(&mut table, START), []);
}

#[test]
fn refreshes_far_from_us_may_end_when_k_have_answered() {
    let mut table = empty();
    for shared in 0..6_u8 {
        (0..9).for_each(|n| table.on_answer(sharing(shared, n), START));
    }
    table.refresh_all(START);
    let upkeep = std::iter::from_fn(|| table.poll_upkeep(START));
    let enough: Vec<_> = upkeep
        .filter_map(|upkeep| if let Upkeep::Refresh(refresh) = upkeep { Some(refresh.enough) } else { None })
        .collect();
    assert_eq!(table.bucket_count(), 7);
    assert_eq!(enough, [None, None, None, Some(8), Some(8), Some(8), Some(8)], "the closest first");
}

#[test]
fn the_depth_of_the_table_tells_the_size_of_the_network() {
    assert!((empty().estimated_network_size() - 8.0).abs() < f64::EPSILON);
    assert!((full().estimated_network_size() - 16.0).abs() < f64::EPSILON);
}
