//! How long a datagram takes from host to host.

use std::time::Duration;

use crate::HostId;
use crate::chance::Chance;

/// How long a datagram takes from one host to another, one way.
#[derive(Clone, Debug)]
pub enum Delay {
    /// The same between all.
    Constant(Duration),
    /// It follows from where the hosts are.
    Positions(Geography),
}

/// Positions on a plane without edges, and for each host the delay of its own access line.
///
/// A delay is the access delays of both ends and the way between them, as in network coordinates with heights
/// (Dabek et al., "Vivaldi", SIGCOMM 2004).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geography {
    /// From one point to the farthest one.
    pub across: Duration,
    /// The shortest access delay. Must not be zero.
    pub access: Duration,
    /// How much longer access delays are on average; they are distributed exponentially, and five times this at most.
    pub access_spread: Duration,
}

impl Default for Geography {
    /// Round trips between random pairs of 210 ms on average, and for four of five pairs between 120 and 300 ms.
    fn default() -> Self {
        Self {
            across: Duration::from_millis(150),
            access: Duration::from_millis(3),
            access_spread: Duration::from_millis(10),
        }
    }
}

impl Default for Delay {
    fn default() -> Self {
        Self::Constant(Duration::from_millis(10))
    }
}

impl Delay {
    /// From `from` to `to`, in the world of `seed`.
    pub(crate) fn between(&self, seed: u64, from: HostId, to: HostId) -> Duration {
        match self {
            Self::Constant(delay) => *delay,
            Self::Positions(geography) => geography.between(seed, from, to),
        }
    }

    /// No delay is shorter.
    pub(crate) fn shortest(&self) -> Duration {
        match self {
            Self::Constant(delay) => *delay,
            Self::Positions(geography) => geography.access * 2,
        }
    }
}

impl Geography {
    fn between(&self, seed: u64, from: HostId, to: HostId) -> Duration {
        let (from, to) = (self.site(seed, from), self.site(seed, to));
        let way = |a: f64, b: f64| {
            let straight = (a - b).abs();
            straight.min(1.0 - straight)
        };
        // Half a diagonal is the longest way on such a plane.
        let share = way(from.x, to.x).hypot(way(from.y, to.y)) / 0.5_f64.hypot(0.5);
        from.access + to.access + self.across.mul_f64(share)
    }

    fn site(&self, seed: u64, host: HostId) -> Site {
        const PURPOSE: u64 = 0x5174;
        let mut chance = Chance::of(seed, &[PURPOSE, u64::from(host.0)]);
        let (x, y) = (chance.unit(), chance.unit());
        let spread = (-(1.0 - chance.unit()).ln()).min(5.0);
        Site { x, y, access: self.access + self.access_spread.mul_f64(spread) }
    }
}

/// Where a host is, and how long its access line takes.
struct Site {
    x: f64,
    y: f64,
    access: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_between_random_pairs_are_as_documented() {
        let delay = Delay::Positions(Geography::default());
        let mut trips: Vec<_> = (0..10_000)
            .map(|pair| 2 * delay.between(7, HostId(2 * pair), HostId(2 * pair + 1)).as_millis())
            .collect();
        trips.sort_unstable();
        let (mean, low, high) = (trips.iter().sum::<u128>() / 10_000, trips[1000], trips[9000]);
        assert!((200..220).contains(&mean), "mean {mean}, {low} to {high}");
        assert!((115..130).contains(&low) && (285..305).contains(&high), "{low} to {high}");
        assert!(trips[0] >= 2 * delay.shortest().as_millis());
    }

    #[test]
    fn a_way_takes_as_long_as_the_way_back() {
        let delay = Delay::Positions(Geography::default());
        assert_eq!(delay.between(7, HostId(3), HostId(4)), delay.between(7, HostId(4), HostId(3)));
        assert_ne!(delay.between(7, HostId(3), HostId(4)), delay.between(8, HostId(3), HostId(4)));
    }
}
