//! Durations as the user writes them: a number and a unit, as in the original's `apt-p2p.conf`.

use std::time::Duration;

use crate::failure::Failure;

/// Reads `9s`, `15m`, `2.5h`, also `500ms` and `2d`; a number alone is in seconds. Never zero.
pub(crate) fn parse(text: &str) -> Result<Duration, Failure> {
    let invalid = |reason: &str| {
        Failure::usage(format!("{text:?} is not a duration: {reason}"))
            .help("write a number and a unit, such as 500ms, 9s, 15m or 2.5h")
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| invalid("it does not start with a number"))?;
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(invalid("the unit is not one of ms, s, m, h, d")),
    };
    match Duration::try_from_secs_f64(number * unit) {
        Ok(duration) if duration.is_zero() => Err(invalid("it must be longer than zero")),
        Ok(duration) => Ok(duration),
        Err(_) => Err(invalid("it is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_durations_are_read() {
        let millis = |text| parse(text).unwrap().as_millis();
        assert_eq!(millis("9s"), 9_000);
        assert_eq!(millis("15m"), 900_000);
        assert_eq!(millis("2.5h"), 9_000_000);
        assert_eq!(millis("1d"), 86_400_000);
        assert_eq!(millis("250ms"), 250);
        assert_eq!(millis("30"), 30_000);
    }

    #[test]
    fn what_is_no_duration_is_refused_with_advice() {
        for text in [
            "",
            "s",
            "-1s",
            "9 s",
            "9x",
            "1.2.3s",
            "0s",
            "0.0000000001s",
            "9e9s",
            "99999999999999999999d",
            "inf",
        ] {
            let failure = parse(text).expect_err(text);
            assert_eq!(failure.exit, crate::exit::Exit::Usage, "{text}");
            assert!(failure.help.is_some_and(|help| help.contains("9s")), "{text}");
        }
    }
}
