//! The one place that reads a clock.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time; here is where it reads it")]

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use khashmir::Time;

/// The present moment, for durations.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The present moment by the calendar.
pub(crate) fn wall() -> Time {
    Time::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// Lets others come to rest, where that is what is measured.
pub(crate) fn rest(duration: Duration) {
    thread::sleep(duration);
}
