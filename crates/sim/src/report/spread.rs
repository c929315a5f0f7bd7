//! How measurements are spread: exact percentiles, and a histogram of times. Knows not what was measured.

use serde::Serialize;

/// Measurements, summed up. Percentiles are by nearest rank: each is one of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Half of them are not larger.
    pub p50: f64,
    /// 95 % of them are not larger.
    pub p95: f64,
    /// 99 % of them are not larger.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of some measurements, in any order; `None` if there are none.
    #[must_use]
    pub fn of(measurements: &[f64]) -> Option<Self> {
        let mut sorted = measurements.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let max = *sorted.last()?;
        let count = sorted.len();
        let percentile = |percent: usize| {
            let rank = (count * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(max)
        };
        let (p50, p95, p99) = (percentile(50), percentile(95), percentile(99));
        Some(Self { count, mean: sorted.iter().sum::<f64>() / count as f64, p50, p95, p99, max })
    }
}

/// Times, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// Their spread.
    #[serde(flatten)]
    pub spread: Spread,
    /// The share of them over a second.
    pub over_1s: f64,
    /// How many are how long.
    pub histogram: Vec<Bin>,
}

/// How many times lie between the bin before and this one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Bin {
    /// None of them is longer, in milliseconds.
    pub up_to_ms: f64,
    /// How many there are.
    pub count: usize,
}

/// Bins in each power of ten: neighbours differ by 12 %, as fine as a plot can show.
const BINS_A_DECADE: f64 = 20.0;

impl Latency {
    /// Some times in milliseconds, in any order; `None` if there are none.
    #[must_use]
    pub fn of(millis: &[f64]) -> Option<Self> {
        let spread = Spread::of(millis)?;
        let over = millis.iter().filter(|time| **time > 1000.0).count();
        Some(Self { spread, over_1s: over as f64 / millis.len() as f64, histogram: histogram(millis) })
    }
}

/// Bins of equal width on a logarithmic scale, empty ones left out. The first holds everything up to a millisecond.
fn histogram(millis: &[f64]) -> Vec<Bin> {
    let mut bins = std::collections::BTreeMap::<u32, usize>::new();
    for time in millis {
        *bins.entry((time.max(1.0).log10() * BINS_A_DECADE).ceil() as u32).or_default() += 1;
    }
    let bin = |(index, count)| Bin { up_to_ms: 10_f64.powf(f64::from(index) / BINS_A_DECADE), count };
    bins.into_iter().map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measurements_by_nearest_rank() {
        let hundred: Vec<_> = (1..=100).rev().map(f64::from).collect();
        let spread = Spread::of(&hundred).unwrap();
        assert_eq!((spread.p50, spread.p95, spread.p99, spread.max), (50.0, 95.0, 99.0, 100.0));
        assert_eq!((spread.mean, spread.count), (50.5, 100));
        let three = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((three.p50, three.p95, three.p99), (2.0, 3.0, 3.0));
        let one = Spread::of(&[7.0]).unwrap();
        assert_eq!((one.p50, one.p99, one.mean), (7.0, 7.0, 7.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn every_time_is_in_the_bin_that_holds_it() {
        let times = [0.2, 1.0, 9.9, 10.0, 150.0, 151.0, 20_000.0];
        let latency = Latency::of(&times).unwrap();
        assert_eq!(latency.histogram.iter().map(|bin| bin.count).sum::<usize>(), times.len());
        assert_eq!(latency.histogram[0], Bin { up_to_ms: 1.0, count: 2 });
        let bin = latency.histogram.iter().find(|bin| bin.up_to_ms >= 150.0).unwrap();
        assert!(bin.up_to_ms < 150.0 * 1.13 && bin.count == 2, "{bin:?}");
        assert_eq!(latency.over_1s, 1.0 / 7.0);
    }
}
