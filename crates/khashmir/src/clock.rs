//! `Clock`: the one place that reads a clock. Turns it into a `Time` that never goes backwards.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use khashmir_types::Time;
use tokio::time::Instant;

/// Wall time as it was at the start, carried on by the monotonic clock: a step of the system's clock
/// neither expires values nor stops timers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Time,
    origin: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the place where clocks are read")]
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { started: Time::EPOCH + wall, origin: Instant::now() }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Time {
        self.started + self.origin.elapsed()
    }

    /// The runtime's instant for `time`, or `None` if it is too far away to matter.
    pub(crate) fn instant(&self, time: Time) -> Option<Instant> {
        self.origin.checked_add(time.since(self.started))
    }
}
