//! `khashmir sim`: runs a scenario in the simulator, and reports what it has shown.

mod account;
mod load;
mod memory;
mod progress;

use std::num::NonZero;
use std::thread;
use std::time::Duration;

use khashmir_sim::{Measured, Progress, Run, Step};

use crate::args::{General, SimArgs};
use crate::exit::Exit;
use crate::output::Output;
use crate::stop::{Reason, Stop};
use crate::stopwatch::Stopwatch;

use self::account::Account;
use self::progress::Bar;

pub(crate) async fn run(args: SimArgs, general: &General, output: &Output) -> anyhow::Result<Exit> {
    let stop = match general.timeout {
        Some(limit) => Stop::after(Some(limit))?,
        None => Stop::on_signals()?,
    };
    let path = args.scenario.clone();
    let scenario = stop.bound("the scenario", move || load::scenario(&path)).await?;
    let nodes = args.nodes.unwrap_or(scenario.nodes);
    if let Some(warning) = memory::warning(nodes) {
        output.note(format_args!("warning: {warning}; choose fewer with --nodes"));
    }
    let threads = args.threads.unwrap_or_else(|| sensible_threads(nodes));
    let stopwatch = Stopwatch::start();
    let run = Run::new(scenario, args.seed, args.nodes, threads);
    let mut run = run.map_err(|error| load::wrong(&args.scenario, &error))?;
    let (mut start, mut is_there) = ((Duration::ZERO, 0), false);
    let mut bar = Bar::new(output, stopwatch);
    let early = carry_out(&mut run, &stop, &mut |progress| {
        if !is_there {
            start = (stopwatch.elapsed(), progress.events);
            is_there = progress.phase != "start";
        }
        bar.show(progress);
    });
    output.clear();
    let mut report = run.report();
    let (wall, resident_bytes) = (stopwatch.elapsed(), memory::peak());
    let (start, start_events) = start;
    report.measured = Some(Measured { wall, start, start_events, resident_bytes, threads });
    Account { args: &args, report: &report, early, wall }.print(output)
}

/// One thread for each processor, but not for a few nodes: threads meet after every few milliseconds of virtual time.
fn sensible_threads(nodes: usize) -> usize {
    const NODES_PER_THREAD: usize = 5_000;
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    processors.min(1 + nodes / NODES_PER_THREAD)
}

/// Runs to the end, or until it is time to stop. Blocks this thread; signals are caught in another.
fn carry_out(run: &mut Run, stop: &Stop, on_progress: &mut dyn FnMut(&Progress)) -> Option<Reason> {
    while let Step::Running(progress) = run.step() {
        on_progress(&progress);
        if let Some(reason) = stop.reason() {
            return Some(reason);
        }
    }
    None
}
