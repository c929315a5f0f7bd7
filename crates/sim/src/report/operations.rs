//! `Operations`: what came of operations of one kind. Knows not how success was judged.

use std::time::Duration;

use khashmir::Tally;
use serde::Serialize;

use super::{Latency, Spread};

/// What came of the operations of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Operations {
    /// Which they are.
    pub name: String,
    /// How many were begun, and have ended or been cut off.
    pub asked: usize,
    /// How many of them did what they are for. A lookup found the truly closest node among honest and reachable
    /// ones, a get the value, a store a node that keeps it.
    pub succeeded: usize,
    /// How many never ended, as their host was switched off, or refused them.
    pub cut_off: usize,
    /// The share that succeeded of those that ended; 0 if none did.
    pub success: f64,
    /// The least share that the scenario expects to succeed, if it says so.
    pub least_success: Option<f64>,
    /// Of lookups, the share that found all k truly closest nodes.
    pub found_all: Option<f64>,
    /// From the beginning to the first value, of those that found one.
    pub first_value: Option<Latency>,
    /// From the beginning to the end.
    pub completion: Option<Latency>,
    /// Nodes in a row, each the first to name the next.
    pub hops: Option<Spread>,
    /// Queries sent by the one who asks.
    pub queries: Option<Spread>,
    /// Queries that nothing came back to in time.
    pub timed_out: Option<Spread>,
    /// Bytes that the host sent and received meanwhile, for whatever purpose, without headers of UDP and IP.
    pub bytes: Option<Spread>,
}

impl Operations {
    /// The times that matter to whoever asks: to the first value if there are values, else to the end.
    #[must_use]
    pub fn latency(&self) -> Option<&Latency> {
        self.first_value.as_ref().or(self.completion.as_ref())
    }
}

/// Operations of one kind as they end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    pub(crate) succeeded: usize,
    pub(crate) cut_off: usize,
    /// Lookups that found all of the closest, if these are lookups.
    pub(crate) found_all: Option<usize>,
    first_value: Vec<f64>,
    completion: Vec<f64>,
    hops: Vec<f64>,
    queries: Vec<f64>,
    timed_out: Vec<f64>,
    bytes: Vec<f64>,
}

impl Samples {
    pub(crate) fn add(&mut self, first: Option<Duration>, elapsed: Duration, tally: &Tally, bytes: u64) {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        self.first_value.extend(first.map(millis));
        self.completion.push(millis(elapsed));
        self.hops.push(tally.hops as f64);
        self.queries.push(tally.asked as f64);
        self.timed_out.push(tally.timed_out as f64);
        self.bytes.push(bytes as f64);
    }

    pub(crate) fn sum_up(&self, name: &str, least_success: Option<f64>) -> Operations {
        let ended = self.completion.len();
        let share = |count: usize| if ended == 0 { 0.0 } else { count as f64 / ended as f64 };
        Operations {
            name: name.to_owned(),
            asked: ended + self.cut_off,
            succeeded: self.succeeded,
            cut_off: self.cut_off,
            success: share(self.succeeded),
            least_success,
            found_all: self.found_all.map(share),
            first_value: Latency::of(&self.first_value),
            completion: Latency::of(&self.completion),
            hops: Spread::of(&self.hops),
            queries: Spread::of(&self.queries),
            timed_out: Spread::of(&self.timed_out),
            bytes: Spread::of(&self.bytes),
        }
    }
}
