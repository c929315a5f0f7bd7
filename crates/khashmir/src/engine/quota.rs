//! `Quota`: how much each address may store. Knows no storage: it keeps accounts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use khashmir_types::Time;

/// Addresses with an account. Only an address that has proved itself with a token gets one, so that they are
/// not to be had for nothing; at the limit the one that owes least is forgotten. Some 200 KiB.
const MAX_ACCOUNTS: usize = 4096;

/// What a store costs besides the bytes of its value: about what its rows and indices take on the disk.
const OVERHEAD: u64 = 150;

/// The accounts of those who store here: leaky buckets, filled by stores and emptied by time.
#[derive(Debug, Default)]
pub(super) struct Quota {
    accounts: BTreeMap<IpAddr, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    owed: u64,
    at: Time,
}

impl Quota {
    /// May `addr` store `len` bytes, if it may store `limit` bytes within `window`?
    pub(super) fn admits(&self, addr: IpAddr, len: usize, limit: u64, window: Duration, now: Time) -> bool {
        self.owed_with(addr, len, limit, window, now) <= limit
    }

    /// Charges `addr` for having stored `len` bytes.
    pub(super) fn charge(&mut self, addr: IpAddr, len: usize, limit: u64, window: Duration, now: Time) {
        let owed = self.owed_with(addr, len, limit, window, now);
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(&addr) {
            self.forget_one(limit, window, now);
        }
        self.accounts.insert(addr, Account { owed, at: now });
    }

    fn owed_with(&self, addr: IpAddr, len: usize, limit: u64, window: Duration, now: Time) -> u64 {
        let owed = self.accounts.get(&addr).map_or(0, |account| account.owes(limit, window, now));
        owed.saturating_add(len as u64).saturating_add(OVERHEAD)
    }

    /// Forgets whoever owes least.
    fn forget_one(&mut self, limit: u64, window: Duration, now: Time) {
        let least = self.accounts.iter().min_by_key(|(_, account)| account.owes(limit, window, now));
        if let Some(addr) = least.map(|(addr, _)| *addr) {
            self.accounts.remove(&addr);
        }
    }
}

impl Account {
    fn owes(&self, limit: u64, window: Duration, now: Time) -> u64 {
        let share = now.since(self.at).as_secs_f64() / window.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is positive"
        )]
        self.owed.saturating_sub((share * limit as f64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 10_000;
    const WINDOW: Duration = Duration::from_secs(100);
    const NOW: Time = Time::from_secs(1000);

    fn addr(last: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + last).into()
    }

    /// Charges `addr` if it is admitted.
    fn charge(quota: &mut Quota, addr: IpAddr, len: usize, now: Time) -> bool {
        let admitted = quota.admits(addr, len, LIMIT, WINDOW, now);
        if admitted {
            quota.charge(addr, len, LIMIT, WINDOW, now);
        }
        admitted
    }

    #[test]
    fn an_address_that_owes_too_much_is_refused_and_others_are_not() {
        let mut quota = Quota::default();
        assert!(charge(&mut quota, addr(1), 5000, NOW));
        assert!(!charge(&mut quota, addr(1), 5000, NOW), "with the overhead it is too much");
        assert!(charge(&mut quota, addr(2), 5000, NOW));
    }

    #[test]
    fn time_pays_back() {
        let mut quota = Quota::default();
        assert!(charge(&mut quota, addr(1), 9000, NOW));
        assert!(!charge(&mut quota, addr(1), 5000, NOW + WINDOW / 4));
        assert!(charge(&mut quota, addr(1), 5000, NOW + WINDOW / 2));
    }

    #[test]
    fn the_number_of_accounts_is_bounded_and_debtors_are_remembered() {
        let mut quota = Quota::default();
        assert!(charge(&mut quota, addr(0), 9000, NOW));
        for last in 1..6000 {
            assert!(charge(&mut quota, addr(last), 1, NOW));
        }
        assert_eq!(quota.accounts.len(), MAX_ACCOUNTS);
        assert!(!charge(&mut quota, addr(0), 9000, NOW));
    }
}
