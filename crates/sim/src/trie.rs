//! The nodes of a sorted list that are closest to a target. Knows not what they are.

use khashmir::Id;

/// Those of `sorted`, which is sorted by `id_of`, that are closest to `target`, closest first; at most `count`.
///
/// Neighbours in numeric order need not be the closest by XOR: this descends the binary trie that a sorted list is, into the
/// half that shares the next bit with the target first. That takes some log² N steps and one for each node found.
pub(crate) fn closest<T: Copy>(sorted: &[T], id_of: fn(&T) -> &Id, target: &Id, count: usize) -> Vec<T> {
    let mut found = Vec::with_capacity(count.min(sorted.len()));
    descend(sorted, 0, id_of, target, count, &mut found);
    found
}

/// Adds to `found` those of `subtree` that are closest to `target`, up to `count`. All of it share their first `bit` bits.
fn descend<T: Copy>(
    subtree: &[T],
    bit: usize,
    id_of: fn(&T) -> &Id,
    target: &Id,
    count: usize,
    found: &mut Vec<T>,
) {
    if subtree.len() <= 1 || bit == Id::BITS || found.len() >= count {
        return found.extend(subtree.iter().take(count - found.len()));
    }
    let (zeros, ones) = subtree.split_at(subtree.partition_point(|node| !id_of(node).bit(bit)));
    let (near, far) = if target.bit(bit) { (ones, zeros) } else { (zeros, ones) };
    descend(near, bit + 1, id_of, target, count, found);
    descend(far, bit + 1, id_of, target, count, found);
}
