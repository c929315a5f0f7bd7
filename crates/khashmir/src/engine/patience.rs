//! `Patience`: how long answers take in this network, and so how long one waits before asking somebody else.
//! Knows no nodes.

use std::time::Duration;

use khashmir_actions::LookupConfig;

/// The round trips of all answers, smoothed as TCP does (RFC 6298, section 2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    mean: Duration,
    deviation: Duration,
    samples: u32,
}

/// Round trips that make a rule: fewer say more about those who sent them than about the network.
const ENOUGH: u32 = 8;

/// However quick the others are, a node may be busy for a moment.
const SHORTEST: Duration = Duration::from_millis(100);

impl Patience {
    /// Takes in how long an answer took.
    pub(super) fn on_rtt(&mut self, rtt: Duration) {
        if self.samples == 0 {
            (self.mean, self.deviation) = (rtt, smoothed(Duration::ZERO, 1, rtt));
        } else {
            self.deviation = smoothed(self.deviation, 3, self.mean.abs_diff(rtt));
            self.mean = smoothed(self.mean, 7, rtt);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// These limits, with those times shortened that are to follow what the network shows.
    ///
    /// A node is slow one deviation above the mean: asking another costs little, and who is late is heard all the same.
    /// It is lost eight above: TCP sends again after four, but who is late there is not missed for good.
    pub(super) fn shorten(&self, limits: LookupConfig) -> LookupConfig {
        if self.samples < ENOUGH {
            return limits;
        }
        let above = |deviations: u32| {
            self.mean.saturating_add(self.deviation.saturating_mul(deviations)).max(SHORTEST)
        };
        let (slow_after, lost_after) = (above(1).min(limits.slow_after), above(8).min(limits.lost_after));
        LookupConfig { slow_after, lost_after, ..limits }
    }
}

/// The mean of `new` and of `old`, which counts `weight` times.
fn smoothed(old: Duration, weight: u32, new: Duration) -> Duration {
    let sum = old.saturating_mul(weight).saturating_add(new);
    sum.checked_div(weight.saturating_add(1)).unwrap_or(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    fn limits(rtts: &[u64]) -> LookupConfig {
        let mut patience = Patience::default();
        rtts.iter().for_each(|ms| patience.on_rtt(Duration::from_millis(*ms)));
        patience.shorten(LookupConfig { slow_after: LONGEST, lost_after: LONGEST, ..LookupConfig::default() })
    }

    fn after(rtts: &[u64]) -> Duration {
        limits(rtts).slow_after
    }

    #[test]
    fn it_is_what_is_set_until_enough_is_known() {
        assert_eq!(after(&[]), LONGEST);
        assert_eq!(after(&[200; 7]), LONGEST);
        assert!(after(&[200; 8]) < LONGEST);
    }

    #[test]
    fn it_follows_the_round_trips_and_their_spread_within_limits() {
        assert!((200..260).contains(&after(&[200; 20]).as_millis()));
        let spread: Vec<_> = (0..40).map(|n| if n % 2 == 0 { 100 } else { 300 }).collect();
        assert!((250..350).contains(&after(&spread).as_millis()));
        assert!((600..1200).contains(&limits(&spread).lost_after.as_millis()));
        assert_eq!(after(&[1; 20]), SHORTEST);
        assert_eq!(after(&[5000; 20]), LONGEST);
    }
}
