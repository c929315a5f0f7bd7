//! `Row`: nodes one after the other, in memory for just as many. Knows not what their order means.

use std::ops::{Deref, DerefMut};

use crate::KNode;

/// Nodes in the order their owner gives them. Owns no more places than it has nodes, and nothing while empty: rows are
/// short and change seldom, but there are tens of millions of them in a simulation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row(Box<[KNode]>);

impl Row {
    pub(crate) fn push(&mut self, node: KNode) {
        self.insert(self.len(), node);
    }

    pub(crate) fn insert(&mut self, index: usize, node: KNode) {
        self.edit(|nodes| {
            nodes.reserve_exact(1);
            nodes.insert(index, node);
        });
    }

    pub(crate) fn remove(&mut self, index: usize) -> KNode {
        self.edit(|nodes| nodes.remove(index))
    }

    pub(crate) fn pop_if(&mut self, is_wanted: impl FnOnce(&mut KNode) -> bool) -> Option<KNode> {
        self.edit(|nodes| nodes.pop_if(is_wanted))
    }

    pub(crate) fn retain(&mut self, is_kept: impl FnMut(&KNode) -> bool) {
        self.edit(|nodes| nodes.retain(is_kept));
    }

    /// Takes out the nodes that `moves` picks; both parts keep their order.
    pub(crate) fn extract(&mut self, moves: impl Fn(&KNode) -> bool) -> Self {
        self.edit(|nodes| nodes.extract_if(.., |node| moves(node)).collect())
    }

    /// Moves the node at `index` to the end.
    pub(crate) fn move_to_end(&mut self, index: usize) {
        self.0[index..].rotate_left(1);
    }

    /// Lets `change` work on a growable row and gives back the places it leaves unused.
    fn edit<R>(&mut self, change: impl FnOnce(&mut Vec<KNode>) -> R) -> R {
        let mut nodes = std::mem::take(&mut self.0).into_vec();
        let result = change(&mut nodes);
        self.0 = nodes.into_boxed_slice();
        result
    }
}

impl Deref for Row {
    type Target = [KNode];

    fn deref(&self) -> &[KNode] {
        &self.0
    }
}

impl DerefMut for Row {
    fn deref_mut(&mut self) -> &mut [KNode] {
        &mut self.0
    }
}

impl FromIterator<KNode> for Row {
    fn from_iter<I: IntoIterator<Item = KNode>>(nodes: I) -> Self {
        Self(nodes.into_iter().collect())
    }
}

impl IntoIterator for Row {
    type Item = KNode;
    type IntoIter = std::vec::IntoIter<KNode>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use khashmir_types::{Contact, Id, Time};

    use super::*;
    use crate::Standing;

    fn node(n: u8) -> KNode {
        let contact = Contact::new(Id::new([n; 20]), ([10, 0, 0, n], 9977).into());
        KNode::new(contact, Standing::Proven, Time::EPOCH)
    }

    fn numbers(row: &Row) -> Vec<u8> {
        row.iter().map(|node| node.id().as_bytes()[0]).collect()
    }

    #[test]
    fn nodes_keep_their_order_through_all_changes() {
        let mut row = (1..6).map(node).collect::<Row>();
        row.push(node(7));
        row.insert(0, node(0));
        row.move_to_end(1);
        assert_eq!(numbers(&row), [0, 2, 3, 4, 5, 7, 1]);
        let even = row.extract(|node| node.id().as_bytes()[0] % 2 == 0);
        assert_eq!((numbers(&even), numbers(&row)), (vec![0, 2, 4], vec![3, 5, 7, 1]));
        assert_eq!(row.remove(1), node(5));
        assert_eq!(row.pop_if(|last| *last != node(1)), None);
        assert_eq!(row.pop_if(|last| *last == node(1)), Some(node(1)));
        row.retain(|kept| *kept != node(3));
        assert_eq!(row.into_iter().collect::<Vec<_>>(), [node(7)]);
    }
}
