//! Networks: nodes in one process on loopback, each with its own socket. How long they take to find one another, how many
//! lookups they complete, how long one takes, and what memory they need.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Place, serve};
use crate::clock;
use crate::extent::Extent;
use crate::neighbours::Neighbours;
use crate::process::{Program, Subject};
use crate::report::{Goal, Report};
use crate::role::{Order, Role};

const PART: &str = "network";

/// Lookups at a time, to keep two cores busy.
const AT_ONCE: u64 = 64;

/// Nodes that are added to the first for their memory.
const FURTHER: usize = 100;

/// After so long a node has given back what it does not need.
const REST: Duration = Duration::from_millis(2500);

/// The network of which the goals speak.
const GOALS: usize = 100;

pub(super) fn measure(extent: &Extent, place: &Place, report: &mut Report) -> Result<()> {
    report
        .note(PART, "all nodes in one process with two threads for tokio, nothing pinned; stores in memory");
    report.note(
        PART,
        format!(
            "busy: {AT_ONCE} lookups of random ids at a time by random nodes; at low load: one at a time"
        ),
    );
    for nodes in extent.networks {
        lookups(*nodes, extent, report).with_context(|| format!("in a network of {nodes}"))?;
    }
    memory(extent, place, report)
}

fn lookups(nodes: usize, extent: &Extent, report: &mut Report) -> Result<()> {
    let mut network = Subject::start(&Role::Network { nodes, directory: None }, Program::Plain)?;
    let built_in = network.order(Order::BuiltIn)?;
    let millis = u64::try_from(extent.span.as_millis())? * extent.rounds as u64;
    let quiet = Lookups::run(&mut network, 1, millis)?;
    let busy = Lookups::run(&mut network, AT_ONCE, millis)?;
    let mut figure = |name: &str, value: f64, unit: &str, goal: Option<Goal>| {
        report.figure(PART, &format!("{nodes} nodes: {name}"), value, unit, goal.filter(|_| nodes == GOALS));
    };
    figure("started and joined", built_in.first().copied().unwrap_or(f64::NAN), "s", None);
    figure("lookups", busy.rate, "/s", Some(Goal::AtLeast(3000.0)));
    figure("CPU for a lookup, all nodes together", busy.cpu, "us", None);
    figure("a lookup at low load, median", quiet.p50, "ms", None);
    figure("a lookup at low load, p99", quiet.p99, "ms", Some(Goal::AtMost(10.0)));
    figure("a lookup when busy, p99", busy.p99, "ms", None);
    figure("questions for a lookup", busy.questions, "", None);
    figure("lookups that found all of the closest", 100.0 * busy.right, "%", None);
    Ok(())
}

/// What a network did for a while.
struct Lookups {
    rate: f64,
    p50: f64,
    p99: f64,
    /// Which part found all of the closest.
    right: f64,
    questions: f64,
    /// Microseconds of CPU time for each.
    cpu: f64,
}

impl Lookups {
    fn run(network: &mut Subject, at_once: u64, millis: u64) -> Result<Self> {
        let before = network.cpu().unwrap_or_default();
        let answer = network.order(Order::Lookups { at_once, millis })?;
        let used = network.cpu().unwrap_or_default().since(before).used;
        let [count, seconds, p50, p99, right, questions] =
            answer.try_into().ok().context("the network gave no figures")?;
        let cpu = used.as_secs_f64() * 1e6 / count;
        Ok(Self { rate: count / seconds, p50, p99, right, questions, cpu })
    }
}

fn memory(extent: &Extent, place: &Place, report: &mut Report) -> Result<()> {
    let neighbours = Neighbours::start()?;
    let resident = |process: &Subject| {
        clock::rest(if extent.rounds > 1 { REST } else { Duration::ZERO });
        process.resident().unwrap_or(f64::NAN)
    };
    let node = serve::node(None, &neighbours, place, Program::Plain)?;
    let goal = Some(Goal::AtMost(12.0));
    report.figure(PART, "memory: an idle node with a full table and a store", resident(&node), "MiB", goal);
    drop(node);
    let further = if extent.rounds > 1 { FURTHER } else { 2 };
    for (name, on_disk) in [("store on the disk", true), ("store in memory", false)] {
        let network = |nodes: usize| {
            let directory = on_disk.then(|| place.store(&format!("network-{nodes}"))).transpose()?;
            Subject::start(&Role::Network { nodes, directory }, Program::Plain)
        };
        let (one, many) = (resident(&network(1)?), resident(&network(1 + further)?));
        let each = (many - one) / further as f64;
        let goal = on_disk.then_some(Goal::AtMost(1.0));
        report.figure(PART, &format!("memory: each further node, {name}"), each, "MiB", goal);
    }
    Ok(())
}
