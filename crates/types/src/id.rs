//! `Id`: the 160-bit numbers that name nodes and keys.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use sha1::{Digest, Sha1};

use crate::Distance;

/// A 160-bit number, big endian: the name of a node or of a key. There is one space for both.
///
/// Ids order as numbers. [`Id::NULL`] means "not known yet" on the wire and never names a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; Id::LEN]);

impl Id {
    /// Bytes in an id.
    pub const LEN: usize = 20;
    /// Bits in an id.
    pub const BITS: usize = Self::LEN * 8;
    /// The null id, all zero: "id not known yet". Reserved; never a real node.
    pub const NULL: Self = Self([0; Self::LEN]);
    /// The largest id.
    pub const MAX: Self = Self([0xff; Self::LEN]);

    /// The id with these bytes, most significant first.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The id with these bytes, or `None` unless there are exactly 20.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// A uniformly random id.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; Self::LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A random id that shares exactly its first `bits` bits with `self` for certain, the rest by chance.
    ///
    /// `bits` over 160 count as 160, which gives `self`.
    #[must_use]
    #[expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "the number of bits was cut to what there is"
    )]
    pub fn random_in_prefix(&self, bits: usize, rng: &mut impl Rng) -> Self {
        let mut id = Self::random(rng);
        let (whole, rest) = (bits.min(Self::BITS) / 8, bits.min(Self::BITS) % 8);
        id.0[..whole].copy_from_slice(&self.0[..whole]);
        if rest > 0 {
            let mask = 0xff_u8 << (8 - rest);
            id.0[whole] = (self.0[whole] & mask) | (id.0[whole] & !mask);
        }
        id
    }

    /// The SHA-1 of `content`: how the original names files and random ids.
    #[must_use]
    pub fn sha1(content: &[u8]) -> Self {
        Self(Sha1::digest(content).into())
    }

    /// The key that a caller's bytes stand for: short ones are padded with zero bytes, long ones cut.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes.iter_mut().zip(key).for_each(|(byte, given)| *byte = *given);
        Self(bytes)
    }

    /// The XOR distance to `other` (Kademlia, section 2.1). Symmetric; zero only to itself.
    #[inline]
    #[must_use]
    pub fn distance(&self, other: &Self) -> Distance {
        Distance::between(self, other)
    }

    /// The bytes, most significant first.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The bit at `index`, counted from the most significant.
    ///
    /// # Panics
    /// If `index` is 160 or more.
    #[inline]
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the contract says so")]
    pub fn bit(&self, index: usize) -> bool {
        self.0[index / 8] & (0x80 >> (index % 8)) != 0
    }

    /// This id with the bit at `index`, counted from the most significant, set to `value`.
    ///
    /// # Panics
    /// If `index` is 160 or more.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the contract says so")]
    pub fn with_bit(mut self, index: usize, value: bool) -> Self {
        let mask = 0x80 >> (index % 8);
        if value {
            self.0[index / 8] |= mask;
        } else {
            self.0[index / 8] &= !mask;
        }
        self
    }

    /// Is this the null id?
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::NULL
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(self, f)
    }
}

impl fmt::LowerHex for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

impl AsRef<[u8]> for Id {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; Id::LEN]> for Id {
    fn from(bytes: [u8; Id::LEN]) -> Self {
        Self(bytes)
    }
}

impl From<Id> for [u8; Id::LEN] {
    fn from(id: Id) -> Self {
        id.0
    }
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// The text has another length than 40 characters; `found` says how many.
    #[error("an id has 40 hex digits, this has {found} characters")]
    Length {
        /// Characters in the text.
        found: usize,
    },
    /// The character at `position` (counted from 1) is not a hex digit.
    #[error("{character:?} at position {position} is not a hex digit")]
    Digit {
        /// The offending character.
        character: char,
        /// Its position, counted from 1.
        position: usize,
    },
}

impl FromStr for Id {
    type Err = ParseIdError;

    /// Reads 40 hex digits, upper or lower case. A bad digit is reported before a bad length.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0; Self::LEN];
        for (index, character) in text.chars().enumerate() {
            let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let digit = digit.ok_or(ParseIdError::Digit { character, position: index.saturating_add(1) })?;
            if let Some(byte) = bytes.get_mut(index / 2) {
                *byte = (*byte << 4) | digit;
            }
        }
        if text.len() == 2 * Self::LEN {
            Ok(Self(bytes))
        } else {
            Err(ParseIdError::Length { found: text.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha12Rng;

    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        let id = Id::sha1(b"both ways");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn bad_hex_names_the_position() {
        let text = "aaf4c61ddcc5e8a2dabede0f3b482cd9aeag434d";
        let error = text.parse::<Id>().unwrap_err();
        assert_eq!(error, ParseIdError::Digit { character: 'g', position: 36 });
        assert_eq!(error.to_string(), "'g' at position 36 is not a hex digit");
    }

    #[test]
    fn bad_length_names_the_length() {
        assert_eq!("aaf4".parse::<Id>(), Err(ParseIdError::Length { found: 4 }));
        assert_eq!("0".repeat(41).parse::<Id>(), Err(ParseIdError::Length { found: 41 }));
        assert_eq!("".parse::<Id>(), Err(ParseIdError::Length { found: 0 }));
    }

    #[test]
    fn keys_are_padded_and_cut() {
        assert_eq!(Id::from_key(b"ab").to_string(), format!("6162{}", "0".repeat(36)));
        assert_eq!(Id::from_key(&[0x61; 30]), Id::new([0x61; 20]));
        assert_eq!(Id::from_key(b""), Id::NULL);
    }

    #[test]
    fn a_prefix_is_kept_to_the_bit() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let base = Id::sha1(b"base");
        for bits in 0..=Id::BITS {
            let id = base.random_in_prefix(bits, &mut rng);
            assert!(base.distance(&id).shared_prefix_bits() >= bits);
        }
        assert_eq!(base.random_in_prefix(1000, &mut rng), base);
    }

    #[test]
    fn bits_count_from_the_most_significant() {
        let id = Id::NULL.with_bit(0, true).with_bit(159, true);
        assert_eq!(id.as_bytes()[0], 0x80);
        assert_eq!(id.as_bytes()[19], 0x01);
        assert!(id.bit(0) && id.bit(159) && !id.bit(1));
        assert_eq!(id.with_bit(0, false).with_bit(159, false), Id::NULL);
    }
}
