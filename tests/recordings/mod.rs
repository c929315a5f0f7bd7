//! The recordings of the original, played to the shipped engine.
//!
//! A case passes with the outcomes that the recordings allow, and with nothing else; differences that are by
//! design are rules here, with their reasons, never cases left out.

mod attack_answers;
mod attack_requests;
mod bencode;
mod client;
mod conversations;
mod dht;
mod fixture;
mod floods;
mod golden;
mod judge;
mod stale;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};

use khashmir_recordings::Value;

/// Plays every case to `check` and fails with the names of all that do not pass. A recording without cases
/// fails too: it proves nothing.
fn all_pass(recording: &str, cases: &[Value], check: impl Fn(&Value) -> Result<(), String>) {
    assert!(!cases.is_empty(), "{recording} holds no cases");
    let failure = |case: &Value| {
        let verdict = catch_unwind(AssertUnwindSafe(|| check(case)));
        let why = verdict.unwrap_or_else(|_| Err("panicked".into())).err()?;
        Some(format!("{recording}: {}: {why}", text(&case["name"])))
    };
    let failures: Vec<_> = cases.iter().filter_map(failure).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases of {recording} fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// `Ok` if `holds`, else why not.
fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
