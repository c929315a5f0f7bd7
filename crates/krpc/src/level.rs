//! `Level`: how far a peer's protocol goes beyond the original's, as the peer itself says.
//!
//! Knows how it is written; must not know what follows from it for a reply.

/// How much of the protocol a node speaks beyond the original's.
///
/// A query of ours says so in a top-level `v` of 4 bytes, as is the custom with KRPC (BEP 5): `KM` and the
/// level in two bytes, big endian. The original ignores the key. Levels only grow: whoever speaks one speaks all
/// below it. What a peer claims is unproven, and only ever lets it have more in a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u16);

impl Level {
    /// The original's protocol, also for everybody who says nothing that we know.
    pub const ORIGINAL: Self = Self(0);
    /// What this implementation speaks: it takes values in a reply to `find_value`
    /// ([`Reply::FindValue`](crate::Reply::FindValue)).
    pub const OURS: Self = Self(1);

    /// The level with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Does a node of this level take values in a reply to `find_value`?
    #[must_use]
    pub const fn takes_values(self) -> bool {
        self.0 >= 1
    }

    /// The `v` of a query, or `None` for the original, which has none.
    pub(crate) const fn mark(self) -> Option<[u8; 4]> {
        let [high, low] = self.0.to_be_bytes();
        if self.0 == 0 { None } else { Some([b'K', b'M', high, low]) }
    }

    /// The level that a `v` tells; those of other programs tell none.
    pub(crate) fn of_mark(mark: &[u8]) -> Self {
        match mark {
            [b'K', b'M', high, low] => Self(u16::from_be_bytes([*high, *low])),
            _ => Self::ORIGINAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_mark_is_four_bytes_that_tell_our_level() {
        assert_eq!(Level::OURS.mark(), Some(*b"KM\x00\x01"));
        assert_eq!(Level::of_mark(b"KM\x00\x01"), Level::OURS);
        assert_eq!(Level::of_mark(b"KM\x01\x02"), Level::new(0x102));
        assert!(Level::of_mark(b"KM\x01\x02").takes_values());
    }

    #[test]
    fn other_marks_tell_nothing() {
        for mark in
            [&b""[..], b"KM", b"KM\x00", b"KM\x00\x01\x00", b"LT\x00\x01", b"km\x00\x01", b"KM\x00\x00"]
        {
            assert_eq!(Level::of_mark(mark), Level::ORIGINAL);
        }
        assert_eq!((Level::ORIGINAL.mark(), Level::default()), (None, Level::ORIGINAL));
    }
}
