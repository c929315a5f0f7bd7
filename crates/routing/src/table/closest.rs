//! The closest nodes to a target, found without looking at the whole table.

use khashmir_types::{Contact, Id};

use super::KTable;
use crate::KNode;

/// Which nodes [`KTable::closest`] chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// All of them: where our own lookups start.
    All,
    /// Those that have answered us: only these are named to others.
    Proven,
}

impl KTable {
    /// The `n` nodes closest to `target`, closest first; fewer if the table has fewer.
    ///
    /// Exact, unlike the original's search among neighbouring buckets.
    #[must_use]
    pub fn closest(&self, target: &Id, n: usize, among: Among) -> Vec<Contact> {
        let mut closest = Vec::with_capacity(n.min(self.len()));
        self.closest_into(target, n, among, &mut closest);
        closest
    }

    /// As [`closest`](Self::closest), in place of what `closest` holds. Allocates only if that has no room.
    pub fn closest_into(&self, target: &Id, n: usize, among: Among, closest: &mut Vec<Contact>) {
        closest.clear();
        for index in self.indices_by_distance(*target) {
            // All that are there already are closer than any of this bucket.
            let missing = n - closest.len();
            if missing == 0 {
                return;
            }
            add_nearest(self.buckets[index].nodes(), target, missing, among, closest);
        }
    }

    /// The indices of the buckets in the order of their distance from `target`: every id of an earlier bucket is
    /// closer than any id of a later one.
    ///
    /// First the target's own bucket `p`. Then the deeper ones, whose ids differ from the target in bit `p`: where the
    /// target's bit `j` is not ours, bucket `j` has that bit in common with the target and all deeper ones have not,
    /// so it goes before them, otherwise after them. Last the shallower ones, the deepest first.
    pub(super) fn indices_by_distance(&self, target: Id) -> impl Iterator<Item = usize> + use<> {
        let (own_id, own, last) = (self.own_id, self.index_of(&target), self.buckets.len() - 1);
        let goes_first = move |j: &usize| own_id.bit(*j) != target.bit(*j);
        let before = (own + 1..last).filter(goes_first);
        let innermost = (own < last).then_some(last);
        let after = (own + 1..last).rev().filter(move |j| !goes_first(j));
        let shallower = (0..own).rev();
        std::iter::once(own).chain(before).chain(innermost).chain(after).chain(shallower)
    }
}

/// Nodes that one walk along a bucket looks for at most: twice the k of Kademlia, which is what is usually asked for.
const WALK: usize = 16;

/// A node of a bucket: the beginning of its distance from the target, which tells nearly all apart, and its index.
type Candidate = (u64, usize);

/// Adds the `n` of `nodes` that are nearest to `target`, the nearest first. Buckets are so short, and `n` so much shorter,
/// that keeping the nearest in order while walking along is quicker than any sorting.
fn add_nearest(nodes: &[KNode], target: &Id, mut n: usize, among: Among, closest: &mut Vec<Contact>) {
    let distance = |index: usize| nodes[index].id().distance(target);
    let is_nearer = |a: Candidate, b: Candidate| a.0 < b.0 || a.0 == b.0 && distance(a.1) < distance(b.1);
    let mut farthest_before: Option<Candidate> = None;
    loop {
        let mut nearest = [(u64::MAX, 0); WALK];
        // Nobody farther away is among them. Most are, so this is asked first.
        let mut limit = u64::MAX;
        let (room, mut len) = (n.min(WALK), 0);
        for (index, node) in nodes.iter().enumerate() {
            let candidate = (node.id().distance(target).leading(), index);
            if candidate.0 > limit
                || among == Among::Proven && !node.is_proven()
                || farthest_before.is_some_and(|before| !is_nearer(before, candidate))
                || len == room && !is_nearer(candidate, nearest[len - 1])
            {
                continue;
            }
            len = room.min(len + 1);
            let mut place = len - 1;
            while place > 0 && is_nearer(candidate, nearest[place - 1]) {
                nearest[place] = nearest[place - 1];
                place -= 1;
            }
            nearest[place] = candidate;
            if len == room {
                limit = nearest[len - 1].0;
            }
        }
        closest.extend(nearest[..len].iter().map(|(_, index)| nodes[*index].contact()));
        n -= len;
        if n == 0 || len < room {
            return;
        }
        farthest_before = Some(nearest[len - 1]);
    }
}
