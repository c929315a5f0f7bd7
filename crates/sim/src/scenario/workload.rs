//! What is asked of the hosts of a scenario, and what is expected of the answers.

use std::time::Duration;

use serde::Deserialize;

use super::read;

/// One of `[[workload]]`: something asked again and again, of living honest hosts chosen at random.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenWorkload")]
#[non_exhaustive]
pub struct WorkloadPlan {
    /// What reports call it, where there are several of one kind.
    pub name: Option<String>,
    /// When it begins: so long after time 0, at which the network has started and `churn.warm_up` is over.
    pub start: Duration,
    /// So many operations are begun each second, evenly spaced.
    pub rate: f64,
    /// What is asked.
    pub work: Work,
    /// What must come of it, or the run fails.
    pub expect: Expectation,
}

/// What a workload asks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Work {
    /// `kind = "lookup"`: find the nodes closest to a random id.
    Lookup {
        /// So often.
        count: usize,
    },
    /// `kind = "get"`: store a value under each of some keys; a minute after the last, begin to get them.
    Get {
        /// Values.
        keys: usize,
        /// Gets. One value after the other is looked for, and from the first again.
        count: usize,
    },
    /// `kind = "survival"`: store a value under each of some keys, and look for each of them once at given ages.
    Survival {
        /// Values.
        keys: usize,
        /// Their ages.
        at: Vec<Duration>,
        /// How often each value is stored again: by the host that stored it if it is on, else by another.
        refresh: Option<Duration>,
    },
    /// `kind = "quiet"`: ask nothing, and count datagrams.
    Quiet {
        /// For so long.
        lasts: Duration,
    },
}

/// The table `expect` of a workload: what its answers must reach. Of a survival, each age must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Expectation {
    /// The least share of operations that succeed.
    #[serde(deserialize_with = "read::maybe_share")]
    pub success: Option<f64>,
    /// The longest median time; to the first value if it is values that are looked for, else to the end.
    #[serde(deserialize_with = "read::maybe_time")]
    pub p50: Option<Duration>,
    /// The longest that 99 % may take.
    #[serde(deserialize_with = "read::maybe_time")]
    pub p99: Option<Duration>,
    /// The longest that any may take.
    #[serde(deserialize_with = "read::maybe_time")]
    pub max: Option<Duration>,
    /// The most queries, on average.
    pub queries: Option<f64>,
    /// The most datagrams that a node may send each minute, in a quiet workload.
    pub datagrams: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Lookup,
    Get,
    Survival,
    Quiet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWorkload {
    kind: Kind,
    name: Option<String>,
    #[serde(default, deserialize_with = "read::time")]
    start: Duration,
    #[serde(default = "hundred", deserialize_with = "read::rate")]
    rate: f64,
    count: Option<usize>,
    keys: Option<usize>,
    #[serde(default, deserialize_with = "read::times")]
    at: Vec<Duration>,
    #[serde(default, deserialize_with = "read::maybe_time")]
    refresh: Option<Duration>,
    #[serde(default, deserialize_with = "read::maybe_time")]
    lasts: Option<Duration>,
    #[serde(default)]
    expect: Expectation,
}

fn hundred() -> f64 {
    100.0
}

/// A value may be stored again this often at most: faster would be a flood, and its rounds would not end.
const SHORTEST_REFRESH: Duration = Duration::from_secs(60);

impl TryFrom<WrittenWorkload> for WorkloadPlan {
    type Error = String;

    fn try_from(written: WrittenWorkload) -> Result<Self, String> {
        let WrittenWorkload { kind, name, start, rate, count, keys, at, refresh, lasts, expect } = written;
        let foreign = |key: &str| format!("a workload of kind {kind:?} has no `{key}`").to_lowercase();
        let needs = |key: &str| format!("a workload of kind {kind:?} needs `{key}`").to_lowercase();
        let given = [
            ("count", count.is_some(), matches!(kind, Kind::Lookup | Kind::Get)),
            ("keys", keys.is_some(), matches!(kind, Kind::Get | Kind::Survival)),
            ("at", !at.is_empty(), kind == Kind::Survival),
            ("refresh", refresh.is_some(), kind == Kind::Survival),
            ("lasts", lasts.is_some(), kind == Kind::Quiet),
        ];
        if let Some((key, ..)) = given.into_iter().find(|(_, is_given, is_known)| *is_given && !is_known) {
            return Err(foreign(key));
        }
        let some = |key: &str, count: Option<usize>| count.filter(|n| *n > 0).ok_or_else(|| needs(key));
        let work = match kind {
            Kind::Lookup => Work::Lookup { count: some("count", count)? },
            Kind::Get => Work::Get { keys: some("keys", keys)?, count: some("count", count)? },
            Kind::Survival if at.is_empty() => return Err(needs("at")),
            Kind::Survival if refresh.is_some_and(|refresh| refresh < SHORTEST_REFRESH) => {
                return Err("a refresh must be at least 60s".to_owned());
            }
            Kind::Survival => Work::Survival { keys: some("keys", keys)?, at, refresh },
            Kind::Quiet => Work::Quiet { lasts: lasts.ok_or_else(|| needs("lasts"))? },
        };
        Ok(Self { name, start, rate, work, expect })
    }
}
