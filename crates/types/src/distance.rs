//! `Distance`: the XOR metric of Kademlia.

use std::fmt;

use crate::Id;

/// The XOR of two ids, read as a number (Kademlia, section 2.1). Smaller is closer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; Id::LEN]);

impl Distance {
    /// The distance of an id to itself.
    pub const ZERO: Self = Self([0; Id::LEN]);

    pub(crate) fn between(a: &Id, b: &Id) -> Self {
        let mut xor = *a.as_bytes();
        xor.iter_mut().zip(b.as_bytes()).for_each(|(x, y)| *x ^= y);
        Self(xor)
    }

    /// How many leading bits the two ids share: 160 if they are equal.
    #[must_use]
    pub fn shared_prefix_bits(&self) -> usize {
        let zero_bytes = self.0.iter().take_while(|byte| **byte == 0).count();
        let rest = self.0.get(zero_bytes).map_or(0, |byte| byte.leading_zeros() as usize);
        zero_bytes * 8 + rest
    }

    /// The bytes, most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Id::LEN] {
        &self.0
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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

    proptest! {
        #[test]
        fn is_a_metric(a: [u8; 20], b: [u8; 20], c: [u8; 20]) {
            let (a, b, c) = (Id::new(a), Id::new(b), Id::new(c));
            prop_assert_eq!(a.distance(&b), b.distance(&a));
            prop_assert_eq!(a.distance(&b) == Distance::ZERO, a == b);
            // XOR is stronger than the triangle inequality: the larger of two sides bounds the shared prefix.
            let (ab, bc, ac) = (a.distance(&b), b.distance(&c), a.distance(&c));
            let shared = ab.shared_prefix_bits().min(bc.shared_prefix_bits());
            prop_assert!(ac.shared_prefix_bits() >= shared);
        }
    }
}
