//! Many values under one key over ordered rows: a head with the values while they are few, dense slots when there are more.
//! Written once for every backend; knows neither files nor commits.
//!
//! Counting reads one row; a sample one for each of its values at most, whatever the number of values. A removal moves the
//! last value of the key into the hole.

use std::ops::Bound;

use bytes::Bytes;
use khashmir_types::{Id, Time};
use rand::Rng;

use crate::account::Account;
use crate::few::{Entry, Few};
use crate::row::{Due, Many, Meta, Oldest, Part, Place, Row, RowKey, number};
use crate::{Publisher, StorageError, StoreLimits, Totals};

/// An ordered map of rows in which a change is seen at once.
pub(crate) trait Rows {
    /// The row named `key`.
    fn row(&self, key: &RowKey) -> Result<Option<Row>, StorageError>;

    /// As [`Self::row`], but only for a moment: who keeps what it holds may keep much more from being used again.
    fn glance(&self, key: &RowKey) -> Result<Option<Row>, StorageError> {
        self.row(key)
    }

    /// The first row from `from` on, if it is of a kind that is looked for in order.
    fn next(&self, from: Bound<RowKey>) -> Result<Option<RowKey>, StorageError>;

    /// How many values the head of `key` tells of.
    fn count(&self, key: &Id) -> Result<u64, StorageError> {
        Ok(match self.row(&RowKey::Of(*key, Part::Head))? {
            Some(Row::Few(few)) => few.count(),
            Some(Row::Many(many)) => many.count,
            _ => 0,
        })
    }

    /// Writes the row named `key`, or removes it.
    fn stage(&mut self, key: RowKey, row: Option<Row>);

    /// Is there room to stage more?
    fn check_room(&self) -> Result<(), StorageError>;

    /// The error that says that rows contradict one another.
    fn corrupt(&self, reason: &str) -> StorageError;
}

/// Values under keys, kept in `rows`.
#[derive(Debug)]
pub(crate) struct Slots<R> {
    rows: R,
    limits: StoreLimits,
    centre: Id,
    totals: Totals,
    latest: Time,
    /// No `Oldest` row is before this one. Spares each sweep the rows that the last ones removed, which a backend
    /// may have to step over until they are committed.
    pub(crate) first_oldest: Oldest,
}

/// What there is under a key.
#[derive(Clone, Debug)]
pub(crate) enum Head {
    Few(Vec<Entry>),
    Many(Many),
}

impl<R: Rows> Slots<R> {
    /// For rows of which there are none.
    pub(crate) const fn empty(rows: R) -> Self {
        Self {
            rows,
            limits: StoreLimits::NONE,
            centre: Id::NULL,
            totals: Totals { keys: 0, values: 0, bytes: 0 },
            latest: Time::EPOCH,
            first_oldest: Oldest::FIRST,
        }
    }

    /// For rows that were written before.
    pub(crate) fn open(rows: R) -> Result<Self, StorageError> {
        let mut slots = Self::empty(rows);
        if let Some(bytes) = slots.meta(Meta::Totals)? {
            let summary = decode_summary(&bytes).ok_or_else(|| slots.corrupt("totals of a wrong length"))?;
            (slots.totals, slots.latest) = summary;
        }
        slots.centre = slots.own_id()?.unwrap_or(Id::NULL);
        Ok(slots)
    }

    pub(crate) fn put(
        &mut self,
        key: &Id,
        value: &[u8],
        publisher: Publisher,
        now: Time,
    ) -> Result<(), StorageError> {
        self.rows.check_room()?;
        let due = Due { publisher, refreshed: now, key: *key, digest: Id::sha1(value) };
        let head = self.head(key)?;
        match self.find(&head, key, &due.digest)? {
            Some(place) => self.renew(head, due, place)?,
            None => {
                let (head, account) = self.with_room(head, &due, value.len())?;
                self.add(head, account, due, value);
            }
        }
        self.latest = self.latest.max(now);
        Ok(())
    }

    pub(crate) fn contains(&self, key: &Id, value: &[u8]) -> Result<bool, StorageError> {
        Ok(self.find(&self.head(key)?, key, &Id::sha1(value))?.is_some())
    }

    pub(crate) fn count(&self, key: &Id) -> Result<u64, StorageError> {
        self.rows.count(key)
    }

    pub(crate) fn sample_into(
        &self,
        key: &Id,
        limit: usize,
        rng: &mut dyn Rng,
        out: &mut Vec<Bytes>,
    ) -> Result<(), StorageError> {
        match self.rows.glance(&RowKey::Of(*key, Part::Head))? {
            Some(Row::Few(few)) => {
                let count = few.entries().count();
                if limit >= count {
                    out.extend(few.entries().map(|entry| entry.value));
                } else {
                    let mut values: Vec<_> = few.entries().map(|entry| entry.value).collect();
                    let chosen = rand::seq::index::sample(rng, count, limit);
                    out.extend(chosen.into_iter().map(|slot| std::mem::take(&mut values[slot])));
                }
            }
            Some(Row::Many(Many { count, .. })) => {
                // More values than addresses cannot be stored.
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                if limit >= count {
                    for slot in 0..count as u64 {
                        out.push(self.glance(key, slot)?);
                    }
                    return Ok(());
                }
                for slot in rand::seq::index::sample(rng, count, limit) {
                    out.push(self.glance(key, slot as u64)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) const fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) const fn latest(&self) -> Time {
        self.latest
    }

    pub(crate) const fn limits(&self) -> &StoreLimits {
        &self.limits
    }

    pub(crate) const fn set_limits(&mut self, limits: StoreLimits) {
        self.limits = limits;
    }

    /// Our own id, from which keys are far or near.
    pub(crate) const fn centre(&self) -> &Id {
        &self.centre
    }

    pub(crate) const fn set_centre(&mut self, own_id: Id) {
        self.centre = own_id;
    }

    pub(crate) fn meta(&self, meta: Meta) -> Result<Option<Bytes>, StorageError> {
        Ok(match self.rows.row(&RowKey::Meta(meta))? {
            Some(Row::Meta(bytes)) => Some(bytes),
            _ => None,
        })
    }

    pub(crate) fn set_meta(&mut self, meta: Meta, bytes: Bytes) {
        self.rows.stage(RowKey::Meta(meta), Some(Row::Meta(bytes)));
    }

    /// Stages what is counted as values come and go, for the rows to be complete.
    pub(crate) fn stage_summary(&mut self) {
        let Totals { keys, values, bytes } = self.totals;
        let numbers = [keys, values, bytes, self.latest.as_micros()];
        self.set_meta(Meta::Totals, numbers.map(u64::to_be_bytes).concat().into());
    }

    pub(crate) fn corrupt(&self, reason: &str) -> StorageError {
        self.rows.corrupt(reason)
    }

    pub(crate) const fn rows(&self) -> &R {
        &self.rows
    }

    pub(crate) const fn rows_mut(&mut self) -> &mut R {
        &mut self.rows
    }

    pub(crate) fn head(&self, key: &Id) -> Result<Head, StorageError> {
        Ok(match self.rows.row(&RowKey::Of(*key, Part::Head))? {
            Some(Row::Few(few)) => Head::Few(few.entries().collect()),
            Some(Row::Many(many)) => Head::Many(many),
            _ => Head::Few(Vec::new()),
        })
    }

    /// The value in a slot of a key with many.
    pub(crate) fn value(&self, key: &Id, slot: u64) -> Result<Bytes, StorageError> {
        let row = self.rows.row(&RowKey::Of(*key, Part::Slot(slot)))?;
        row.and_then(Row::into_value).ok_or_else(|| self.corrupt("an empty slot"))
    }

    /// As [`Self::value`], for a moment.
    fn glance(&self, key: &Id, slot: u64) -> Result<Bytes, StorageError> {
        let row = self.rows.glance(&RowKey::Of(*key, Part::Slot(slot)))?;
        row.and_then(Row::into_value).ok_or_else(|| self.corrupt("an empty slot"))
    }

    /// The place of a value of a key with many.
    pub(crate) fn place(&self, key: &Id, digest: &Id) -> Result<Place, StorageError> {
        let row = self.rows.row(&RowKey::Of(*key, Part::Place(*digest)))?;
        row.and_then(Row::into_place).ok_or_else(|| self.corrupt("a value without a place"))
    }

    /// Removes a value from its key and from the account of its publisher; the last one of the key moves into the hole. Reads
    /// everything before it changes anything.
    pub(crate) fn remove(&mut self, due: Due, account: Account) -> Result<(), StorageError> {
        let len = match self.head(&due.key)? {
            Head::Few(entries) => self.remove_of_few(entries, &due)?,
            Head::Many(many) => self.remove_of_many(many, &due)?,
        };
        self.rows.stage(RowKey::Due(due), None);
        self.discharge(account, len);
        self.totals.values -= 1;
        self.totals.bytes -= len as u64;
        Ok(())
    }

    fn remove_of_few(&mut self, mut entries: Vec<Entry>, due: &Due) -> Result<usize, StorageError> {
        let is_due = |entry: &Entry| {
            (entry.refreshed, entry.publisher) == (due.refreshed, due.publisher)
                && Id::sha1(&entry.value) == due.digest
        };
        let hole = entries.iter().position(is_due).ok_or_else(|| self.corrupt("a value without a place"))?;
        let removed = entries.swap_remove(hole);
        self.totals.keys -= u64::from(entries.is_empty());
        let _ = self.stage_few(&due.key, &entries);
        Ok(removed.value.len())
    }

    fn remove_of_many(&mut self, many: Many, due: &Due) -> Result<usize, StorageError> {
        let Due { key, digest, .. } = *due;
        let hole = self.place(&key, &digest)?.slot;
        let last = many.count.checked_sub(1).ok_or_else(|| self.corrupt("a value of an empty key"))?;
        let removed = self.value(&key, hole)?.len();
        if hole != last {
            let moved = self.value(&key, last)?;
            let moved_digest = Id::sha1(&moved);
            let place = self.place(&key, &moved_digest)?;
            self.stage_place(&key, &moved_digest, Place { slot: hole, ..place });
            self.rows.stage(RowKey::Of(key, Part::Slot(hole)), Some(Row::Value(moved)));
        }
        self.rows.stage(RowKey::Of(key, Part::Slot(last)), None);
        self.rows.stage(RowKey::Of(key, Part::Place(digest)), None);
        let many = Many { count: last, bytes: many.bytes - removed as u64 };
        self.rows.stage(RowKey::Of(key, Part::Head), (last > 0).then_some(Row::Many(many)));
        self.totals.keys -= u64::from(last == 0);
        Ok(removed)
    }

    /// Puts a new value into the slot after the last.
    fn add(&mut self, head: Head, account: Option<Account>, due: Due, value: &[u8]) {
        let many = match head {
            Head::Few(entries) => self.add_to_few(entries, &due, value),
            Head::Many(many) => Some(many),
        };
        if let Some(many) = many {
            self.add_to_many(many, &due, value);
        }
        self.rows.stage(RowKey::Due(due), Some(Row::Mark));
        self.charge(account, due, value.len());
        self.totals.values += 1;
        self.totals.bytes += value.len() as u64;
    }

    /// Adds a value to the few of a key; if they are no longer few, makes them many and leaves it to the caller.
    fn add_to_few(&mut self, mut entries: Vec<Entry>, due: &Due, value: &[u8]) -> Option<Many> {
        self.totals.keys += u64::from(entries.is_empty());
        let (refreshed, publisher) = (due.refreshed, due.publisher);
        entries.push(Entry { refreshed, publisher, value: Bytes::copy_from_slice(value) });
        if self.stage_few(&due.key, &entries) {
            return None;
        }
        entries.pop();
        let mut many = Many { count: 0, bytes: 0 };
        for Entry { refreshed, publisher, value } in entries {
            let digest = Id::sha1(&value);
            many = self.add_to_many(many, &Due { publisher, refreshed, key: due.key, digest }, &value);
        }
        Some(many)
    }

    fn add_to_many(&mut self, many: Many, due: &Due, value: &[u8]) -> Many {
        let Due { publisher, refreshed, key, digest } = *due;
        let row = Row::Value(Bytes::copy_from_slice(value));
        self.rows.stage(RowKey::Of(key, Part::Slot(many.count)), Some(row));
        self.stage_place(&key, &digest, Place { slot: many.count, refreshed, publisher });
        let many = Many { count: many.count + 1, bytes: many.bytes + value.len() as u64 };
        self.rows.stage(RowKey::Of(key, Part::Head), Some(Row::Many(many)));
        many
    }

    /// Renews the value at `place`, which stays its publisher's.
    fn renew(&mut self, head: Head, due: Due, place: Place) -> Result<(), StorageError> {
        let Due { key, digest, refreshed, .. } = due;
        let old = Due { publisher: place.publisher, refreshed: place.refreshed, ..due };
        let renewed = Due { refreshed, ..old };
        let account = self.account_of(&old)?;
        match head {
            Head::Few(mut entries) => {
                if let Some(entry) = usize::try_from(place.slot).ok().and_then(|slot| entries.get_mut(slot)) {
                    entry.refreshed = refreshed;
                }
                let _ = self.stage_few(&key, &entries);
            }
            Head::Many(_) => self.stage_place(&key, &digest, Place { refreshed, ..place }),
        }
        self.rows.stage(RowKey::Due(old), None);
        self.rows.stage(RowKey::Due(renewed), Some(Row::Mark));
        if renewed < account.oldest {
            self.stage_account(Some(account), Some(Account { oldest: renewed, ..account }));
        }
        Ok(())
    }

    /// Where a value is, if it is there.
    fn find(&self, head: &Head, key: &Id, digest: &Id) -> Result<Option<Place>, StorageError> {
        match head {
            Head::Few(entries) => {
                let is_it = |entry: &(u64, &Entry)| Id::sha1(&entry.1.value) == *digest;
                let found = (0..).zip(entries).find(is_it);
                Ok(found.map(|(slot, entry)| Place {
                    slot,
                    refreshed: entry.refreshed,
                    publisher: entry.publisher,
                }))
            }
            Head::Many(_) => {
                let row = self.rows.row(&RowKey::Of(*key, Part::Place(*digest)))?;
                Ok(row.and_then(Row::into_place))
            }
        }
    }

    /// Writes the head of a key with few values, unless they are not few. No entries, no head.
    fn stage_few(&mut self, key: &Id, entries: &[Entry]) -> bool {
        let few = Few::new(entries);
        let fits = few.is_some();
        if fits {
            self.rows.stage(RowKey::Of(*key, Part::Head), few.filter(|_| !entries.is_empty()).map(Row::Few));
        }
        fits
    }

    fn stage_place(&mut self, key: &Id, digest: &Id, place: Place) {
        self.rows.stage(RowKey::Of(*key, Part::Place(*digest)), Some(Row::Place(place)));
    }
}

fn decode_summary(bytes: &[u8]) -> Option<(Totals, Time)> {
    let (keys, rest) = bytes.split_at_checked(8)?;
    let (values, rest) = rest.split_at_checked(8)?;
    let (bytes, latest) = rest.split_at_checked(8)?;
    let totals = Totals { keys: number(keys)?, values: number(values)?, bytes: number(bytes)? };
    Some((totals, Time::from_micros(number(latest)?)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rand::SeedableRng;
    use rand::rngs::ChaCha12Rng;

    use super::*;
    use crate::memory::MemoryRows;

    /// Rows that count how often they are read.
    #[derive(Default)]
    struct CountedRows {
        rows: MemoryRows,
        reads: Cell<usize>,
    }

    impl Rows for CountedRows {
        fn row(&self, key: &RowKey) -> Result<Option<Row>, StorageError> {
            self.reads.set(self.reads.get() + 1);
            self.rows.row(key)
        }

        fn next(&self, from: Bound<RowKey>) -> Result<Option<RowKey>, StorageError> {
            self.reads.set(self.reads.get() + 1);
            self.rows.next(from)
        }

        fn stage(&mut self, key: RowKey, row: Option<Row>) {
            self.rows.stage(key, row);
        }

        fn check_room(&self) -> Result<(), StorageError> {
            self.rows.check_room()
        }

        fn corrupt(&self, reason: &str) -> StorageError {
            self.rows.corrupt(reason)
        }
    }

    const SOMEBODY: Publisher = Publisher::V4([192, 0, 2]);

    /// A key with so many values, each refreshed at its own number.
    fn filled(values: u32) -> Slots<CountedRows> {
        let mut slots = Slots::empty(CountedRows::default());
        for n in 0..values {
            slots.put(&Id::MAX, &n.to_be_bytes(), SOMEBODY, Time::from_micros(n.into())).unwrap();
        }
        slots.rows.reads.set(0);
        slots
    }

    fn reads<T>(slots: &mut Slots<CountedRows>, act: impl FnOnce(&mut Slots<CountedRows>) -> T) -> usize {
        let _ = act(slots);
        slots.rows.reads.take()
    }

    #[test]
    fn the_work_does_not_depend_on_the_number_of_values() {
        let work = [10, 100_000].map(|values| {
            let (mut slots, mut rng) = (filled(values), ChaCha12Rng::seed_from_u64(1));
            [
                reads(&mut slots, |slots| slots.count(&Id::MAX).unwrap()),
                reads(&mut slots, |slots| slots.sample_into(&Id::MAX, 8, &mut rng, &mut Vec::new()).unwrap()),
                reads(&mut slots, |slots| slots.put(&Id::MAX, b"new", SOMEBODY, Time::from_secs(1)).unwrap()),
                reads(&mut slots, |slots| slots.put(&Id::MAX, b"new", SOMEBODY, Time::from_secs(2)).unwrap()),
                reads(&mut slots, |slots| slots.expire(Time::from_micros(4), 4).unwrap()),
            ]
        });
        assert_eq!(work[0], work[1]);
        assert_eq!(work[0][..4], [1, 9, 3, 3], "count, sample, put, renew");
    }

    #[test]
    fn contradicting_rows_are_an_error() {
        let mut slots = filled(30);
        slots.rows.stage(RowKey::Of(Id::MAX, Part::Slot(29)), None);
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let error = slots.sample_into(&Id::MAX, 30, &mut rng, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }) && !error.is_retryable());
        assert!(slots.expire(Time::FAR_FUTURE, 3).is_err());
    }
}
