//! `Sink`: where bencode is written to, a buffer or only its length.
//!
//! Knows how scalars are written; must not know messages. Whoever writes a dictionary gives its keys in order.

use bytes::{BufMut, BytesMut};

/// Takes bencode piece by piece.
pub(super) trait Sink {
    /// Takes bytes as they are: frames, or strings whose length was written before.
    fn put(&mut self, bytes: &[u8]);

    fn string(&mut self, string: &[u8]);

    /// An integer that is not negative. What exceeds an `i64`, which strict decoders refuse, is the largest one.
    fn count(&mut self, count: u64);
}

/// Only counts the bytes.
#[derive(Default)]
pub(super) struct Length(pub(super) usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }

    fn string(&mut self, string: &[u8]) {
        self.0 = self.0.saturating_add(string_len(string.len()));
    }

    fn count(&mut self, count: u64) {
        self.0 = self.0.saturating_add(digits(largest(count))).saturating_add(2);
    }
}

impl Sink for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn string(&mut self, string: &[u8]) {
        put_number(self, string.len() as u64);
        self.put_u8(b':');
        self.extend_from_slice(string);
    }

    fn count(&mut self, count: u64) {
        self.put_u8(b'i');
        put_number(self, largest(count));
        self.put_u8(b'e');
    }
}

/// Bytes that a string of `len` bytes takes in bencode.
pub(super) const fn string_len(len: usize) -> usize {
    digits(len as u64).saturating_add(1).saturating_add(len)
}

const fn digits(number: u64) -> usize {
    match number.checked_ilog10() {
        Some(exponent) => (exponent as usize).saturating_add(1),
        None => 1,
    }
}

fn put_number(buffer: &mut BytesMut, mut number: u64) {
    let mut room = [0; MAX_DIGITS];
    let text = room.get_mut(..digits(number)).unwrap_or_default();
    for digit in text.iter_mut().rev() {
        *digit = b'0' | (number % 10) as u8;
        number /= 10;
    }
    buffer.extend_from_slice(text);
}

/// Digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

fn largest(count: u64) -> u64 {
    count.min(i64::MAX.unsigned_abs())
}
