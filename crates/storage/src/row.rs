//! The rows that make up a storage, and their bytes in a file. Knows neither what they mean together nor where
//! they are kept.
//!
//! The few values of a key are one row, its head. If there are more they sit in slots 0 to count - 1 without a gap, so that a
//! random value is a random number.

use bytes::Bytes;
use khashmir_types::{Id, Time};

use crate::Publisher;
use crate::account::Account;
use crate::few::{self, Few};

/// Names a row. Rows order as their encoded keys do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    /// What there is once.
    Meta(Meta),
    /// A part of what is known of a key. The parts are neighbours, so that a change of a value touches one page.
    Of(Id, Part),
    /// That a value exists, for each publisher in the order in which they expire.
    Due(Due),
    /// What a publisher has here.
    Account(Publisher),
    /// That a publisher has values, in the order of their oldest.
    Oldest(Oldest),
    /// That a publisher has values, those with most first.
    Rank(Rank),
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Its values if they are few, else how many they are; no row means none.
    Head,
    /// The value in a slot.
    Slot(u64),
    /// Where the value with this SHA-1 is.
    Place(Id),
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

/// A value in the order in which those of its publisher expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) publisher: Publisher,
    pub(crate) refreshed: Time,
    pub(crate) key: Id,
    pub(crate) digest: Id,
}

/// A publisher in the order in which values expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Oldest {
    /// None of its values was refreshed before.
    pub(crate) since: Time,
    pub(crate) publisher: Publisher,
}

/// A publisher in the order of what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// 0 for those that have most.
    pub(crate) class: u8,
    pub(crate) publisher: Publisher,
}

/// Where a value is, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u64,
    pub(crate) refreshed: Time,
    pub(crate) publisher: Publisher,
}

/// How much there is under a key with more than a few values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Many {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// What a row holds; its key says which of these it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Meta(Bytes),
    Few(Few),
    Many(Many),
    Value(Bytes),
    Place(Place),
    Account(Account),
    /// Its key says everything.
    Mark,
}

/// The format this version reads and writes. A change to the encoding of rows needs another number.
pub(crate) const FORMAT: u64 = 2;

/// The first byte of an encoded key, in the order of the variants.
mod tag {
    pub(super) const META: u8 = 0;
    pub(super) const OF: u8 = 1;
    pub(super) const DUE: u8 = 2;
    pub(super) const ACCOUNT: u8 = 3;
    pub(super) const OLDEST: u8 = 4;
    pub(super) const RANK: u8 = 5;
}

/// The byte that tells the parts of a key apart, in the order of the variants.
mod part {
    pub(super) const HEAD: u8 = 0;
    pub(super) const SLOT: u8 = 1;
    pub(super) const PLACE: u8 = 2;
}

/// The first byte of a head.
mod head {
    pub(super) const FEW: u8 = 0;
    pub(super) const MANY: u8 = 1;
}

impl RowKey {
    /// The bytes that name the row in a file. They order as the keys do: integers are big endian.
    pub(crate) fn encode(&self) -> KeyBytes {
        let bytes = KeyBytes::EMPTY;
        match self {
            Self::Meta(meta) => bytes.with(&[tag::META, *meta as u8]),
            Self::Of(key, of) => {
                let bytes = bytes.with(&[tag::OF]).with(key.as_bytes());
                match of {
                    Part::Head => bytes.with(&[part::HEAD]),
                    Part::Slot(slot) => bytes.with(&[part::SLOT]).with(&slot.to_be_bytes()),
                    Part::Place(digest) => bytes.with(&[part::PLACE]).with(digest.as_bytes()),
                }
            }
            Self::Due(due) => {
                let bytes = bytes.with(&[tag::DUE]).with(&due.publisher.encode());
                bytes.with(&time(due.refreshed)).with(due.key.as_bytes()).with(due.digest.as_bytes())
            }
            Self::Account(publisher) => bytes.with(&[tag::ACCOUNT]).with(&publisher.encode()),
            Self::Oldest(oldest) => {
                bytes.with(&[tag::OLDEST]).with(&time(oldest.since)).with(&oldest.publisher.encode())
            }
            Self::Rank(rank) => bytes.with(&[tag::RANK, rank.class]).with(&rank.publisher.encode()),
        }
    }

    /// The key that these bytes are, if it is of a kind that is looked for in order or comes next after one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        match *tag {
            tag::DUE => {
                let (publisher, rest) = rest.split_at_checked(Publisher::LEN)?;
                let (refreshed, ids) = rest.split_at_checked(8)?;
                let (key, digest) = ids.split_at_checked(Id::LEN)?;
                Some(Self::Due(Due {
                    publisher: Publisher::decode(publisher)?,
                    refreshed: Time::from_micros(number(refreshed)?),
                    key: Id::from_slice(key)?,
                    digest: Id::from_slice(digest)?,
                }))
            }
            tag::ACCOUNT => Publisher::decode(rest).map(Self::Account),
            tag::OLDEST => {
                let (since, publisher) = rest.split_at_checked(8)?;
                let publisher = Publisher::decode(publisher)?;
                Some(Self::Oldest(Oldest { since: Time::from_micros(number(since)?), publisher }))
            }
            tag::RANK => {
                let (class, publisher) = rest.split_first()?;
                Some(Self::Rank(Rank { class: *class, publisher: Publisher::decode(publisher)? }))
            }
            _ => None,
        }
    }

    /// What the bytes of the row with this key mean, or `None` if they mean nothing. What a row keeps of them, `copy` copies.
    pub(crate) fn decode_row(&self, bytes: &[u8], copy: impl Fn(&[u8]) -> Bytes) -> Option<Row> {
        match self {
            Self::Meta(_) => Some(Row::Meta(copy(bytes))),
            Self::Of(_, Part::Head) => match bytes.split_first()? {
                (&head::FEW, entries) => Few::decode(copy(entries)).map(Row::Few),
                (&head::MANY, rest) => Some(Row::Many(Many::decode(rest)?)),
                _ => None,
            },
            Self::Of(_, Part::Slot(_)) => Some(Row::Value(copy(bytes))),
            Self::Of(_, Part::Place(_)) => Place::decode(bytes).map(Row::Place),
            Self::Account(publisher) => Account::decode(*publisher, bytes).map(Row::Account),
            Self::Due(_) | Self::Oldest(_) | Self::Rank(_) => bytes.is_empty().then_some(Row::Mark),
        }
    }
}

/// How many values a key has whose head is these bytes, or `None` if they mean nothing. Allocates nothing.
pub(crate) fn count_in_head(bytes: &[u8]) -> Option<u64> {
    match bytes.split_first()? {
        (&head::FEW, entries) => few::count(entries),
        (&head::MANY, rest) => Some(Many::decode(rest)?.count),
        _ => None,
    }
}

impl Many {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, bytes) = bytes.split_at_checked(8)?;
        Some(Self { count: number(count)?, bytes: number(bytes)? })
    }
}

impl Place {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (slot, rest) = bytes.split_at_checked(8)?;
        let (refreshed, publisher) = rest.split_at_checked(8)?;
        let refreshed = Time::from_micros(number(refreshed)?);
        Some(Self { slot: number(slot)?, refreshed, publisher: Publisher::decode(publisher)? })
    }
}

impl Oldest {
    /// Before every other.
    pub(crate) const FIRST: Self = Self { since: Time::EPOCH, publisher: Publisher::Ourselves };
}

impl Rank {
    /// Before every other.
    pub(crate) const FIRST: Self = Self { class: 0, publisher: Publisher::Ourselves };
}

impl Row {
    /// The bytes of the row in a file.
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Meta(bytes) | Self::Value(bytes) => bytes.clone(),
            Self::Few(few) => [&[head::FEW], &few.as_bytes()[..]].concat().into(),
            Self::Many(Many { count, bytes }) => {
                [&[head::MANY][..], &count.to_be_bytes(), &bytes.to_be_bytes()].concat().into()
            }
            Self::Place(Place { slot, refreshed, publisher }) => {
                [&slot.to_be_bytes()[..], &time(*refreshed), &publisher.encode()].concat().into()
            }
            Self::Account(account) => account.encode(),
            Self::Mark => Bytes::new(),
        }
    }

    pub(crate) fn into_meta(self) -> Option<Bytes> {
        if let Self::Meta(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn into_value(self) -> Option<Bytes> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn into_place(self) -> Option<Place> {
        if let Self::Place(place) = self { Some(place) } else { None }
    }

    pub(crate) fn into_account(self) -> Option<Account> {
        if let Self::Account(account) = self { Some(account) } else { None }
    }

    /// About how many bytes of memory a staged row takes: itself, its key, and its share of a tree's node.
    pub(crate) fn staged_bytes(row: Option<&Self>) -> usize {
        let heap = match row {
            Some(Self::Meta(bytes) | Self::Value(bytes)) => bytes.len(),
            Some(Self::Few(few)) => few.as_bytes().len(),
            _ => 0,
        };
        size_of::<(RowKey, Option<Self>)>() + heap
    }
}

/// The bytes of an encoded key, in place.
#[derive(Clone, Copy)]
pub(crate) struct KeyBytes {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl KeyBytes {
    /// The longest, that of a `Due` row.
    const MAX: usize = 1 + Publisher::LEN + 8 + 2 * Id::LEN;
    const EMPTY: Self = Self { bytes: [0; Self::MAX], len: 0 };

    fn with(mut self, more: &[u8]) -> Self {
        let end = self.len + more.len();
        self.bytes[self.len..end].copy_from_slice(more);
        Self { len: end, ..self }
    }
}

impl std::ops::Deref for KeyBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn time(time: Time) -> [u8; 8] {
    time.as_micros().to_be_bytes()
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

    fn publisher() -> impl Strategy<Value = Publisher> {
        prop_oneof![
            Just(Publisher::Ourselves),
            any::<[u8; 3]>().prop_map(Publisher::V4),
            any::<[u8; 8]>().prop_map(Publisher::V6),
        ]
    }

    fn due() -> impl Strategy<Value = Due> {
        (publisher(), any::<u64>(), id(), id()).prop_map(|(publisher, micros, key, digest)| Due {
            publisher,
            refreshed: Time::from_micros(micros),
            key,
            digest,
        })
    }

    fn row_key() -> impl Strategy<Value = RowKey> {
        let meta =
            prop_oneof![Just(Meta::Format), Just(Meta::OwnId), Just(Meta::Contacts), Just(Meta::Totals)];
        let part =
            prop_oneof![Just(Part::Head), any::<u64>().prop_map(Part::Slot), id().prop_map(Part::Place)];
        prop_oneof![
            meta.prop_map(RowKey::Meta),
            (id(), part).prop_map(|(key, part)| RowKey::Of(key, part)),
            due().prop_map(RowKey::Due),
            publisher().prop_map(RowKey::Account),
            (any::<u64>(), publisher()).prop_map(|(micros, publisher)| {
                RowKey::Oldest(Oldest { since: Time::from_micros(micros), publisher })
            }),
            (any::<u8>(), publisher()).prop_map(|(class, publisher)| RowKey::Rank(Rank { class, publisher })),
        ]
    }

    proptest! {
        #[test]
        fn encoded_keys_order_as_keys_do(a in row_key(), b in row_key()) {
            prop_assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        }

        #[test]
        fn only_ordered_keys_decode_and_give_themselves(key in row_key()) {
            let is_ordered = !matches!(key, RowKey::Meta(_) | RowKey::Of(..));
            prop_assert_eq!(RowKey::decode(&key.encode()), is_ordered.then_some(key));
        }

        #[test]
        fn rows_go_both_ways(slot: u64, bytes: u64, value: Vec<u8>, publisher in publisher(), due in due()) {
            let of = |part| RowKey::Of(Id::NULL, part);
            let place = Place { slot, refreshed: due.refreshed, publisher };
            let due = Due { publisher, ..due };
            for (key, row) in [
                (of(Part::Head), Row::Many(Many { count: slot, bytes })),
                (of(Part::Slot(slot)), Row::Value(value.into())),
                (of(Part::Place(Id::NULL)), Row::Place(place)),
                (RowKey::Account(publisher), Row::Account(Account::new(due))),
                (RowKey::Due(due), Row::Mark),
            ] {
                prop_assert_eq!(key.decode_row(&row.encode(), Bytes::copy_from_slice), Some(row));
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>, key in row_key()) {
            let _ = RowKey::decode(&bytes);
            let _ = key.decode_row(&bytes, Bytes::copy_from_slice);
            let _ = count_in_head(&bytes);
        }
    }
}
