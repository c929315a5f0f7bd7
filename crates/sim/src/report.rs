//! `Report`: what a run has shown, as data and as a table. Runs nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

mod operations;
mod quality;
mod spread;
mod table;
mod traffic;

pub use operations::Operations;
pub use quality::TableQuality;
pub use spread::{Bin, Latency, Spread};
pub use traffic::Traffic;

pub(crate) use operations::Samples;
pub(crate) use traffic::Account;

/// What a run has shown. Its `Display` is a table for people; serialised it has everything.
///
/// All but [`measured`](Self::measured) follows from the scenario and the seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What the scenario shows.
    pub about: String,
    /// The seed.
    pub seed: u64,
    /// Hosts, those included that are off.
    pub nodes: usize,
    /// Honest nodes that run at the end.
    pub living: usize,
    /// The digest of everything that happened, in hex: equal runs have equal ones.
    pub digest: String,
    /// Virtual time from the first host on, in seconds.
    pub virtual_seconds: f64,
    /// Of that, from time 0 on, when the workloads begin.
    pub work_seconds: f64,
    /// Things that happened to hosts.
    pub events: u64,
    /// Was it carried out to its end?
    pub is_complete: bool,
    /// What came of each kind of operation.
    pub operations: Vec<Operations>,
    /// What was sent from time 0 on, and in each quiet workload.
    pub traffic: Vec<Traffic>,
    /// The routing tables at the end.
    pub tables: TableQuality,
    /// How often each fault has fired since the beginning.
    pub faults: BTreeMap<String, u64>,
    /// Faults that were asked for and never fired: the run shows nothing about them.
    pub missed_faults: Vec<String>,
    /// Expectations of the scenario that were not met.
    pub unmet: Vec<String>,
    /// What the run took, if the program that ran it says so.
    pub measured: Option<Measured>,
}

/// What a run took on the machine it ran on. The simulator reads no clocks: whoever runs it fills this in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// From the beginning to the end, in seconds when serialised.
    #[serde(rename = "wall_seconds", serialize_with = "seconds")]
    pub wall: Duration,
    /// How much of that passed before the network was there, likewise.
    #[serde(rename = "start_seconds", serialize_with = "seconds")]
    pub start: Duration,
    /// Events that happened by then: none in a quick start.
    pub start_events: u64,
    /// Memory at its peak, if known.
    pub resident_bytes: Option<u64>,
    /// Threads that ran it.
    pub threads: usize,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl Report {
    /// Why the run fails, if it does: a fault that was asked for never fired, or an expectation was not met.
    ///
    /// A run that was not carried out to its end does not fail for that alone: what it lacks might have come.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let missed = self.missed_faults.iter().map(|fault| format!("never happened: {fault}"));
        let unmet = self.unmet.iter().map(|expectation| format!("not met: {expectation}"));
        let reasons: Vec<_> = missed.chain(unmet).filter(|_| self.is_complete).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}
