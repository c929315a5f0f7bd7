//! Allocations: how often a node asks for memory while it answers, in steady state. The whole process is counted:
//! transport, driver, engine and store; the generator is another process.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::{Place, serve};
use crate::asker::{Generator, Load};
use crate::exchange::Exchange;
use crate::extent::Extent;
use crate::neighbours::Neighbours;
use crate::process::Program;
use crate::report::{Goal, Report};
use crate::role::Order;

const PART: &str = "allocations";

/// None for a request; this much is left for timers, and for the order that asks for the count.
const NONE: f64 = 0.01;

pub(super) fn measure(extent: &Extent, place: &Place, report: &mut Report) -> Result<()> {
    let neighbours = Neighbours::start()?;
    let mut node = serve::node(None, &neighbours, place, Program::Counting)?;
    let generator = Generator::new()?;
    let mut askers = generator.askers(serve::SOCKETS, serve::WINDOW)?;
    report
        .note(PART, "calls for memory by the whole process of a node, its allocator counted by stats_alloc");
    for method in serve::METHODS {
        let mut question = serve::question(method, &neighbours.contacts);
        let answers = generator.probe(&askers, &question, node.hello.addr)?;
        question.learn(answers.first().context("no socket")?)?;
        let (exchanges, to): ([Arc<dyn Exchange>; 1], _) = ([Arc::new(question)], node.hello.addr);
        let mut ask = |span| {
            let load = Load { askers: &mut askers, exchanges: &exchanges, to, rate: None };
            generator.run(&mut [load], span)
        };
        // Buffers grow to what they need.
        ask(extent.span / 4)?;
        let before = node.order(Order::Allocations)?;
        let answered: u64 = ask(extent.span)?.iter().map(|tally| tally.answered).sum();
        let after = node.order(Order::Allocations)?;
        let calls: f64 = after.iter().sum::<f64>() - before.iter().sum::<f64>();
        let each = calls / answered.max(1) as f64;
        let goal = Some(Goal::AtMost(NONE));
        report.figure(PART, &format!("{method}: allocations for a request"), each, "", goal);
    }
    Ok(())
}
