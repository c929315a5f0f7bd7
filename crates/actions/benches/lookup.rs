//! What a lookup costs by itself: in a static network whose nodes all answer at once, from tables as settled ones have.
//!
//! `cargo bench -p khashmir-actions --bench lookup`
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use khashmir_actions::{Action, Answer, Ask, FindNode, LookupConfig, Step};
use khashmir_types::{Contact, Id, Time};

const NOW: Time = Time::from_secs(1_000_000);

/// Nodes that a table names.
const K: usize = 8;

/// All nodes, in the order of their ids.
struct Network(Vec<Contact>);

impl Network {
    fn new(nodes: u32) -> Self {
        let contact = |n: u32| Contact::new(Id::sha1(&n.to_be_bytes()), (n.to_be_bytes(), 9977).into());
        let mut contacts: Vec<_> = (0x2000_0000..0x2000_0000 + nodes).map(contact).collect();
        contacts.sort_by_key(|contact| contact.id);
        Self(contacts)
    }

    /// What a node that shares `shared` bits with the target says: eight of those that share three more, as a table of eights
    /// brings a lookup that much closer at each hop; the closest ones where there are no more than that.
    fn answer(&self, target: &Id, shared: usize) -> Vec<Contact> {
        let bits = (0..=shared + 3).rev().find(|bits| self.sharing(target, *bits).len() >= K).unwrap_or(0);
        let near = self.sharing(target, bits);
        near.iter().step_by((near.len() / K).max(1)).take(K).copied().collect()
    }

    /// The nodes that share so many bits with the target: they are neighbours in the order of ids.
    fn sharing(&self, target: &Id, bits: usize) -> &[Contact] {
        let shares = |contact: &Contact| contact.id.distance(target).shared_prefix_bits() >= bits;
        let first = self.0.partition_point(|contact| contact.id < *target && !shares(contact));
        let last = self.0.partition_point(|contact| contact.id < *target || shares(contact));
        &self.0[first..last]
    }
}

/// Runs a lookup to its end; returns how many it asked.
fn run(network: &Network, mut lookup: FindNode, target: &Id) -> usize {
    let (mut open, mut asked) = (VecDeque::<Ask>::new(), 0);
    loop {
        match lookup.poll(NOW) {
            Step::Ask(ask) => {
                open.push_back(ask);
                asked += 1;
            }
            Step::Wait(_) => {
                let Ask { contact, .. } = open.pop_front().expect("it waits for an answer");
                let shared = contact.id.distance(target).shared_prefix_bits();
                let answer = Answer::Nodes { nodes: network.answer(target, shared), token: None };
                lookup.on_answer(&contact, answer, NOW);
            }
            Step::Done => return asked,
        }
    }
}

fn lookups(criterion: &mut Criterion) {
    for nodes in [1_000, 100_000] {
        let network = Network::new(nodes);
        let targets: Vec<_> = (0..64_u32).map(|n| Id::sha1(&n.to_be_bytes())).collect();
        let mut next = targets.iter().cycle();
        let config = LookupConfig { concurrency: 5, eager: 4, ..LookupConfig::default() };
        criterion.bench_function(&format!("find_node among {nodes}, answers included"), |bencher| {
            let begin = || {
                let target = *next.next().expect("a cycle does not end");
                (FindNode::new(target, network.answer(&target, 0), Id::MAX, config, NOW), target)
            };
            bencher.iter_batched(
                begin,
                |(lookup, target)| black_box(run(&network, lookup, &target)),
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, lookups);
criterion_main!(benches);
