//! How long sessions and pauses last: the mathematics of Weibull's distribution, of which the exponential one is a
//! case.

use std::f64::consts::{LN_2, PI};
use std::time::Duration;

use crate::Chance;
use crate::scenario::{ChurnPlan, Lifetime};

/// No session or pause is longer: as long as the longest time that a scenario can name. Longer draws are cut.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

/// None is shorter, so that the switches of a host are never at one moment.
const SHORTEST: Duration = Duration::from_millis(1);

impl ChurnPlan {
    /// How long a host stays off.
    pub(crate) fn pauses(&self) -> Lifetime {
        self.pauses.unwrap_or(self.sessions)
    }
}

impl Lifetime {
    /// The mean, in seconds: scale × Γ(1 + 1 / shape).
    pub(crate) fn mean(&self) -> f64 {
        let (scale, shape) = self.scale_and_shape();
        scale * gamma(1.0 + 1.0 / shape)
    }

    /// A random length, by inversion.
    pub(crate) fn draw(&self, chance: &mut Chance) -> Duration {
        let (scale, shape) = self.scale_and_shape();
        length(scale * exponential(chance).powf(1.0 / shape))
    }

    /// What is left of a length that is under way at a random moment.
    ///
    /// Long ones are met more often than short ones. The rest has the density (1 − F(t)) / mean (Cox, "Renewal
    /// Theory", 1962, chapter 5). For Weibull's F that is a generalised gamma distribution: (t / scale)^shape is
    /// distributed by the gamma distribution of shape 1 / shape.
    pub(crate) fn residual(&self, chance: &mut Chance) -> Duration {
        let (scale, shape) = self.scale_and_shape();
        length(scale * gamma_distributed(1.0 / shape, chance).powf(1.0 / shape))
    }

    /// Weibull's parameters, the scale in seconds.
    fn scale_and_shape(&self) -> (f64, f64) {
        let (median, shape) = self.median_and_shape();
        (median.as_secs_f64() / LN_2.powf(1.0 / shape), shape)
    }
}

fn length(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(SHORTEST.as_secs_f64(), LONGEST.as_secs_f64()))
}

/// Exponentially distributed with mean 1.
fn exponential(chance: &mut Chance) -> f64 {
    -(1.0 - chance.unit()).ln()
}

/// Normally distributed with mean 0 and variance 1 (Box and Muller, 1958).
fn normal(chance: &mut Chance) -> f64 {
    (2.0 * exponential(chance)).sqrt() * (2.0 * PI * chance.unit()).cos()
}

/// Distributed by the gamma distribution of a shape and of scale 1 (Marsaglia and Tsang, "A simple method for
/// generating gamma variables", ACM TOMS 26:3, 2000).
fn gamma_distributed(shape: f64, chance: &mut Chance) -> f64 {
    if shape < 1.0 {
        let power = (1.0 - chance.unit()).powf(1.0 / shape);
        return gamma_distributed(shape + 1.0, chance) * power;
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let x = normal(chance);
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && (1.0 - chance.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// Γ(x) for x > 0: Stirling's series at x + 8, where it is exact to nine digits, and the recurrence back.
fn gamma(x: f64) -> f64 {
    let z = x + 8.0;
    let series = 1.0 / (12.0 * z) - 1.0 / (360.0 * z.powi(3)) + 1.0 / (1260.0 * z.powi(5));
    let shifted = ((z - 0.5) * z.ln() - z + 0.5 * (2.0 * PI).ln() + series).exp();
    (0..8).fold(shifted, |value, step| value / (x + f64::from(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn draws(draw: impl Fn(&mut Chance) -> Duration) -> Vec<f64> {
        let mut draws: Vec<_> = (0..20_000).map(|n| draw(&mut Chance::of(7, &[n])).as_secs_f64()).collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    fn mean(draws: &[f64]) -> f64 {
        draws.iter().sum::<f64>() / draws.len() as f64
    }

    /// Is it within so many hundredths?
    fn is_near(value: f64, expected: f64, percent: f64) -> bool {
        (value / expected - 1.0).abs() < percent / 100.0
    }

    #[test]
    fn gamma_is_the_factorial_shifted() {
        for (x, expected) in [(1.0, 1.0), (2.0, 1.0), (5.0, 24.0), (0.5, PI.sqrt()), (1.5, PI.sqrt() / 2.0)] {
            assert!(is_near(gamma(x), expected, 1e-7), "{x}: {}", gamma(x));
        }
    }

    #[test]
    fn draws_have_the_median_and_the_mean_that_were_asked_for() {
        let lifetimes = [0.6, 1.0, 2.0].map(|shape| Lifetime::Weibull { median: HOUR, shape });
        for lifetime in [Lifetime::Exponential(HOUR)].into_iter().chain(lifetimes) {
            let draws = draws(|chance| lifetime.draw(chance));
            assert!(is_near(draws[10_000], 3600.0, 4.0), "{lifetime:?}: median {}", draws[10_000]);
            assert!(is_near(mean(&draws), lifetime.mean(), 4.0), "{lifetime:?}: mean {}", mean(&draws));
        }
        assert!(is_near(Lifetime::Exponential(HOUR).mean(), 3600.0 / LN_2, 0.001));
    }

    #[test]
    fn what_is_left_of_an_exponential_session_is_exponential() {
        let lifetime = Lifetime::Exponential(HOUR);
        let draws = draws(|chance| lifetime.residual(chance));
        assert!(is_near(draws[10_000], 3600.0, 4.0) && is_near(mean(&draws), lifetime.mean(), 4.0));
    }

    /// The rest of a length that is met at a random moment, the way of the definition: lay lengths end to end, and
    /// look at points spread evenly over them.
    #[test]
    fn what_is_left_is_what_a_random_moment_meets() {
        for shape in [0.6, 2.0] {
            let lifetime = Lifetime::Weibull { median: HOUR, shape };
            let lengths: Vec<_> =
                (0..200_000).map(|n| lifetime.draw(&mut Chance::of(9, &[n])).as_secs_f64()).collect();
            let step = lengths.iter().sum::<f64>() / 20_000.0;
            let (mut met, mut end, mut moment) = (Vec::new(), 0.0, step / 2.0);
            for length in lengths {
                end += length;
                while moment < end {
                    met.push(end - moment);
                    moment += step;
                }
            }
            met.sort_by(f64::total_cmp);
            let drawn = draws(|chance| lifetime.residual(chance));
            for percent in [10, 50, 90] {
                let (drawn, met) = (drawn[drawn.len() * percent / 100], met[met.len() * percent / 100]);
                assert!(is_near(drawn, met, 8.0), "shape {shape}, {percent} %: {drawn} drawn, {met} met");
            }
        }
    }
}
