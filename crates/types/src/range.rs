//! `IdRange`: an interval of ids, and a random id within it as the original draws one.

use rand::Rng;

use crate::Id;

/// The ids from `first` to `last`, both included. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    first: Id,
    last: Id,
}

impl IdRange {
    /// Every id there is.
    pub const ALL: Self = Self { first: Id::NULL, last: Id::MAX };

    /// The ids from `first` to `last`, both included, or `None` if `last` is smaller.
    #[must_use]
    pub fn new(first: Id, last: Id) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The ids that share their first `bits` bits with `id`. `bits` over 160 count as 160.
    #[must_use]
    pub fn of_prefix(id: &Id, bits: usize) -> Self {
        let (mut first, mut last) = (*id.as_bytes(), *id.as_bytes());
        let mut shared = bits;
        for (low, high) in first.iter_mut().zip(&mut last) {
            // The bits of this byte that are not shared: none of the first bytes', all of the last ones'.
            let free = u8::MAX.checked_shr(u32::try_from(shared).unwrap_or(u32::MAX)).unwrap_or(0);
            (*low, *high) = (*low & !free, *high | free);
            shared = shared.saturating_sub(8);
        }
        Self { first: Id::new(first), last: Id::new(last) }
    }

    /// The smallest id in the range.
    #[must_use]
    pub const fn first(&self) -> Id {
        self.first
    }

    /// The largest id in the range.
    #[must_use]
    pub const fn last(&self) -> Id {
        self.last
    }

    /// Is `id` in the range?
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.first <= *id && *id <= self.last
    }

    /// A random id in the range; uniform to within the bias of [`IdRange::place`].
    pub fn random(&self, rng: &mut impl Rng) -> Id {
        self.place(Id::random(rng))
    }

    /// `first + id mod (number of ids in the range)`: how the original maps a random id into a range.
    ///
    /// For an `id` drawn uniformly the result is uniform if the range's size is a power of two (every
    /// bucket's is); otherwise some ids are drawn up to twice as often as others.
    #[must_use]
    pub fn place(&self, id: Id) -> Id {
        if *self == Self::ALL {
            return id;
        }
        let (first, last) = (Number::from(&self.first), Number::from(&self.last));
        let size = last.minus(first).plus(Number { high: 0, low: 1 });
        first.plus(Number::from(&id).modulo(size)).into()
    }
}

/// An id as a number, in two limbs; arithmetic is modulo 2^160.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Number {
    high: u32,
    low: u128,
}

impl Number {
    fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self { high: self.high.wrapping_add(other.high).wrapping_add(u32::from(carry)), low }
    }

    fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self { high: self.high.wrapping_sub(other.high).wrapping_sub(u32::from(borrow)), low }
    }

    /// Long division, bit by bit; `divisor` must not be zero.
    fn modulo(self, divisor: Self) -> Self {
        let id = Id::from(self);
        let mut rest = Self { high: 0, low: 0 };
        for index in 0..Id::BITS {
            let overflows = rest.high >> 31 == 1;
            rest = rest.plus(rest).plus(Self { high: 0, low: u128::from(id.bit(index)) });
            if overflows || rest >= divisor {
                rest = rest.minus(divisor);
            }
        }
        rest
    }
}

impl From<&Id> for Number {
    #[expect(clippy::expect_used, reason = "an id always has 20 bytes")]
    fn from(id: &Id) -> Self {
        let (high, low) = id.as_bytes().split_at(4);
        Self {
            high: u32::from_be_bytes(high.try_into().expect("the first 4 of 20 bytes")),
            low: u128::from_be_bytes(low.try_into().expect("the last 16 of 20 bytes")),
        }
    }
}

impl From<Number> for Id {
    fn from(number: Number) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&number.high.to_be_bytes());
        bytes[4..].copy_from_slice(&number.low.to_be_bytes());
        Self::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_placed_id_lies_in_the_range(a: [u8; 20], b: [u8; 20], id: [u8; 20]) {
            let (a, b) = (Id::new(a), Id::new(b));
            let range = IdRange::new(a.min(b), a.max(b)).expect("ordered");
            prop_assert!(range.contains(&range.place(Id::new(id))));
        }

        #[test]
        fn a_prefix_range_holds_just_the_ids_with_that_prefix(id: [u8; 20], other: [u8; 20], bits in 0_usize..=160) {
            let (id, other) = (Id::new(id), Id::new(other));
            let shares = id.distance(&other).shared_prefix_bits() >= bits;
            prop_assert_eq!(IdRange::of_prefix(&id, bits).contains(&other), shares);
        }
    }

    #[test]
    fn an_empty_range_cannot_be_built() {
        assert_eq!(IdRange::new(Id::MAX, Id::NULL), None);
    }
}
