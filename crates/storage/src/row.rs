//! The rows that make up a storage, and their bytes in a file. Knows neither what they mean together nor where
//! they are kept.
//!
//! Under a key the values sit in slots 0 to count - 1 without a gap, so that a random value is a random number.

use bytes::Bytes;
use khashmir_types::{Id, Time};

/// Names a row. Rows order as their encoded keys do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    /// What there is once.
    Meta(Meta),
    /// How many values `key` has; no row means none.
    Count { key: Id },
    /// The value of `key` in `slot`.
    Value { key: Id, slot: u64 },
    /// Where the value of `key` with the SHA-1 `digest` is.
    Place { key: Id, digest: Id },
    /// That a value exists, in the order in which values expire.
    Due(Due),
}

/// The rows there is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meta {
    /// The format of the file: [`FORMAT`], 8 bytes big endian.
    Format,
    /// The node's own id.
    OwnId,
    /// The contacts to start from.
    Contacts,
    /// How much there is in all.
    Totals,
}

/// A value in the order in which values expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) refreshed: Time,
    pub(crate) key: Id,
    pub(crate) digest: Id,
}

/// Where a value is, and when it was last refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u64,
    pub(crate) refreshed: Time,
}

/// What a row holds; its key says which of these it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Meta(Bytes),
    Count(u64),
    Value(Bytes),
    Place(Place),
    Due,
}

/// The format this version reads and writes. A change to the encoding of rows needs another number.
pub(crate) const FORMAT: u64 = 1;

/// The first byte of an encoded key, in the order of the variants.
mod tag {
    pub(super) const META: u8 = 0;
    pub(super) const COUNT: u8 = 1;
    pub(super) const VALUE: u8 = 2;
    pub(super) const PLACE: u8 = 3;
    pub(super) const DUE: u8 = 4;
}

impl RowKey {
    /// The bytes that name the row in a file. They order as the keys do: integers are big endian.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Meta(meta) => vec![tag::META, *meta as u8],
            Self::Count { key } => [&[tag::COUNT], &key.as_bytes()[..]].concat(),
            Self::Value { key, slot } => [&[tag::VALUE], &key.as_bytes()[..], &slot.to_be_bytes()].concat(),
            Self::Place { key, digest } => [&[tag::PLACE], &key.as_bytes()[..], digest.as_bytes()].concat(),
            Self::Due(Due { refreshed, key, digest }) => {
                let refreshed = refreshed.as_micros().to_be_bytes();
                [&[tag::DUE], &refreshed[..], key.as_bytes(), digest.as_bytes()].concat()
            }
        }
    }

    pub(crate) const fn as_due(&self) -> Option<Due> {
        if let Self::Due(due) = self { Some(*due) } else { None }
    }

    /// What the bytes of the row with this key mean, or `None` if they mean nothing.
    pub(crate) fn decode_row(&self, bytes: &[u8]) -> Option<Row> {
        match self {
            Self::Meta(_) => Some(Row::Meta(Bytes::copy_from_slice(bytes))),
            Self::Count { .. } => Some(Row::Count(number(bytes)?)),
            Self::Value { .. } => Some(Row::Value(Bytes::copy_from_slice(bytes))),
            Self::Place { .. } => {
                let (slot, refreshed) = bytes.split_at_checked(8)?;
                let refreshed = Time::from_micros(number(refreshed)?);
                Some(Row::Place(Place { slot: number(slot)?, refreshed }))
            }
            Self::Due(_) => bytes.is_empty().then_some(Row::Due),
        }
    }
}

impl Due {
    /// Before every other.
    pub(crate) const FIRST: Self = Self { refreshed: Time::EPOCH, key: Id::NULL, digest: Id::NULL };
    /// After every other.
    pub(crate) const LAST: Self = Self { refreshed: Time::FAR_FUTURE, key: Id::MAX, digest: Id::MAX };

    /// What these bytes of a key mean, or `None` if they are not the key of such a row.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (refreshed, ids) = bytes.strip_prefix(&[tag::DUE])?.split_at_checked(8)?;
        let (key, digest) = ids.split_at_checked(Id::LEN)?;
        let refreshed = Time::from_micros(number(refreshed)?);
        Some(Self { refreshed, key: Id::from_slice(key)?, digest: Id::from_slice(digest)? })
    }
}

impl Row {
    /// The bytes of the row in a file.
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Meta(bytes) | Self::Value(bytes) => bytes.clone(),
            Self::Count(count) => Bytes::copy_from_slice(&count.to_be_bytes()),
            Self::Place(Place { slot, refreshed }) => {
                [slot.to_be_bytes(), refreshed.as_micros().to_be_bytes()].concat().into()
            }
            Self::Due => Bytes::new(),
        }
    }

    pub(crate) fn into_meta(self) -> Option<Bytes> {
        if let Self::Meta(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn into_count(self) -> Option<u64> {
        if let Self::Count(count) = self { Some(count) } else { None }
    }

    pub(crate) fn into_value(self) -> Option<Bytes> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn into_place(self) -> Option<Place> {
        if let Self::Place(place) = self { Some(place) } else { None }
    }

    /// About how many bytes of memory a staged row takes: itself, its key, and its share of a tree's node.
    pub(crate) fn staged_bytes(row: Option<&Self>) -> usize {
        let heap = match row {
            Some(Self::Meta(bytes) | Self::Value(bytes)) => bytes.len(),
            _ => 0,
        };
        size_of::<(RowKey, Option<Self>)>() + heap
    }
}

/// A big endian number of 8 bytes, or `None` for any other length.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = Id> {
        // Few distinct bytes, so that prefixes are shared and the order is decided late.
        let byte = proptest::sample::select(vec![0, 1, 255_u8]);
        proptest::collection::vec(byte, Id::LEN).prop_map(|bytes| Id::from_slice(&bytes).expect("20 bytes"))
    }

    fn row_key() -> impl Strategy<Value = RowKey> {
        let meta =
            prop_oneof![Just(Meta::Format), Just(Meta::OwnId), Just(Meta::Contacts), Just(Meta::Totals)];
        prop_oneof![
            meta.prop_map(RowKey::Meta),
            id().prop_map(|key| RowKey::Count { key }),
            (id(), any::<u64>()).prop_map(|(key, slot)| RowKey::Value { key, slot }),
            (id(), id()).prop_map(|(key, digest)| RowKey::Place { key, digest }),
            (any::<u64>(), id(), id()).prop_map(|(micros, key, digest)| {
                RowKey::Due(Due { refreshed: Time::from_micros(micros), key, digest })
            }),
        ]
    }

    proptest! {
        #[test]
        fn encoded_keys_order_as_keys_do(a in row_key(), b in row_key()) {
            prop_assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        }

        #[test]
        fn only_due_keys_decode_and_give_themselves(key in row_key()) {
            let due = if let RowKey::Due(due) = key { Some(due) } else { None };
            prop_assert_eq!(Due::decode(&key.encode()), due);
        }

        #[test]
        fn rows_go_both_ways(slot: u64, micros: u64, value: Vec<u8>) {
            let key = Id::NULL;
            let place = Place { slot, refreshed: Time::from_micros(micros) };
            for (key, row) in [
                (RowKey::Count { key }, Row::Count(slot)),
                (RowKey::Value { key, slot }, Row::Value(value.into())),
                (RowKey::Place { key, digest: key }, Row::Place(place)),
                (RowKey::Due(Due::FIRST), Row::Due),
            ] {
                prop_assert_eq!(key.decode_row(&row.encode()), Some(row));
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>, key in row_key()) {
            let _ = Due::decode(&bytes);
            let _ = key.decode_row(&bytes);
        }
    }
}
