//! `TableConfig`: the settings of a table, with the defaults of the original's final revision.

use std::time::Duration;

/// The settings of a [`KTable`](crate::KTable).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableConfig {
    /// Most nodes in a bucket, but for [`first_buckets`](Self::first_buckets); 0 counts as 1. 8 as in the original:
    /// enough that all are hardly ever gone within an hour.
    pub k: usize,
    /// Failures in a row after which a node is removed; 0 counts as 1.
    pub max_failures: u8,
    /// How long an answer is taken as a sign of life: younger nodes are not pinged to make place for another, and
    /// failed ones are asked again after this time. Also the span that [`max_newcomers`](Self::max_newcomers) counts.
    pub min_ping_interval: Duration,
    /// A bucket in which nothing was heard or looked for during more than this time wants a refresh.
    pub bucket_staleness: Duration,
    /// Most nodes a full bucket keeps in reserve; the one that has not answered for longest is forgotten first. 4 as
    /// nodes rarely go faster than others answer. With 0, full buckets change only when their nodes fail.
    pub replacements: usize,
    /// Most nodes that merely queried us which are pinged during a `min_ping_interval`, and most that may owe us an
    /// answer; further ones are ignored until they query again. 64 fill the table of a new node in a new network at
    /// once, while a flood of queries makes us send no more than 64 pings and then four a minute.
    pub max_newcomers: usize,
    /// Most nodes in buckets 0, 1, 2 and 3, the farthest from us, where that is more than `k`. Only the last bucket
    /// splits, and it holds `k` whatever its index. Nearly all lookups start in these four: the more nodes they hold,
    /// the closer to its target a lookup begins. `[128, 64, 32, 16]` are the sizes of libtorrent's
    /// `dht_extended_routing_table`; with k = 8 they mean up to 208 nodes more, which take 12 kB.
    pub first_buckets: [u16; 4],
    /// Most nodes of one [`Prefix`](khashmir_types::Prefix) in a bucket; 0 means any number. It holds for who enters, once the
    /// table has `k` nodes. With few addresses nobody can fill our neighbourhood. discv5 has 2, libtorrent 1.
    pub per_prefix_in_bucket: usize,
    /// Most nodes of one prefix in the table; 0 means any number. Otherwise as above. discv5 has 10.
    pub per_prefix: usize,
    /// Whether near nodes displace distant ones from full buckets other than those closest to us: see
    /// [`KTable::on_rtt`](crate::KTable::on_rtt).
    pub prefers_near: bool,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            k: 8,
            max_failures: 3,
            min_ping_interval: Duration::from_secs(15 * 60),
            bucket_staleness: Duration::from_secs(60 * 60),
            replacements: 4,
            max_newcomers: 64,
            first_buckets: [0; 4],
            per_prefix_in_bucket: 0,
            per_prefix: 0,
            prefers_near: false,
        }
    }
}

impl TableConfig {
    /// These settings with those out of range moved into it.
    pub(crate) fn in_range(self) -> Self {
        Self { k: self.k.max(1), max_failures: self.max_failures.max(1), ..self }
    }

    /// Most nodes in bucket `index` of a table that has deeper buckets.
    pub(crate) fn bucket_limit(&self, index: usize) -> usize {
        self.first_buckets.get(index).map_or(self.k, |limit| self.k.max(usize::from(*limit)))
    }
}
