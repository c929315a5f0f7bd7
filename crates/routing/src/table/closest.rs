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
        let is_wanted = |node: &&KNode| among == Among::All || node.is_proven();
        let mut closest = Vec::with_capacity(n.min(self.len()));
        let mut candidates = Vec::with_capacity(self.config.k);
        for index in self.indices_by_distance(*target) {
            let missing = n - closest.len();
            if missing == 0 {
                break;
            }
            let nodes = self.buckets[index].nodes().iter().filter(is_wanted);
            candidates.clear();
            candidates.extend(nodes.map(|node| (node.id().distance(target), node)));
            if candidates.len() > missing {
                candidates.select_nth_unstable_by_key(missing, |(distance, _)| *distance);
                candidates.truncate(missing);
            }
            candidates.sort_unstable_by_key(|(distance, _)| *distance);
            closest.extend(candidates.iter().map(|(_, node)| node.contact()));
        }
        closest
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
