//! Reopening: a store is filled, its process killed in the middle of a commit, and a node started on what is left.

use std::time::Duration;

use anyhow::{Context, Result};
use khashmir::krpc::Method;

use super::{Place, serve};
use crate::asker::Generator;
use crate::extent::Extent;
use crate::process::{Program, Subject};
use crate::report::{Goal, Report};
use crate::role::{NodeRole, Order, Role};
use crate::{clock, corpus};

const PART: &str = "reopen";

/// How often the store crashes at most.
const CRASHES: usize = 3;

pub(super) fn measure(extent: &Extent, place: &Place, report: &mut Report) -> Result<()> {
    let directory = place.store("reopen")?;
    report.note(PART, format!("{}, its pages in the cache: the store was written just before", place.note()));
    report.note(
        PART,
        "killed (SIGKILL) in the middle of a commit; from the start of a process to its first right answer",
    );
    let role = NodeRole { state: Some(directory.clone()), ..NodeRole::default() };
    let mut times = Vec::new();
    let start = clock::now();
    for crash in 0..CRASHES.min(extent.rounds) {
        let mut store =
            Subject::start(&Role::Fill { directory: directory.clone(), keys: extent.keys }, Program::Plain)?;
        if crash == 0 {
            let rate = (extent.keys * corpus::VALUES) as f64 / start.elapsed().as_secs_f64();
            report.figure(PART, "values", (extent.keys * corpus::VALUES) as f64, "", None);
            report.figure(PART, "filled by the store alone, values durable", rate, "/s", None);
        }
        store.order(Order::AwaitCommit)?;
        store.kill()?;
        times.push(serves_after(&role).context("the store is not what it was before the crash")?);
    }
    let worst = times.iter().max().copied().unwrap_or_default();
    let goal = Some(Goal::AtMost(100.0));
    report.figure(PART, "after a crash, until it serves", 1000.0 * worst.as_secs_f64(), "ms", goal);
    let clean = serves_after(&role)?;
    report.figure(PART, "after a clean end, until it serves", 1000.0 * clean.as_secs_f64(), "ms", None);
    Ok(())
}

/// How long it takes a node to start on its store and to give one right answer from it.
fn serves_after(role: &NodeRole) -> Result<Duration> {
    let generator = Generator::new()?;
    let asker = generator.askers(1, 1)?;
    let mut question = serve::question(Method::GetValue, &[]);
    let start = clock::now();
    let node = Subject::start(&Role::Node(role.clone()), Program::Plain)?;
    let answers = generator.probe(&asker, &question, node.hello.addr)?;
    let took = start.elapsed();
    question.learn(answers.first().context("no socket")?)?;
    Ok(took)
}
