//! What engines of a scenario are set to: a preset, and what differs from it.

use std::time::Duration;

use khashmir::{EndpointConfig, LookupConfig, Settings, TableConfig};
use serde::Deserialize;

use super::read;

/// The table `[engine]`: settings of every engine. What is left out is as the preset has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EnginePlan {
    /// Where to start from.
    pub preset: Preset,
    /// How many of the closest nodes lookups are after: they stop when so many have answered.
    pub k: Option<usize>,
    /// Nodes in a bucket.
    pub bucket: Option<usize>,
    /// Open questions of a lookup that hold up further ones. Without `max_in_flight`, twice as many may be open at
    /// all.
    pub concurrency: Option<usize>,
    /// Open questions of a lookup at all.
    pub max_in_flight: Option<usize>,
    /// How many of the closest nodes a lookup asks as soon as it knows of them.
    pub eager: Option<usize>,
    /// Nodes of one address prefix that a lookup asks; 0: any number.
    pub per_prefix: Option<usize>,
    /// By how many standard deviations those who answer may be denser than is to be expected before a lookup goes on; infinite:
    /// by any number.
    pub dense: Option<f64>,
    /// By how many standard deviations they may be sparser.
    pub sparse: Option<f64>,
    /// Does a lookup go on at all where those who answer are suspicious?
    pub cautious: Option<bool>,
    /// How far it goes then, in terms of how far the k-th closest is to be expected.
    pub reach: Option<f64>,
    /// And how many nodes it hears at least.
    pub cautious_k: Option<usize>,
    /// On so many paths with different first hops a cautious lookup hears somebody before it ends.
    pub paths: Option<usize>,
    /// Is `slow_after` shortened to what the round trips of the network show?
    pub adapts_patience: Option<bool>,
    /// Questions of a lookup in all.
    pub max_queries: Option<usize>,
    /// How long an open question holds up others.
    #[serde(deserialize_with = "read::maybe_time")]
    pub slow_after: Option<Duration>,
    /// How long an open question holds up the end of a lookup once k others have answered.
    #[serde(deserialize_with = "read::maybe_time")]
    pub lost_after: Option<Duration>,
    /// From the first sending of a query to its failure.
    #[serde(deserialize_with = "read::maybe_time")]
    pub timeout: Option<Duration>,
    /// From the first sending of a query to the second.
    #[serde(deserialize_with = "read::maybe_time")]
    pub initial_delay: Option<Duration>,
    /// Queries from one address that are answered per second.
    pub answers_per_second: Option<u32>,
    /// Datagrams of all addresses that have proved nothing that are looked at per second.
    pub unproven_per_second: Option<u32>,
    /// And of those of one address prefix.
    pub unproven_per_prefix: Option<u32>,
    /// Must addresses prove themselves before they get more than came from them?
    pub demands_proof: Option<bool>,
    /// On how many nodes a value is stored.
    pub redundancy: Option<usize>,
    /// How long a value is kept after it was stored.
    #[serde(deserialize_with = "read::maybe_time")]
    pub key_expire: Option<Duration>,
    /// Between checkpoints.
    #[serde(deserialize_with = "read::maybe_time")]
    pub checkpoint_interval: Option<Duration>,
    /// Nodes a full bucket keeps in reserve.
    pub replacements: Option<usize>,
    /// A bucket that nothing was heard in for so long is refreshed.
    #[serde(deserialize_with = "read::maybe_time")]
    pub bucket_staleness: Option<Duration>,
    /// How long an answer is taken as a sign of life.
    #[serde(deserialize_with = "read::maybe_time")]
    pub min_ping_interval: Option<Duration>,
    /// Failures in a row after which a node leaves the table.
    pub max_failures: Option<u8>,
    /// Nodes in the buckets farthest from us, where that is more than `k`.
    pub first_buckets: Option<[u16; 4]>,
    /// Nodes of one address prefix in a bucket; 0: any number.
    pub per_prefix_in_bucket: Option<usize>,
    /// Nodes of one address prefix in a table; 0: any number.
    pub per_prefix_in_table: Option<usize>,
    /// Do near nodes displace distant ones from full buckets?
    pub prefers_near: Option<bool>,
}

/// Settings to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preset {
    /// [`Settings::default`]: what the daemon has.
    #[default]
    Default,
    /// The original's: 8 questions at a time, sent at 0, 2 and 6 s, given up after 9 s, and nobody overtakes.
    Original,
    /// As nodes of BitTorrent's DHT mostly are (BEP 5; Jimenez et al., "Sub-second lookups on a large-scale
    /// Kademlia-based overlay", 2011): 3 questions at a time, each given up after 2 s without a second sending.
    Bep5,
}

impl Preset {
    fn settings(self) -> Settings {
        let mut settings = Settings::default();
        match self {
            Self::Default => {}
            Self::Original => set_pace(&mut settings, 8, Duration::from_secs(9), Duration::from_secs(2)),
            Self::Bep5 => {
                let timeout = Duration::from_secs(2);
                set_pace(&mut settings, 3, timeout, timeout);
            }
        }
        settings
    }
}

/// So many questions at a time, none of which is overtaken before it has failed, from tables of eights without
/// preferences.
fn set_pace(settings: &mut Settings, concurrency: usize, timeout: Duration, initial_delay: Duration) {
    settings.lookup = LookupConfig {
        k: 8,
        concurrency,
        max_in_flight: concurrency,
        eager: 0,
        slow_after: timeout,
        lost_after: timeout,
        per_prefix: 0,
        caution: None,
        ..settings.lookup
    };
    settings.calls =
        EndpointConfig { timeout, initial_delay, demands_proof: false, ..settings.calls.clone() };
    settings.table = TableConfig {
        k: 8,
        first_buckets: [0; 4],
        prefers_near: false,
        per_prefix_in_bucket: 0,
        per_prefix: 0,
        ..settings.table
    };
    settings.adapts_patience = false;
}

impl EnginePlan {
    /// The settings it stands for. Whether they can work, [`Settings::validate`] says.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = self.preset.settings();
        let Settings { lookup, calls, table, .. } = &mut settings;
        set(&mut lookup.k, self.k);
        set(&mut lookup.concurrency, self.concurrency);
        set(
            &mut lookup.max_in_flight,
            self.max_in_flight.or(self.concurrency.map(|at_a_time| 2 * at_a_time)),
        );
        set(&mut lookup.eager, self.eager);
        set(&mut lookup.per_prefix, self.per_prefix);
        if let Some(caution) = &mut lookup.caution {
            set(&mut caution.dense, self.dense);
            set(&mut caution.sparse, self.sparse);
            set(&mut caution.reach, self.reach);
            set(&mut caution.k, self.cautious_k);
            set(&mut caution.paths, self.paths);
        }
        if self.cautious == Some(false) {
            lookup.caution = None;
        }
        set(&mut lookup.max_queries, self.max_queries);
        set(&mut lookup.slow_after, self.slow_after);
        set(&mut lookup.lost_after, self.lost_after);
        set(&mut calls.timeout, self.timeout);
        set(&mut calls.initial_delay, self.initial_delay);
        set(&mut calls.answers_per_second, self.answers_per_second);
        set(&mut calls.unproven_per_second, self.unproven_per_second);
        set(&mut calls.unproven_per_prefix, self.unproven_per_prefix);
        set(&mut calls.demands_proof, self.demands_proof);
        set(&mut table.k, self.bucket);
        set(&mut table.replacements, self.replacements);
        set(&mut table.bucket_staleness, self.bucket_staleness);
        set(&mut table.min_ping_interval, self.min_ping_interval);
        set(&mut table.max_failures, self.max_failures);
        set(&mut table.first_buckets, self.first_buckets);
        set(&mut table.per_prefix_in_bucket, self.per_prefix_in_bucket);
        set(&mut table.per_prefix, self.per_prefix_in_table);
        set(&mut table.prefers_near, self.prefers_near);
        set(&mut settings.adapts_patience, self.adapts_patience);
        set(&mut settings.store_redundancy, self.redundancy);
        set(&mut settings.key_expire, self.key_expire);
        set(&mut settings.checkpoint_interval, self.checkpoint_interval);
        settings
    }
}

fn set<T>(setting: &mut T, chosen: Option<T>) {
    if let Some(chosen) = chosen {
        *setting = chosen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_work_and_what_is_chosen_counts() {
        for preset in [Preset::Default, Preset::Original, Preset::Bep5] {
            let settings = EnginePlan { preset, ..EnginePlan::default() }.settings();
            assert_eq!(settings.validate(), Ok(()), "{preset:?}");
        }
        let plan =
            EnginePlan { preset: Preset::Bep5, k: Some(12), concurrency: Some(5), ..EnginePlan::default() };
        let settings = plan.settings();
        assert_eq!((settings.lookup.k, settings.table.k), (12, 8));
        assert_eq!((settings.lookup.concurrency, settings.lookup.max_in_flight), (5, 10));
        assert_eq!(settings.calls.timeout, Duration::from_secs(2));
    }
}
