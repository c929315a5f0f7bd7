//! `KTable`: the buckets, and the original's operations on them (insert, split, merge, remove).
//! Knows nothing of pings and newcomers: that is the policy in the modules below.

use khashmir_types::{Contact, Id, IdRange, Time};

use crate::marks::Marks;
use crate::newcomers::Newcomers;
use crate::row::Row;
use crate::{KBucket, KNode, Standing, TableConfig};

mod closest;
mod policy;
mod prefixes;
mod proximity;
mod restore;
mod size;
mod upkeep;

pub use closest::Among;
pub use restore::KnownNode;
pub use upkeep::{Refresh, Upkeep};

/// The routing table of one node (Kademlia, sections 2.2 and 2.4, with the policy of Khashmir's final revision).
///
/// There are two ways to use it, and a program wants one of them:
/// - the policy decides what enters: report with [`on_answer`](Self::on_answer), [`on_query`](Self::on_query),
///   [`on_failure`](Self::on_failure), [`on_wrong_id`](Self::on_wrong_id) and [`on_rtt`](Self::on_rtt), begin with
///   [`load`](Self::load) or [`restore`](Self::restore), and carry out the wishes of
///   [`poll_upkeep`](Self::poll_upkeep). Then every node has another address, every bucket is in the order of last
///   answers, and each node has answered us or was loaded;
/// - the caller decides: the original's bare operations [`insert`](Self::insert), [`mark_seen`](Self::mark_seen),
///   [`mark_failed`](Self::mark_failed), [`remove`](Self::remove) and [`replace_stale`](Self::replace_stale).
///
/// Either way buckets hold at most `k` nodes (the first ones more if set so), ids are unique, and neither our own id
/// nor the null id is among them. There are at most 160 buckets.
#[derive(Clone, Debug)]
pub struct KTable {
    own_id: Id,
    config: TableConfig,
    /// Never empty. Bucket `i` holds the ids that share just `i` leading bits with our own, the last one also those
    /// that share more.
    buckets: Vec<KBucket>,
    /// Of all nodes in buckets, and of some that were.
    marks: Marks,
    newcomers: Newcomers,
    contenders: Row,
    /// Buckets from the first on that are to be refreshed whatever their age.
    forced_refreshes: usize,
    /// No upkeep is due earlier. May be too early, never too late.
    wake_at: Time,
}

/// What became of an [`insert`](KTable::insert).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// The node is new in the table.
    Added,
    /// The node was there; address and time are the new ones, its failures are forgotten.
    Updated,
    /// Nothing changed: the id is our own, null, or known while the contact is unproven.
    Ignored,
    /// The node's bucket is full and cannot split. Nothing entered.
    Full {
        /// The node of that bucket that was not heard for the longest time.
        oldest: Contact,
    },
}

impl KTable {
    /// An empty table of the node `own_id`: one bucket, touched `now`. Settings out of range are moved into it.
    #[must_use]
    pub fn new(own_id: Id, config: TableConfig, now: Time) -> Self {
        let config = config.in_range();
        Self {
            own_id,
            config,
            buckets: vec![KBucket::new(now)],
            marks: Marks::default(),
            newcomers: Newcomers::default(),
            contenders: Row::default(),
            forced_refreshes: 0,
            wake_at: now,
        }
    }

    /// Inserts a contact as the original does: at the end of its bucket, which is touched.
    ///
    /// A proven contact replaces an entry with the same id, an unproven one does not. Unlike in the original an
    /// unproven node stays unproven when its bucket splits.
    pub fn insert(&mut self, contact: Contact, standing: Standing, now: Time) -> Insertion {
        if !self.is_admissible(&contact.id) {
            return Insertion::Ignored;
        }
        let index = self.index_of(&contact.id);
        if standing == Standing::Unproven && self.buckets[index].node(&contact.id).is_some() {
            return Insertion::Ignored;
        }
        let former = self.buckets[index].remove(&contact.id);
        let index = match self.make_room(&contact.id, now) {
            Ok(index) => index,
            Err(oldest) => return Insertion::Full { oldest },
        };
        let mut node = KNode::new(contact, standing, now);
        former.iter().for_each(|former| node.inherit_rtt(former));
        self.mark(&contact);
        self.buckets[index].push(node);
        self.buckets[index].touch(now);
        if former.is_some() { Insertion::Updated } else { Insertion::Added }
    }

    /// Marks the node `id` as just heard: it moves to the end, its failures are forgotten, its bucket is touched.
    ///
    /// Returns the node as it was before, or `None` if it is not in the table.
    pub fn mark_seen(&mut self, id: &Id, now: Time) -> Option<KNode> {
        self.bucket_mut(id).mark_seen(id, now)
    }

    /// Counts a failure of the node `id`; at `max_failures` in a row it is removed.
    ///
    /// Returns the node if it was removed.
    pub fn mark_failed(&mut self, id: &Id) -> Option<KNode> {
        let fails = self.bucket_mut(id).node_mut(id)?.on_failed();
        if fails >= self.config.max_failures { self.remove(id) } else { None }
    }

    /// Removes the node `id`; the bucket of our own id merges with its neighbour while both fit in one.
    ///
    /// Returns the node, or `None` if it is not in the table.
    pub fn remove(&mut self, id: &Id) -> Option<KNode> {
        let index = self.index_of(id);
        let removed = self.buckets[index].remove(id)?;
        self.merge(index);
        if self.is_empty() {
            self.marks = Marks::default();
        }
        Some(removed)
    }

    /// Removes the node `stale`, if present, and puts `new` at the end of the same bucket as never seen.
    ///
    /// `new` enters only if it belongs to that bucket, there is room, and it is neither known nor our own id;
    /// otherwise this is [`remove`](Self::remove). Does not touch the bucket. Returns the node removed.
    pub fn replace_stale(&mut self, stale: &Id, new: Option<Contact>, now: Time) -> Option<KNode> {
        let index = self.index_of(stale);
        let removed = self.buckets[index].remove(stale);
        let enters = |new: &Contact| {
            let bucket = &self.buckets[index];
            let fits = self.index_of(&new.id) == index && self.room_in(index) > 0;
            fits && self.is_admissible(&new.id) && bucket.node(&new.id).is_none()
        };
        if let Some(new) = new.filter(enters) {
            self.mark(&new);
            self.buckets[index].push(KNode::new(new, Standing::Unproven, now));
        } else if removed.is_some() {
            self.merge(index);
        }
        removed
    }

    /// Marks the bucket of `target` as just looked at, so that it needs no refresh for a while.
    pub fn touch(&mut self, target: &Id, now: Time) {
        self.bucket_mut(target).touch(now);
    }

    /// The id this table is built around.
    #[must_use]
    pub const fn own_id(&self) -> Id {
        self.own_id
    }

    /// The settings in use.
    #[must_use]
    pub const fn config(&self) -> &TableConfig {
        &self.config
    }

    /// The node `id`, if it is in the table.
    #[must_use]
    pub fn node(&self, id: &Id) -> Option<&KNode> {
        self.buckets[self.index_of(id)].node(id)
    }

    /// The buckets with their ranges, in the order of ids.
    pub fn buckets(&self) -> impl Iterator<Item = (IdRange, &KBucket)> {
        // Numeric order is the order of distance from zero.
        self.indices_by_distance(Id::NULL).map(|index| (self.range_of(index), &self.buckets[index]))
    }

    /// Every contact in the table, for saving: proven ones first, otherwise by bucket, the farthest bucket first, and
    /// in a bucket the oldest first.
    pub fn contacts(&self) -> impl Iterator<Item = Contact> + '_ {
        let proven = self.nodes().filter(|node| node.is_proven());
        let unproven = self.nodes().filter(|node| !node.is_proven());
        proven.chain(unproven).map(KNode::contact)
    }

    /// Nodes in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.nodes().len()).sum()
    }

    /// Nodes in the table that have answered us.
    #[must_use]
    pub fn proven_len(&self) -> usize {
        self.nodes().filter(|node| node.is_proven()).count()
    }

    /// Has no node in the table answered us?
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        !self.nodes().any(KNode::is_proven)
    }

    /// Does the table hold no node?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Buckets in the table: 1 to 160.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        self.buckets.len()
    }

    /// The original's guess at the number of nodes in the network, from the depth of the table: k × 2^(buckets − 1).
    #[must_use]
    pub fn estimated_network_size(&self) -> f64 {
        let depth = i32::try_from(self.buckets.len() - 1).expect("at most 160 buckets");
        self.config.k as f64 * 2_f64.powi(depth)
    }

    /// Bytes this table takes: itself and what it owns, without what the allocator adds.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        let buckets = self.buckets.capacity() * size_of::<KBucket>();
        let nodes = self.buckets.iter().map(KBucket::owned_bytes).sum::<usize>();
        let waiting = size_of_val(&*self.contenders) + self.newcomers.owned_bytes();
        size_of::<Self>() + buckets + nodes + self.marks.owned_bytes() + waiting
    }

    /// Splits buckets until the one for `id` has room and returns its index, or its oldest node if it cannot split.
    fn make_room(&mut self, id: &Id, now: Time) -> Result<usize, Contact> {
        loop {
            let index = self.index_of(id);
            if self.room_in(index) > 0 {
                return Ok(index);
            }
            if index + 1 < self.buckets.len() {
                let oldest = self.buckets[index].oldest().expect("a full bucket has nodes, as k is not 0");
                return Err(oldest.contact());
            }
            self.split(now);
        }
    }

    /// Splits the last bucket. There is never a 161st: the 160th has room for its only id that is not our own.
    fn split(&mut self, now: Time) {
        let (own_id, depth) = (self.own_id, self.buckets.len() - 1);
        let shallow = &mut self.buckets[depth];
        let mut deep = shallow.split_off(|id| own_id.distance(id).shared_prefix_bits() > depth);
        // The original makes the upper half anew, and what is new counts as touched.
        let upper = if own_id.bit(depth) { &mut deep } else { shallow };
        upper.touch(now);
        self.buckets.reserve_exact(1); // seldom, and there may be a million tables
        self.buckets.push(deep);
    }

    /// Joins the last two buckets, again and again, while the one at `index` is among them and one can hold both.
    ///
    /// Nodes in reserve count too: else the bucket of a removed node could be full again before they take its place.
    fn merge(&mut self, mut index: usize) {
        while let [.., shallow, deep] = self.buckets.as_slice() {
            let depth = self.buckets.len() - 2;
            if index < depth || shallow.all().chain(deep.all()).count() > self.config.k {
                return;
            }
            let (deep, shallow) = (self.buckets.remove(depth + 1), self.buckets.remove(depth));
            let (mut kept, other) = if index == depth { (shallow, deep) } else { (deep, shallow) };
            kept.absorb(other, self.config.replacements);
            self.buckets.push(kept);
            self.buckets.shrink_to_fit();
            index = depth;
        }
    }

    /// Marks a contact that is about to enter a bucket.
    fn mark(&mut self, contact: &Contact) {
        if !self.marks.add(contact) {
            // Room for a quarter more, as some that are marked have left.
            self.marks = Marks::with_room(self.len() + self.len() / 4 + 1);
            for node in self.buckets.iter().flat_map(KBucket::nodes) {
                self.marks.add(&node.contact());
            }
            self.marks.add(contact);
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &KNode> {
        self.buckets.iter().flat_map(KBucket::nodes)
    }

    fn bucket_mut(&mut self, id: &Id) -> &mut KBucket {
        let index = self.index_of(id);
        &mut self.buckets[index]
    }

    /// How many more nodes bucket `index` may hold: the last one holds `k`, those before it their limit.
    fn room_in(&self, index: usize) -> usize {
        let is_last = index + 1 == self.buckets.len();
        let limit = if is_last { self.config.k } else { self.config.bucket_limit(index) };
        limit.saturating_sub(self.buckets[index].nodes().len())
    }

    fn index_of(&self, id: &Id) -> usize {
        self.own_id.distance(id).shared_prefix_bits().min(self.buckets.len() - 1)
    }

    fn range_of(&self, index: usize) -> IdRange {
        if index + 1 == self.buckets.len() {
            return IdRange::of_prefix(&self.own_id, index);
        }
        let sibling = self.own_id.with_bit(index, !self.own_id.bit(index));
        IdRange::of_prefix(&sibling, index + 1)
    }

    /// May a node have this id? Our own and the null id never enter.
    fn is_admissible(&self, id: &Id) -> bool {
        *id != self.own_id && !id.is_null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);

    fn node(n: u8) -> Contact {
        Contact::new(Id::new([n; 20]), ([10, 0, 0, n], 9977).into())
    }

    fn table(nodes: &[u8], standing: Standing) -> KTable {
        let mut table = KTable::new(Id::MAX, TableConfig { k: 2, ..TableConfig::default() }, NOW);
        nodes.iter().for_each(|n| assert_eq!(table.insert(node(*n), standing, NOW), Insertion::Added));
        table
    }

    #[test]
    fn an_unproven_node_stays_unproven_when_its_bucket_splits() {
        let table = table(&[1, 2, 0xa0], Standing::Unproven);
        assert_eq!((table.bucket_count(), table.proven_len()), (2, 0));
    }

    #[test]
    fn neither_a_known_node_nor_our_own_id_replaces_a_stale_one() {
        for new in [node(2), node(0xff)] {
            let mut table = table(&[1, 2], Standing::Proven);
            table.replace_stale(&node(1).id, Some(new), NOW);
            assert_eq!(table.contacts().collect::<Vec<_>>(), [node(2)]);
        }
    }

    #[test]
    fn an_empty_table_owns_one_bucket() {
        let table = table(&[], Standing::Proven);
        assert_eq!((table.len(), table.bucket_count()), (0, 1));
        assert_eq!(table.memory_size(), size_of::<KTable>() + size_of::<KBucket>());
        assert!(table.memory_size() <= 288);
    }

    /// 145 nodes, and the reserve of each bucket that can be full.
    fn full_table(reserve: u8) -> KTable {
        let mut table = KTable::new(Id::MAX, TableConfig::default(), NOW);
        let nodes = (0..8 + reserve).flat_map(|n| (0..18).map(move |shared| (shared, n)));
        for (shared, n) in nodes.chain([(18, 0)]) {
            let mut id = *Id::MAX.with_bit(shared.into(), false).as_bytes();
            id[19] = n;
            table.on_answer(Contact::new(Id::new(id), ([10, 0, shared, n], 9977).into()), NOW);
        }
        table
    }

    #[test]
    fn a_full_table_owns_nothing_it_does_not_use() {
        let (table, with_reserve) = (full_table(0), full_table(4));
        let places = |nodes| {
            let buckets = 19 * size_of::<KBucket>();
            size_of::<KTable>() + buckets + nodes * size_of::<KNode>() + table.marks.owned_bytes()
        };
        assert_eq!((table.len(), table.bucket_count(), table.memory_size()), (145, 19, places(145)));
        assert_eq!((with_reserve.len(), with_reserve.memory_size()), (145, places(145 + 18 * 4)));
        assert!(table.memory_size() <= 10_000, "{}", table.memory_size());
    }

    #[test]
    fn a_table_that_shrinks_gives_its_memory_back() {
        let mut table = full_table(4);
        let nodes = table.buckets.iter().flat_map(KBucket::all).map(KNode::contact).collect::<Vec<_>>();
        nodes.into_iter().for_each(|contact| table.on_wrong_id(contact, NOW));
        assert_eq!((table.len(), table.bucket_count()), (0, 1));
        assert_eq!(table.memory_size(), size_of::<KTable>() + size_of::<KBucket>());
    }

    #[test]
    fn settings_out_of_range_are_moved_into_it() {
        let mut table =
            KTable::new(Id::MAX, TableConfig { k: 0, max_failures: 0, ..TableConfig::default() }, NOW);
        assert_eq!(table.insert(node(1), Standing::Proven, NOW), Insertion::Added);
        assert_eq!(table.insert(node(2), Standing::Proven, NOW), Insertion::Full { oldest: node(1) });
        assert!(table.mark_failed(&node(1).id).is_some());
    }
}
