//! `Credit`: what may be sent to addresses that have proved nothing, so that nobody gains by forging them.

use std::time::Duration;

use khashmir_types::Time;

/// Bytes that came from unproven addresses within the present minute, less those that were sent to such.
///
/// One account for all of them: whoever forges addresses sends at least as much as comes out, whatever the addresses. That
/// is the rule of QUIC (RFC 9000, section 8.1) with a factor of 1 instead of 3, and without state for each address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Credit {
    minute: u64,
    bytes: usize,
}

/// A hoard, gathered in the first half of a minute, could be spent at once; this is as much as a burst may be.
const MOST: usize = 64 * 1024;

/// Microseconds in a minute.
const MINUTE: u64 = Duration::from_secs(60).as_micros() as u64;

impl Credit {
    /// So many bytes came from an unproven address.
    pub(super) fn earn(&mut self, bytes: usize, now: Time) {
        let minute = now.as_micros() / MINUTE;
        if minute != self.minute {
            *self = Self { minute, bytes: 0 };
        }
        self.bytes = self.bytes.saturating_add(bytes).min(MOST);
    }

    /// May so many bytes be sent to an unproven address? If so, they are spent.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let rest = self.bytes.checked_sub(bytes);
        self.bytes = rest.unwrap_or(self.bytes);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_goes_out_in_a_minute_than_came_in() {
        let (mut credit, start) = (Credit::default(), Time::from_secs(6000));
        assert!(!credit.spend(1));
        credit.earn(100, start);
        assert!(credit.spend(60) && !credit.spend(60) && credit.spend(40) && !credit.spend(1));
        credit.earn(100, start);
        credit.earn(10, start + Duration::from_secs(60));
        assert!(!credit.spend(11) && credit.spend(10));
    }

    #[test]
    fn a_hoard_is_limited() {
        let mut credit = Credit::default();
        (0..1000).for_each(|_| credit.earn(1000, Time::from_secs(6000)));
        assert!(credit.spend(MOST) && !credit.spend(1));
    }
}
