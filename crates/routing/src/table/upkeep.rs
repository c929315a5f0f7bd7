//! What the table wants done, and when: pings and refreshes. Knows not who carries them out.

use std::time::Duration;

use khashmir_types::{Contact, IdRange, Time};

use super::KTable;
use super::proximity::NEIGHBOURHOOD;
use crate::KBucket;
use crate::moment::Moment;

/// Something the table wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Send a ping to this contact and report the result once, with [`KTable::on_answer`], [`KTable::on_failure`] (also
    /// if it cannot be sent) or [`KTable::on_wrong_id`]. Until then the table does not ask for another.
    Ping(Contact),
    /// Look up a random id in a bucket's range. Nothing is to be reported but the answers that come in.
    Refresh(Refresh),
}

/// A lookup that the table wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Look up a random id in this range, a bucket's.
    pub range: IdRange,
    /// After answers of so many nodes in the range the lookup may end: to find those nearest to a random id takes three times as
    /// many questions as to hear `k`. `None` for the three buckets closest to us, which are to hold all nodes around us, and where
    /// `k` more do not fill the bucket.
    pub enough: Option<usize>,
}

impl KTable {
    /// Wishes that every bucket be refreshed whatever its age: to be called at the start, after joining.
    pub fn refresh_all(&mut self, now: Time) {
        self.forced_refreshes = self.buckets.len();
        self.wake_at = self.wake_at.min(now);
    }

    /// The next thing that is due by `now`, if any: newcomers' pings first, then others by bucket, then refreshes.
    ///
    /// What is returned counts as begun and is not returned again. One may stop before `None` to limit the work and go
    /// on later; after `None`, [`Self::poll_timeout`] is later than `now`.
    #[must_use = "what is returned is not returned again"]
    pub fn poll_upkeep(&mut self, now: Time) -> Option<Upkeep> {
        if let Some(newcomer) = self.newcomers.poll() {
            return Some(Upkeep::Ping(newcomer));
        }
        if now < self.wake_at {
            return None;
        }
        let ping = self.poll_ping(now).map(Upkeep::Ping);
        let upkeep = ping.or_else(|| self.poll_refresh(now).map(Upkeep::Refresh));
        if upkeep.is_none() {
            self.wake_at = self.next_due();
        }
        upkeep
    }

    /// When to call [`Self::poll_upkeep`] again; it may turn out to have nothing then, but never has anything earlier.
    ///
    /// Every other call that takes `now` may move it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let wake_at = if self.newcomers.is_due() { Time::EPOCH } else { self.wake_at };
        (wake_at < Time::FAR_FUTURE).then_some(wake_at)
    }

    fn poll_ping(&mut self, now: Time) -> Option<Contact> {
        self.buckets.iter_mut().find_map(|bucket| bucket.poll_ping(now))
    }

    /// Handing out a refresh touches the bucket: an empty or dead one is not refreshed again before it is stale again.
    fn poll_refresh(&mut self, now: Time) -> Option<Refresh> {
        self.forced_refreshes = self.forced_refreshes.min(self.buckets.len());
        let index = if self.forced_refreshes > 0 {
            self.forced_refreshes -= 1; // from the deepest up: our own neighbourhood matters most
            self.forced_refreshes
        } else {
            self.buckets.iter().position(|bucket| self.refresh_at(bucket) <= now)?
        };
        self.buckets[index].touch(now);
        let is_far = index + NEIGHBOURHOOD < self.buckets.len();
        let are_enough = is_far && self.room_in(index) <= self.config.k;
        Some(Refresh { range: self.range_of(index), enough: are_enough.then_some(self.config.k) })
    }

    fn next_due(&self) -> Time {
        let pings = self.buckets.iter().map(KBucket::pings_from);
        let refreshes = self.buckets.iter().map(|bucket| self.refresh_at(bucket));
        pings.chain(refreshes).min().unwrap_or(Time::FAR_FUTURE)
    }

    /// A bucket is stale when more than `bucket_staleness` has passed: from the next microsecond on.
    fn refresh_at(&self, bucket: &KBucket) -> Time {
        bucket.touched() + self.config.bucket_staleness + Duration::from_micros(1)
    }

    /// A ping in bucket `index` may be due at `at`; to the precision to which nodes plan their pings.
    pub(super) fn wake(&mut self, index: usize, at: Time) {
        let at = Moment::from(at).time();
        self.buckets[index].expect_ping(at);
        self.wake_at = self.wake_at.min(at);
    }
}

#[cfg(test)]
mod tests {
    use khashmir_types::Id;
    use proptest::prelude::*;

    use super::*;
    use crate::{KNode, TableConfig};

    /// When something is due first, from all nodes.
    fn first_due(table: &KTable) -> Time {
        let pings = table.buckets.iter().flat_map(KBucket::all).map(KNode::ping_at);
        pings
            .chain(table.buckets.iter().map(|bucket| table.refresh_at(bucket)))
            .min()
            .unwrap_or(Time::FAR_FUTURE)
    }

    proptest! {
        #[test]
        fn the_table_never_wakes_too_late(
            reports in prop::collection::vec((0..5_u8, 0..16_u8, 0..1_000_000_000_u64), 0..100),
        ) {
            let mut now = Time::from_secs(1_000_000);
            let config = TableConfig { k: 2, ..TableConfig::default() };
            let mut table = KTable::new(Id::MAX, config, now);
            for (report, n, micros) in reports {
                now += Duration::from_micros(micros);
                let contact = Contact::new(Id::new([n << 4; 20]), ([10, 0, 0, n / 2], 9977).into());
                match report {
                    0 => table.on_query(contact, now),
                    1 => table.on_failure(contact, now),
                    2 => table.on_wrong_id(contact, now),
                    _ => table.on_answer(contact, now),
                }
                prop_assert!(table.wake_at <= first_due(&table));
                while table.poll_upkeep(now).is_some() {}
                prop_assert!(table.wake_at <= first_due(&table));
                prop_assert!(table.wake_at > now);
            }
        }
    }
}
