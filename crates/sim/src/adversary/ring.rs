//! `Ring`: all who collude, and which of them are closest to a target. Knows nothing of what they do.

use khashmir::{Contact, Id};

use crate::trie;

/// All who collude with one another, sorted by id.
#[derive(Clone, Debug, Default)]
pub struct Ring(Vec<Contact>);

impl Ring {
    /// The ring of these nodes. Of two with one id the first stays.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Contact>) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort_by_key(|member| member.id);
        members.dedup_by_key(|member| member.id);
        Self(members)
    }

    /// The members closest to `target`, closest first; at most `limit`. It costs a few binary searches, however
    /// large the ring is.
    #[must_use]
    pub fn closest(&self, target: &Id, limit: usize) -> Vec<Contact> {
        trie::closest(&self.0, |member| &member.id, target, limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_closest_are_those_that_sorting_all_would_give(
            ids in proptest::collection::vec(any::<[u8; 20]>(), 0..40),
            target: [u8; 20],
            shared in 0_usize..20,
            limit in 0_usize..10,
        ) {
            let target = Id::new(target);
            let place = |mut id: [u8; 20]| {
                id[..shared].copy_from_slice(&target.as_bytes()[..shared]);
                Contact::new(Id::new(id), "192.0.2.1:9".parse().unwrap())
            };
            // Half of them are near the target, where all differences are in the last bits.
            let members: Vec<_> = ids.iter().enumerate().map(|(number, id)| {
                if number % 2 == 0 { place(*id) } else { Contact::new(Id::new(*id), "192.0.2.1:9".parse().unwrap()) }
            }).collect();
            let ring = Ring::new(members);
            let mut sorted = ring.0.clone();
            sorted.sort_by_key(|member| member.id.distance(&target));
            sorted.truncate(limit);
            prop_assert_eq!(ring.closest(&target, limit), sorted);
        }
    }
}
