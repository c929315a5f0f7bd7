//! How hosts of a scenario come and go, one by one and all at once, and how wrong their clocks are.

use std::time::Duration;

use serde::Deserialize;

use super::read;

/// The table `[churn]`: hosts are switched on and off, each by itself, for as long as the run lasts.
///
/// It begins in the steady state: each host is on with the probability mean session / (mean session + mean pause),
/// and what remains of its first session or pause is distributed as it is at a random moment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ChurnPlan {
    /// How long a host stays on.
    pub sessions: Lifetime,
    /// How long it stays off. Default: as `sessions`, so that half of these hosts are on.
    pub pauses: Option<Lifetime>,
    /// The share of switched-on hosts that go on from their disk; others are new nodes. Default 0.5.
    #[serde(default = "half", deserialize_with = "read::share")]
    pub keeps_disk: f64,
    /// The share of hosts that come and go. Default 1. Bootstrap hosts always stay.
    #[serde(default = "all", deserialize_with = "read::share")]
    pub share: f64,
    /// How long it has gone on when the workloads' time 0 comes. Default 0: then tables do not know of it yet.
    #[serde(default, deserialize_with = "read::time")]
    pub warm_up: Duration,
}

fn half() -> f64 {
    0.5
}

fn all() -> f64 {
    1.0
}

/// How a length of time is distributed: `{ exponential = "60m" }` or `{ weibull = { median = "60m", shape = 0.6 } }`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// Exponentially, with this median: who has been on for long is gone as soon as who has just come.
    Exponential(#[serde(deserialize_with = "read::time")] Duration),
    /// By Weibull. Shapes of 0.3 to 0.6 are what was measured (Stutzbach and Rejaie, "Understanding churn in
    /// peer-to-peer networks", IMC 2006): most sessions are short, and who has been on for long stays for long.
    Weibull {
        /// Half of all are shorter.
        #[serde(deserialize_with = "read::time")]
        median: Duration,
        /// 0.2 to 10. With 1 it is exponential; with less, both very short and very long times are more frequent.
        shape: f64,
    },
}

impl Lifetime {
    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let (median, shape) = self.median_and_shape();
        if median < Duration::from_secs(1) {
            Some("a median must be at least 1s")
        } else if !(0.2..=10.0).contains(&shape) {
            Some("a shape must be 0.2 to 10")
        } else {
            None
        }
    }

    pub(crate) fn median_and_shape(&self) -> (Duration, f64) {
        match *self {
            Self::Exponential(median) => (median, 1.0),
            Self::Weibull { median, shape } => (median, shape),
        }
    }
}

/// The table `[clocks]`: how wrong the hosts' clocks are, each by another amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClockPlan {
    /// Clocks are up to so much ahead of the mean, or behind it.
    #[serde(deserialize_with = "read::time")]
    pub ahead: Duration,
    /// Clocks are up to so many millionths too fast or too slow: 0 to 10,000.
    pub ppm: u32,
}

/// One of `[[events]]`: something that happens to many hosts at a moment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenEvent")]
#[non_exhaustive]
pub struct EventPlan {
    /// When, from the workloads' time 0.
    pub at: Duration,
    /// What.
    pub what: Disturbance,
}

/// Something that happens to many hosts at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Disturbance {
    /// So large a share of the living hosts is switched off, until they return. Never bootstrap hosts.
    Depart(f64),
    /// Those that departed are switched on again, from their disks.
    Return,
    /// The network falls in two.
    Partition {
        /// The share of hosts on the smaller side. The first bootstrap host is on the other one.
        share: f64,
        /// What passes between the sides.
        cut: CutPlan,
        /// After how long the sides are one again; if never, the end of the run comes first.
        heal: Option<Duration>,
    },
    /// So large a share of the living hosts is switched off and on again at once.
    Restart {
        /// Of the living hosts.
        share: f64,
        /// The share of them that go on from their disks.
        keeps_disk: f64,
    },
}

/// What a partition stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CutPlan {
    /// Everything.
    #[default]
    Both,
    /// What is sent to the smaller side.
    In,
    /// What the smaller side sends.
    Out,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEvent {
    #[serde(deserialize_with = "read::time")]
    at: Duration,
    #[serde(default, deserialize_with = "read::maybe_share")]
    depart: Option<f64>,
    #[serde(rename = "return")]
    back: Option<bool>,
    partition: Option<WrittenPartition>,
    restart: Option<WrittenRestart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPartition {
    #[serde(deserialize_with = "read::share")]
    share: f64,
    #[serde(default)]
    cut: CutPlan,
    #[serde(default, deserialize_with = "read::maybe_time")]
    heal: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRestart {
    #[serde(deserialize_with = "read::share")]
    share: f64,
    #[serde(default = "all", deserialize_with = "read::share")]
    keeps_disk: f64,
}

impl TryFrom<WrittenEvent> for EventPlan {
    type Error = &'static str;

    fn try_from(written: WrittenEvent) -> Result<Self, &'static str> {
        let WrittenEvent { at, depart, back, partition, restart } = written;
        let what = match (depart, back, partition, restart) {
            (Some(share), None, None, None) => Disturbance::Depart(share),
            (None, Some(true), None, None) => Disturbance::Return,
            (None, None, Some(WrittenPartition { share, cut, heal }), None) => {
                Disturbance::Partition { share, cut, heal }
            }
            (None, None, None, Some(WrittenRestart { share, keeps_disk })) => {
                Disturbance::Restart { share, keeps_disk }
            }
            _ => return Err("an event has one of `depart`, `return = true`, `partition` and `restart`"),
        };
        Ok(Self { at, what })
    }
}
