//! `Ageing`: how stored values age although clocks jump and nodes are away. Knows no storage.
//!
//! A value that nobody refreshed in time goes, also if the node was down meanwhile: its publisher had others to store it at.
//! But a node that wakes from a suspend looks as if it had been there all the time, and would drop everything at once. So
//! after such a sleep nothing expires for a while: publishers that still want their values come by, the others' go afterwards.

use std::time::Duration;

use khashmir_types::Time;

/// When values expire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ageing {
    lifetime: Duration,
    /// How far the store is ahead of our clock, which was set back since values were stored.
    lead: Duration,
    spared_until: Time,
}

impl Ageing {
    /// For a store whose latest value was put at `latest`, [`Time::EPOCH`] if there is none.
    pub(super) fn new(lifetime: Duration, latest: Time, now: Time) -> Self {
        Self { lifetime, lead: latest.since(now), spared_until: Time::EPOCH }
    }

    /// For so long nothing was done that was due. A twelfth of the lifetime and less does not matter: a quarter of an hour
    /// of three.
    pub(super) fn on_woken(&mut self, slept: Duration, now: Time) {
        if slept.saturating_mul(12) > self.lifetime {
            // Half of the lifetime: publishers that refresh in time do so twice in a lifetime at least.
            self.spared_until = now + self.lifetime.checked_div(2).unwrap_or_default();
        }
    }

    /// The time to store values with. It never goes back, even if clocks do between two runs.
    pub(super) fn storage_time(&self, now: Time) -> Time {
        now + self.lead
    }

    /// Values refreshed before this have expired, or when to ask again.
    pub(super) fn cutoff(&self, now: Time) -> Result<Time, Time> {
        if now < self.spared_until {
            Err(self.spared_until)
        } else {
            Ok(self.storage_time(now) - self.lifetime)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(3 * 3600);
    const NOON: Time = Time::from_secs(1_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn values_expire_whether_the_node_was_there_or_not() {
        for latest in [Time::EPOCH, NOON, NOON - 10_000 * MINUTE] {
            assert_eq!(Ageing::new(LIFETIME, latest, NOON).cutoff(NOON), Ok(NOON - LIFETIME));
        }
    }

    #[test]
    fn after_a_sleep_nothing_expires_for_a_while() {
        let mut ageing = Ageing::new(LIFETIME, Time::EPOCH, NOON);
        ageing.on_woken(15 * MINUTE, NOON);
        assert_eq!(ageing.cutoff(NOON), Ok(NOON - LIFETIME), "a short one does not matter");
        ageing.on_woken(480 * MINUTE, NOON);
        assert_eq!(ageing.cutoff(NOON), Err(NOON + 90 * MINUTE));
        let later = NOON + 90 * MINUTE;
        assert_eq!(ageing.cutoff(later), Ok(later - LIFETIME));
    }

    #[test]
    fn times_go_on_from_the_latest_after_a_clock_was_set_back() {
        let ageing = Ageing::new(LIFETIME, NOON, NOON - 10_000 * MINUTE);
        assert_eq!(ageing.storage_time(NOON - 10_000 * MINUTE), NOON);
        assert_eq!(ageing.cutoff(NOON - 9_000 * MINUTE), Ok(NOON + 1_000 * MINUTE - LIFETIME));
    }
}
