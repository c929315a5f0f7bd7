//! `LookupConfig`: the limits of one action.

use std::time::Duration;

/// How wide, how long and how patient one action is. The defaults are the original's final values where
/// it had them.
///
/// A `k`, `concurrency` or `max_in_flight` of 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookupConfig {
    /// How many of the closest nodes a lookup is after, and how many of them it returns (`K`). Default 8.
    pub k: usize,
    /// How many open questions hold up further ones (`CONCURRENT_REQS`; alpha in the Kademlia paper).
    /// Default 8.
    ///
    /// An open question does not hold up others once it is slow, or, in a lookup, once k closer nodes are
    /// known, so that what it asks for will hardly matter (leap-frogging).
    pub concurrency: usize,
    /// How many questions may be open at all. Default 16.
    ///
    /// Bounds leap-frogging: answers that always name closer nodes would otherwise multiply the open
    /// questions by `concurrency` with every round trip. If equal to `concurrency`, there is none, and
    /// nodes are asked in just the order of the original's first revision.
    pub max_in_flight: usize,
    /// How many of the closest nodes a lookup asks as soon as it knows of them, whatever `concurrency` says; within
    /// `max_in_flight`. Default 0. What an open question far away will say hardly matters once closer nodes are known
    /// (Jiménez, Osmani and Knutsson, "Sub-second lookups on a large-scale Kademlia-based overlay", P2P 2011).
    pub eager: usize,
    /// How many nodes of one [prefix](khashmir_types::Prefix) a lookup asks, and so finds; 0 means any number. Default 0.
    ///
    /// Who is named first keeps the place until it fails; then the closest of those that wait has it. If fewer than k nodes
    /// are found so, one more of each prefix is asked, and so on: where all nodes share a prefix, all are found.
    pub per_prefix: usize,
    /// What to take for a lie about who is closest. Default `None`: nothing.
    pub caution: Option<Caution>,
    /// How many nodes the network has, as far as is known: without it there is no caution. Default `None`.
    pub network_size: Option<f64>,
    /// How many questions one action may ask in all. Default 100: an honest lookup among ten million nodes
    /// needs about 30; at the limit it ends with what is known.
    pub max_queries: usize,
    /// How long after its start an action ends with what is known. Default 60 s: six calls that time out
    /// one after the other, which only a hostile or dead neighbourhood causes.
    pub deadline: Duration,
    /// How long an open question may hold up others; less for a node whose round trip is known ([`Lead`](crate::Lead)).
    /// Default 2 s, after which a call is sent again: a node that has not answered by then is dead more often than late.
    /// It costs little to be impatient here: who is late is heard all the same.
    pub slow_after: Duration,
    /// How long an open question may hold up the end of a lookup once k others have answered. Default 2 s. Here impatience
    /// costs correctness: who is late is missing among the closest.
    pub lost_after: Duration,
}

/// When those who answer are too near to the target, or too far from it, to be all that there is; and how far a lookup goes
/// then.
///
/// Honest ids are spread evenly: of `n` nodes, as many are within a distance as that distance has of all ids, give or take the
/// root of that number. Whoever makes up nodes next to a target makes them too dense; whoever keeps silent about all nodes but its
/// accomplices makes them too sparse (Cholez, Chrisment and Festor, "Efficient DHT attack mitigation through peers' ID
/// distribution", HotP2P 2010).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caution {
    /// It is suspicious if the closest nodes found, k or fewer, are more than are to be expected so close and one, by more than so
    /// many standard deviations.
    pub dense: f64,
    /// It is suspicious if the k closest nodes found, with those closer that did not answer, are fewer than are to be expected so
    /// far, by more than so many standard deviations. And in any case, if values are looked for and nobody has any.
    pub sparse: f64,
    /// If it is suspicious, all nodes are to be heard that are within so many times the distance of the k-th closest in an
    /// honest network,
    pub reach: f64,
    /// and this many in any case, be they farther.
    pub k: usize,
    /// If most of the k closest were named by others, nodes on so many paths are to be heard, if there are so many: on those that begin at
    /// different first hops (Baumgart and Mies, "S/Kademlia", ICPADS 2007). Who colludes leads from the first hop straight to the closest
    /// that collude; on other paths honest nodes come closer step by step.
    pub paths: usize,
}

impl Caution {
    /// Is it suspicious that `found` nodes, at most k, are where `expected` are to be expected?
    pub(crate) fn is_too_dense(&self, found: usize, expected: f64) -> bool {
        found as f64 > expected + self.dense * expected.sqrt() + 1.0
    }

    /// Is it suspicious that no more than `found` nodes, those that did not answer included, are where `expected` are to be
    /// expected?
    pub(crate) fn is_too_sparse(&self, found: usize, expected: f64) -> bool {
        (found as f64) < expected - self.sparse * expected.sqrt()
    }
}

impl LookupConfig {
    /// How long a question to a node whose round trip is `rtt` may hold up others.
    pub(crate) fn patience(&self, rtt: Option<Duration>) -> Duration {
        rtt.map_or(self.slow_after, |rtt| self.slow_after.min(rtt.saturating_mul(2).max(SHORTEST_PATIENCE)))
    }
}

/// However quick a node was so far, it may be busy for a moment.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(50);

impl Default for LookupConfig {
    fn default() -> Self {
        Self {
            k: 8,
            concurrency: 8,
            max_in_flight: 16,
            eager: 0,
            per_prefix: 0,
            caution: None,
            network_size: None,
            max_queries: 100,
            deadline: Duration::from_secs(60),
            slow_after: Duration::from_secs(2),
            lost_after: Duration::from_secs(2),
        }
    }
}
