//! A table built at once from nodes known before. Knows not where they were kept.

use std::time::Duration;

use khashmir_types::{Contact, Id, Time};

use super::KTable;
use crate::marks::Marks;
use crate::{KBucket, KNode, Standing, TableConfig};

/// A node that has answered us before: what [`KTable::restore`] wants to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Its id and address.
    pub contact: Contact,
    /// When it last answered us.
    pub last_seen: Time,
    /// Its round trip, if known; as [`KNode::rtt`] gives it.
    pub rtt: Option<Duration>,
}

/// What becomes of the nodes of a new table.
struct Places {
    /// Those that have found a place, in the order of last answers, each with the number of bits it shares with us.
    entries: Vec<(usize, KNode)>,
    /// Those that found their bucket full.
    refused: Vec<KNode>,
    /// The index of the last bucket.
    last: usize,
    marks: Marks,
}

impl KTable {
    /// The table of the node `own_id` that knows `nodes`, all of them proven: for a short stop, or a simulation.
    ///
    /// These nodes are named to others at once; those that may be gone by now are for [`load`](Self::load). The table
    /// holds what a [new](Self::new) one would after [`on_answer`](Self::on_answer) for each node at its `last_seen`,
    /// in that order (of equal times in the order given). Left out are our own and the null id, nodes that contradict
    /// one before them or are too many of their prefix; those that would find their bucket full go into its reserve. Each bucket counts as touched when its youngest
    /// node was last seen, an empty one `now`. What was seen after `now` counts as seen now.
    #[must_use]
    pub fn restore(
        own_id: Id,
        config: TableConfig,
        nodes: impl IntoIterator<Item = KnownNode>,
        now: Time,
    ) -> Self {
        let mut table = Self::new(own_id, config, now);
        let mut nodes = nodes.into_iter().collect::<Vec<_>>();
        nodes.retain(|node| table.is_admissible(&node.contact.id));
        nodes.sort_by_cached_key(|node| node.last_seen);
        let Places { entries, refused, last, marks } = table.find_places(&nodes, now);
        let mut rows = vec![Vec::new(); last + 1];
        entries.iter().for_each(|(shared, node)| rows[(*shared).min(last)].push(*node));
        let bucket = |nodes: Vec<KNode>| {
            let touched = nodes.last().and_then(KNode::last_seen).unwrap_or(now);
            KBucket::with_nodes(nodes.into_iter().collect(), touched)
        };
        table.buckets = rows.into_iter().map(bucket).collect();
        table.marks = marks;
        for node in refused {
            let reserve = table.config.replacements;
            table.bucket_mut(node.id()).keep_replacement(node.at_rest(), reserve);
        }
        table
    }

    /// What becomes of `nodes`, sorted by time.
    ///
    /// A bucket splits when there is one node too many, so each node ends among those that share as many bits with us,
    /// and enters if they are fewer than their bucket's limit, however deep the table is by then.
    fn find_places(&self, nodes: &[KnownNode], now: Time) -> Places {
        let shared_with = |id: &Id| self.own_id.distance(id).shared_prefix_bits();
        let mut room = [0; Id::BITS];
        for node in nodes {
            let shared = shared_with(&node.contact.id);
            room[shared] = self.config.bucket_limit(shared).min(room[shared] + 1);
        }
        let most = room.iter().sum();
        let (mut entries, mut refused, mut marks) =
            (Vec::<(usize, KNode)>::with_capacity(most), Vec::new(), Marks::with_room(most));
        let (mut counts, mut last) = ([0; Id::BITS], 0);
        for KnownNode { contact, last_seen, rtt } in nodes {
            let mut node = KNode::new(*contact, Standing::Proven, now.min(*last_seen));
            rtt.iter().for_each(|rtt| node.on_rtt(*rtt));
            let shared = shared_with(&contact.id);
            if marks.may_have_id(&contact.id) || marks.may_have_network(contact.addr) {
                let clashes =
                    |(_, entry): &(usize, KNode)| *entry.id() == contact.id || entry.is_at(&contact.addr);
                if let Some(index) = entries.iter().position(clashes) {
                    if entries[index].1.is(contact) {
                        entries[index..].rotate_left(1);
                        entries.pop();
                        entries.push((shared, node));
                    }
                    continue;
                }
                let last = last.max(self.last_index(&counts));
                let is_in_bucket = |(other, _): &&(usize, KNode)| shared.min(last) == last.min(*other);
                let in_bucket = entries.iter().filter(is_in_bucket).map(|(_, node)| node);
                let in_table = entries.iter().map(|(_, node)| node);
                if entries.len() >= self.config.k && self.config.is_one_too_many(contact, in_bucket, in_table)
                {
                    continue;
                }
            }
            if counts[shared] < self.config.bucket_limit(shared) {
                counts[shared] += 1;
                entries.push((shared, node));
                marks.add(contact);
            } else {
                last = last.max(shared + 1); // it was refused after a split
                refused.push(node);
            }
        }
        let last = last.max(self.last_index(&counts));
        Places { entries, refused, last, marks }
    }

    /// The index of the first bucket that need not split, if `counts[i]` nodes share just `i` bits with us.
    fn last_index(&self, counts: &[usize; Id::BITS]) -> usize {
        let mut nodes_from_here = 0;
        let too_many = counts.iter().rposition(|count| {
            nodes_from_here += count;
            nodes_from_here > self.config.k
        });
        too_many.map_or(0, |index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);

    fn known(n: u8, last_seen: Time) -> KnownNode {
        let contact = Contact::new(Id::new([n; 20]), ([10, 0, 0, n], 9977).into());
        KnownNode { contact, last_seen, rtt: None }
    }

    fn contents(table: &KTable) -> Vec<Vec<(Contact, Option<Time>)>> {
        let bucket = |bucket: &KBucket| {
            bucket.nodes().iter().map(|node| (node.contact(), node.last_seen())).collect::<Vec<_>>()
        };
        table.buckets.iter().map(bucket).collect()
    }

    prop_compose! {
        /// Nodes at all small distances from [`Id::MAX`], whose ids and addresses clash now and then.
        fn nodes()(
            shared in 0..9_usize, n in 0..20_u8, network in prop_oneof![Just([10, 0, 0]), (0..30_u8).prop_map(|n| [198, 51, n])],
            port in 1..200_u16, ago in 0..5_000_u64,
        ) -> KnownNode {
            let mut id = [0xff; 20];
            id[19] = n;
            let [a, b, c] = network;
            let contact = Contact::new(Id::new(id).with_bit(shared, false), ([a, b, c, 1], port).into());
            KnownNode { contact, last_seen: NOW - Duration::from_secs(ago), rtt: None }
        }
    }

    proptest! {
        #[test]
        fn a_restored_table_holds_what_hearing_the_nodes_in_order_would_leave(
            nodes in prop::collection::vec(nodes(), 0..150),
            k in 1..10_usize,
            first_buckets in prop_oneof![Just([0; 4]), Just([9, 7, 5, 3]), Just([2, 20, 1, 9])],
            (per_prefix_in_bucket, per_prefix) in prop_oneof![Just((0, 0)), Just((0, 3)), Just((2, 5))],
        ) {
            let config = TableConfig { k, first_buckets, per_prefix_in_bucket, per_prefix, ..TableConfig::default() };
            let mut heard = KTable::new(Id::MAX, config, NOW - Duration::from_secs(10_000));
            let mut in_order = nodes.clone();
            in_order.sort_by_key(|node| node.last_seen);
            in_order.iter().for_each(|node| heard.on_answer(node.contact, node.last_seen));
            let restored = KTable::restore(Id::MAX, config, nodes, NOW);
            prop_assert_eq!(contents(&restored), contents(&heard));
            for bucket in &restored.buckets {
                prop_assert_eq!(bucket.touched(), bucket.nodes().last().and_then(KNode::last_seen).unwrap_or(NOW));
            }
        }
    }

    #[test]
    fn our_own_and_the_null_id_are_left_out() {
        let table = KTable::restore(Id::MAX, TableConfig::default(), [known(0, NOW), known(0xff, NOW)], NOW);
        assert!(table.is_empty());
    }

    #[test]
    fn round_trips_and_times_are_kept() {
        let (seen, rtt) = (NOW - Duration::from_secs(7), Duration::from_millis(70));
        let node = KnownNode { rtt: Some(rtt), ..known(1, seen) };
        let future = known(2, NOW + Duration::from_secs(7));
        let table = KTable::restore(Id::MAX, TableConfig::default(), [future, node], NOW);
        assert_eq!(table.rtt(&node.contact.id), Some(rtt));
        let times = table.nodes().map(KNode::last_seen).collect::<Vec<_>>();
        assert_eq!(times, [Some(seen), Some(NOW)]);
    }
}
