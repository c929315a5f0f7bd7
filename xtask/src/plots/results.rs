//! `Results`: the lines of a file of results, each one run with everything that it printed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::studies::Trial;

/// The runs of a study, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Results {
    study: &'static str,
    runs: Vec<Value>,
}

/// One run. Questions name the study in their errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    study: &'static str,
    value: &'a Value,
}

impl Results {
    /// Reads `NAME.jsonl` in `directory`.
    ///
    /// # Errors
    /// If it is missing or not what `line` writes; with the command that makes it anew.
    pub(super) fn read(directory: &Path, study: &'static str) -> Result<Self> {
        let path = directory.join(format!("{study}.jsonl"));
        let read = || Self::parse(&fs::read_to_string(&path)?, study);
        read().with_context(|| {
            format!(
                "cannot use the results in {}: make them with  cargo xtask plots --run {study}",
                path.display()
            )
        })
    }

    /// The runs on the lines of `text`.
    pub(super) fn parse(text: &str, study: &'static str) -> Result<Self> {
        let parse = |(index, line)| serde_json::from_str(line).with_context(|| format!("line {}", index + 1));
        let runs = text.lines().enumerate().map(parse).collect::<Result<Vec<Value>>>()?;
        if runs.is_empty() {
            bail!("there is no run in it");
        }
        Ok(Self { study, runs })
    }

    /// The names of the lines, in order of their first run.
    pub(super) fn series(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for run in self.runs() {
            let name = run.series()?;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The runs.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs.iter().map(|value| Run { study: self.study, value })
    }
}

impl<'a> Run<'a> {
    /// The line it belongs to.
    pub(super) fn series(self) -> Result<&'a str> {
        self.value["series"].as_str().with_context(|| self.lacks("series"))
    }

    /// Where on the line.
    pub(super) fn x(self) -> Result<f64> {
        self.value["x"].as_f64().with_context(|| self.lacks("x"))
    }

    /// A number in the first line of its output that has this type. With `/` in its name, a field is within another.
    pub(super) fn number(self, kind: &str, field: &str) -> Result<f64> {
        let record = self.output().find(|record| record["type"] == kind);
        let number = record.and_then(|record| record.pointer(&format!("/{field}"))?.as_f64());
        number.with_context(|| self.lacks(&format!("a number {kind}/{field}")))
    }

    /// A number about its operations of this name.
    pub(super) fn operations(self, name: &str, field: &str) -> Result<f64> {
        let number = self.operation(name, field)?.as_f64();
        number.with_context(|| self.lacks(&format!("a number {field} of the operations {name}")))
    }

    /// A field about its operations of this name.
    pub(super) fn operation(self, name: &str, field: &str) -> Result<&'a Value> {
        let is_it = |record: &&Value| record["type"] == "operations" && record["name"] == name;
        let record = self.output().find(is_it);
        let found = record.and_then(|record| record.pointer(&format!("/{field}")));
        found.with_context(|| self.lacks(&format!("{field} of the operations {name}")))
    }

    /// What to say if the run has no such thing.
    pub(super) fn lacks(self, what: &str) -> String {
        let study = self.study;
        format!("a run in {study}.jsonl lacks {what}: make it anew with  cargo xtask plots --run {study}")
    }

    fn output(self) -> impl Iterator<Item = &'a Value> {
        self.value["output"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
    }
}

/// The line of a file of results for what a run printed with `--json`.
pub(super) fn line(trial: &Trial, seed: u64, printed: &str) -> Result<String> {
    let output = printed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let output = output.context("the simulator printed something other than JSON")?;
    let changes: Vec<_> = trial.changes.iter().map(|(_, line)| line.as_str()).collect();
    let line = json!({
        "series": trial.series, "x": trial.x, "scenario": trial.scenario, "changes": changes,
        "nodes": trial.nodes, "seed": seed, "output": output,
    });
    Ok(format!("{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::super::studies::{Extent, studies};
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let trial = &studies(Extent::Quick)[0].trials[0];
        let printed = "{\"type\":\"operations\",\"name\":\"lookup\",\"hops\":{\"mean\":3.5}}\n{\"type\":\"summary\",\"nodes\":10}\n";
        let text = line(trial, 1, printed).expect("JSON");
        let results = Results::parse(&text, "size").expect("one run");
        let run = results.runs().next().expect("one run");
        assert_eq!((run.series().ok(), run.x().ok()), (Some("tables of eights"), Some(10.0)));
        assert_eq!(run.operations("lookup", "hops/mean").ok(), Some(3.5));
        assert_eq!(results.series().expect("named"), ["tables of eights"]);
    }

    #[test]
    fn what_is_missing_or_malformed_is_an_error_with_the_command_that_helps() {
        let error = |text: &str| match Results::parse(text, "size") {
            Ok(results) => {
                results.runs().next().expect("a run").number("summary", "nodes").expect_err("none")
            }
            Err(error) => error,
        };
        let lacks = format!("{:#}", error("{\"output\":[{\"type\":\"summary\"}]}"));
        assert!(lacks.contains("summary/nodes") && lacks.contains("cargo xtask plots --run size"), "{lacks}");
        assert!(format!("{:#}", error("{}\n{")).contains("line 2"));
        assert!(format!("{:#}", error("")).contains("no run"));
        let missing = Results::read(Path::new("no/such/directory"), "loss").expect_err("missing");
        assert!(format!("{missing:#}").contains("cargo xtask plots --run loss"), "{missing:#}");
    }
}
