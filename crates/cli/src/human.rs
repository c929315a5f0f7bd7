//! Durations, sizes, ids and values for human eyes.

use std::fmt::Write;
use std::time::Duration;

use khashmir::{Id, Totals};

/// `0.42 ms`, `7.6 ms`, `412 ms`, `3.2 s`, `4 min 7 s`, `3 h`, `4 d 7 h`: two figures that matter.
pub(crate) fn duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.as_secs_f64() * 1000.0);
    match seconds {
        0 if millis < 0.995 => format!("{millis:.2} ms"),
        0 if millis < 9.95 => format!("{millis:.1} ms"),
        0 if millis < 999.5 => format!("{millis:.0} ms"),
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86400, "d", seconds % 86400 / 3600, "h"),
    }
}

fn two(first: u64, first_unit: &str, second: u64, second_unit: &str) -> String {
    if second == 0 {
        format!("{first} {first_unit}")
    } else {
        format!("{first} {first_unit} {second} {second_unit}")
    }
}

/// `812 B`, `1.5 KB`, `2.1 MB`: powers of 1000.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1000.0, 0);
    while size >= 999.95 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1000.0, unit + 1);
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `12 values under 5 keys (240 B)`.
pub(crate) fn totals(totals: &Totals) -> String {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let Totals { keys, values, .. } = totals;
    format!("{values} value{} under {keys} key{} ({})", plural(*values), plural(*keys), bytes(totals.bytes))
}

/// `aaf4c61d…aea9434d`: enough to recognise an id.
pub(crate) fn short(id: &Id) -> String {
    let id = id.to_string();
    format!("{}…{}", &id[..8], &id[id.len() - 8..])
}

/// A value as it can be shown on a terminal: nothing in it moves the cursor or hides what follows.
pub(crate) fn printable(value: &[u8]) -> String {
    let mut shown = String::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            // Of a quote or a backslash, escape_debug makes two characters; those are harmless as they are.
            match character {
                '"' | '\'' | '\\' => shown.push(character),
                _ => shown.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            write!(shown, "\\x{byte:02x}").expect("a string can be written to");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        let shown = |millis| duration(Duration::from_millis(millis));
        assert_eq!(duration(Duration::from_micros(421)), "0.42 ms");
        assert_eq!(duration(Duration::from_micros(7_590)), "7.6 ms");
        assert_eq!(shown(412), "412 ms");
        assert_eq!(duration(Duration::from_micros(999_700)), "1.0 s");
        assert_eq!(shown(3_240), "3.2 s");
        assert_eq!(shown(247_000), "4 min 7 s");
        assert_eq!(shown(3 * 3_600_000), "3 h");
        assert_eq!(shown((4 * 24 + 7) * 3_600_000), "4 d 7 h");
    }

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(1_536), "1.5 KB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(2_100_000), "2.1 MB");
        assert_eq!(bytes(u64::MAX), "18446744.1 TB");
    }

    #[test]
    fn an_id_is_recognised_by_its_ends() {
        assert_eq!(short(&Id::sha1(b"hello")), "aaf4c61d…aea9434d");
    }

    #[test]
    fn a_value_cannot_play_with_the_terminal() {
        assert_eq!(printable("naïve \"text\" \\o/".as_bytes()), "naïve \"text\" \\o/");
        assert_eq!(printable(b"\x1b[2Jgone\r\n"), "\\u{1b}[2Jgone\\r\\n");
        assert_eq!(printable(b"\xff\x00ok"), "\\xff\\0ok");
        assert_eq!(printable("\u{202e}txt".as_bytes()), "\\u{202e}txt");
    }
}
