//! Scenarios are carried out as they are written, equally for equal seeds, and fail if they show nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use khashmir_sim::{Measured, Operations, Report, Run, Scenario, Step};

fn run(text: &str, seed: u64, threads: usize) -> Report {
    Run::new(Scenario::parse(text).unwrap(), seed, None, threads).unwrap().finish(&mut |_| {})
}

fn row<'a>(report: &'a Report, name: &str) -> &'a Operations {
    report.operations.iter().find(|row| row.name == name).unwrap()
}

const EVERYTHING: &str = r#"
    nodes = 40
    links = { loss = 0.02, duplication = 0.01, corruption = 0.01, reordering = 0.05 }
    nat = { port_restricted = 0.1, unreachable = 0.1 }
    clocks = { ahead = "200ms", ppm = 50 }
    [churn]
    sessions = { weibull = { median = "10m", shape = 0.6 } }
    share = 0.5
    [[adversaries]]
    kind = "colluder"
    share = 0.1
    [[events]]
    at = "1m"
    partition = { share = 0.3, heal = "1m" }
    [[events]]
    at = "3m"
    depart = 0.2
    [[events]]
    at = "4m"
    return = true
    [[events]]
    at = "5m"
    restart = { share = 0.2, keeps_disk = 0.5 }
    [[workload]]
    kind = "lookup"
    count = 30
    rate = 0.1
    [[workload]]
    kind = "get"
    keys = 5
    count = 20
    rate = 1
    [[workload]]
    kind = "quiet"
    lasts = "1m"
"#;

#[test]
fn equal_seeds_give_equal_reports_whatever_the_number_of_threads() {
    let report = run(EVERYTHING, 7, 1);
    assert_eq!(report.failure(), None, "{report}");
    for fault in
        ["lost", "cut", "departed", "returned", "restarted", "sessions_ended", "misdeeds", "nat_dropped"]
    {
        assert!(report.faults[fault] > 0, "{fault}");
    }
    assert_eq!(report, run(EVERYTHING, 7, 3));
    assert_ne!(report.digest, run(EVERYTHING, 8, 1).digest);
}

#[test]
fn in_a_quiet_network_all_is_found_and_known() {
    let report = run(
        "nodes = 40\nlinks = { delay = '10ms' }\n[[workload]]\nkind = 'lookup'\ncount = 50\n\
         [[workload]]\nkind = 'get'\nkeys = 10\ncount = 30",
        7,
        1,
    );
    let lookups = row(&report, "lookup");
    assert_eq!((lookups.asked, lookups.success, lookups.found_all), (50, 1.0, Some(1.0)));
    assert_eq!((row(&report, "store").success, row(&report, "get").success), (1.0, 1.0));
    let first = row(&report, "get").first_value.as_ref().unwrap().spread;
    assert!(first.p50 >= 0.0 && first.max <= 100.0 && first.count == 30, "{first:?}");
    // Where a neighbourhood reaches into a full bucket, the bucket may lack some of it.
    assert!(report.tables.knows_closest > 0.95, "{}", report.tables.knows_closest);
    assert_eq!((report.tables.sampled, report.tables.dead, report.tables.isolated), (40, 0.0, 0));
    assert_eq!(report.failure(), None);
}

#[test]
fn a_fault_that_cannot_fire_fails_the_run() {
    let quiet = "[[workload]]\nkind = 'quiet'\nlasts = '1m'";
    for (fault, missed) in [
        ("links = { loss = 1e-12 }", "links.loss (lost is 0)"),
        ("churn = { sessions = { exponential = '1000d' } }", "churn (sessions_ended is 0)"),
        ("start = { dead = 0.001 }", "start.dead (dead is 0)"),
        ("nat = { symmetric = 1e-9 }", "nat (nat_dropped is 0)"),
        ("adversaries = [{ kind = 'liar', share = 0 }]", "adversaries (misdeeds is 0)"),
        ("events = [{ at = '10s', return = true }]", "at 10s no host returned"),
    ] {
        let report = run(&format!("nodes = 10\n{fault}\n{quiet}"), 7, 1);
        assert_eq!(report.missed_faults, [missed], "{fault}");
        assert_eq!(report.failure(), Some(format!("never happened: {missed}")));
    }
}

#[test]
fn what_is_expected_and_not_met_fails_the_run() {
    let lookups = |expect: &str| {
        run(&format!("nodes = 20\n[[workload]]\nkind = 'lookup'\ncount = 20\nexpect = {{ {expect} }}"), 7, 1)
    };
    assert_eq!(lookups("success = 0.9, p99 = '60s', queries = 100").failure(), None);
    let failure = lookups("success = 0.9, p99 = '1ms', queries = 2").failure().unwrap();
    assert!(failure.contains("lookup: p99 of") && failure.contains("queries"), "{failure}");
    assert!(!failure.contains("success"), "{failure}");
}

#[test]
fn churn_keeps_its_share_of_hosts_on_from_the_beginning() {
    let text = r#"
        nodes = 90
        duration = "2h"
        links = { delay = "10ms" }
        start = { join_rate = 1000 }
        churn = { sessions = { weibull = { median = "20m", shape = 0.6 } }, pauses = { exponential = "20m" } }
    "#;
    let mut run = Run::new(Scenario::parse(text).unwrap(), 7, None, 1).unwrap();
    // The means: 20 min / ln(2)^(1 / 0.6) × Γ(1 + 1 / 0.6) is 55.4 min; 20 min / ln 2 is 28.9 min. So two thirds are on.
    let (mut living, mut next) = (Vec::new(), Duration::ZERO);
    while let Step::Running(progress) = run.step() {
        if progress.phase == "work" && progress.virtual_time >= next {
            let world = run.world();
            living.push(world.hosts().filter(|host| world.engine(*host).is_some()).count());
            next = progress.virtual_time + Duration::from_secs(600);
        }
    }
    let mean = |counts: &[usize]| counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    let (first, last) = living.split_at(living.len() / 2);
    assert!(living.iter().all(|count| (46..=74).contains(count)), "{living:?}");
    assert!((mean(first) - mean(last)).abs() < 7.0, "{living:?}");
    let report = run.report();
    assert!(report.faults["sessions_ended"] > 100 && report.is_complete);
    assert!((report.traffic[0].nodes - mean(&living)).abs() < 4.0, "{}", report.traffic[0].nodes);
}

#[test]
fn values_die_with_their_holders_unless_they_are_stored_again() {
    let survival = |refresh: &str| {
        let text = format!(
            "nodes = 40\nstart = {{ join_rate = 1000 }}\nlinks = {{ delay = '10ms' }}\n\
             engine = {{ redundancy = 2 }}\n\
             churn = {{ sessions = {{ exponential = '20m' }}, keeps_disk = 0 }}\n\
             [[workload]]\nkind = 'survival'\nkeys = 30\nat = ['5m', '90m']\n{refresh}"
        );
        let report = run(&text, 7, 1);
        assert_eq!(report.failure(), None, "{report}");
        ["get after 5 m", "get after 90 m"].map(|name| row(&report, name).success)
    };
    let [early, late] = survival("");
    assert!(early > 0.8 && late < 0.5, "{early} {late}");
    let [_, refreshed] = survival("refresh = '5m'");
    assert!(refreshed > 0.8, "{refreshed}");
}

#[test]
fn nodes_that_joined_through_unreachable_ones_join_again_through_bootstrap_hosts() {
    let text = "nodes = 60\nlinks = { delay = '10ms' }\nnat = { unreachable = 0.7 }\nstart = { settle = '10m' }\n\
                [[workload]]\nkind = 'get'\nkeys = 10\ncount = 100";
    let report = run(text, 7, 1);
    assert_eq!((report.tables.isolated, row(&report, "get").success), (0, 1.0), "{report}");
}

#[test]
fn a_quick_start_is_at_work_at_once_and_the_dead_are_in_its_tables() {
    let report = run(
        "nodes = 100\nstart = { kind = 'quick', dead = 0.3 }\n[[workload]]\nkind = 'lookup'\ncount = 50",
        7,
        1,
    );
    assert_eq!((report.nodes, report.living, report.faults["dead"]), (100, 70, 30));
    assert!(report.virtual_seconds == report.work_seconds && report.tables.dead > 0.1, "{report}");
    assert!(row(&report, "lookup").success > 0.9 && report.faults["to_nobody"] > 0, "{report}");
}

#[test]
fn a_run_may_be_stopped_and_reported_at_any_step() {
    let scenario = Scenario::parse("[[workload]]\nkind = 'lookup'\ncount = 1000").unwrap();
    let mut run = Run::new(scenario, 7, Some(20), 1).unwrap();
    assert_eq!(run.report().nodes, 0);
    while run.progress().phase != "work" {
        let Step::Running(progress) = run.step() else { panic!("it has not worked yet") };
        assert!((0.0..=1.0).contains(&progress.done), "{progress:?}");
    }
    let _ = run.step();
    let mut report = run.report();
    assert!(!report.is_complete && report.failure().is_none());
    assert_eq!(report.nodes, 20);
    report.measured = Some(Measured {
        wall: Duration::from_secs(3),
        start: Duration::from_secs(1),
        start_events: 0,
        resident_bytes: Some(4_000_000),
        threads: 1,
    });
    let table = report.to_string();
    assert!(table.contains("200000 bytes a node") && table.contains("stopped before its end"), "{table}");
}

#[test]
fn a_matrix_is_asked_for_and_taken() {
    let mut scenario = Scenario::parse("nodes = 5\nlinks = { delay = { matrix = 'king.txt' } }").unwrap();
    assert_eq!(scenario.matrix_file(), Some("king.txt"));
    let error = Run::new(scenario.clone(), 7, None, 1).unwrap_err();
    assert_eq!(error.to_string(), "links.delay: the matrix in \"king.txt\" was not handed in");
    assert!(scenario.set_matrix("0 20\n20").unwrap_err().to_string().starts_with("links.delay: line 2"));
    scenario.set_matrix("0 20\n20 0").unwrap();
    assert!(Run::new(scenario, 7, None, 1).unwrap().finish(&mut |_| {}).failure().is_none());
}
