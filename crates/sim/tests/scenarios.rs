//! The scenarios that come with the repository: each can be read, run, and does what it says.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use khashmir_sim::{Disturbance, Lifetime, Run, Scenario, ScenarioError, Work};

/// The scenarios by name, in order.
fn texts() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    texts.sort();
    texts
}

/// The same with less to do and a tenth of the time to do it in. Every fault must fire nevertheless.
fn shorten(scenario: &mut Scenario) {
    scenario.duration /= 10;
    scenario.start.settle = Some(Duration::from_secs(10));
    if let Some(churn) = &mut scenario.churn
        && let Lifetime::Exponential(median) = &mut churn.sessions
    {
        *median /= 10;
    }
    for event in &mut scenario.events {
        event.at /= 10;
        if let Disturbance::Partition { heal: Some(heal), .. } = &mut event.what {
            *heal /= 10;
        }
    }
    for workload in &mut scenario.workload {
        workload.start /= 10;
        workload.rate = workload.rate.max(2.0);
        match &mut workload.work {
            Work::Lookup { count } => *count = (*count).min(30),
            Work::Get { keys, count } => (*keys, *count) = ((*keys).min(10), (*count).min(30)),
            Work::Survival { keys, at, refresh } => {
                (*keys, *at) = (10, vec![Duration::from_secs(300)]);
                *refresh = refresh.map(|_| Duration::from_secs(120));
            }
            Work::Quiet { lasts } => *lasts /= 10,
            _ => {}
        }
    }
}

#[test]
fn every_scenario_says_what_it_shows_and_how_long_it_takes() {
    let texts = texts();
    assert!(texts.len() >= 15, "{}", texts.len());
    for (name, text) in texts {
        let comment: String = text.lines().take_while(|line| line.starts_with("# ")).collect();
        assert!(comment.contains("Takes "), "{name}: {comment}");
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!scenario.about.is_empty() && !scenario.workload.is_empty(), "{name}");
    }
}

#[test]
fn every_scenario_runs_and_none_of_its_faults_is_missed() {
    for (name, text) in texts() {
        let mut scenario = Scenario::parse(&text).unwrap();
        shorten(&mut scenario);
        let nodes = scenario.nodes.min(60);
        let report = Run::new(scenario, 1, Some(nodes), 1).unwrap().finish(&mut |_| {});
        assert!(report.is_complete, "{name}");
        assert_eq!(report.missed_faults, [""; 0], "{name}");
        let asked: usize = report.operations.iter().map(|operations| operations.asked).sum();
        let succeeded: usize = report.operations.iter().map(|operations| operations.succeeded).sum();
        assert!(2 * succeeded > asked, "{name}: {report}");
    }
}

#[test]
fn the_smallest_networks_run_too() -> Result<(), ScenarioError> {
    for name in ["islands-small", "hops"] {
        let (_, text) = texts().into_iter().find(|(known, _)| known == name).unwrap();
        for nodes in [1, 2, 3, 8] {
            let mut scenario = Scenario::parse(&text)?;
            shorten(&mut scenario);
            // An island of none would be a fault that cannot fire.
            scenario.events.clear();
            let report = Run::new(scenario, 1, Some(nodes), 1)?.finish(&mut |_| {});
            assert!(report.is_complete && report.nodes == nodes, "{name}, {nodes} nodes");
        }
    }
    Ok(())
}
