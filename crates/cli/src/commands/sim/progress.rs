//! The progress of a simulation: a bar on a terminal, else, with `-v`, a line in the log now and then.

use std::time::Duration;

use khashmir_sim::Progress;

use crate::human;
use crate::output::Output;
use crate::stopwatch::Stopwatch;

/// Between two drawings of the bar: quick enough to look alive.
const DRAWING: Duration = Duration::from_millis(100);

/// Between two lines of the log.
const LOGGING: Duration = Duration::from_secs(5);

/// Characters of the bar.
const WIDTH: usize = 24;

/// Tells how far a run is, not too often.
pub(super) struct Bar<'a> {
    output: &'a Output,
    stopwatch: Stopwatch,
    /// When something was told last.
    told: Option<Duration>,
}

impl<'a> Bar<'a> {
    pub(super) fn new(output: &'a Output, stopwatch: Stopwatch) -> Self {
        Self { output, stopwatch, told: None }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        let elapsed = self.stopwatch.elapsed();
        let interval = if self.output.is_live() { DRAWING } else { LOGGING };
        if self.told.is_some_and(|told| elapsed < told + interval) {
            return;
        }
        self.told = Some(elapsed);
        if self.output.is_live() {
            self.output.progress(format_args!("{} {}", bar(progress.done), state(progress, elapsed)));
        } else {
            tracing::info!("{}", state(progress, elapsed));
        }
    }
}

fn bar(done: f64) -> String {
    let full = ((done * WIDTH as f64) as usize).min(WIDTH);
    format!("{}{}", "█".repeat(full), "░".repeat(WIDTH - full))
}

/// `work  47 %, 12 min 3 s simulated in 14 s, 312 thousand events a second`.
fn state(progress: &Progress, elapsed: Duration) -> String {
    let rate = progress.events as f64 / elapsed.as_secs_f64().max(0.001) / 1000.0;
    let (simulated, took) = (human::duration(progress.virtual_time), human::duration(elapsed));
    let percent = (progress.done * 100.0) as u32;
    format!(
        "{} {percent:>3} %, {simulated} simulated in {took}, {rate:.0} thousand events a second",
        progress.phase
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_long_at_the_beginning_as_at_the_end() {
        for done in [0.0, 0.5, 1.0, 1.5] {
            assert_eq!(bar(done).chars().count(), WIDTH);
        }
        assert_eq!(bar(0.5).chars().filter(|c| *c == '█').count(), WIDTH / 2);
    }
}
