//! `Account`: what one publisher has in a storage, and which of it is oldest. Knows no limits.

use std::ops::Bound;

use bytes::Bytes;
use khashmir_types::{Id, Time};

use crate::row::{Due, Oldest, Rank, Row, RowKey, number};
use crate::slots::{Rows, Slots};
use crate::{Publisher, StorageError, StoreLimits};

/// What a publisher has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) values: u64,
    /// Bytes in its values, and [`StoreLimits::OVERHEAD`] for each.
    pub(crate) bytes: u64,
    /// None of its `Due` rows is before this one. Its time is that of the publisher's `Oldest` row.
    pub(crate) oldest: Due,
    /// How many of its values have made room for others.
    pub(crate) displaced: u64,
}

impl Account {
    /// Of a publisher whose first value is about to come.
    pub(crate) const fn new(first: Due) -> Self {
        Self { values: 0, bytes: 0, displaced: 0, oldest: first }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let numbers = [self.values, self.bytes, self.displaced, self.oldest.refreshed.as_micros()];
        let numbers = numbers.map(u64::to_be_bytes).concat();
        [&numbers[..], self.oldest.key.as_bytes(), self.oldest.digest.as_bytes()].concat().into()
    }

    pub(crate) fn decode(publisher: Publisher, bytes: &[u8]) -> Option<Self> {
        let (values, rest) = bytes.split_at_checked(8)?;
        let (bytes, rest) = rest.split_at_checked(8)?;
        let (displaced, rest) = rest.split_at_checked(8)?;
        let (refreshed, ids) = rest.split_at_checked(8)?;
        let (key, digest) = ids.split_at_checked(Id::LEN)?;
        let refreshed = Time::from_micros(number(refreshed)?);
        Some(Self {
            values: number(values)?,
            bytes: number(bytes)?,
            displaced: number(displaced)?,
            oldest: Due { publisher, refreshed, key: Id::from_slice(key)?, digest: Id::from_slice(digest)? },
        })
    }

    const fn oldest_key(&self) -> RowKey {
        RowKey::Oldest(Oldest { since: self.oldest.refreshed, publisher: self.oldest.publisher })
    }

    /// The row that ranks the publisher, if it has a rank: we ourselves have none.
    fn rank_key(&self) -> Option<RowKey> {
        let publisher = self.oldest.publisher;
        let rank = Rank { class: class(self.bytes), publisher };
        (publisher != Publisher::Ourselves).then_some(RowKey::Rank(rank))
    }
}

/// 0 for what is largest. Four classes for each doubling, so that a publisher seldom changes its class.
fn class(bytes: u64) -> u8 {
    let bytes = bytes.max(4);
    let quarters = 4 * u64::from(bytes.ilog2()) + (bytes >> (bytes.ilog2() - 2)) % 4;
    u8::MAX - u8::try_from(quarters).unwrap_or(u8::MAX)
}

impl<R: Rows> Slots<R> {
    /// What `publisher` has, if it has anything.
    pub(crate) fn account(&self, publisher: Publisher) -> Result<Option<Account>, StorageError> {
        Ok(self.rows().row(&RowKey::Account(publisher))?.and_then(Row::into_account))
    }

    /// The account of a value that is there.
    pub(crate) fn account_of(&self, due: &Due) -> Result<Account, StorageError> {
        self.account(due.publisher)?.ok_or_else(|| self.corrupt("a value without an account"))
    }

    /// The first `Due` row of `publisher` from `from` on.
    pub(crate) fn next_due(
        &self,
        publisher: Publisher,
        from: Bound<Due>,
    ) -> Result<Option<Due>, StorageError> {
        match self.rows().next(from.map(RowKey::Due))? {
            Some(RowKey::Due(due)) if due.publisher == publisher => Ok(Some(due)),
            _ => Ok(None),
        }
    }

    /// Who may have the oldest value: nobody has one from before that time.
    pub(crate) fn next_oldest(&self, from: Oldest) -> Result<Option<Oldest>, StorageError> {
        match self.rows().next(Bound::Included(RowKey::Oldest(from)))? {
            Some(RowKey::Oldest(oldest)) => Ok(Some(oldest)),
            _ => Ok(None),
        }
    }

    /// Who has most, within a fifth or so.
    pub(crate) fn biggest(&self) -> Result<Option<Publisher>, StorageError> {
        match self.rows().next(Bound::Included(RowKey::Rank(Rank::FIRST)))? {
            Some(RowKey::Rank(rank)) => Ok(Some(rank.publisher)),
            _ => Ok(None),
        }
    }

    /// Enters a new value of `len` bytes into the account of its publisher, which was `before`.
    pub(crate) fn charge(&mut self, before: Option<Account>, due: Due, len: usize) {
        let account = before.unwrap_or(Account::new(due));
        let after = Account {
            values: account.values + 1,
            bytes: account.bytes + cost(len),
            oldest: account.oldest.min(due),
            ..account
        };
        self.stage_account(before, Some(after));
    }

    /// Takes a value of `len` bytes out of an account.
    pub(crate) fn discharge(&mut self, account: Account, len: usize) {
        let after = Account { values: account.values - 1, bytes: account.bytes - cost(len), ..account };
        self.stage_account(Some(account), (after.values > 0).then_some(after));
    }

    /// Writes an account and the rows that order accounts.
    pub(crate) fn stage_account(&mut self, before: Option<Account>, after: Option<Account>) {
        let Some(publisher) = before.or(after).map(|account| account.oldest.publisher) else { return };
        if let Some(after) = after {
            self.lower_first_oldest(after.oldest);
        }
        self.restage(before.map(|account| account.oldest_key()), after.map(|account| account.oldest_key()));
        self.restage(
            before.and_then(|account| account.rank_key()),
            after.and_then(|account| account.rank_key()),
        );
        self.rows_mut().stage(RowKey::Account(publisher), after.map(Row::Account));
    }

    fn restage(&mut self, before: Option<RowKey>, after: Option<RowKey>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.rows_mut().stage(before, None);
        }
        if let Some(after) = after {
            self.rows_mut().stage(after, Some(Row::Mark));
        }
    }
}

/// What a value of `len` bytes costs its publisher.
pub(crate) const fn cost(len: usize) -> u64 {
    len as u64 + StoreLimits::OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_order_by_size_and_are_within_a_fifth() {
        let mut last = class(0);
        for shift in 2..60 {
            for quarter in 4..8_u64 {
                let bytes = quarter << shift;
                let next = class(bytes);
                assert!(next < last, "{bytes}");
                assert_eq!(next, class(bytes + (bytes / 8) - 1));
                last = next;
            }
        }
        assert_eq!(class(u64::MAX), 0);
    }
}
