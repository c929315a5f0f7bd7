//! `Marks`: which ids and networks may be among a set of nodes. Most strangers clash with nobody, and need not be compared
//! with all. Knows no buckets.

use std::net::SocketAddr;

use khashmir_types::{Contact, Id, Prefix};

/// Marks left by ids and networks: a Bloom filter in blocks of one word, so that asking costs one cache miss (Putze, Sanders and
/// Singler, "Cache-, hash- and space-efficient Bloom filters", 2007). Of fifty strangers one is compared in vain.
///
/// Nothing is taken out: whoever owns the nodes marks those left anew when the room is used up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    words: Box<[u64]>,
    /// So many more contacts may be added.
    room: usize,
}

/// Words for 16 contacts: 12 bits for each of their marks.
const WORDS_PER_16: usize = 6;

impl Marks {
    /// No marks, and room for those of `contacts`.
    pub(crate) fn with_room(contacts: usize) -> Self {
        let blocks = contacts.div_ceil(16);
        Self { words: vec![0; blocks * WORDS_PER_16].into(), room: blocks * 16 }
    }

    /// Marks a contact; returns whether there was room for it.
    pub(crate) fn add(&mut self, contact: &Contact) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        for hash in [of_id(&contact.id), of_network(contact.addr)] {
            let place = self.place(hash);
            self.words[place] |= bits(hash);
        }
        true
    }

    /// May a contact with this id have been added? If not, none has.
    pub(crate) fn may_have_id(&self, id: &Id) -> bool {
        self.may_have(of_id(id))
    }

    /// May a contact have been added that is in the [`Prefix`] of this address, or has this address, if it has no prefix? If
    /// not, none has.
    pub(crate) fn may_have_network(&self, addr: SocketAddr) -> bool {
        self.may_have(of_network(addr))
    }

    /// Bytes owned beside the marks themselves.
    pub(crate) fn owned_bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    fn may_have(&self, hash: u64) -> bool {
        !self.words.is_empty() && self.words[self.place(hash)] & bits(hash) == bits(hash)
    }

    /// The upper half of a hash, as a part of the words.
    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.words.len() as u64) >> 32) as usize
    }
}

/// Three bits of a word, by the lower half of a hash.
fn bits(hash: u64) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63)
}

/// The last bits of ids differ most, as nodes next to us share the first.
fn of_id(id: &Id) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *id.as_bytes();
    spread(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

fn of_network(addr: SocketAddr) -> u64 {
    spread(match (Prefix::of(addr.ip()), addr) {
        (Some(Prefix::V4([a, b, c])), _) => u64::from_be_bytes([1, 0, 0, 0, 0, a, b, c]),
        (Some(Prefix::V6(prefix)), _) => u64::from_be_bytes(prefix),
        (None, SocketAddr::V4(addr)) => u64::from(addr.ip().to_bits()) << 16 | u64::from(addr.port()),
        (None, SocketAddr::V6(addr)) => {
            let ip = addr.ip().to_bits();
            (ip >> 64) as u64 ^ (ip as u64).rotate_left(16) ^ u64::from(addr.port())
        }
    })
}

/// Spreads numbers evenly: the product's upper half depends on all bits, its lower half takes that in (Knuth, TAOCP 3, section
/// 6.4, on multiplying by the golden ratio).
fn spread(number: u64) -> u64 {
    let product = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (product ^ product >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contact(n: u32) -> Contact {
        let [a, b, c, d] = n.to_be_bytes();
        Contact::new(Id::sha1(&n.to_be_bytes()), ([a.wrapping_add(60), b, c, d], 9977).into())
    }

    proptest! {
        #[test]
        fn whoever_was_added_is_marked(ids: Vec<([u8; 20], std::net::IpAddr, u16)>) {
            let contacts: Vec<_> =
                ids.into_iter().map(|(id, ip, port)| Contact::new(Id::new(id), (ip, port).into())).collect();
            let mut marks = Marks::with_room(contacts.len());
            prop_assert!(contacts.iter().all(|contact| marks.add(contact)));
            for contact in &contacts {
                prop_assert!(marks.may_have_id(&contact.id) && marks.may_have_network(contact.addr));
            }
        }
    }

    #[test]
    fn there_is_room_for_just_those_it_was_made_for() {
        let mut marks = Marks::default();
        assert!(!marks.may_have_id(&contact(0).id) && !marks.add(&contact(0)));
        marks = Marks::with_room(16);
        assert!((0..16).all(|n| marks.add(&contact(n))) && !marks.add(&contact(16)));
        assert_eq!(marks.owned_bytes(), 48);
    }

    #[test]
    fn few_strangers_are_taken_for_known() {
        for known in [16, 150, 320] {
            let mut marks = Marks::with_room(known);
            (0..known).for_each(|n| assert!(marks.add(&contact(n as u32 * 256))));
            let strangers = || (1000..11_000).map(|n| contact(n * 256));
            let by_id = strangers().filter(|contact| marks.may_have_id(&contact.id)).count();
            let by_network = strangers().filter(|contact| marks.may_have_network(contact.addr)).count();
            assert!(by_id < 700 && by_network < 700, "{by_id} and {by_network} of 10,000 among {known}");
        }
    }
}
