//! `Extent`: how long and how large a run is.

use std::time::Duration;

/// How long and how large a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) name: &'static str,
    /// How often each thing is measured, in turns with what it is compared with. Odd, for a median.
    pub(crate) rounds: usize,
    /// How long each time.
    pub(crate) span: Duration,
    /// Keys in the store that crashes; each has three values.
    pub(crate) keys: u64,
    /// Values under a key that has many.
    pub(crate) large: u64,
    /// Nodes in the networks.
    pub(crate) networks: &'static [usize],
}

impl Extent {
    pub(crate) const FULL: Self = Self {
        name: "full",
        rounds: 7,
        span: Duration::from_millis(1000),
        keys: 3_333_334,
        large: 100_000,
        networks: &[20, 100, 1000],
    };
    pub(crate) const QUICK: Self = Self {
        name: "quick",
        rounds: 3,
        span: Duration::from_millis(400),
        keys: 333_334,
        large: 100_000,
        networks: &[20, 100, 300],
    };
    pub(crate) const SMOKE: Self = Self {
        name: "smoke",
        rounds: 1,
        span: Duration::from_millis(30),
        keys: 1000,
        large: 1000,
        networks: &[4],
    };
}
