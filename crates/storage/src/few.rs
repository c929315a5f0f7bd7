//! `Few`: the values of a key as one row, as long as they are few. Knows no index.
//!
//! Each value is when it was refreshed (8 bytes, big endian), its publisher (9), its length (2) and itself.

use bytes::{BufMut, Bytes, BytesMut};
use khashmir_types::Time;

use crate::Publisher;
use crate::row::number;

/// A handful of values with what is known of each, in slots 0, 1, 2 and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Few {
    bytes: Bytes,
}

/// A value and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) refreshed: Time,
    pub(crate) publisher: Publisher,
    pub(crate) value: Bytes,
}

/// What an entry takes besides its value.
const HEADER: usize = 8 + Publisher::LEN + 2;

impl Few {
    /// More than so many values have rows of their own. A reply to `find_value` brings no more along.
    pub(crate) const MAX_VALUES: usize = 8;

    /// Values with more bytes than these have rows of their own: more than a datagram carries, and little enough that
    /// a page of the file holds a few such rows.
    pub(crate) const MAX_BYTES: usize = 1536;

    /// The row for these entries, or `None` if they are too many or too much.
    pub(crate) fn new(entries: &[Entry]) -> Option<Self> {
        let len: usize = entries.iter().map(|entry| HEADER + entry.value.len()).sum();
        if entries.len() > Self::MAX_VALUES || len > Self::MAX_BYTES {
            return None;
        }
        let mut bytes = BytesMut::with_capacity(len);
        for entry in entries {
            bytes.put_u64(entry.refreshed.as_micros());
            bytes.put_slice(&entry.publisher.encode());
            bytes.put_u16(u16::try_from(entry.value.len()).ok()?);
            bytes.put_slice(&entry.value);
        }
        Some(Self { bytes: bytes.freeze() })
    }

    /// What these bytes stand for, or `None` if they stand for nothing.
    pub(crate) fn decode(bytes: Bytes) -> Option<Self> {
        let few = Self { bytes };
        let is_whole = count(&few.bytes)? > 0;
        is_whole.then_some(few)
    }

    pub(crate) const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn count(&self) -> u64 {
        self.entries().count() as u64
    }

    /// The entries in the order of their slots. Their values share the memory of the row.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (refreshed, publisher, value) = split(&mut rest)?;
            Some(Entry { refreshed, publisher, value: self.bytes.slice_ref(value) })
        })
    }
}

/// How many entries these bytes are, or `None` if they are not whole entries. Allocates nothing.
pub(crate) fn count(mut bytes: &[u8]) -> Option<u64> {
    let mut count = 0;
    while !bytes.is_empty() {
        split(&mut bytes)?;
        count += 1;
    }
    Some(count)
}

/// Takes the first entry off `bytes`.
fn split<'a>(bytes: &mut &'a [u8]) -> Option<(Time, Publisher, &'a [u8])> {
    let (refreshed, rest) = bytes.split_at_checked(8)?;
    let (publisher, rest) = rest.split_at_checked(Publisher::LEN)?;
    let (len, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    *bytes = rest;
    Some((Time::from_micros(number(refreshed)?), Publisher::decode(publisher)?, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(micros: u64, value: Vec<u8>) -> Entry {
        let publisher = Publisher::V4([192, 0, 2]);
        Entry { refreshed: Time::from_micros(micros), publisher, value: value.into() }
    }

    proptest! {
        #[test]
        fn entries_go_both_ways(given in proptest::collection::vec((any::<u64>(), any::<Vec<u8>>()), 1..9)) {
            let entries: Vec<_> = given.into_iter().map(|(micros, value)| entry(micros, value)).collect();
            if let Some(few) = Few::new(&entries) {
                prop_assert_eq!(few.count(), entries.len() as u64);
                let read = Few::decode(few.as_bytes().clone()).expect("what was written");
                prop_assert_eq!(read.entries().collect::<Vec<_>>(), entries);
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
            let _ = Few::decode(bytes.into());
        }
    }

    #[test]
    fn too_many_or_too_much_is_not_few() {
        assert!(Few::new(&vec![entry(1, vec![1]); Few::MAX_VALUES]).is_some());
        assert!(Few::new(&vec![entry(1, vec![1]); Few::MAX_VALUES + 1]).is_none());
        assert!(Few::new(&[entry(1, vec![1; Few::MAX_BYTES])]).is_none());
    }

    #[test]
    fn a_cut_entry_is_none() {
        let few = Few::new(&[entry(1, vec![1, 2])]).unwrap();
        assert_eq!(Few::decode(few.as_bytes().slice(..few.as_bytes().len() - 1)), None);
        assert_eq!(Few::decode(Bytes::new()), None);
    }
}
