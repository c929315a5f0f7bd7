//! What holds after any sequence of operations.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use khashmir_routing::{Among, KTable, Standing, TableConfig, Upkeep};
use khashmir_types::{Contact, Id, Time};
use proptest::prelude::*;

const START: Time = Time::from_secs(1_000_000);

/// What may be reported to a table, and what may be asked of it.
#[derive(Clone, Debug)]
enum Report {
    Answer(Contact),
    Query(Contact),
    Failure(Contact),
    WrongId(Contact),
    Rtt(Contact, Duration),
    Touch(Id),
    RefreshAll,
    Wait(Duration),
}

/// An operation of the original.
#[derive(Clone, Debug)]
enum Operation {
    Insert(Contact, Standing),
    MarkSeen(Id),
    MarkFailed(Id),
    Remove(Id),
    ReplaceStale(Id, Contact),
}

fn own_id() -> Id {
    Id::sha1(b"the node whose table this is")
}

/// Ids at all small distances from our own, few enough that they meet again; now and then our own or the null id.
fn ids() -> impl Strategy<Value = Id> {
    let ours = (0..7_usize, 0..6_u8).prop_map(|(shared, n)| {
        let mut bytes = *own_id().as_bytes();
        bytes[19] ^= n;
        Id::new(bytes).with_bit(shared, !own_id().bit(shared))
    });
    prop_oneof![40 => ours, 1 => Just(own_id()), 1 => Just(Id::NULL)]
}

/// Contacts whose addresses clash often.
fn contacts() -> impl Strategy<Value = Contact> {
    (ids(), 1..30_u16).prop_map(|(id, port)| Contact::new(id, ([10, 0, 0, 1], port).into()))
}

fn reports() -> impl Strategy<Value = Report> {
    prop_oneof![
        8 => contacts().prop_map(Report::Answer),
        4 => contacts().prop_map(Report::Query),
        2 => contacts().prop_map(Report::Failure),
        1 => contacts().prop_map(Report::WrongId),
        4 => (contacts(), 0..300_u64).prop_map(|(contact, millis)| Report::Rtt(contact, Duration::from_millis(millis))),
        1 => ids().prop_map(Report::Touch),
        1 => Just(Report::RefreshAll),
        4 => (0..2_000_u64).prop_map(|seconds| Report::Wait(Duration::from_secs(seconds))),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    let standing = prop_oneof![3 => Just(Standing::Proven), 1 => Just(Standing::Unproven)];
    prop_oneof![
        6 => (contacts(), standing).prop_map(|(contact, standing)| Operation::Insert(contact, standing)),
        1 => ids().prop_map(Operation::MarkSeen),
        3 => ids().prop_map(Operation::MarkFailed),
        2 => ids().prop_map(Operation::Remove),
        1 => (ids(), contacts()).prop_map(|(stale, new)| Operation::ReplaceStale(stale, new)),
    ]
}

fn table(k: usize, now: Time) -> KTable {
    KTable::new(own_id(), config(k), now)
}

fn config(k: usize) -> TableConfig {
    TableConfig { k, replacements: 2, max_newcomers: 5, ..TableConfig::default() }
}

/// The defaults, and what is off by default.
fn configs() -> impl Strategy<Value = TableConfig> {
    let extended = |k| TableConfig { first_buckets: [6, 5, 0, 3], prefers_near: true, ..config(k) };
    (1..4_usize, any::<bool>()).prop_map(move |(k, is_plain)| if is_plain { config(k) } else { extended(k) })
}

/// A table under test, and the pings it asked for whose results it does not know.
struct Run {
    table: KTable,
    now: Time,
    open: BTreeSet<Contact>,
}

impl Run {
    fn report(&mut self, report: &Report) {
        let now = self.now;
        match *report {
            Report::Answer(contact) => self.result(contact).on_answer(contact, now),
            Report::Failure(contact) => self.result(contact).on_failure(contact, now),
            Report::WrongId(contact) => self.result(contact).on_wrong_id(contact, now),
            Report::Query(contact) => {
                let before = self.table.contacts().collect::<Vec<_>>();
                self.table.on_query(contact, now);
                assert_eq!(self.table.contacts().collect::<Vec<_>>(), before, "a query changed the table");
            }
            Report::Rtt(contact, rtt) => {
                let before = (self.table.len(), self.table.memory_size());
                self.table.on_rtt(&contact, rtt);
                assert_eq!(
                    (self.table.len(), self.table.memory_size()),
                    before,
                    "a round trip changed the size"
                );
            }
            Report::Touch(target) => self.table.touch(&target, now),
            Report::RefreshAll => self.table.refresh_all(now),
            Report::Wait(duration) => self.now += duration,
        }
    }

    fn result(&mut self, contact: Contact) -> &mut KTable {
        self.open.remove(&contact);
        &mut self.table
    }

    /// Drains the wishes and answers every third ping at once, as the network would.
    fn drain(&mut self) -> Vec<Upkeep> {
        let mut wishes = Vec::new();
        while let Some(upkeep) = self.table.poll_upkeep(self.now) {
            wishes.push(upkeep);
            assert!(wishes.len() < 1_000, "upkeep never ends");
            let Upkeep::Ping(contact) = upkeep else { continue };
            let is_entry = self.table.node(&contact.id).is_some_and(|node| node.contact() == contact);
            assert!(self.open.insert(contact) || !is_entry, "two pings to {contact} are open");
            if wishes.len() % 3 == 0 {
                self.report(&Report::Answer(contact));
            }
        }
        assert!(self.table.poll_timeout().is_none_or(|at| at > self.now), "the table would wake at once");
        wishes
    }
}

fn check_shape(table: &KTable) {
    let buckets = table.buckets().collect::<Vec<_>>();
    assert_eq!(buckets[0].0.first(), Id::NULL);
    assert_eq!(buckets[buckets.len() - 1].0.last(), Id::MAX);
    for pair in buckets.windows(2) {
        assert_eq!(next(pair[0].0.last()), pair[1].0.first(), "two ranges overlap or leave a gap");
    }
    let mut seen = BTreeSet::from([Id::NULL, table.own_id()]);
    for (range, bucket) in buckets {
        let index = table.own_id().distance(&range.first()).shared_prefix_bits();
        let is_last = range.contains(&table.own_id());
        let first = table.config().first_buckets.get(index).filter(|_| !is_last);
        assert!(bucket.nodes().len() <= table.config().k.max(first.map_or(0, |limit| usize::from(*limit))));
        assert!(bucket.replacements().count() <= table.config().replacements);
        for node in bucket.nodes() {
            assert!(range.contains(node.id()), "a node is in the wrong bucket");
            assert!(seen.insert(*node.id()), "an id is there twice, or is our own or null");
        }
        assert!(bucket.replacements().all(|contact| range.contains(&contact.id)));
    }
}

/// The id after `id`, which is not the last.
fn next(id: Id) -> Id {
    let zero = (0..Id::BITS).rev().find(|bit| !id.bit(*bit)).unwrap();
    (zero + 1..Id::BITS).fold(id.with_bit(zero, true), |id, bit| id.with_bit(bit, false))
}

fn check_policy(table: &KTable) {
    let addresses = table.contacts().map(|contact| contact.addr).collect::<BTreeSet<_>>();
    assert_eq!(addresses.len(), table.len(), "an address is there twice");
    for (_, bucket) in table.buckets() {
        assert!(
            bucket.nodes().is_sorted_by_key(khashmir_routing::KNode::last_seen),
            "a bucket is out of order"
        );
        assert!(
            bucket.replacements().all(|contact| table.node(&contact.id).is_none()),
            "in reserve of itself"
        );
    }
}

fn check_closest(table: &KTable, target: &Id, n: usize) {
    for among in [Among::All, Among::Proven] {
        let is_wanted =
            |contact: &Contact| among == Among::All || table.node(&contact.id).unwrap().is_proven();
        let mut all = table.contacts().filter(is_wanted).collect::<Vec<_>>();
        all.sort_by_key(|contact| contact.id.distance(target));
        all.truncate(n);
        assert_eq!(table.closest(target, n, among), all);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_policy_keeps_the_invariants(
        config in configs(),
        loaded in prop::collection::vec(contacts(), 0..20),
        reports in prop::collection::vec(reports(), 0..200),
        target: [u8; 20],
    ) {
        let table = KTable::new(own_id(), config, START);
        let mut run = Run { table, now: START, open: BTreeSet::new() };
        run.table.load(loaded.iter().copied(), START);
        for report in &reports {
            run.report(report);
            check_shape(&run.table);
            check_policy(&run.table);
            run.drain();
        }
        check_closest(&run.table, &Id::new(target), 5);
        let loaded = loaded.iter().collect::<BTreeSet<_>>();
        let entries = run.table.contacts().filter(|contact| !run.table.node(&contact.id).unwrap().is_proven());
        prop_assert!(entries.into_iter().all(|contact| loaded.contains(&contact)));
    }

    #[test]
    fn equal_reports_give_equal_wishes(config in configs(), reports in prop::collection::vec(reports(), 0..100)) {
        let play = || {
            let mut run = Run { table: KTable::new(own_id(), config, START), now: START, open: BTreeSet::new() };
            let wishes = reports.iter().flat_map(|report| {
                run.report(report);
                run.drain()
            });
            let wishes = wishes.collect::<Vec<_>>();
            (wishes, format!("{:?}", run.table))
        };
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn bare_operations_lose_only_what_they_remove(
        k in 1..4_usize,
        operations in prop::collection::vec(operations(), 0..200),
        target: [u8; 20],
    ) {
        let mut table = table(k, START);
        for (operation, seconds) in operations.iter().zip(1..) {
            let (before, now) = (ids_in(&table), START + Duration::from_secs(seconds));
            let (added, removed) = apply(&mut table, operation, now);
            check_shape(&table);
            let mut expected = before;
            expected.retain(|id| removed != Some(*id));
            expected.extend(added.filter(|id| table.node(id).is_some()));
            prop_assert_eq!(ids_in(&table), expected);
            check_closest(&table, &Id::new(target), k);
        }
    }

    #[test]
    fn the_closest_are_exact_for_any_target(
        ids in prop::collection::vec(any::<[u8; 20]>(), 0..300),
        target: [u8; 20],
        shared in 0..=160_usize,
        n in 0..40_usize,
        alike in prop::sample::select(vec![0_usize, 1, 8, 19]),
    ) {
        let mut table = KTable::new(own_id(), TableConfig::default(), START);
        for (id, port) in ids.into_iter().zip(1..) {
            // Chosen ids may differ in their last bytes only.
            let mut id = id;
            id[..alike].fill(0x55);
            let contact = Contact::new(Id::new(id), ([10, 0, 0, 1], port).into());
            table.insert(contact, Standing::Proven, START);
        }
        let near = (0..shared).fold(Id::new(target), |id, bit| id.with_bit(bit, own_id().bit(bit)));
        check_closest(&table, &Id::new(target), n);
        check_closest(&table, &near, n);
    }
}

fn ids_in(table: &KTable) -> BTreeSet<Id> {
    table.contacts().map(|contact| contact.id).collect()
}

/// Carries out `operation`; returns the id that may have entered and the one that has left.
fn apply(table: &mut KTable, operation: &Operation, now: Time) -> (Option<Id>, Option<Id>) {
    let removed = match *operation {
        Operation::Insert(contact, standing) => {
            table.insert(contact, standing, now);
            None
        }
        Operation::MarkSeen(id) => {
            table.mark_seen(&id, now);
            None
        }
        Operation::MarkFailed(id) => table.mark_failed(&id),
        Operation::Remove(id) => table.remove(&id),
        Operation::ReplaceStale(stale, new) => table.replace_stale(&stale, Some(new), now),
    };
    let added = match *operation {
        Operation::Insert(contact, _) | Operation::ReplaceStale(_, contact) => Some(contact.id),
        _ => None,
    };
    (added, removed.map(|node| *node.id()))
}
