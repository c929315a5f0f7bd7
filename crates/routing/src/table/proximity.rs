//! Round trips, and the preference for near nodes where many would do. Knows not how round trips are measured.

use std::time::Duration;

use khashmir_types::{Contact, Id};

use super::KTable;
use crate::{KBucket, KNode};

/// In this many of the last buckets nobody is displaced, and refreshes are lookups to the end. If the last has the index `d`, the network has between
/// 2^(d−1) and 2^d times `k` nodes, and a key to which we are among the `k` closest shares at least `d` − 1 bits with
/// us, now and then one less. Whoever asks us for such a key is to hear of all its neighbours, and they belong into
/// these buckets. The bucket before them has room for at most half of those that belong there, so there is a choice.
pub(super) const NEIGHBOURHOOD: usize = 3;

impl KTable {
    /// An answer of `contact`, in the table or in reserve, took `rtt`: smoothed as TCP does (RFC 6298, 7/8 of the
    /// old and 1/8 of the new). To be reported after [`on_answer`](Self::on_answer); of another node it is ignored.
    ///
    /// With [`prefers_near`](crate::TableConfig::prefers_near) this is proximity neighbour selection: lookups get
    /// faster if we know, of the many nodes that fit in a distant bucket, near ones (Castro et al., 2002; Gummadi et
    /// al., SIGCOMM 2003; for Kademlia Kaune et al., "Embracing the peer next door", 2008). If the node is in the reserve
    /// of a full bucket, and its round trip below three quarters of that of the bucket's slowest node, it takes that
    /// one's place, which goes into reserve. Two things keep what Kademlia needs:
    /// - the three buckets closest to us take no part, as they are to know all nodes around us;
    /// - a node that comes in this way is favoured while it stays. Once half of the places are held by favoured nodes,
    ///   only these give way. So half of a bucket belongs to nodes that came when there was room and stayed (Kademlia,
    ///   section 2.1: who was up long stays up), and attackers close by cannot win it all. A restored table has
    ///   forgotten whom it favoured.
    ///
    /// The slowest is sought among nodes of known round trip that are in no doubt: they did not fail to answer the last
    /// request, and nobody waits for them to fail. Of equally slow ones it is the last heard.
    pub fn on_rtt(&mut self, contact: &Contact, rtt: Duration) {
        let index = self.index_of(&contact.id);
        let Some(node) = self.buckets[index].all_mut().find(|node| node.is(contact)) else { return };
        node.on_rtt(rtt);
        let node = *node;
        if self.config.prefers_near && index + NEIGHBOURHOOD < self.buckets.len() {
            self.prefer(index, node);
        }
    }

    /// The smoothed round trip to the node `id`, in the table or in reserve: see [`KNode::rtt`].
    #[must_use]
    pub fn rtt(&self, id: &Id) -> Option<Duration> {
        self.buckets[self.index_of(id)].all().find(|node| node.id() == id)?.rtt()
    }

    /// Gives `node` the place of a slow one in bucket `index`, if it is in reserve there and there is one.
    fn prefer(&mut self, index: usize, node: KNode) {
        let bucket = &self.buckets[index];
        let is_candidate = bucket.reserve().contains(&node) && self.room_in(index) == 0;
        if !is_candidate || self.is_contradicted(&node.contact()) || self.is_one_too_many(&node.contact()) {
            return;
        }
        let slow = slowest(bucket).filter(|slow| is_much_nearer(&node, slow)).map(|slow| *slow.id());
        if let Some(slow) = slow {
            self.mark(&node.contact());
            self.buckets[index].favour(node, &slow);
        }
    }
}

/// The slowest node of a full bucket that may be displaced.
fn slowest(bucket: &KBucket) -> Option<&KNode> {
    let favoured = bucket.nodes().iter().filter(|node| node.is_favoured()).count();
    let only_favoured = favoured >= bucket.nodes().len() / 2;
    let is_sound = |node: &&KNode| node.fails() == 0 && !node.is_challenged();
    let displaceable =
        bucket.nodes().iter().filter(is_sound).filter(|node| node.is_favoured() || !only_favoured);
    displaceable.max_by_key(|node| node.rtt())
}

fn is_much_nearer(near: &KNode, far: &KNode) -> bool {
    near.rtt().zip(far.rtt()).is_some_and(|(near, far)| near * 4 < far * 3)
}

#[cfg(test)]
mod tests {
    use khashmir_types::Time;
    use proptest::prelude::*;

    use super::*;
    use crate::TableConfig;

    const NOW: Time = Time::from_secs(1_000_000);

    /// A node that shares `shared` bits with [`Id::MAX`], at an address of its own.
    fn contact(shared: u8, n: u8) -> Contact {
        let mut id = *Id::MAX.with_bit(shared.into(), false).as_bytes();
        id[19] = n;
        Contact::new(Id::new(id), ([10, 0, shared, n], 9977).into())
    }

    fn table(prefers_near: bool) -> KTable {
        let config =
            TableConfig { k: 4, prefers_near, first_buckets: [9, 0, 0, 0], ..TableConfig::default() };
        KTable::new(Id::MAX, config, NOW)
    }

    proptest! {
        #[test]
        fn favours_are_few_and_change_nothing_around_us(
            answers in prop::collection::vec((0..8_u8, 0..40_u8, 0..300_u64), 0..300),
        ) {
            let (mut near, mut plain) = (table(true), table(false));
            for (shared, n, rtt) in answers {
                for table in [&mut near, &mut plain] {
                    table.on_answer(contact(shared, n), NOW);
                    table.on_rtt(&contact(shared, n), Duration::from_millis(rtt));
                }
                let favoured = |bucket: &KBucket| bucket.nodes().iter().filter(|node| node.is_favoured()).count();
                prop_assert!(near.buckets.iter().all(|bucket| favoured(bucket) <= bucket.nodes().len() / 2));
                prop_assert!(near.buckets.iter().flat_map(KBucket::reserve).all(|node| !node.is_favoured()));
            }
            let sizes = |table: &KTable| table.buckets.iter().map(|bucket| bucket.all().count()).collect::<Vec<_>>();
            prop_assert_eq!(sizes(&near), sizes(&plain));
            let around_us = |table: &KTable| {
                let buckets = table.buckets.iter().rev().take(NEIGHBOURHOOD);
                buckets.flat_map(KBucket::nodes).map(KNode::contact).collect::<Vec<_>>()
            };
            prop_assert_eq!(around_us(&near), around_us(&plain));
        }
    }

    #[test]
    fn round_trips_of_nodes_in_reserve_are_kept_while_they_answer() {
        let mut table = table(false);
        (0..3).for_each(|shared| (0..9).for_each(|n| table.on_answer(contact(shared, n), NOW)));
        let waiting = contact(1, 8);
        table.on_rtt(&waiting, Duration::from_millis(80));
        table.on_answer(waiting, NOW);
        table.on_rtt(&waiting, Duration::from_millis(160));
        assert!(table.node(&waiting.id).is_none());
        assert_eq!(table.rtt(&waiting.id), Some(Duration::from_millis(90)));
        assert_eq!(table.rtt(&contact(5, 0).id), None);
    }
}
