//! `Glanced`: memory for what is read and soon let go of, used again and again. Knows no rows.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// Copies bytes without asking for memory each time, as long as copies are let go of before long. Who keeps one for long keeps
/// all of a buffer.
#[derive(Debug, Default)]
pub(super) struct Glanced {
    buffer: RefCell<BytesMut>,
}

/// Bytes in a buffer: two of the longest rows with values.
const SIZE: usize = 4096;

impl Glanced {
    pub(super) fn copy(&self, bytes: &[u8]) -> Bytes {
        let mut buffer = self.buffer.borrow_mut();
        if bytes.len() > SIZE {
            return Bytes::copy_from_slice(bytes);
        }
        if buffer.capacity() < bytes.len() && !buffer.try_reclaim(SIZE) {
            *buffer = BytesMut::with_capacity(SIZE);
        }
        buffer.extend_from_slice(bytes);
        buffer.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_of_makes_room_and_what_is_kept_stays() {
        let glanced = Glanced::default();
        let first = glanced.copy(&[1; 100]);
        let place = glanced.copy(&[2; 100]).as_ptr();
        let others: Vec<_> = (0..100_u8).map(|n| glanced.copy(&[n; 1000])).collect();
        assert!(others.iter().zip(0..).all(|(copy, n)| *copy == [n; 1000][..]) && first == [1; 100][..]);
        drop((first, others));
        let places: Vec<_> = (0..1000).map(|_| glanced.copy(&[3; 1000]).as_ptr()).collect();
        assert!(
            places.iter().collect::<std::collections::BTreeSet<_>>().len() <= 4,
            "and not far from {place:?}"
        );
        assert_eq!(glanced.copy(&[4; SIZE + 1]).len(), SIZE + 1);
    }
}
