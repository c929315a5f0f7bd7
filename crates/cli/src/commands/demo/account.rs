//! The demo's account: steps with their times, and what came of them line by line.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use crate::human;
use crate::output::Output;
use crate::record::Record;

/// Columns of a step's name, and of the whole line without its time.
const NAME: usize = 12;
const LINE: usize = 76;

/// Writes the account, as text or as JSON lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    output: &'a Output,
}

impl<'a> Account<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output }
    }

    pub(super) fn title(self, text: impl Display) -> io::Result<()> {
        self.text(self.output.paint().strong(text))
    }

    /// A step that is done, and how long it took.
    pub(super) fn step(self, name: &str, text: &str, took: Duration, record: Record) -> io::Result<()> {
        let width = LINE - NAME;
        let (strong, took_text) =
            (self.output.paint().strong(format!("{name:<NAME$}")), human::duration(took));
        self.output.json(&record.elapsed(took))?;
        self.text(format_args!("\n{strong}{text:<width$}  {took_text:>7}"))
    }

    /// A further line of a step.
    pub(super) fn detail(self, text: impl Display) -> io::Result<()> {
        self.text(format_args!("{:NAME$}{text}", ""))
    }

    /// The heads of the columns that follow.
    pub(super) fn heads(self, text: &str) -> io::Result<()> {
        self.detail(self.output.paint().faint(text))
    }

    /// One line of a table.
    pub(super) fn row(self, text: impl Display, record: &Record) -> io::Result<()> {
        self.output.json(record)?;
        self.detail(text)
    }

    /// How it all went.
    pub(super) fn verdict(self, text: &str, is_good: bool, record: &Record) -> io::Result<()> {
        let paint = self.output.paint();
        let text = if is_good { paint.good(text) } else { paint.bad(text) };
        self.text("")?;
        self.output.data(text, record)
    }

    /// A line that is not wanted where only the verdict is.
    fn text(self, text: impl Display) -> io::Result<()> {
        if self.output.is_quiet() { Ok(()) } else { self.output.text(text) }
    }
}

/// Nodes by their numbers as humans count, in columns.
pub(super) fn numbers(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| format!("{:>3}", number + 1)).collect();
    numbers.join(" ")
}

/// Counts, in columns.
pub(super) fn counts(counts: &[usize]) -> String {
    let counts: Vec<String> = counts.iter().map(|count| format!("{count:>2}")).collect();
    counts.join(" ")
}

/// The one in the middle; zero of none.
pub(super) fn median<T: Copy + Default + Ord>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
