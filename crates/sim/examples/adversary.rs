//! How to write an adversary: a few lines that change what honest nodes say.
//!
//! Misers answer every search, but name nobody. What do lookups cost when a third of all nodes are misers?
#![allow(clippy::print_stdout)]

use khashmir::Id;
use khashmir::krpc::Reply;
use khashmir_sim::{Answer, Asked, Chance, Tamper, World};

#[derive(Debug)]
struct Miser;

impl Tamper for Miser {
    fn alter_answer(&mut self, _: &Asked, mut answer: Answer) -> Option<Answer> {
        if let Reply::FindNode { nodes, .. } | Reply::FindValue { nodes, .. } = &mut answer.reply {
            nodes.clear();
        }
        Some(answer)
    }
}

fn main() {
    let mut world = World::new(7);
    let hosts = world.grow(300);
    for step in 0..2 {
        let (mut queries, mut nearest) = (0, 0);
        for number in 0..100 {
            let mut chance = Chance::of(world.seed(), &[number]);
            // Every third host will be a miser: these never are.
            let (from, target) = (hosts[3 * chance.below(100) + 1], Id::random(&mut chance));
            let found = world.find_node(from, target);
            let others = hosts.iter().filter(|host| **host != from).filter_map(|host| world.contact(*host));
            let truth = others.min_by_key(|contact| contact.id.distance(&target));
            queries += found.progress.tally.asked;
            nearest += usize::from(found.closest.first() == truth.as_ref());
        }
        let who = ["honest nodes only", "a third are misers"][step];
        println!("{who}: {} queries a lookup, {nearest} of 100 found the closest node", queries / 100);
        if step == 0 {
            hosts.iter().step_by(3).for_each(|host| world.tamper(*host, Miser));
        }
    }
    let deeds = world.deeds();
    println!("misers were asked {} times and named nobody {} times", deeds.asked, deeds.misdeeds);
}
