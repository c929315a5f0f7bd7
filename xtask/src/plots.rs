//! `cargo xtask plots`: the figures of `docs/simulation.md`, drawn from stored results of the simulator; with
//! `--run` the results are made anew first.

mod axis;
mod chart;
mod figures;
mod results;
mod studies;
mod svg;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use self::results::Results;
use self::studies::{Extent, Study, Trial, studies};
use crate::workspace::{Workspace, cargo};

/// All runs are of this seed: whoever repeats them gets the same.
const SEED: u64 = 1;

/// What to draw, and whether to run the simulator for it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run the simulator first, for these studies or for all: size, latency, churn, loss, adversaries
    #[arg(long, value_name = "STUDY", num_args = 0..)]
    run: Option<Vec<String>>,
    /// Small networks, to try it out: minutes instead of hours. Results and figures go to plots/ in cargo's target
    /// directory
    #[arg(long)]
    quick: bool,
}

/// Where results are and figures go.
struct Places {
    results: PathBuf,
    figures: PathBuf,
}

/// Runs what is to be run, then draws every figure.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let (extent, places) = if options.quick {
        (Extent::Quick, Places::in_directory(&workspace.target.join("plots")))
    } else {
        (Extent::Full, Places::in_directory(&workspace.root.join("docs")))
    };
    if let Some(names) = &options.run {
        let studies = chosen(studies(extent), names)?;
        let program = build(workspace)?;
        for study in &studies {
            make(workspace, study, extent, &program, &places.results)?;
        }
    }
    draw(&places)
}

impl Places {
    fn in_directory(directory: &Path) -> Self {
        Self { results: directory.join("results"), figures: directory.join("figures") }
    }
}

/// The studies of these names; all if there are none.
fn chosen(studies: Vec<Study>, names: &[String]) -> Result<Vec<Study>> {
    if let Some(unknown) = names.iter().find(|name| studies.iter().all(|study| study.name != **name)) {
        let known: Vec<_> = studies.iter().map(|study| study.name).collect();
        bail!("there is no study `{unknown}`; the studies are {}", known.join(", "));
    }
    let is_chosen = |study: &Study| names.is_empty() || names.iter().any(|name| name == study.name);
    Ok(studies.into_iter().filter(is_chosen).collect())
}

/// Builds the program that has the simulator, and says where it is.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--release", "--package", "khashmir-cli"]).current_dir(&workspace.root);
    if !command.status().context("cannot start cargo")?.success() {
        bail!("the program does not build");
    }
    Ok(workspace.target.join("release/khashmir"))
}

/// Runs every trial of a study, then puts the new results in the place of the old.
fn make(workspace: &Workspace, study: &Study, extent: Extent, program: &Path, results: &Path) -> Result<()> {
    let mut text = String::new();
    for (number, trial) in (1..).zip(&study.trials) {
        let Trial { series, scenario, nodes, .. } = trial;
        println!("{} [{number}/{}] {series}: {scenario}, {nodes} nodes", study.name, study.trials.len());
        let printed = simulate(workspace, trial, extent, program)
            .with_context(|| format!("study `{}`, {series} at {}", study.name, trial.x))?;
        text.push_str(&results::line(trial, SEED, &printed)?);
    }
    let path = results.join(format!("{}.jsonl", study.name));
    write(&path, &text)
}

/// Runs a trial to its end, and returns what it printed.
fn simulate(workspace: &Workspace, trial: &Trial, extent: Extent, program: &Path) -> Result<String> {
    let path = workspace.root.join("scenarios").join(format!("{}.toml", trial.scenario));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let scenario = trial.scenario(&text);
    let scenario = scenario
        .map_err(|line| anyhow::anyhow!("{} must have the line `{line}` exactly once", path.display()))?;
    let mut command = Command::new(program);
    command.args(["sim", "-", "--json", "--timeout", extent.limit(), "--seed", &SEED.to_string()]);
    command.args(["--nodes", &trial.nodes.to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut stdin = child.stdin.take().context("the simulator has no standard input")?;
    // If it does not read to the end, it says why, and its exit code shows it.
    let _ = stdin.write_all(scenario.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().context("the simulator was lost")?;
    if !output.status.success() {
        bail!("the simulator failed ({})", output.status);
    }
    String::from_utf8(output.stdout).context("the simulator printed something other than UTF-8")
}

fn draw(places: &Places) -> Result<()> {
    let read = |study| Results::read(&places.results, study);
    for (name, figure) in figures::all(&read)? {
        let path = places.figures.join(format!("{name}.svg"));
        write(&path, &figure.draw())?;
        println!("{}", path.display());
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn studies_are_chosen_by_name_and_an_unknown_one_is_an_error() {
        let names = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(studies(Extent::Quick), &names).map(|studies| studies.len())
        };
        assert_eq!(names(&[]).ok(), Some(5));
        assert_eq!(names(&["loss", "size"]).ok(), Some(2));
        let error = names(&["lost"]).expect_err("unknown").to_string();
        assert!(error.contains("`lost`") && error.contains("size, latency"), "{error}");
    }
}
