//! Searches and stores on random networks, honest and hostile, with answers in random order.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use khashmir_actions::{
    Action, Answer, Ask, ClosestNode, Failure, FindNode, FindValue, GetValue, Holder, LookupConfig, Question,
    Step, StoreValue, Tally, Wanted,
};
use khashmir_types::{Contact, Id, Prefix, Time};
use proptest::prelude::*;
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

const K: usize = 8;
const OWN: Id = Id::MAX;

/// What a node does when asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Honest,
    Silent,
    Refuses,
    /// Answers another question than was asked.
    Confused,
    /// Names made-up nodes closer to the target, at anybody's address, and claims any number of values.
    Lies,
}

struct Network {
    rng: ChaCha12Rng,
    nodes: Vec<(Contact, Manner)>,
    /// For each node the nodes it knows: of each of its buckets K, or all if there are fewer.
    tables: Vec<Vec<Contact>>,
    target: Id,
}

impl Network {
    fn new(seed: u64, size: usize, mut manner: impl FnMut(&mut ChaCha12Rng) -> Manner) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let contact = |n: usize, rng: &mut ChaCha12Rng| {
            let [.., high, low] = n.to_be_bytes();
            Contact::new(Id::random(rng), ([10, 0, high, low], 9977).into())
        };
        let nodes: Vec<_> = (0..size).map(|n| (contact(n, &mut rng), manner(&mut rng))).collect();
        let target = Id::random(&mut rng);
        let tables = nodes.iter().map(|(node, _)| table(&node.id, &nodes)).collect();
        Self { rng, nodes, tables, target }
    }

    fn honest(seed: u64, size: usize) -> Self {
        Self::new(seed, size, |_| Manner::Honest)
    }

    fn hostile(seed: u64, size: usize) -> Self {
        Self::new(seed, size, |rng| match rng.random_range(0..10) {
            0..5 => Manner::Honest,
            5..7 => Manner::Silent,
            7 => Manner::Refuses,
            8 => Manner::Confused,
            _ => Manner::Lies,
        })
    }

    /// A fifth of the nodes lie, but not those that a search starts from.
    fn flooded(seed: u64, size: usize) -> Self {
        let mut number = 0..;
        Self::new(seed, size, |rng| match number.next() {
            Some(0..3) => Manner::Honest,
            _ if rng.random_ratio(1, 5) => Manner::Lies,
            _ => Manner::Honest,
        })
    }

    /// The same network with each node in a public network of its own.
    fn in_public(mut self) -> Self {
        let contacts = self.nodes.iter_mut().map(|(contact, _)| contact);
        for contact in contacts.chain(self.tables.iter_mut().flatten()) {
            let compact = contact.to_compact().unwrap();
            let (high, low) = (compact[22], compact[23]);
            contact.addr = ([11, high, low, 1], 9977).into();
        }
        self
    }

    fn start(&self) -> Vec<Contact> {
        self.nodes.iter().take(3).map(|(contact, _)| *contact).collect()
    }

    /// The K closest nodes to the target there are.
    fn closest(&self) -> Vec<Contact> {
        closest(self.nodes.iter().map(|(contact, _)| *contact), &self.target)
    }

    fn answer(&mut self, ask: &Ask) -> Result<Answer, Failure> {
        let known = self.nodes.iter().position(|(contact, _)| contact.addr == ask.contact.addr);
        let Some(index) = known else { return Err(Failure::TimedOut) };
        let (contact, manner) = self.nodes[index];
        if contact.id != ask.contact.id && manner != Manner::Lies {
            return Err(Failure::Invalid);
        }
        match manner {
            Manner::Silent => Err(Failure::TimedOut),
            Manner::Refuses => Err(Failure::Refused),
            Manner::Confused => Ok(match ask.question {
                Question::StoreValue { .. } => Answer::Values(vec![Bytes::from_static(b"what?")]),
                _ => Answer::Stored,
            }),
            Manner::Honest => {
                let nodes = closest(self.tables[index].iter().copied(), &self.target);
                Ok(self.reply(&ask.question, nodes, 2, vec![value(index), value(index + 1)]))
            }
            Manner::Lies => {
                let (nodes, num) = (self.lies(), self.rng.random());
                Ok(self.reply(&ask.question, nodes, num, vec![Bytes::new(), value(9999)]))
            }
        }
    }

    fn reply(&self, question: &Question, nodes: Vec<Contact>, num: u64, values: Vec<Bytes>) -> Answer {
        match question {
            Question::FindNode { .. } => Answer::Nodes { nodes, token: Some(Bytes::from_static(b"token")) },
            Question::FindValue { .. } => Answer::Count { nodes, num, values: Vec::new() },
            Question::GetValue { .. } => Answer::Values(values),
            Question::StoreValue { .. } => Answer::Stored,
        }
    }

    fn lies(&mut self) -> Vec<Contact> {
        let named = self.rng.random_range(0..40);
        (0..named).map(|_| self.lie()).collect()
    }

    fn lie(&mut self) -> Contact {
        let anybody = self.nodes[self.rng.random_range(0..self.nodes.len())].0;
        let bits = self.rng.random_range(0..=Id::BITS);
        let near = self.target.random_in_prefix(bits, &mut self.rng);
        let elsewhere = ([192, 0, 2, self.rng.random()], self.rng.random()).into();
        match self.rng.random_range(0..6) {
            0 => Contact::new(OWN, anybody.addr),
            1 => Contact::new(Id::NULL, anybody.addr),
            2 => Contact::new(near, ([10, 0, 0, 1], 0).into()),
            3 => Contact::new(anybody.id, elsewhere),
            4 => Contact::new(near, anybody.addr),
            _ => Contact::new(near, elsewhere),
        }
    }
}

fn table(of: &Id, nodes: &[(Contact, Manner)]) -> Vec<Contact> {
    let mut sizes = [0; Id::BITS + 1];
    let fits = |(contact, _): &&(Contact, Manner)| {
        let bucket = &mut sizes[of.distance(&contact.id).shared_prefix_bits()];
        *bucket += 1;
        contact.id != *of && *bucket <= K
    };
    nodes.iter().filter(fits).map(|(contact, _)| *contact).collect()
}

fn closest(nodes: impl Iterator<Item = Contact>, target: &Id) -> Vec<Contact> {
    let mut nodes: Vec<Contact> = nodes.collect();
    nodes.sort_by_key(|node| target.distance(&node.id));
    nodes.truncate(K);
    nodes
}

fn value(n: usize) -> Bytes {
    Bytes::from(format!("value {n}"))
}

/// What a run was seen to do.
struct Seen {
    asked: Vec<Contact>,
    answered: BTreeSet<Contact>,
}

/// Runs an action to its end, with answers in random order, some of them twice, some to nobody's question.
fn drive<A: Action>(network: &mut Network, action: &mut A, config: &LookupConfig) -> Seen {
    let mut seen = Seen { asked: Vec::new(), answered: BTreeSet::new() };
    let mut open: Vec<Ask> = Vec::new();
    let mut now = Time::from_secs(1);
    let started = now;
    loop {
        match action.poll(now) {
            Step::Done => break,
            Step::Ask(ask) => {
                assert!(!seen.asked.contains(&ask.contact), "{} asked twice", ask.contact);
                assert!(ask.contact.id != OWN && !ask.contact.id.is_null() && ask.contact.addr.port() > 0);
                assert!(open.iter().all(|other| other.contact.addr != ask.contact.addr), "one at a time");
                let prefix = Prefix::of(ask.contact.addr.ip());
                let others = open.iter().map(|ask| &ask.contact).chain(&seen.answered);
                let shared = others.filter(|other| Prefix::of(other.addr.ip()) == prefix).count();
                assert!(config.per_prefix == 0 || prefix.is_none() || shared < config.per_prefix);
                seen.asked.push(ask.contact);
                open.push(ask);
                assert!(open.len() <= config.max_in_flight && seen.asked.len() <= config.max_queries);
                continue;
            }
            Step::Wait(until) => {
                assert!(until > now && until <= started + config.deadline);
                assert_eq!(action.poll(now), Step::Wait(until), "polling again is harmless");
                // Whoever calls reports a timeout well before the deadline.
                let is_slow = until < started + config.deadline && network.rng.random_ratio(1, 20);
                if open.is_empty() || is_slow {
                    now = until;
                    continue;
                }
            }
        }
        now += Duration::from_millis(network.rng.random_range(0..50));
        let ask = open.swap_remove(network.rng.random_range(0..open.len()));
        report(network, action, &ask, now, &mut seen);
        disturb(network, action, &ask, now);
    }
    for ask in open {
        report(network, action, &ask, now, &mut Seen { asked: Vec::new(), answered: BTreeSet::new() });
        assert_eq!(action.poll(now), Step::Done, "the end is the end");
    }
    seen
}

fn report<A: Action>(network: &mut Network, action: &mut A, ask: &Ask, now: Time, seen: &mut Seen) {
    match network.answer(ask) {
        Ok(answer) => {
            seen.answered.insert(ask.contact);
            action.on_answer(&ask.contact, answer, now);
        }
        Err(failure) => action.on_failure(&ask.contact, failure, now),
    }
}

/// Reports that fit no open question.
fn disturb<A: Action>(network: &mut Network, action: &mut A, ask: &Ask, now: Time) {
    let stranger = network.lie();
    let elsewhere = Contact::new(ask.contact.id, ([198, 51, 100, 1], 1).into());
    for from in [ask.contact, elsewhere, stranger] {
        let nodes = vec![Contact::new(network.target, ([203, 0, 113, 1], 1).into())];
        match network.rng.random_range(0..4) {
            0 => action.on_answer(&from, Answer::Nodes { nodes, token: None }, now),
            1 => action.on_answer(&from, Answer::Count { nodes, num: u64::MAX, values: Vec::new() }, now),
            2 => action.on_failure(&from, Failure::TimedOut, now),
            _ => {}
        }
    }
}

fn is_sorted(contacts: &[Contact], target: &Id) -> bool {
    contacts.is_sorted_by_key(|contact| target.distance(&contact.id))
}

fn configs() -> impl Strategy<Value = LookupConfig> {
    (1_usize..=8, 1_usize..=3).prop_map(|(concurrency, leap)| LookupConfig {
        concurrency,
        max_in_flight: concurrency * leap,
        ..LookupConfig::default()
    })
}

fn search(network: &Network, config: LookupConfig) -> FindNode {
    FindNode::new(network.target, network.start(), OWN, config, Time::from_secs(1))
}

fn contacts(closest: &[ClosestNode]) -> Vec<Contact> {
    closest.iter().map(|node| node.contact).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_k_closest_of_an_honest_network_are_found(seed: u64, size in 1_usize..200, config in configs()) {
        // Of nodes that are late it may do without: here all are waited for.
        let config = LookupConfig { slow_after: config.deadline, lost_after: config.deadline, ..config };
        let mut network = Network::honest(seed, size);
        let mut action = search(&network, config);
        let seen = drive(&mut network, &mut action, &config);
        let outcome = action.outcome();
        prop_assert!(outcome.complete);
        prop_assert_eq!(contacts(&outcome.closest), network.closest());
        prop_assert_eq!(outcome.tally.asked, seen.asked.len());
        prop_assert_eq!(outcome.tally.answered + outcome.tally.pending(), seen.asked.len());
        prop_assert!((1..=outcome.tally.answered).contains(&outcome.tally.hops));
    }

    #[test]
    fn a_hostile_network_is_survived(seed: u64, size in 1_usize..200, config in configs()) {
        let mut network = Network::hostile(seed, size);
        let mut action = search(&network, config);
        let seen = drive(&mut network, &mut action, &config);
        let closest = contacts(&action.outcome().closest);
        prop_assert!(closest.len() <= K && is_sorted(&closest, &network.target));
        prop_assert!(closest.iter().all(|node| seen.answered.contains(node)));
    }

    #[test]
    fn values_of_a_hostile_network_come_once(seed: u64, size in 1_usize..200, config in configs(), wanted in 1_usize..40) {
        let mut network = Network::hostile(seed, size);
        let mut find = FindValue::new(network.target, network.start(), OWN, config, Time::from_secs(1));
        let seen = drive(&mut network, &mut find, &config);
        let holders = find.outcome().holders;
        let contacts: Vec<Contact> = holders.iter().map(|holder: &Holder| holder.contact).collect();
        prop_assert!(is_sorted(&contacts, &network.target));
        prop_assert!(contacts.iter().all(|node| seen.answered.contains(node)));

        let wanted = Wanted { values: Some(wanted), nodes: None };
        let now = Time::from_secs(1);
        let mut get = GetValue::new(network.target, holders.clone(), [value(0)], wanted, config, now);
        drive(&mut network, &mut get, &config);
        let deliveries: Vec<_> = std::iter::from_fn(|| get.poll_values()).collect();
        let values: Vec<Bytes> = deliveries.iter().flat_map(|delivery| delivery.values.clone()).collect();
        let distinct: BTreeSet<Bytes> = values.iter().cloned().chain([value(0)]).collect();
        let outcome = get.outcome();
        prop_assert_eq!(distinct.len(), values.len() + 1);
        prop_assert_eq!(outcome.values, distinct.len());
        prop_assert!(values.iter().all(|value| !value.is_empty()));
        let is_enough = outcome.values >= wanted.values.unwrap();
        let Tally { asked, .. } = outcome.tally;
        prop_assert!(is_enough || !outcome.complete || asked == holders.len(), "asked {asked} of {}", holders.len());
    }

    #[test]
    fn no_value_is_stored_more_often_than_wanted(seed: u64, size in 1_usize..200, config in configs(), redundancy in 0_usize..8) {
        let mut network = Network::hostile(seed, size);
        let all = network.closest();
        let nodes = all.iter().map(|contact| ClosestNode { contact: *contact, token: Some(Bytes::from_static(b"t")), passed_over_by: 0 });
        let now = Time::from_secs(1);
        let mut store = StoreValue::new(network.target, value(1), nodes, redundancy, config, now);
        let seen = drive(&mut network, &mut store, &config);
        let outcome = store.outcome();
        prop_assert!(outcome.stored.len() <= redundancy && is_sorted(&outcome.stored, &network.target));
        prop_assert!(outcome.stored.iter().all(|node| seen.answered.contains(node)));
        let willing = |node: &&Contact| matches!(network.nodes.iter().find(|(c, _)| c == *node), Some((_, Manner::Honest | Manner::Lies)));
        if outcome.complete {
            prop_assert_eq!(outcome.stored.len(), all.iter().filter(willing).count().min(redundancy));
        }
    }

    #[test]
    fn among_nodes_that_share_no_prefix_a_limit_changes_nothing(seed: u64, size in 1_usize..200, config in configs()) {
        let run = |per_prefix| {
            let mut network = Network::honest(seed, size).in_public();
            let config = LookupConfig { per_prefix, ..config };
            let mut action = search(&network, config);
            let seen = drive(&mut network, &mut action, &config);
            (seen.asked, action.outcome())
        };
        prop_assert_eq!(run(0), run(1));
    }

    #[test]
    fn no_prefix_has_more_places_than_the_limit(seed: u64, size in 60_usize..200, config in configs(), per_prefix in 1_usize..3) {
        let mut network = Network::flooded(seed, size).in_public();
        let config = LookupConfig { per_prefix, ..config };
        let mut action = search(&network, config);
        drive(&mut network, &mut action, &config);
        prop_assert!(action.outcome().tally.answered >= K);
    }

    #[test]
    fn equal_runs_are_equal(seed: u64, config in configs()) {
        let run = || {
            let mut network = Network::hostile(seed, 100);
            let mut action = search(&network, config);
            let seen = drive(&mut network, &mut action, &config);
            (seen.asked, action.outcome())
        };
        prop_assert_eq!(run(), run());
    }
}
