//! Many values under one key, in dense slots over ordered rows. Written once for every backend; knows neither
//! files nor commits.
//!
//! Counting reads one row, a sample one row per value, whatever the number of values; a removal moves the last
//! value of the key into the hole.

use std::time::Duration;

use bytes::Bytes;
use khashmir_types::{Id, Time};
use rand::Rng;

use crate::row::{Due, Meta, Place, Row, RowKey, number};
use crate::{StorageError, Swept, Totals};

/// An ordered map of rows in which a change is seen at once.
pub(crate) trait Rows {
    /// The row named `key`.
    fn row(&self, key: &RowKey) -> Result<Option<Row>, StorageError>;

    /// The first `Due` row at or after `from`.
    fn next_due(&self, from: Due) -> Result<Option<Due>, StorageError>;

    /// Writes the row named `key`, or removes it.
    fn stage(&mut self, key: RowKey, row: Option<Row>);

    /// Is there room to stage more?
    fn check_room(&self) -> Result<(), StorageError>;

    /// The error that says that rows contradict one another.
    fn corrupt(&self, reason: &str) -> StorageError;
}

/// Values in slots, kept in `rows`.
#[derive(Debug)]
pub(crate) struct Slots<R> {
    rows: R,
    totals: Totals,
    /// No `Due` row is before this one. Spares each sweep the rows that the last ones removed, which a backend
    /// may have to step over until they are committed.
    first_due: Due,
}

impl<R: Rows> Slots<R> {
    /// For rows of which there are none.
    pub(crate) const fn empty(rows: R) -> Self {
        let totals = Totals { keys: 0, values: 0, bytes: 0 };
        Self { rows, totals, first_due: Due::FIRST }
    }

    /// For rows that were written before.
    pub(crate) fn open(rows: R) -> Result<Self, StorageError> {
        let totals = match rows.row(&RowKey::Meta(Meta::Totals))?.and_then(Row::into_meta) {
            None => Totals::default(),
            Some(bytes) => decode_totals(&bytes).ok_or_else(|| rows.corrupt("totals of a wrong length"))?,
        };
        Ok(Self { rows, totals, first_due: Due::FIRST })
    }

    pub(crate) fn put(&mut self, key: &Id, value: &[u8], now: Time) -> Result<(), StorageError> {
        self.rows.check_room()?;
        let due = Due { refreshed: now, key: *key, digest: Id::sha1(value) };
        match self.find(key, &due.digest)? {
            Some(place) => self.renew(due, place, value),
            None => self.add(due, value),
        }
    }

    pub(crate) fn contains(&self, key: &Id, value: &[u8]) -> Result<bool, StorageError> {
        Ok(self.find(key, &Id::sha1(value))?.is_some())
    }

    pub(crate) fn count(&self, key: &Id) -> Result<u64, StorageError> {
        Ok(self.rows.row(&RowKey::Count { key: *key })?.and_then(Row::into_count).unwrap_or(0))
    }

    pub(crate) fn sample(
        &self,
        key: &Id,
        limit: usize,
        rng: &mut dyn Rng,
    ) -> Result<Vec<Bytes>, StorageError> {
        let mut values = Vec::new();
        self.sample_into(key, limit, rng, &mut values)?;
        Ok(values)
    }

    pub(crate) fn sample_into(
        &self,
        key: &Id,
        limit: usize,
        rng: &mut dyn Rng,
        values: &mut Vec<Bytes>,
    ) -> Result<(), StorageError> {
        // More values than addresses cannot be stored.
        let count = usize::try_from(self.count(key)?).unwrap_or(usize::MAX);
        if limit >= count {
            return (0..count as u64)
                .try_for_each(|slot| self.value(key, slot).map(|value| values.push(value)));
        }
        let mut slots = rand::seq::index::sample(rng, count, limit).into_iter();
        slots.try_for_each(|slot| self.value(key, slot as u64).map(|value| values.push(value)))
    }

    pub(crate) fn expire(&mut self, before: Time, limit: usize) -> Result<Swept, StorageError> {
        self.rows.check_room()?;
        let mut values = 0;
        loop {
            let Some(due) = self.rows.next_due(self.first_due)?.filter(|due| due.refreshed < before) else {
                return Ok(Swept { values, more: false });
            };
            if values == limit || self.rows.check_room().is_err() {
                return Ok(Swept { values, more: true });
            }
            self.remove(due)?;
            self.first_due = due;
            values += 1;
        }
    }

    pub(crate) fn clamp_times(&mut self, now: Time, limit: usize) -> Result<Swept, StorageError> {
        self.rows.check_room()?;
        if now == Time::FAR_FUTURE {
            return Ok(Swept { values: 0, more: false });
        }
        let mut from = Due { refreshed: now + Duration::from_micros(1), ..Due::FIRST };
        let mut values = 0;
        while let Some(due) = self.rows.next_due(from)? {
            if values == limit || self.rows.check_room().is_err() {
                return Ok(Swept { values, more: true });
            }
            let place =
                self.find(&due.key, &due.digest)?.ok_or_else(|| self.corrupt("a value without a place"))?;
            self.refresh(due, place, now);
            from = due;
            values += 1;
        }
        Ok(Swept { values, more: false })
    }

    pub(crate) const fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn meta(&self, meta: Meta) -> Result<Option<Bytes>, StorageError> {
        Ok(self.rows.row(&RowKey::Meta(meta))?.and_then(Row::into_meta))
    }

    pub(crate) fn set_meta(&mut self, meta: Meta, bytes: Bytes) {
        self.rows.stage(RowKey::Meta(meta), Some(Row::Meta(bytes)));
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

    /// Puts a new value into the slot after the last.
    fn add(&mut self, due: Due, value: &[u8]) -> Result<(), StorageError> {
        let Due { refreshed, key, digest } = due;
        let slot = self.count(&key)?;
        self.stage_value(&key, slot, value);
        self.stage_place(&key, &digest, Place { slot, refreshed });
        self.rows.stage(RowKey::Due(due), Some(Row::Due));
        self.first_due = self.first_due.min(due);
        self.rows.stage(RowKey::Count { key }, Some(Row::Count(slot + 1)));
        self.stage_totals(Totals {
            keys: self.totals.keys + u64::from(slot == 0),
            values: self.totals.values + 1,
            bytes: self.totals.bytes + value.len() as u64,
        });
        Ok(())
    }

    /// Renews the value at `place`, which has the digest of `value` and so is the same.
    fn renew(&mut self, due: Due, place: Place, value: &[u8]) -> Result<(), StorageError> {
        let old = self.value(&due.key, place.slot)?;
        if old != value {
            // A collision of SHA-1: see `Storage::put`. Any rule will do that keeps the rows consistent.
            self.stage_value(&due.key, place.slot, value);
            let bytes = self.totals.bytes - old.len() as u64 + value.len() as u64;
            self.stage_totals(Totals { bytes, ..self.totals });
        }
        self.refresh(Due { refreshed: place.refreshed, ..due }, place, due.refreshed);
        Ok(())
    }

    /// Moves the value at `place` from `due` to `now`.
    fn refresh(&mut self, due: Due, place: Place, now: Time) {
        let renewed = Due { refreshed: now, ..due };
        self.rows.stage(RowKey::Due(due), None);
        self.rows.stage(RowKey::Due(renewed), Some(Row::Due));
        self.first_due = self.first_due.min(renewed);
        self.stage_place(&due.key, &due.digest, Place { refreshed: now, ..place });
    }

    /// Removes a value; the last one of its key moves into the hole. Reads everything before it changes anything.
    fn remove(&mut self, due: Due) -> Result<(), StorageError> {
        let Due { key, digest, .. } = due;
        let hole = self.find(&key, &digest)?.ok_or_else(|| self.corrupt("a value without a place"))?.slot;
        let last = self.count(&key)?.checked_sub(1).ok_or_else(|| self.corrupt("a value of an empty key"))?;
        let removed = self.value(&key, hole)?;
        if hole != last {
            let moved = self.value(&key, last)?;
            let moved_digest = Id::sha1(&moved);
            let place =
                self.find(&key, &moved_digest)?.ok_or_else(|| self.corrupt("a value without a place"))?;
            self.stage_place(&key, &moved_digest, Place { slot: hole, ..place });
            self.rows.stage(RowKey::Value { key, slot: hole }, Some(Row::Value(moved)));
        }
        self.rows.stage(RowKey::Value { key, slot: last }, None);
        self.rows.stage(RowKey::Place { key, digest }, None);
        self.rows.stage(RowKey::Due(due), None);
        self.rows.stage(RowKey::Count { key }, (last > 0).then_some(Row::Count(last)));
        self.stage_totals(Totals {
            keys: self.totals.keys - u64::from(last == 0),
            values: self.totals.values - 1,
            bytes: self.totals.bytes - removed.len() as u64,
        });
        Ok(())
    }

    fn find(&self, key: &Id, digest: &Id) -> Result<Option<Place>, StorageError> {
        Ok(self.rows.row(&RowKey::Place { key: *key, digest: *digest })?.and_then(Row::into_place))
    }

    fn value(&self, key: &Id, slot: u64) -> Result<Bytes, StorageError> {
        let row = self.rows.row(&RowKey::Value { key: *key, slot })?;
        row.and_then(Row::into_value).ok_or_else(|| self.corrupt("an empty slot"))
    }

    fn stage_value(&mut self, key: &Id, slot: u64, value: &[u8]) {
        let row = Row::Value(Bytes::copy_from_slice(value));
        self.rows.stage(RowKey::Value { key: *key, slot }, Some(row));
    }

    fn stage_place(&mut self, key: &Id, digest: &Id, place: Place) {
        self.rows.stage(RowKey::Place { key: *key, digest: *digest }, Some(Row::Place(place)));
    }

    fn stage_totals(&mut self, totals: Totals) {
        self.totals = totals;
        let numbers = [totals.keys, totals.values, totals.bytes];
        self.set_meta(Meta::Totals, numbers.map(u64::to_be_bytes).concat().into());
    }
}

fn decode_totals(bytes: &[u8]) -> Option<Totals> {
    let (keys, rest) = bytes.split_at_checked(8)?;
    let (values, bytes) = rest.split_at_checked(8)?;
    Some(Totals { keys: number(keys)?, values: number(values)?, bytes: number(bytes)? })
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

        fn next_due(&self, from: Due) -> Result<Option<Due>, StorageError> {
            self.reads.set(self.reads.get() + 1);
            self.rows.next_due(from)
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

    /// A key with so many values, each refreshed at its own number.
    fn filled(values: u32) -> Slots<CountedRows> {
        let mut slots = Slots::empty(CountedRows::default());
        for n in 0..values {
            slots.put(&Id::MAX, &n.to_be_bytes(), Time::from_micros(n.into())).unwrap();
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
                reads(&mut slots, |slots| slots.sample(&Id::MAX, 8, &mut rng).unwrap()),
                reads(&mut slots, |slots| slots.put(&Id::MAX, b"new", Time::from_secs(1)).unwrap()),
                reads(&mut slots, |slots| slots.put(&Id::MAX, b"new", Time::from_secs(2)).unwrap()),
                reads(&mut slots, |slots| slots.expire(Time::from_micros(4), 4).unwrap()),
            ]
        });
        assert_eq!(work[0], work[1]);
        assert_eq!(work[0][..4], [1, 9, 2, 2], "count, sample, put, renew");
    }

    #[test]
    fn colliding_values_replace_one_another() {
        let mut slots = filled(3);
        // As if the value in slot 1 had the digest of another.
        slots.rows.stage(RowKey::Value { key: Id::MAX, slot: 1 }, Some(Row::Value(Bytes::from("other"))));
        slots.totals.bytes += 1;
        slots.put(&Id::MAX, &1_u32.to_be_bytes(), Time::from_secs(1)).unwrap();
        assert_eq!(slots.totals(), Totals { keys: 1, values: 3, bytes: 12 });
        assert_eq!(slots.value(&Id::MAX, 1).unwrap(), 1_u32.to_be_bytes()[..]);
    }

    #[test]
    fn contradicting_rows_are_an_error() {
        let mut slots = filled(3);
        slots.rows.stage(RowKey::Value { key: Id::MAX, slot: 2 }, None);
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let error = slots.sample(&Id::MAX, 3, &mut rng).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }) && !error.is_retryable());
        assert!(slots.expire(Time::FAR_FUTURE, 3).is_err());
    }
}
