//! `TransactionId`: what ties an answer to its query.

use std::fmt;
use std::hash::{Hash, Hasher};

use rand::Rng;

/// The `t` of a message: chosen by whoever asks, echoed by whoever answers.
///
/// Ours have 20 random bytes, as the original's. Others may have up to [`TransactionId::MAX_LEN`], kept inline.
#[derive(Clone, Copy)]
pub struct TransactionId {
    len: u8,
    bytes: [u8; TransactionId::MAX_LEN],
}

impl TransactionId {
    /// Bytes in the transaction ids of the original, and in ours.
    pub const LEN: usize = 20;
    /// Bytes in the longest transaction id that is answered. A longer one serves no purpose but to be
    /// reflected: its message is dropped.
    pub const MAX_LEN: usize = 64;

    /// A random transaction id of 20 bytes. Whoever cannot see it can only guess it, so `rng` must be
    /// cryptographically strong.
    pub fn random(rng: &mut impl Rng) -> Self {
        Self::random_bytes(rng).into()
    }

    /// The bytes of [`Self::random`].
    pub(crate) fn random_bytes(rng: &mut impl Rng) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        rng.fill_bytes(&mut bytes);
        bytes
    }

    /// The transaction id with these bytes, or `None` if there are more than [`Self::MAX_LEN`].
    #[must_use]
    pub fn from_slice(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { len: u8::try_from(id.len()).ok()?, bytes })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // No transaction id is longer than the longest.
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }
}

impl From<[u8; TransactionId::LEN]> for TransactionId {
    fn from(id: [u8; Self::LEN]) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..Self::LEN].copy_from_slice(&id);
        Self { len: Self::LEN as u8, bytes }
    }
}

impl PartialEq for TransactionId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for TransactionId {}

impl Hash for TransactionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({})", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_from_0_to_64_fit() {
        for len in 0..=TransactionId::MAX_LEN {
            let bytes = vec![b't'; len];
            assert_eq!(TransactionId::from_slice(&bytes).map(|id| id.as_bytes().to_vec()), Some(bytes));
        }
        assert_eq!(TransactionId::from_slice(&[b't'; 65]), None);
    }

    #[test]
    fn length_tells_ids_apart() {
        assert_ne!(TransactionId::from_slice(b""), TransactionId::from_slice(b"\0"));
    }
}
