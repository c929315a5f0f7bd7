//! What is stored and asked for: the same in every process, so that answers can be checked.

use khashmir::Id;

/// Values under each key.
pub(crate) const VALUES: u64 = 3;

/// Bytes in a value: an address, a port and what an application adds.
pub(crate) const VALUE_LEN: usize = 32;

/// The id of the node that is measured.
pub(crate) fn node() -> Id {
    Id::sha1(b"the node that is measured")
}

/// The key of this number.
pub(crate) fn key(number: u64) -> Id {
    Id::sha1(&number.to_be_bytes())
}

/// A value of a key. All are different.
pub(crate) fn value(key: u64, number: u64) -> [u8; VALUE_LEN] {
    let mut value = [b'.'; VALUE_LEN];
    value[..8].copy_from_slice(&key.to_be_bytes());
    value[8..16].copy_from_slice(&number.to_be_bytes());
    value
}

/// The number of a value of this key, if it is one.
pub(crate) fn number(key: u64, found: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(found.get(8..16)?.try_into().ok()?);
    (found == value(key, number)).then_some(number)
}
