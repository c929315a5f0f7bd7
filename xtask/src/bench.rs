//! `cargo xtask bench`: builds the benchmark program as it would be shipped, and runs it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, cargo};

const PACKAGE: &str = "khashmir-bench";

/// What to measure, and what to do with the figures.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure: serve, store, reopen, network, allocations; everything if nothing is named
    what: Vec<String>,
    /// Shorter and smaller, for a first impression: a minute or two instead of ten
    #[arg(long)]
    quick: bool,
    /// Measure everything, and put the figures into docs/benchmarks.md and docs/results/bench.jsonl
    #[arg(long, conflicts_with_all = ["what", "json"])]
    publish: bool,
    /// Write the figures to this file, one JSON object a line; the first line is the machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show how the figures changed since a run that was written with --json
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Where stores are made, and removed again: on the disk that is to be measured. Default: the system's
    /// temporary directory
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

/// Measures what `options` say. Paths are relative to the current directory.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", PACKAGE]).current_dir(&workspace.root);
    if !build.status().context("cannot start cargo")?.success() {
        bail!("the benchmark program does not build");
    }
    let mut command = Command::new(workspace.target.join("release").join(PACKAGE));
    command.args(options.arguments());
    if options.publish {
        return publish(workspace, &mut command);
    }
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("the benchmark program failed ({status})");
    }
    Ok(())
}

/// Runs `command`, and puts what it prints into the documentation.
fn publish(workspace: &Workspace, command: &mut Command) -> Result<()> {
    let docs = workspace.root.join("docs");
    let page = docs.join("benchmarks.md");
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    // A page that does not take the figures must not show after ten minutes.
    with_figures(&text, "")?;
    command.arg("--json").arg(docs.join("results").join("bench.jsonl")).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let table = String::from_utf8(output.stdout).context("the benchmark program printed no UTF-8")?;
    print!("{table}");
    if !output.status.success() {
        bail!("the benchmark program failed ({})", output.status);
    }
    fs::write(&page, with_figures(&text, &table)?).with_context(|| format!("cannot write {}", page.display()))
}

/// The page with `table` in the place of the one that it has.
fn with_figures(page: &str, table: &str) -> Result<String> {
    let missing = || format!("docs/benchmarks.md needs the lines `{BEGIN}...` and `{END}`, in this order");
    let begin = page.find(BEGIN).with_context(missing)?;
    let first = begin + page[begin..].find('\n').with_context(missing)? + 1;
    let end = first + page[first..].find(END).with_context(missing)?;
    Ok(format!("{}```text\n{}\n```\n{}", &page[..first], table.trim_end(), &page[end..]))
}

/// How the lines begin between which the figures are.
const BEGIN: &str = "<!-- figures:";
const END: &str = "<!-- end of figures";

impl Options {
    /// The same for the program.
    fn arguments(&self) -> Vec<PathBuf> {
        let paths = [("--json", &self.json), ("--compare", &self.compare), ("--dir", &self.dir)];
        let paths = paths.into_iter().filter_map(|(name, path)| Some([name.into(), path.clone()?]));
        let quick = self.quick.then(|| "--quick".into());
        self.what.iter().map(PathBuf::from).chain(quick).chain(paths.flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_gets_what_was_given() {
        let options = Options {
            what: vec!["serve".into()],
            quick: true,
            publish: false,
            json: Some("a.jsonl".into()),
            compare: None,
            dir: Some("b".into()),
        };
        let expected = ["serve", "--quick", "--json", "a.jsonl", "--dir", "b"].map(PathBuf::from);
        assert_eq!(options.arguments(), expected);
    }

    #[test]
    fn new_figures_take_the_place_of_the_old() {
        let page = "a\n<!-- figures: b -->\nold\n<!-- end of figures -->\nc\n";
        let expected = "a\n<!-- figures: b -->\n```text\nnew\n```\n<!-- end of figures -->\nc\n";
        assert_eq!(with_figures(page, "new\n").expect("has both lines"), expected);
        assert_eq!(with_figures(expected, "new").expect("has both lines"), expected);
        assert!(with_figures("<!-- end of figures -->\n<!-- figures: -->\n", "new").is_err());
    }
}
