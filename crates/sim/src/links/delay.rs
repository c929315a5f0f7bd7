//! How long a datagram takes from host to host.

use std::sync::Arc;
use std::time::Duration;

use super::Matrix;
use crate::HostId;
use crate::chance::Chance;

/// How long a datagram takes from one host to another, one way.
#[derive(Clone, Debug)]
pub enum Delay {
    /// The same between all.
    Constant(Duration),
    /// It follows from where the hosts are.
    Positions(Geography),
    /// It was measured. Each host is at a random one of the places; there may be many at one.
    Matrix(Arc<Matrix>),
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
        self.starting_at(self.place(seed, from))(&self.place(seed, to))
    }

    /// Where a host is. Worked out for every datagram: with a million hosts that is quicker than to fetch it from memory.
    pub(crate) fn place(&self, seed: u64, host: HostId) -> Place {
        match self {
            Self::Constant(_) => Place::Anywhere,
            Self::Positions(_) => Place::Site(Site::of(seed, host)),
            Self::Matrix(matrix) => Place::Number(chance(seed, host).below(matrix.places())),
        }
    }

    /// From `from` to any other place, for many of them.
    pub(crate) fn starting_at(&self, from: Place) -> impl Fn(&Place) -> Duration {
        let [across, access, spread] = match self {
            Self::Positions(Geography { across, access, access_spread }) => {
                [across, access, access_spread].map(|part| part.as_secs_f64() * 1e6)
            }
            Self::Constant(_) | Self::Matrix(_) => [0.0; 3],
        };
        move |to| match (self, from, to) {
            (Self::Positions(_), Place::Site(from), Place::Site(to)) => {
                let micros = 2.0 * access + spread * (from.spread + to.spread) + across * from.way(to);
                Duration::from_micros(micros as u64)
            }
            (Self::Matrix(matrix), Place::Number(from), Place::Number(to)) => matrix.between(from, *to),
            _ => self.shortest(),
        }
    }

    /// No delay is shorter.
    pub(crate) fn shortest(&self) -> Duration {
        match self {
            Self::Constant(delay) => *delay,
            Self::Positions(geography) => geography.access * 2,
            Self::Matrix(matrix) => matrix.shortest(),
        }
    }
}

/// Where a host is, as far as a kind of [`Delay`] cares.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Anywhere,
    Site(Site),
    /// In the matrix.
    Number(usize),
}

/// A point, and how much longer the access line there takes, as a multiple of the average.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    x: f64,
    y: f64,
    spread: f64,
}

impl Site {
    fn of(seed: u64, host: HostId) -> Self {
        let mut chance = chance(seed, host);
        let (x, y) = (chance.unit(), chance.unit());
        Self { x, y, spread: (-(1.0 - chance.unit()).ln()).min(5.0) }
    }

    /// How far it is, as a share of the longest way: on such a plane that is half a diagonal.
    fn way(&self, to: &Self) -> f64 {
        let way = |a: f64, b: f64| {
            let straight = (a - b).abs();
            straight.min(1.0 - straight)
        };
        let (x, y) = (way(self.x, to.x), way(self.y, to.y));
        (x * x + y * y).sqrt() * std::f64::consts::SQRT_2
    }
}

/// What decides where a host is.
fn chance(seed: u64, host: HostId) -> Chance {
    const PURPOSE: u64 = 0x5174;
    Chance::of(seed, &[PURPOSE, u64::from(host.0)])
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
    fn hosts_are_spread_over_the_places_of_a_matrix_and_stay_there() {
        let matrix = Matrix::parse("0 20 60\n20 0 40\n60 40 0").unwrap();
        let delay = Delay::Matrix(Arc::new(matrix));
        let between = |to| delay.between(7, HostId(0), HostId(to)).as_millis();
        let delays: Vec<_> = (1..1000).map(between).collect();
        let distinct: std::collections::BTreeSet<_> = delays.iter().copied().collect();
        assert_eq!(distinct.len(), 3, "{distinct:?}");
        for way in &distinct {
            let share = delays.iter().filter(|delay| *delay == way).count();
            assert!((250..420).contains(&share), "{share} of 999 hosts are {way} ms away");
        }
        assert_eq!((1..1000).map(between).collect::<Vec<_>>(), delays);
        assert_eq!(delay.shortest(), Duration::from_millis(1));
    }

    #[test]
    fn a_way_takes_as_long_as_the_way_back() {
        let delay = Delay::Positions(Geography::default());
        assert_eq!(delay.between(7, HostId(3), HostId(4)), delay.between(7, HostId(4), HostId(3)));
        assert_ne!(delay.between(7, HostId(3), HostId(4)), delay.between(8, HostId(3), HostId(4)));
    }
}
