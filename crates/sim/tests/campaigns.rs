//! The campaigns that come with the repository, on networks of two hundred nodes: every fault fires, and the levels hold as far
//! as so few nodes and questions can show. `cargo xtask campaign` runs them as they are.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use khashmir_sim::{AdversaryKind, Run, Scenario, Work};

const CHURN: [&str; 3] = ["churn-15m", "churn-5m", "churn-60m"];
const LOSS: [&str; 3] = ["loss-1", "loss-10", "loss-30"];
const REACH: [&str; 3] = ["departure", "nat", "partition"];
const HOSTILE: [&str; 5] = ["colluders", "inventors", "inventors-64", "liars", "swallowers"];
const FLOODS: [&str; 2] = ["flooders", "overload"];

const NODES: usize = 200;

/// What the share that succeeds may be below the level of the file: two of fifty values, or of a hundred lookups four.
const SLACK: f64 = 0.04;

/// Floods are so much smaller, and so are the budgets for them.
const FLOOD_DIVISOR: u32 = 5;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/campaigns")
}

/// Asks less, and lets less time pass before that.
fn shrink(scenario: &mut Scenario) {
    if let Some(churn) = &mut scenario.churn {
        churn.warm_up = churn.warm_up.min(Duration::from_secs(600));
    }
    for workload in &mut scenario.workload {
        workload.rate = 5.0;
        workload.expect.success = workload.expect.success.map(|level| level - SLACK);
        match &mut workload.work {
            Work::Lookup { count } => *count = 100,
            Work::Get { keys, count } => (*keys, *count) = (50, 100),
            Work::Survival { keys, .. } => *keys = 50,
            _ => {}
        }
    }
    for adversaries in &mut scenario.adversaries {
        if let AdversaryKind::Flooder { per_second, .. } = &mut adversaries.kind {
            *per_second /= f64::from(FLOOD_DIVISOR);
        }
    }
    let engine = &mut scenario.engine;
    engine.unproven_per_second = engine.unproven_per_second.map(|budget| budget / FLOOD_DIVISOR);
}

fn hold(names: &[&str]) {
    for name in names {
        let text = fs::read_to_string(directory().join(format!("{name}.toml"))).unwrap();
        let mut scenario = Scenario::parse(&text).unwrap();
        shrink(&mut scenario);
        let report = Run::new(scenario, 1, Some(NODES), 1).unwrap().finish(&mut |_| {});
        assert!(report.is_complete && report.failure().is_none(), "{name}\n{report}");
    }
}

#[test]
fn every_campaign_says_what_it_is_about_sets_a_level_and_is_run_here() {
    let mut known = [&CHURN[..], &LOSS, &REACH, &HOSTILE, &FLOODS].concat();
    known.sort_unstable();
    let mut found: Vec<_> = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort_unstable_by_key(|path| path.with_extension(""));
    let names: Vec<_> = found.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, known);
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let comment = text.lines().take_while(|line| line.starts_with("# ")).count();
        assert!((1..=3).contains(&comment), "{path:?}");
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(scenario.nodes >= 1_000 && !scenario.about.is_empty(), "{path:?}");
        assert!(scenario.workload.iter().all(|workload| workload.expect.success.is_some()), "{path:?}");
    }
}

#[test]
fn values_are_found_under_churn() {
    hold(&CHURN);
}

#[test]
fn values_are_found_where_datagrams_are_lost() {
    hold(&LOSS);
}

#[test]
fn values_are_found_where_nodes_depart_or_cannot_be_reached() {
    hold(&REACH);
}

#[test]
fn values_are_found_among_adversaries() {
    hold(&HOSTILE);
}

#[test]
fn values_are_found_during_floods() {
    hold(&FLOODS);
}
