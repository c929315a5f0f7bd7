//! What a run has shown, summed up.

use std::time::Duration;

use super::{Phase, Run};
use crate::report::{Account, Operations, Report, TableQuality, Traffic};
use crate::scenario::Expectation;
use crate::world::START;

/// Everything that a run has shown so far.
pub(super) fn report(run: &Run) -> Report {
    let now = run.world.now();
    let (operations, quiet) = (run.workloads.operations(), run.workloads.quiet());
    let faults = run.faults();
    let mut missed_faults = run.missed_faults(&faults);
    let unasked = operations.iter().filter(|(_, row)| row.asked == 0);
    missed_faults.extend(unasked.map(|(_, row)| format!("{} (nobody was asked)", row.name)));
    let met = operations.iter().flat_map(|(expect, row)| unmet_by_operations(expect, row));
    let unmet = met.chain(quiet.iter().flat_map(|(expect, traffic)| unmet_by_traffic(expect, traffic)));
    let unmet = unmet.collect();
    let whole =
        matches!(run.phase, Phase::Work | Phase::Done).then(|| run.account.since(&Account::default(), "all"));
    Report {
        about: run.scenario.about.clone(),
        seed: run.world.seed(),
        nodes: run.world.len(),
        living: run.living,
        digest: format!("{:016x}", run.world.digest()),
        virtual_seconds: now.since(START).as_secs_f64(),
        work_seconds: now.since(run.zero).as_secs_f64(),
        events: run.world.counts().events,
        is_complete: run.phase == Phase::Done,
        operations: operations.into_iter().map(|(_, row)| row).collect(),
        traffic: whole.into_iter().chain(quiet.into_iter().map(|(_, traffic)| traffic)).collect(),
        tables: TableQuality::of(&run.world, &run.reachable(), run.scenario.engine.settings().lookup.k),
        faults,
        missed_faults,
        unmet,
        measured: None,
    }
}

fn unmet_by_operations(expect: &Expectation, row: &Operations) -> Vec<String> {
    let Expectation { success, p50, p99, max, queries, .. } = *expect;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let spread = row.latency().map(|latency| latency.spread);
    let mut unmet = Vec::new();
    if let Some(least) = success
        && row.success < least
    {
        unmet.push(format!("{}: success of {:.4}, at least {least}", row.name, row.success));
    }
    let limits = [
        ("p50", p50.map(millis), spread.map(|spread| spread.p50)),
        ("p99", p99.map(millis), spread.map(|spread| spread.p99)),
        ("max", max.map(millis), spread.map(|spread| spread.max)),
        ("mean number of queries", queries, row.queries.map(|queries| queries.mean)),
    ];
    for (what, limit, found) in limits {
        // Nothing at all meets no expectation.
        let found = found.unwrap_or(f64::INFINITY);
        if let Some(limit) = limit
            && found > limit
        {
            unmet.push(format!("{}: {what} of {found:.1}, at most {limit}", row.name));
        }
    }
    unmet
}

fn unmet_by_traffic(expect: &Expectation, traffic: &Traffic) -> Option<String> {
    let (limit, found) = (expect.datagrams?, traffic.datagrams_per_node_minute);
    (found > limit)
        .then(|| format!("{}: {found:.2} datagrams per node and minute, at most {limit}", traffic.name))
}
