//! How many nodes of one address prefix the table holds. Knows nothing of how they come in.

use khashmir_types::{Contact, Prefix};

use super::KTable;
use crate::{KNode, TableConfig};

impl KTable {
    /// Would `contact`, which is not in the table, be one too many of its [`Prefix`], in its bucket or in the whole table?
    ///
    /// While the table has fewer than `k` nodes nobody is: a network may be so small that all of it is in one prefix.
    pub(super) fn is_one_too_many(&self, contact: &Contact) -> bool {
        if self.len() < self.config.k || !self.marks.may_have_network(contact.addr) {
            return false;
        }
        let in_bucket = self.buckets[self.index_of(&contact.id)].nodes().iter();
        self.config.is_one_too_many(contact, in_bucket, self.nodes())
    }
}

impl TableConfig {
    /// Would `contact` be one too many of its prefix beside the nodes of its bucket and those of the whole table?
    pub(super) fn is_one_too_many<'a>(
        &self,
        contact: &Contact,
        in_bucket: impl Iterator<Item = &'a KNode>,
        in_table: impl Iterator<Item = &'a KNode>,
    ) -> bool {
        let Some(prefix) = Prefix::of(contact.addr.ip()) else { return false };
        let is_there = |node: &&KNode| node.is_in(&prefix);
        let reaches = |limit: usize, held: usize| limit > 0 && held >= limit;
        reaches(self.per_prefix_in_bucket, in_bucket.filter(is_there).count())
            || reaches(self.per_prefix, in_table.filter(is_there).count())
    }
}

#[cfg(test)]
mod tests {
    use khashmir_types::{Id, Time};

    use super::*;
    use crate::KnownNode;

    const NOW: Time = Time::from_secs(1_000_000);

    fn config() -> TableConfig {
        TableConfig { per_prefix_in_bucket: 2, per_prefix: 10, ..TableConfig::default() }
    }

    /// The `n`th node that shares `shared` bits with [`Id::MAX`], in network `network`.
    fn node(shared: u8, n: u8, network: u8) -> Contact {
        let mut id = *Id::MAX.with_bit(shared.into(), false).as_bytes();
        id[19] = n;
        Contact::new(Id::new(id), ([198, 51, network, n], 9977 + u16::from(shared)).into())
    }

    /// Four nodes in each of eight buckets, all in networks of their own.
    fn others() -> impl Iterator<Item = Contact> {
        (0..8).flat_map(|shared| (0..4).map(move |n| node(shared, 100 + n, 100 + 4 * shared + n)))
    }

    fn table() -> KTable {
        let mut table = KTable::new(Id::MAX, config(), NOW);
        others().for_each(|contact| table.on_answer(contact, NOW));
        table
    }

    fn held(table: &KTable, network: u8) -> usize {
        let prefix = Prefix::of([198, 51, network, 1].into());
        table.contacts().filter(|contact| Prefix::of(contact.addr.ip()) == prefix).count()
    }

    #[test]
    fn two_of_a_bucket_and_ten_of_the_table_share_a_prefix_at_most() {
        let mut table = table();
        (0..6).for_each(|n| table.on_answer(node(0, n, 7), NOW));
        assert_eq!(held(&table, 7), 2);
        for shared in 1..8 {
            (0..6).for_each(|n| table.on_answer(node(shared, n, 7), NOW));
            (0..6).for_each(|n| table.on_query(node(shared, 10 + n, 7), NOW));
        }
        assert_eq!(held(&table, 7), 10);
        assert!(table.poll_upkeep(NOW).is_none(), "who could not enter is not pinged");
        table.on_answer(node(7, 9, 8), NOW);
        assert_eq!(held(&table, 8), 1, "others enter");
    }

    #[test]
    fn a_small_network_may_be_all_in_one_prefix() {
        let mut table = KTable::new(Id::MAX, config(), NOW);
        (0..20).for_each(|n| table.on_answer(node(n % 8, n, 7), NOW));
        assert_eq!(held(&table, 7), 8);
    }

    #[test]
    fn a_lan_has_no_prefixes() {
        let mut table = table();
        let on_a_lan = |n: u8| Contact::new(node(0, n, 7).id, ([192, 168, 1, n], 9977).into());
        (0..4).for_each(|n| table.on_answer(on_a_lan(n), NOW));
        assert_eq!(table.len(), 32 + 4);
    }

    #[test]
    fn what_was_saved_or_is_known_is_counted_too() {
        let crowd = || others().chain((0..6).map(|n| node(0, n, 7)));
        let mut loaded = KTable::new(Id::MAX, config(), NOW);
        loaded.load(crowd(), NOW);
        let known = |contact| KnownNode { contact, last_seen: NOW, rtt: None };
        let restored = KTable::restore(Id::MAX, config(), crowd().map(known), NOW);
        assert_eq!((held(&loaded, 7), held(&restored, 7)), (2, 2));
    }
}
