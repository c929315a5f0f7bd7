//! How fast we may ask, and how much one address may ask of us.

use std::collections::HashMap;
use std::net::IpAddr;
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
        let interval = Duration::from_secs(1) / config.calls_per_second;
        let tolerance = interval.saturating_mul(config.burst - 1);
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

/// Answers given to each IP address within the current second.
#[derive(Debug)]
pub(super) struct Answers {
    limit: u32,
    since: Time,
    counts: HashMap<IpAddr, u32>,
}

impl Answers {
    /// Addresses remembered at once, some 150 KiB. When more ask within one second the count starts anew: a
    /// flood of forged addresses then costs one victim `limit` answers for every 4096 datagrams of the forger,
    /// and shuts out nobody.
    const MAX_ADDRESSES: usize = 4096;

    pub(super) fn new(config: &EndpointConfig) -> Self {
        Self { limit: config.answers_per_second, since: Time::EPOCH, counts: HashMap::new() }
    }

    /// May a query from `ip` be answered now? If so, it counts.
    pub(super) fn admits(&mut self, ip: IpAddr, now: Time) -> bool {
        // Without a limit there is nothing to count, nor to remember.
        if self.limit == u32::MAX {
            return true;
        }
        if now.since(self.since) >= Duration::from_secs(1) || self.counts.len() >= Self::MAX_ADDRESSES {
            self.since = now;
            self.forget_all();
        }
        let count = self.counts.entry(ip).or_insert(0);
        let admitted = *count < self.limit;
        *count += u32::from(admitted);
        admitted
    }

    /// Keeps the memory if the coming second may need it: unless the last one needed far less.
    fn forget_all(&mut self) {
        if self.counts.len() < self.counts.capacity() / 8 {
            self.counts = HashMap::new();
        } else {
            self.counts.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn pace(calls_per_second: u32, burst: u32) -> Pace {
        Pace::new(&EndpointConfig { calls_per_second, burst, ..EndpointConfig::default() })
    }

    fn answers(answers_per_second: u32) -> Answers {
        Answers::new(&EndpointConfig { answers_per_second, ..EndpointConfig::default() })
    }

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
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

    #[test]
    fn one_address_is_limited_by_the_second_and_others_are_not() {
        let (mut answers, start) = (answers(5), Time::from_secs(100));
        assert_eq!((0..20).filter(|_| answers.admits(ip(1), start)).count(), 5);
        assert!(answers.admits(ip(2), start));
        assert!(answers.admits(ip(1), start + Duration::from_secs(1)));
    }

    #[test]
    fn a_second_like_the_one_before_needs_no_new_memory_and_a_quiet_one_gives_it_back() {
        let mut answers = answers(5);
        let mut second = |second, addresses| {
            assert!((0..addresses).all(|number| answers.admits(ip(number), Time::from_secs(second))));
            answers.counts.capacity()
        };
        let busy = second(100, 1000);
        assert_eq!((second(101, 900), second(102, 1)), (busy, busy));
        assert!(second(103, 1) < 10);
    }

    #[test]
    fn without_a_limit_nobody_is_remembered() {
        let mut answers = answers(u32::MAX);
        assert!((0..100).all(|number| answers.admits(ip(number), Time::from_secs(100))));
        assert_eq!(answers.counts.capacity(), 0);
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_not_kept() {
        let (mut answers, now) = (answers(1), Time::from_secs(100));
        assert!((0..100_000).all(|number| answers.admits(ip(number), now)));
        assert!(answers.counts.len() <= Answers::MAX_ADDRESSES);
    }
}
