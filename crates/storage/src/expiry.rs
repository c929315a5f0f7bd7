//! Expiry: the oldest values of all publishers go, the oldest first. Knows no clock.

use std::ops::Bound;

use khashmir_types::Time;

use crate::account::Account;
use crate::row::{Due, Oldest};
use crate::slots::{Rows, Slots};
use crate::{StorageError, Swept};

/// Accounts that one sweep looks at in vain at most: their oldest values have been renewed.
const MAX_RAISED: usize = 1000;

impl<R: Rows> Slots<R> {
    pub(crate) fn expire(&mut self, before: Time, limit: usize) -> Result<Swept, StorageError> {
        self.rows().check_room()?;
        let (mut values, mut raised) = (0, 0);
        loop {
            let oldest = self.next_oldest(self.first_oldest)?;
            let Some(oldest) = oldest.filter(|oldest| oldest.since < before) else {
                return Ok(Swept { values, more: false });
            };
            if raised == MAX_RAISED || self.rows().check_room().is_err() {
                return Ok(Swept { values, more: true });
            }
            let account = self.account(oldest.publisher)?;
            let account = account.ok_or_else(|| self.corrupt("a publisher without an account"))?;
            let due = self.next_due(oldest.publisher, Bound::Included(account.oldest))?;
            let due = due.ok_or_else(|| self.corrupt("an account without a value"))?;
            self.first_oldest = oldest;
            let found = Account { oldest: due, ..account };
            if due.refreshed > oldest.since {
                self.stage_account(Some(account), Some(found));
                raised += 1;
            } else if values < limit {
                self.remove(due, found)?;
                values += 1;
            } else {
                return Ok(Swept { values, more: true });
            }
        }
    }

    /// An account begins to have values from `oldest` on.
    pub(crate) fn lower_first_oldest(&mut self, oldest: Due) {
        let oldest = Oldest { since: oldest.refreshed, publisher: oldest.publisher };
        self.first_oldest = self.first_oldest.min(oldest);
    }
}
