//! How values of a scenario are read, and checked while their place in the text is known: times, shares, rates.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A time as it is written: a number and a unit, as in `"150ms"` or `"2.5h"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Written(pub(super) Duration);

/// Units, in microseconds; the longer names first where one ends in another.
const UNITS: [(&str, f64); 6] =
    [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6), ("h", 3600e6), ("d", 24.0 * 3600e6)];

/// Ten years: longer than any experiment, short enough for every calculation with it.
const LONGEST_DAYS: f64 = 3650.0;

const EXAMPLES: &str =
    "a time is a number and a unit, such as \"150ms\", \"60s\", \"15m\", \"2.5h\" or \"1d\"";

/// The time that `text` says.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let unit = UNITS.iter().find_map(|(unit, micros)| Some((text.strip_suffix(unit)?, *micros)));
    let micros = unit.and_then(|(number, micros)| Some(number.trim().parse::<f64>().ok()? * micros));
    match micros {
        None => Err(format!("{EXAMPLES}, not {text:?}")),
        Some(micros) if (0.0..=LONGEST_DAYS * 24.0 * 3600e6).contains(&micros) => {
            Ok(Duration::from_micros(micros.round() as u64))
        }
        Some(_) => Err(format!("a time is 0s to {LONGEST_DAYS}d, not {text:?}")),
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom(EXAMPLES))?;
        parse_time(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A time.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Written::deserialize(deserializer).map(|written| written.0)
}

/// A time that may be left out.
pub(super) fn maybe_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time(deserializer).map(Some)
}

/// Several times.
pub(super) fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    let written = Vec::<Written>::deserialize(deserializer)?;
    Ok(written.into_iter().map(|written| written.0).collect())
}

/// A share: 0 to 1.
pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    let is_share = (0.0..=1.0).contains(&share);
    if is_share { Ok(share) } else { Err(D::Error::custom(format!("a share is 0 to 1, not {share}"))) }
}

/// A share that may be left out.
pub(super) fn maybe_share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    share(deserializer).map(Some)
}

/// So many a second: above 0, and not more than the clock can tell apart.
pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let rate = f64::deserialize(deserializer)?;
    let is_rate = rate > 0.0 && rate <= 1e6;
    if is_rate {
        Ok(rate)
    } else {
        Err(D::Error::custom(format!("a rate is above 0 and at most 1e6, not {rate}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, millis) in [
            ("150ms", 150),
            ("60s", 60_000),
            ("15m", 900_000),
            ("2.5h", 9_000_000),
            ("0s", 0),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_time("20us"), Ok(Duration::from_micros(20)));
        for text in ["", "5", "s", "five s", "-1s", "nan s", "inf s", "1e9d", "5 weeks"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
