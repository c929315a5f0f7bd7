//! Every part runs in its smallest extent, so that none can rot. The figures mean nothing here.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::Command;

/// Measures `part`, and returns the lines of JSON.
fn figures(part: &str) -> Vec<serde_json::Value> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("run.jsonl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_khashmir-bench"));
    command.arg(part).arg("--smoke").arg("--dir").arg(directory.path()).arg("--json").arg(&file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, std::slice::from_ref(&file), "stores are removed at the end");
    let text = fs::read_to_string(&file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Is there a positive figure of this name?
fn has(figures: &[serde_json::Value], name: &str) -> bool {
    figures
        .iter()
        .any(|line| line["figure"] == name && line["value"].as_f64().is_some_and(|value| value > 0.0))
}

#[test]
fn every_method_is_served_and_checked_beside_a_bare_echo() {
    let figures = figures("serve");
    for method in ["ping", "find_node", "find_value", "get_value"] {
        for figure in ["served", "bare echo", "served / bare echo"] {
            assert!(has(&figures, &format!("{method}: {figure}")), "{method}: {figure} in {figures:?}");
        }
    }
}

#[test]
fn calls_for_memory_are_counted() {
    let figures = figures("allocations");
    assert!(
        figures.iter().any(|line| line["figure"] == "get_value: allocations for a request"),
        "{figures:?}"
    );
}

#[test]
fn a_store_that_crashed_serves_again() {
    let figures = figures("reopen");
    assert!(has(&figures, "after a crash, until it serves"), "{figures:?}");
}

#[test]
fn networks_find_what_is_closest() {
    let figures = figures("network");
    assert!(
        has(&figures, "4 nodes: lookups") && has(&figures, "4 nodes: a lookup at low load, p99"),
        "{figures:?}"
    );
}

#[test]
fn what_is_acknowledged_is_there() {
    let figures = figures("store");
    for figure in ["values acknowledged as durable", "get_value: while storing / alone", "many values / few"]
    {
        assert!(has(&figures, figure), "{figure} in {figures:?}");
    }
}
