//! The target `scan`: any bytes are strict bencode or they are not, and no part of what is, is too.

use khashmir::krpc::{self, ScanError};

/// Scans `input`. If it passes, none of the ways to cut it short or to add to it does.
pub fn scan(input: &[u8]) {
    if krpc::scan(input).is_err() {
        return;
    }
    let (_, shorter) = input.split_last().expect("nothing is no value");
    assert_eq!(krpc::scan(shorter), Err(ScanError::Truncated));
    let half = input.get(..input.len() / 2).unwrap_or_default();
    assert_eq!(krpc::scan(half), Err(ScanError::Truncated));
}
