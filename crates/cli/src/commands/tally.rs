//! How a lookup, get or put went, in the same words everywhere.

use khashmir::Progress;

use crate::exit::Exit;
use crate::human;
use crate::record::Record;
use crate::stop::Reason;

/// Adds what came of the questions to nodes.
pub(super) fn record(record: Record, progress: &Progress) -> Record {
    let tally = &progress.tally;
    record
        .with("queried", tally.asked)
        .with("answered", tally.answered)
        .with("timed_out", tally.timed_out)
        .with("pending", tally.pending())
        .with("errors", tally.refused)
        .with("invalid", tally.invalid)
        .with("unsent", tally.unsent)
        .with("hops", tally.hops)
        .with("complete", progress.complete)
        .elapsed(progress.elapsed)
}

/// `14 nodes asked, 12 answered, 903 ms`.
pub(super) fn text(progress: &Progress) -> String {
    let asked = human::count(progress.tally.asked, "question");
    format!("{asked} asked, {} answered, {}", progress.tally.answered, human::duration(progress.elapsed))
}

/// The exit and the result of what was ended early.
pub(super) fn early(reason: Reason) -> (Exit, &'static str) {
    match reason {
        Reason::Interrupted => (Exit::Interrupted, "interrupted"),
        Reason::Deadline => (Exit::Deadline, "deadline"),
    }
}
