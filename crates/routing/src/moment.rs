//! `Moment`: a time in six bytes, for what is kept millions of times. Knows not what it is the time of.

use std::fmt;

use khashmir_types::Time;

/// A [`Time`] rounded down to a multiple of 64 µs, in six bytes without alignment: enough until the year 2540. What is
/// later counts as [`Moment::NEVER`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment([u8; 6]);

impl Moment {
    pub(crate) const NEVER: Self = Self([0xff; 6]);

    /// The time this stands for; [`Time::FAR_FUTURE`] for [`Moment::NEVER`].
    pub(crate) fn time(self) -> Time {
        let [a, b, c, d, e, f] = self.0;
        let time = Time::from_micros(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) << UNIT_BITS);
        if self == Self::NEVER { Time::FAR_FUTURE } else { time }
    }
}

impl From<Time> for Moment {
    fn from(time: Time) -> Self {
        let [a, b, c, d, e, f, 0, 0] = (time.as_micros() >> UNIT_BITS).to_le_bytes() else {
            return Self::NEVER;
        };
        Self([a, b, c, d, e, f])
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.write_str("never") } else { self.time().fmt(f) }
    }
}

/// 2^6 µs: whole seconds are multiples of it.
const UNIT_BITS: u32 = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_is_at_most_64_microseconds_early(micros in 0..10_000_000_000_000_000_u64) {
            let moment = Moment::from(Time::from_micros(micros)).time().as_micros();
            prop_assert!(moment <= micros && micros - moment < 64);
        }
    }

    #[test]
    fn whole_seconds_are_kept_and_what_is_too_late_never_comes() {
        let now = Time::from_secs(1_234_567_891);
        assert_eq!(Moment::from(now).time(), now);
        assert_eq!(Moment::from(Time::from_micros(1 << 54)), Moment::NEVER);
        assert_eq!(Moment::from(Time::FAR_FUTURE).time(), Time::FAR_FUTURE);
    }
}
