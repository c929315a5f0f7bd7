//! Room for a new value: which others go where a limit is reached. Knows no rows.

use std::ops::Bound;

use khashmir_types::Id;

use crate::account::{Account, cost};
use crate::few::Entry;
use crate::row::{Due, Many};
use crate::slots::{Head, Rows, Slots};
use crate::{Publisher, StorageError};

/// Values that one new value displaces at most. Beyond them it is refused, and the next one finds more room: the
/// work for one datagram stays bounded.
const MAX_DISPLACED: usize = 16;

/// Of so many of the oldest values of a publisher, the one whose key is farthest from us goes.
const CANDIDATES: usize = 4;

/// Values of a full key that are looked at. A publisher that has half of the key is met at least twice in 29 of 30
/// cases.
const LOOKED_AT: u64 = 8;

/// Which limit is in the way of a new value.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Key,
    Publisher,
    Total,
}

impl<R: Rows> Slots<R> {
    /// Makes room for a new value of `len` bytes. Returns the head of its key and the account of its publisher as they
    /// are then.
    pub(crate) fn with_room(
        &mut self,
        mut head: Head,
        due: &Due,
        len: usize,
    ) -> Result<(Head, Option<Account>), StorageError> {
        if !self.could_fit(due.publisher, len) {
            return Err(StorageError::Full);
        }
        for _ in 0..=MAX_DISPLACED {
            let account = self.account(due.publisher)?;
            let is_gone = match self.limit_in_the_way(&head, account.as_ref(), due, len) {
                None => return Ok((head, account)),
                Some(Limit::Key) => self.displace_in(&head, due)?,
                Some(Limit::Publisher) => self.displace_of(due.publisher)?,
                Some(Limit::Total) => match self.biggest()? {
                    Some(biggest) => self.displace_of(biggest)?,
                    None => false,
                },
            };
            if !is_gone {
                break;
            }
            head = self.head(&due.key)?;
        }
        Err(StorageError::Full)
    }

    /// Would the value fit if there were no others?
    fn could_fit(&self, publisher: Publisher, len: usize) -> bool {
        let limits = self.limits();
        limits.max_values.min(limits.max_values_per_key) > 0
            && len as u64 <= limits.max_bytes.min(limits.max_bytes_per_key)
            && (publisher == Publisher::Ourselves || cost(len) <= limits.max_bytes_per_prefix)
    }

    fn limit_in_the_way(
        &self,
        head: &Head,
        account: Option<&Account>,
        due: &Due,
        len: usize,
    ) -> Option<Limit> {
        let (limits, totals, Many { count, bytes }) = (self.limits(), self.totals(), head.size());
        let exceeds = |bytes: u64, more: u64, limit: u64| bytes.saturating_add(more) > limit;
        let owed = account.map_or(0, |account| account.bytes);
        if count >= limits.max_values_per_key || exceeds(bytes, len as u64, limits.max_bytes_per_key) {
            Some(Limit::Key)
        } else if due.publisher != Publisher::Ourselves
            && exceeds(owed, cost(len), limits.max_bytes_per_prefix)
        {
            Some(Limit::Publisher)
        } else if totals.values >= limits.max_values || exceeds(totals.bytes, len as u64, limits.max_bytes) {
            Some(Limit::Total)
        } else {
            None
        }
    }

    /// Removes one of the oldest values of a publisher, if there is one: the oldest and, every other time, the farthest of the
    /// oldest few. So near keys stay a little longer, but nothing stays in the way of finding the oldest.
    fn displace_of(&mut self, publisher: Publisher) -> Result<bool, StorageError> {
        let Some(account) = self.account(publisher)? else { return Ok(false) };
        let oldest = self.dues_from(account.oldest)?;
        let distance = |due: &Due| due.key.distance(self.centre());
        let victim = match account.displaced % 2 {
            // Of equally far ones the older.
            0 => oldest.iter().rev().max_by_key(|due| distance(due)).copied(),
            _ => oldest.first().copied(),
        };
        let Some(victim) = victim else { return Ok(false) };
        let first = oldest.into_iter().find(|due| *due != victim).unwrap_or(victim);
        let after = Account { displaced: account.displaced + 1, oldest: first, ..account };
        self.stage_account(Some(account), Some(after));
        self.remove(victim, after)?;
        Ok(true)
    }

    fn dues_from(&self, first: Due) -> Result<Vec<Due>, StorageError> {
        let mut dues = Vec::with_capacity(CANDIDATES);
        let mut from = Bound::Included(first);
        while dues.len() < CANDIDATES
            && let Some(due) = self.next_due(first.publisher, from)?
        {
            dues.push(due);
            from = Bound::Excluded(due);
        }
        Ok(dues)
    }

    /// Removes a value of a full key, if some publisher has more of them than its share: of the values looked at, the
    /// oldest of the publisher that has most. One that has a single value there makes room only for itself.
    fn displace_in(&mut self, head: &Head, new: &Due) -> Result<bool, StorageError> {
        let dues = self.some_dues(head, new)?;
        let held = |publisher| dues.iter().filter(|due| due.publisher == publisher).count();
        let may_go = |due: &&Due| {
            due.publisher != Publisher::Ourselves
                && (due.publisher == new.publisher || held(due.publisher) > 1)
        };
        let most = dues.iter().filter(may_go).map(|due| held(due.publisher)).max();
        let of_most = dues.iter().filter(may_go).filter(|due| Some(held(due.publisher)) == most);
        let Some(oldest) = of_most.min_by_key(|due| (due.refreshed, due.digest)).copied() else {
            return Ok(false);
        };
        self.remove(oldest, self.account_of(&oldest)?)?;
        Ok(true)
    }

    /// Some of the values of a key, which the digest of the new one draws, or all if they are few.
    fn some_dues(&self, head: &Head, new: &Due) -> Result<Vec<Due>, StorageError> {
        let key = new.key;
        match head {
            Head::Few(entries) => Ok(entries
                .iter()
                .map(|Entry { refreshed, publisher, value }| Due {
                    publisher: *publisher,
                    refreshed: *refreshed,
                    key,
                    digest: Id::sha1(value),
                })
                .collect()),
            Head::Many(many) => drawn(many.count, &new.digest)
                .into_iter()
                .map(|slot| {
                    let digest = Id::sha1(&self.value(&key, slot)?);
                    let place = self.place(&key, &digest)?;
                    Ok(Due { publisher: place.publisher, refreshed: place.refreshed, key, digest })
                })
                .collect(),
        }
    }
}

impl Head {
    /// How much there is under the key.
    fn size(&self) -> Many {
        match self {
            Self::Few(entries) => {
                let bytes = entries.iter().map(|entry| entry.value.len() as u64).sum();
                Many { count: entries.len() as u64, bytes }
            }
            Self::Many(many) => *many,
        }
    }
}

/// Distinct slots of a key with `count` values, spread evenly from where the digest says.
fn drawn(count: u64, digest: &Id) -> Vec<u64> {
    let (start, _) = digest.as_bytes().split_first_chunk().expect("an id has more than 8 bytes");
    let (start, looked_at) = (u64::from_be_bytes(*start), LOOKED_AT.min(count));
    (0..looked_at).map(|n| (start % count + n * count / looked_at) % count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_slots_are_distinct_and_there() {
        for count in 1..40 {
            let mut slots = drawn(count, &Id::sha1(&[u8::try_from(count).unwrap()]));
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len() as u64, count.min(LOOKED_AT));
            assert!(slots.iter().all(|slot| *slot < count));
        }
    }
}
