//! `Rtt`: a smoothed round trip in two bytes. Knows not whose it is.

use std::time::Duration;

/// The smoothed round trip to a node in milliseconds, as far as it is known: 1 to 65,535, longer ones count as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rtt(u16);

impl Rtt {
    /// Takes in a round trip just measured, rounded up: the first counts in full, each later one an eighth (RFC 6298,
    /// section 2). As the result is rounded, it comes within 4 ms of a steady round trip, not closer.
    pub(crate) fn add(&mut self, sample: Duration) {
        let sample = u32::try_from(sample.as_micros().div_ceil(1_000)).unwrap_or(u32::MAX);
        let sample = sample.clamp(1, u32::from(u16::MAX));
        let old = if self.0 == 0 { sample } else { u32::from(self.0) };
        self.0 = u16::try_from((7 * old + sample + 4) / 8).unwrap_or(u16::MAX);
    }

    /// The round trip, if one was ever measured.
    pub(crate) fn known(self) -> Option<Duration> {
        (self.0 > 0).then(|| Duration::from_millis(self.0.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_steady_round_trip_is_approached(first in 0..70_000_u64, then in 0..70_000_u64) {
            let mut rtt = Rtt::default();
            rtt.add(Duration::from_millis(first));
            (0..200).for_each(|_| rtt.add(Duration::from_millis(then)));
            prop_assert!(rtt.0.abs_diff(then.clamp(1, 65_535).try_into().unwrap()) <= 4);
        }
    }

    #[test]
    fn the_first_round_trip_counts_in_full_and_others_an_eighth() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.known(), None);
        rtt.add(Duration::from_millis(80));
        rtt.add(Duration::from_millis(160));
        assert_eq!(rtt.known(), Some(Duration::from_millis(90)));
    }

    #[test]
    fn a_round_trip_is_rounded_up_and_saturates() {
        for (measured, kept) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (u64::MAX, 65_535)] {
            let mut rtt = Rtt::default();
            rtt.add(Duration::from_micros(measured));
            assert_eq!(rtt.known(), Some(Duration::from_millis(kept)));
        }
    }
}
