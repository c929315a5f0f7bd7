//! The simulator as a command: what it prints, and how it ends.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use support::{Running, khashmir, run, run_with_input};

/// Thirty nodes, so that a run takes a moment only.
const SMALL: &str = r#"
about = "a small network"
nodes = 30
start = { settle = "10s" }
links = { loss = 0.05 }
[[workload]]
kind = "lookup"
count = 20
"#;

/// One that nobody waits for.
const ENDLESS: &str = "nodes = 3\n[[workload]]\nkind = \"quiet\"\nlasts = \"3650d\"\n";

fn sim(scenario: &str, args: &[&str]) -> support::Ended {
    run_with_input(&[&["sim", "-"], args].concat(), scenario.as_bytes())
}

#[test]
fn a_run_prints_a_table_and_the_command_that_repeats_it() {
    let first = sim(SMALL, &["--seed", "7"]);
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "{first:?}");
    for part in ["a small network\n", "30 nodes", "seed 7, digest ", "lookup", "lost"] {
        assert!(first.stdout.contains(part), "{part}: {}", first.stdout);
    }
    assert!(first.stdout.ends_with("\n\nagain: khashmir sim - --seed 7\n"), "{}", first.stdout);
}

#[test]
fn equal_seeds_have_equal_digests_whatever_the_number_of_threads() {
    let digest = |args: &[&str]| sim(SMALL, &[&["--json"], args].concat()).summary()["digest"].clone();
    let one = digest(&["--threads", "1"]);
    assert!(one.is_string());
    assert_eq!(digest(&["--threads", "3"]), one);
    assert_ne!(digest(&["--seed", "2"]), one);
}

#[test]
fn every_part_has_its_line_of_json() {
    let ended = sim(SMALL, &["--json", "--nodes", "40"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let records = ended.records();
    let kinds: Vec<_> = records.iter().map(|record| record["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["operations", "traffic", "tables", "faults", "summary"]);
    assert_eq!((&records[0]["name"], &records[0]["asked"]), (&"lookup".into(), &20.into()));
    assert!(records[0]["completion"]["histogram"].is_array(), "{}", records[0]);
    assert!(records[3]["lost"].as_u64().unwrap() > 0, "{}", records[3]);
    let summary = ended.summary();
    assert_eq!(
        (&summary["result"], &summary["nodes"], &summary["seed"]),
        (&"done".into(), &40.into(), &1.into())
    );
    assert_eq!(summary["command"], "khashmir sim - --seed 1 --nodes 40");
    assert!(summary["measured"]["wall_seconds"].is_number() && summary["operations"].is_null(), "{summary}");
}

#[test]
fn a_wrong_scenario_exits_with_78_and_its_line() {
    let wrong = sim("nodes = 5\n[links]\nloss = 7\n", &[]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(78), ""), "{wrong:?}");
    let start = "error: standard input: line 3, `loss = 7`: a share is 0 to 1";
    assert!(wrong.stderr.starts_with(start) && wrong.stderr.contains("help: "), "{wrong:?}");

    let missing = run(&["sim", "no-such-file.toml"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.starts_with("error: cannot read no-such-file.toml: "), "{missing:?}");
}

#[test]
fn delays_come_from_the_file_beside_the_scenario() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = directory.path().join("near.toml");
    fs::write(
        &scenario,
        format!("{SMALL}[links.delay]\nmatrix = \"rtt.txt\"\n").replace("links = { loss = 0.05 }", ""),
    )
    .unwrap();
    let sim = || run(&["sim", scenario.to_str().unwrap()]);
    let missing = sim();
    assert_eq!(missing.code, Some(78), "{missing:?}");
    assert!(
        missing.stderr.contains("links.delay: cannot read ") && missing.stderr.contains("rtt.txt"),
        "{missing:?}"
    );
    fs::write(directory.path().join("rtt.txt"), "4 20\n20 4\n").unwrap();
    assert_eq!(sim().code, Some(0));
    fs::write(directory.path().join("rtt.txt"), "4 20\n20\n").unwrap();
    let ragged = sim();
    assert!(ragged.code == Some(78) && ragged.stderr.contains("rtt.txt: "), "{ragged:?}");
}

#[test]
fn a_run_that_misses_what_it_expects_exits_with_1() {
    let hurried = format!("{SMALL}expect = {{ max = \"1ms\" }}\n");
    let ended = sim(&hurried, &["--json"]);
    assert_eq!((ended.code, &ended.summary()["result"]), (Some(1), &"failed".into()), "{ended:?}");
    let error: Value = serde_json::from_str(ended.stderr.trim()).unwrap();
    assert_eq!(error["code"], "E_RUN_FAILED");
    assert!(error["message"].as_str().unwrap().contains("not met: lookup: max"), "{error}");
}

#[test]
fn a_run_that_ends_early_reports_what_there_is() {
    let late = sim(ENDLESS, &["--json", "-t", "1s"]);
    assert_eq!((late.code, &late.summary()["result"]), (Some(4), &"deadline".into()), "{late:?}");

    let directory = tempfile::tempdir().unwrap();
    let scenario = directory.path().join("endless.toml");
    fs::write(&scenario, ENDLESS).unwrap();
    let mut command = khashmir(&["sim", scenario.to_str().unwrap(), "-v"]);
    command.stdin(Stdio::null());
    let running = Running::start(command);
    assert!(running.error_line().contains("simulated in"));
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.contains("3 nodes") && ended.stdout.contains("stopped before its end"), "{ended:?}");
    assert!(ended.stderr.contains("error: interrupted after "), "{ended:?}");
}
