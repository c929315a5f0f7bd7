//! `Settings`: everything about a node that can be chosen, with the original's final values as defaults.

use std::time::Duration;

use khashmir_actions::{Caution, LookupConfig, Wanted};
use khashmir_krpc::{ConfigError, EndpointConfig, MAX_NODES_PER_REPLY};
use khashmir_routing::TableConfig;
use khashmir_storage::StoreLimits;

use crate::Scope;

/// What a node does for others: the original's three tiers, and one below. A method outside the role is answered
/// with error 203, as if it did not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Nothing: queries meet silence. So nobody takes the node into its table, and nobody waits for it when it
    /// is gone: for visits of a few seconds (in the spirit of BEP 43).
    Client,
    /// Routing only: `ping`, `join`, `find_node`.
    Base,
    /// Also serves what it holds: `find_value`, `get_value`.
    Read,
    /// Also stores for others: `store_value`. A full member of the network.
    #[default]
    Write,
}

/// What kind of network a node is in, and so against whom it defends itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preset {
    /// The internet, where anybody forges addresses and invents nodes for nothing: every defence is on.
    #[default]
    Public,
    /// A network of one owner: contacts may be at private and loopback addresses, and nobody must prove its address before
    /// it gets a large reply. All other limits hold.
    Lan,
    /// A network made for a test, in one process or on one host: as [`Lan`](Self::Lan), without limits on how much is asked
    /// and answered.
    Test,
}

/// The settings of a node. Start from `Settings::default()` and change what you need.
///
/// In brackets the name of the original's setting (`apt-p2p.conf`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// What the node does for others. Default: everything.
    pub role: Role,
    /// Which addresses contacts may have (`LOCAL_OK`). Default: public ones; the facade widens it by what
    /// the bound address implies.
    pub scope: Scope,
    /// Calls: timeout (`KRPC_TIMEOUT`, 9 s), first resend (`KRPC_INITIAL_DELAY`, 2 s), bounds in flight.
    pub calls: EndpointConfig,
    /// Routing table: `K` (8), `MAX_FAILURES` (3), `MIN_PING_INTERVAL` (15 min), `BUCKET_STALENESS` (1 h). Unlike the
    /// original's, its first buckets are larger (128, 64, 32 and 16) and prefer near nodes; and of one address prefix (IPv4
    /// /24, IPv6 /64; loopback and private addresses have none) it holds 2 nodes in a bucket and 10 in all.
    pub table: TableConfig,
    /// Lookups: `K` (8), bounds on queries and time. Unlike the original, which asks 8 at a time (`CONCURRENT_REQS`), it asks
    /// 5, but the 4 closest whatever else is open: quicker, with a third fewer queries. It asks one node of each address prefix, and
    /// goes on where those found are too dense or too sparse to be true. `docs/simulation.md` has the figures.
    pub lookup: LookupConfig,
    /// Are [`LookupConfig::slow_after`] and [`LookupConfig::lost_after`] shortened to what the round trips of this network
    /// show (their mean, and one or eight deviations, smoothed as in RFC 6298; at least 100 ms)? Default: yes. A node that is later than that is still heard, but no longer waited for.
    pub adapts_patience: bool,
    /// On how many other nodes a value is stored (`STORE_REDUNDANCY`). At least 1; default 6. A copy we keep
    /// ourselves does not count; where the nodes found are suspicious, more get one. From how many it is got is in
    /// [`retrieve_values`](Self::retrieve_values).
    pub store_redundancy: usize,
    /// When a get has enough (`RETRIEVE_VALUES`). Default: with 10,000 values, or with those of six holders.
    pub retrieve_values: Wanted,
    /// What is kept for others at most. A store beyond it displaces older values, or is answered with error 201.
    pub limits: StoreLimits,
    /// How long after its last refresh a value is kept (`KEY_EXPIRE`). Default 3 h.
    pub key_expire: Duration,
    /// From the start to the first checkpoint. Default 60 s.
    pub first_checkpoint: Duration,
    /// Between checkpoints, give or take a tenth (`CHECKPOINT_INTERVAL`): token secrets rotate, id and
    /// table are saved, values expire. Default 5 min.
    pub checkpoint_interval: Duration,
    /// From losing (or not finding) the network to the first attempt to join again. It doubles with each
    /// failure. Default 20 s.
    pub rejoin_delay: Duration,
    /// How far that time doubles. Default 15 min. Each pause is lengthened by up to a quarter, at random.
    pub max_rejoin_delay: Duration,
    /// Operations (gets, stores, lookups…) running at a time, upkeep included. One more is refused. Default 4,096:
    /// some 10 KiB each, and as much more as a get has found values.
    pub max_operations: usize,
    /// Stores waiting for the commit that makes them durable. One more is answered with error 201.
    /// Default 32,768: about half a second at the rate a disk can commit, well before callers ask again; larger groups
    /// share a sync.
    pub max_parked: usize,
}

/// As many as libtorrent's extended table has. They take 12 kB, and save a lookup one hop of four.
const FIRST_BUCKETS: [u16; 4] = [128, 64, 32, 16];

/// Values by simulation (`docs/simulation.md`, question 3). Made-up nodes are far denser than chance, while accomplices that name
/// but one another are not that much sparser. As far as 1.5 times the k-th closest there are 12 nodes on average.
const CAUTION: Caution = Caution { dense: 3.0, sparse: 1.5, reach: 1.5, k: 20, paths: 4 };

impl Default for Settings {
    fn default() -> Self {
        Self {
            role: Role::default(),
            scope: Scope::default(),
            calls: EndpointConfig::default(),
            table: TableConfig {
                first_buckets: FIRST_BUCKETS,
                prefers_near: true,
                per_prefix_in_bucket: 2,
                per_prefix: 10,
                ..TableConfig::default()
            },
            lookup: LookupConfig {
                concurrency: 5,
                eager: 4,
                per_prefix: 1,
                caution: Some(CAUTION),
                ..LookupConfig::default()
            },
            adapts_patience: true,
            store_redundancy: 6,
            retrieve_values: Wanted::default(),
            limits: StoreLimits::default(),
            key_expire: Duration::from_secs(3 * 3600),
            first_checkpoint: Duration::from_secs(60),
            checkpoint_interval: Duration::from_secs(300),
            rejoin_delay: Duration::from_secs(20),
            max_rejoin_delay: Duration::from_secs(900),
            max_operations: 4096,
            max_parked: 32_768,
        }
    }
}

/// A setting whose value cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// One of the calls' settings.
    #[error("setting calls: {0}")]
    Calls(#[from] ConfigError),
    /// Any other.
    #[error("setting {name}: {reason}")]
    Value {
        /// The field, with its path: `lookup.k`.
        name: &'static str,
        /// What would do.
        reason: &'static str,
    },
}

const SECOND: Duration = Duration::from_secs(1);

/// Longer than any wait that makes sense, and short enough for every calculation with it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

impl Settings {
    /// The defaults for a kind of network.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        let mut settings = Self::default();
        if preset != Preset::Public {
            settings.scope = Scope::ANY;
            settings.calls.demands_proof = false;
            settings.calls.is_loopback_exempt = true;
        }
        if preset == Preset::Test {
            let calls = &mut settings.calls;
            calls.answers_per_second = u32::MAX;
            (calls.unproven_per_prefix, calls.unproven_per_second) = (u32::MAX, u32::MAX);
            (calls.calls_per_second, calls.burst) = (MAX_CALLS_PER_SECOND, u32::MAX);
        }
        settings
    }
}

/// As many as the endpoint can pace: in a test, the network is the only limit.
const MAX_CALLS_PER_SECOND: u32 = 1_000_000;

const LENGTH: &str = "must be 1 s to 365 days";

impl Settings {
    /// Checks that the settings can work.
    ///
    /// # Errors
    /// Names the first setting that cannot.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let Self { lookup, table, calls, .. } = self;
        calls.validate()?;
        let rules = [
            ("store_redundancy", self.store_redundancy > 0, "must be at least 1"),
            ("lookup.k", lookup.k > 0, "must be at least 1"),
            ("lookup.concurrency", lookup.concurrency > 0, "must be at least 1"),
            (
                "lookup.max_in_flight",
                lookup.max_in_flight >= lookup.concurrency,
                "must be at least the concurrency",
            ),
            ("lookup.max_queries", lookup.max_queries >= lookup.k, "must be at least k"),
            (
                "table.k",
                (2..=MAX_NODES_PER_REPLY).contains(&table.k),
                "must be 2 to 16, as a reply holds no more",
            ),
            ("table.max_failures", table.max_failures > 0, "must be at least 1"),
            (
                "calls.timeout",
                calls.timeout >= calls.initial_delay,
                "must be at least the first resend delay",
            ),
            ("key_expire", !self.key_expire.is_zero(), "must not be zero"),
            (
                "checkpoint_interval",
                self.checkpoint_interval >= Duration::from_secs(1),
                "must be at least 1 s",
            ),
            ("first_checkpoint", self.first_checkpoint <= LONGEST, LENGTH),
            ("checkpoint_interval", self.checkpoint_interval <= LONGEST, LENGTH),
            ("key_expire", self.key_expire <= LONGEST, LENGTH),
            ("rejoin_delay", (SECOND..=LONGEST).contains(&self.rejoin_delay), LENGTH),
            ("max_rejoin_delay", (SECOND..=LONGEST).contains(&self.max_rejoin_delay), LENGTH),
            ("table.min_ping_interval", (SECOND..=LONGEST).contains(&table.min_ping_interval), LENGTH),
            ("table.bucket_staleness", (SECOND..=LONGEST).contains(&table.bucket_staleness), LENGTH),
            ("max_operations", self.max_operations > 0, "must be at least 1"),
            ("max_parked", self.max_parked > 0, "must be at least 1"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((name, _, reason)) => Err(SettingsError::Value { name, reason }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Settings::default().validate(), Ok(()));
    }

    #[test]
    fn every_preset_is_valid_and_only_the_public_one_demands_proof() {
        for preset in [Preset::Public, Preset::Lan, Preset::Test] {
            let settings = Settings::of(preset);
            settings.validate().unwrap();
            assert_eq!(settings.calls.demands_proof, preset == Preset::Public);
        }
    }

    #[test]
    fn times_that_would_spin_or_overflow_are_refused() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.validate()
        };
        assert!(with(|settings| settings.max_rejoin_delay = Duration::ZERO).is_err());
        assert!(with(|settings| settings.rejoin_delay = Duration::MAX).is_err());
        assert!(with(|settings| settings.checkpoint_interval = Duration::MAX).is_err());
        assert!(with(|settings| settings.table.bucket_staleness = Duration::ZERO).is_err());
        assert!(with(|settings| settings.table.k = 64).is_err());
    }

    #[test]
    fn a_bad_setting_is_named() {
        let settings = Settings { store_redundancy: 0, ..Settings::default() };
        assert_eq!(
            settings.validate().unwrap_err().to_string(),
            "setting store_redundancy: must be at least 1"
        );
    }
}
