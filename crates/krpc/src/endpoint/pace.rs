//! `Pace`: how fast we may ask.

use std::time::Duration;

use khashmir_types::Time;

use super::EndpointConfig;

/// The pace of new calls: a token bucket in one moment (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// How far [`Self::due`] may lie ahead of now: the burst less one, in intervals.
    tolerance: Duration,
    /// When the next call would be due if all came evenly.
    due: Time,
}

impl Pace {
    pub(super) fn new(config: &EndpointConfig) -> Self {
        let interval = Duration::from_secs(1).checked_div(config.calls_per_second).unwrap_or(Duration::MAX);
        let tolerance = interval.saturating_mul(config.burst.saturating_sub(1));
        Self { interval, tolerance, due: Time::EPOCH }
    }

    /// May a call go out now? If so, it counts.
    pub(super) fn admits(&mut self, now: Time) -> bool {
        let admitted = self.ready_at() <= now;
        if admitted {
            self.due = self.due.max(now) + self.interval;
        }
        admitted
    }

    /// The earliest moment at which the next call may go out.
    pub(super) fn ready_at(&self) -> Time {
        self.due - self.tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(calls_per_second: u32, burst: u32) -> Pace {
        Pace::new(&EndpointConfig { calls_per_second, burst, ..EndpointConfig::default() })
    }

    #[test]
    fn after_the_burst_comes_the_rate() {
        let (mut pace, start) = (pace(10, 3), Time::from_secs(100));
        let admitted = |pace: &mut Pace, now| (0..20).filter(|_| pace.admits(now)).count();
        assert_eq!(admitted(&mut pace, start), 3);
        assert_eq!(pace.ready_at(), start + Duration::from_millis(100));
        assert_eq!(admitted(&mut pace, start + Duration::from_millis(99)), 0);
        assert_eq!(admitted(&mut pace, start + Duration::from_millis(200)), 2);
        assert_eq!(admitted(&mut pace, start + Duration::from_secs(1000)), 3);
    }
}
