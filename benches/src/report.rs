//! `Report`: the figures of a run as a table and as lines of JSON, beside those of an earlier run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// One measured number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Which part of the run it is from.
    pub(crate) part: String,
    /// What it is; with `part`, what a later run is compared by.
    pub(crate) figure: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// What it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<Goal>,
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// What the figures of a part were measured with, for whoever reads them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    part: String,
    note: String,
}

/// The figures of a run, in the order in which they were measured.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
    notes: Vec<Note>,
}

/// A line of a file: one of the three, told apart by their fields.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Figure(Figure),
    Note(Note),
    Machine(Machine),
}

impl Figure {
    fn is_met(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::AtLeast(least) => self.value >= least,
            Goal::AtMost(most) => self.value <= most,
        })
    }

    fn key(&self) -> (String, String) {
        (self.part.clone(), self.figure.clone())
    }
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, figures: Vec::new(), notes: Vec::new() }
    }

    /// Adds figures, and shows them at once: a run takes minutes.
    pub(crate) fn figure(&mut self, part: &str, figure: &str, value: f64, unit: &str, goal: Option<Goal>) {
        let (part, figure, unit) = (part.to_owned(), figure.to_owned(), unit.to_owned());
        self.figures.push(Figure { part, figure, value, unit, goal });
    }

    /// Says how the figures of a part were measured.
    pub(crate) fn note(&mut self, part: &str, note: impl Into<String>) {
        self.notes.push(Note { part: part.to_owned(), note: note.into() });
    }

    /// All figures, part by part; with those of `earlier`, and how many times as large they are now.
    pub(crate) fn table(&self, earlier: Option<&Report>) -> String {
        let before: BTreeMap<_, _> = earlier.map_or_else(BTreeMap::new, |report| {
            report.figures.iter().map(|figure| (figure.key(), figure.value)).collect()
        });
        let mut text = format!("{}\n", self.machine.line());
        if let Some(earlier) = earlier {
            let _ = writeln!(text, "before: {}", earlier.machine.line());
        }
        let mut parts: Vec<&str> = self.figures.iter().map(|figure| figure.part.as_str()).collect();
        parts.dedup();
        for part in parts {
            let _ = writeln!(text, "\n{part}");
            for note in self.notes.iter().filter(|note| note.part == part) {
                let _ = writeln!(text, "  {}", note.note);
            }
            for figure in self.figures.iter().filter(|figure| figure.part == part) {
                let _ = writeln!(text, "{}", row(figure, before.get(&figure.key()).copied()));
            }
        }
        text
    }

    /// Writes the run to `path`: the machine, then one note or figure a line.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let machine = std::iter::once(Line::Machine(self.machine.clone()));
        let notes = self.notes.iter().cloned().map(Line::Note);
        let figures = self.figures.iter().cloned().map(Line::Figure);
        let mut text = String::new();
        for line in machine.chain(notes).chain(figures) {
            text.push_str(&serde_json::to_string(&line)?);
            text.push('\n');
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// A run that was written.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} was not written with --json", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let (mut machine, mut figures, mut notes) = (None, Vec::new(), Vec::new());
        for line in text.lines() {
            match serde_json::from_str(line)? {
                Line::Machine(found) => machine = Some(found),
                Line::Note(note) => notes.push(note),
                Line::Figure(figure) => figures.push(figure),
            }
        }
        Ok(Self { machine: machine.context("no line says on which machine")?, figures, notes })
    }
}

fn row(figure: &Figure, before: Option<f64>) -> String {
    let goal = match figure.goal {
        Some(Goal::AtLeast(least)) => format!("≥ {}", shown(least)),
        Some(Goal::AtMost(most)) => format!("≤ {}", shown(most)),
        None => String::new(),
    };
    let verdict = match figure.is_met() {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    let change = before.map_or_else(String::new, |before| {
        let ratio = if before == figure.value { 1.0 } else { figure.value / before };
        format!("before {:>10}  x {ratio:.2}", shown(before))
    });
    let Figure { figure, value, unit, .. } = figure;
    format!("  {figure:<44}{:>11} {unit:<6} {goal:>9} {verdict:<7}{change}", shown(*value))
        .trim_end()
        .to_owned()
}

/// A number with as many digits as mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        1000.0.. => grouped(value),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ if value == value.trunc() => format!("{value:.0}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A whole number, with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let first = (digits.len() - 1) % 3 + 1;
    let mut text = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        text.push(',');
        text.extend(group.iter().copied().map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extent::Extent;

    fn report(value: f64) -> Report {
        let mut report = Report::new(Machine::here(&Extent::SMOKE));
        report.note("serve", "two cores");
        report.figure("serve", "ping", value, "/s", Some(Goal::AtLeast(1000.0)));
        report.figure("store", "reads", 0.5, "", Some(Goal::AtMost(1.0)));
        report
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.jsonl");
        report(1234.0).write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap().table(None), report(1234.0).table(None));
    }

    #[test]
    fn a_table_says_what_missed_its_goal_and_what_changed() {
        let table = report(500.0).table(Some(&report(1_000_000.0)));
        assert!(table.contains("ping") && table.contains("MISSED"), "{table}");
        assert!(table.contains("before  1,000,000  x 0.00"), "{table}");
        assert!(table.contains("x 1.00"), "{table}");
    }

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let shown = [1_234_567.8, 999.6, 12.34, 1.234, 0.85, 3.0, 0.0].map(shown);
        assert_eq!(shown, ["1,234,568", "1000", "12.3", "1.23", "0.850", "3", "0"]);
    }

    #[test]
    fn a_file_of_something_else_is_an_error() {
        assert!(Report::parse("{\"a\": 1}").is_err());
        assert!(Report::parse("").is_err());
    }
}
