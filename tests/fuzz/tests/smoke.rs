//! Every target passes its corpus and variations of it, without libFuzzer.
#![allow(missing_docs)]

use khashmir_fuzz::{TARGETS, corpus, smoke};

/// Hands the target `name` its corpus and `variations` of it.
fn passes(name: &str, variations: usize) {
    let target = TARGETS.into_iter().find(|target| target.name == name).expect("there is such a target");
    smoke(&corpus(name), target.run, 1, variations);
}

#[test]
fn scan_passes() {
    passes("scan", 20_000);
}

#[test]
fn decode_passes() {
    passes("decode", 20_000);
}

#[test]
fn round_trip_passes() {
    passes("round-trip", 5_000);
}

#[test]
fn engine_passes() {
    passes("engine", 300);
}

#[test]
fn storage_passes() {
    passes("storage", 20);
}
