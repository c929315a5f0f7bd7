//! What the fuzz targets do with one input each: they return, or they panic because something is wrong.
//!
//! The programs in `fuzz/` hand these functions what libFuzzer invents; the tests of this crate hand them the corpora in
//! `fuzz/corpus` and what [`smoke`] makes of those, without libFuzzer and on any machine. Equal inputs do equal things.
#![allow(clippy::unwrap_used, reason = "a target says by a panic that something is wrong")]

mod corpus;
mod decode;
mod engine;
mod hostile;
mod mutation;
mod reference;
mod round_trip;
mod scan;
mod script;
mod storage;

pub use corpus::corpus;
pub use decode::decode;
pub use engine::engine;
pub use hostile::{hostile_answers, hostile_queries};
pub use mutation::smoke;
pub use reference::{Verdict, verdict};
pub use round_trip::round_trip;
pub use scan::scan;
pub use storage::storage;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As `cargo xtask fuzz` calls it, and its program, and its corpus.
    pub name: &'static str,
    /// Runs it on one input; panics if something is wrong.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 5] = [
    Target { name: "scan", run: scan },
    Target { name: "decode", run: decode },
    Target { name: "round-trip", run: round_trip },
    Target { name: "engine", run: engine },
    Target { name: "storage", run: storage },
];
