//! `LimitLog`: says, at most once a minute, which limits kept others out. Knows counters, not what they stand for.

use std::time::Duration;

use khashmir_krpc::{Counters, DropReason};
use khashmir_types::Time;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// What was said before.
#[derive(Debug, Default)]
pub(crate) struct LimitLog {
    next: Time,
    told: [u64; DropReason::ALL.len()],
}

impl LimitLog {
    /// The line to log now, if a limit was reached since the last one and that was long enough ago.
    pub(crate) fn line(&mut self, traffic: &Counters, now: Time) -> Option<String> {
        if now < self.next {
            return None;
        }
        let mut parts = Vec::new();
        for (reason, told) in
            DropReason::ALL.into_iter().zip(&mut self.told).filter(|(reason, _)| reason.is_limit())
        {
            let count = traffic.dropped(reason);
            let more = count.saturating_sub(std::mem::replace(told, count));
            if more > 0 {
                parts.push(format!("{} {more}", reason.name()));
            }
        }
        if parts.is_empty() {
            return None;
        }
        self.next = now + PAUSE;
        Some(parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use khashmir_krpc::{Endpoint, EndpointConfig};
    use khashmir_types::Id;
    use rand::SeedableRng;
    use rand::rngs::ChaCha12Rng;

    use super::*;

    #[test]
    fn a_limit_is_told_of_once_a_minute() {
        let config = EndpointConfig { unproven_per_second: 10, ..EndpointConfig::default() };
        let mut endpoint = Endpoint::new(Id::MAX, config, &mut ChaCha12Rng::seed_from_u64(1));
        let (mut log, start) = (LimitLog::default(), Time::from_secs(1000));
        let mut flood = |now| {
            (0..15).for_each(|_| endpoint.handle_datagram(([203, 0, 113, 1], 9).into(), b"x", now));
            endpoint.counters().clone()
        };
        assert_eq!(log.line(&Counters::default(), start), None);
        assert_eq!(log.line(&flood(start), start).as_deref(), Some("total_budget 5"));
        let later = start + PAUSE / 2;
        assert_eq!(log.line(&flood(later), later), None);
        let later = start + PAUSE;
        assert_eq!(log.line(&flood(later), later).as_deref(), Some("total_budget 10"));
    }
}
