//! `Distance`: the XOR metric of Kademlia.

use std::fmt;

use crate::Id;

/// The XOR of two ids, read as a number (Kademlia, section 2.1). Smaller is closer.
///
/// Kept as machine words: tables and lookups compare distances more often than anything else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance {
    high: u64,
    middle: u64,
    low: u32,
}

impl Distance {
    /// The distance of an id to itself.
    pub const ZERO: Self = Self { high: 0, middle: 0, low: 0 };

    /// The distance of an id to the one that has no bit in common with it. None is greater.
    pub const MAX: Self = Self { high: u64::MAX, middle: u64::MAX, low: u32::MAX };

    /// The share of all ids that lie within this distance, be it to whichever id: 0 to 1, exact to one part in 2^53.
    #[must_use]
    pub fn share(&self) -> f64 {
        let ahead = (u128::from(self.high) << 64) | u128::from(self.middle);
        (ahead as f64 + f64::from(self.low) / 2_f64.powi(32)) / 2_f64.powi(128)
    }

    #[inline]
    pub(crate) fn between(a: &Id, b: &Id) -> Self {
        let ((a, b), mut distance) = ((words(a), words(b)), Self::ZERO);
        (distance.high, distance.middle, distance.low) = (a.0 ^ b.0, a.1 ^ b.1, a.2 ^ b.2);
        distance
    }

    /// How many leading bits the two ids share: 160 if they are equal.
    #[inline]
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "there are 160 bits, no more")]
    pub const fn shared_prefix_bits(&self) -> usize {
        let bits = match *self {
            Self { high: 0, middle: 0, low } => 128 + low.leading_zeros(),
            Self { high: 0, middle, .. } => 64 + middle.leading_zeros(),
            Self { high, .. } => high.leading_zeros(),
        };
        bits as usize
    }

    /// The first 64 bits: enough to tell all but chosen ids apart, and quick to compare.
    #[inline]
    #[must_use]
    pub const fn leading(&self) -> u64 {
        self.high
    }

    /// The bytes, most significant first.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Id::LEN] {
        let mut bytes = [0; Id::LEN];
        bytes[..8].copy_from_slice(&self.high.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.middle.to_be_bytes());
        bytes[16..].copy_from_slice(&self.low.to_be_bytes());
        bytes
    }
}

/// An id as three numbers, the most significant first.
#[inline]
fn words(id: &Id) -> (u64, u64, u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = *id.as_bytes();
    (
        u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        u64::from_be_bytes([i, j, k, l, m, n, o, p]),
        u32::from_be_bytes([q, r, s, t]),
    )
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distance({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_of_all_ids_differ_in_the_first_bit() {
        let shared = |bits| Id::NULL.distance(&Id::NULL.with_bit(bits, true)).share();
        assert_eq!((shared(0), shared(10), shared(159)), (0.5, 0.5_f64.powi(11), 0.5_f64.powi(160)));
        assert_eq!((Distance::ZERO.share(), Id::NULL.distance(&Id::MAX).share()), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn is_a_metric(a: [u8; 20], b: [u8; 20], c: [u8; 20]) {
            let (a, b, c) = (Id::new(a), Id::new(b), Id::new(c));
            prop_assert_eq!(a.distance(&b), b.distance(&a));
            prop_assert_eq!(a.distance(&b) == Distance::ZERO, a == b);
            // XOR is stronger than the triangle inequality: the larger of two sides bounds the shared prefix.
            let bytes: Vec<_> = a.as_bytes().iter().zip(b.as_bytes()).map(|(a, b)| a ^ b).collect();
            prop_assert_eq!(&a.distance(&b).to_bytes()[..], &bytes[..]);
            prop_assert_eq!(a.distance(&b).cmp(&a.distance(&c)), a.distance(&b).to_bytes().cmp(&a.distance(&c).to_bytes()));
            let (ab, bc, ac) = (a.distance(&b), b.distance(&c), a.distance(&c));
            let shared = ab.shared_prefix_bits().min(bc.shared_prefix_bits());
            prop_assert!(ac.shared_prefix_bits() >= shared);
        }
    }
}
