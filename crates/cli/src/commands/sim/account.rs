//! The account of a run: a table for people, lines of JSON for programs.

use std::path::Path;
use std::time::Duration;

use khashmir_sim::Report;
use serde_json::Value;

use crate::args::SimArgs;
use crate::commands::tally;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::human;
use crate::output::Output;
use crate::record::Record;
use crate::stop::Reason;

/// What a run has shown, and how it came to its end.
pub(super) struct Account<'a> {
    pub(super) args: &'a SimArgs,
    pub(super) report: &'a Report,
    pub(super) early: Option<Reason>,
    pub(super) wall: Duration,
}

impl Account<'_> {
    /// Prints everything, the summary last.
    pub(super) fn print(&self, output: &Output) -> anyhow::Result<Exit> {
        let command = command(self.args, self.report.nodes);
        let mut report = serde_json::to_value(self.report)?;
        for (kind, part) in [("operations", "operations"), ("traffic", "traffic")] {
            let rows = report[part].take();
            for row in rows.as_array().into_iter().flatten() {
                output.json(&Record::new(kind).fields(row))?;
            }
        }
        for part in ["tables", "faults"] {
            output.json(&Record::new(part).fields(&report[part].take()))?;
        }
        output.text(self.report.to_string().trim_end())?;
        output.text(format_args!("\nagain: {command}"))?;
        let (exit, result, failure) = self.verdict();
        if let Some(failure) = failure {
            output.failure(&failure);
        }
        let summary = Record::summary(result).fields(&without_parts(report)).with("command", command);
        output.json(&summary.elapsed(self.wall))?;
        Ok(exit)
    }

    fn verdict(&self) -> (Exit, &'static str, Option<Failure>) {
        if let Some(reason) = self.early {
            let (exit, result) = tally::early(reason);
            let simulated = Duration::from_secs_f64(self.report.virtual_seconds);
            let when = format!("after {} of virtual time", human::duration(simulated));
            return (exit, result, Some(reason.failure(&when)));
        }
        match self.report.failure() {
            Some(reason) => {
                let failure =
                    Failure::new(Exit::NotFound, "E_RUN_FAILED", format!("the run failed: {reason}"));
                (Exit::NotFound, "failed", Some(failure))
            }
            None => (Exit::Done, "done", None),
        }
    }
}

/// What of a report is not on lines of its own.
fn without_parts(mut report: Value) -> Value {
    if let Some(fields) = report.as_object_mut() {
        fields.retain(|name, _| !["operations", "traffic", "tables", "faults"].contains(&name.as_str()));
    }
    report
}

/// What to type for the same run.
fn command(args: &SimArgs, nodes: usize) -> String {
    let mut command = format!("khashmir sim {} --seed {}", quoted(&args.scenario), args.seed);
    if args.nodes.is_some() {
        command += &format!(" --nodes {nodes}");
    }
    command
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-+".contains(c);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_repeats_a_run_can_be_typed() {
        let args =
            |scenario: &str, nodes| SimArgs { scenario: scenario.into(), seed: 7, nodes, threads: None };
        assert_eq!(command(&args("a/b.toml", None), 100), "khashmir sim a/b.toml --seed 7");
        assert_eq!(
            command(&args("my runs.toml", Some(5)), 5),
            "khashmir sim 'my runs.toml' --seed 7 --nodes 5"
        );
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
