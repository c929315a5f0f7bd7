//! `cargo xtask fuzz NAME`: lets libFuzzer loose on a target for a while, with the stable toolchain.
//!
//! Knows where targets, corpora and the tool are; what a target does is in `tests/fuzz`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::{Workspace, cargo, output};

/// What to fuzz, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// The target (there is a directory in fuzz/corpus for each), or `all`, one after the other
    name: String,
    /// How long, for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Gets the tool if it is not there yet, then builds and runs; an error if an input was found that should not be.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let targets = chosen(targets(&workspace.root)?, &options.name)?;
    require_compiler()?;
    let tool = Tool::of(workspace);
    tool.install()?;
    fuzz(workspace, &tool, &targets, options.seconds)
}

/// As [`run`] for all targets, but only where the tool was installed before: ci gets nothing from the network.
pub(crate) fn run_if_installed(workspace: &Workspace, seconds: u64) -> Result<()> {
    let tool = Tool::of(workspace);
    if !tool.is_installed() || require_compiler().is_err() {
        println!(
            "fuzz: left out, as `cargo xtask fuzz` was never run here; the tests had every target do its corpus"
        );
        return Ok(());
    }
    fuzz(workspace, &tool, &targets(&workspace.root)?, seconds)
}

/// The program `cargo-fuzz`, installed for this workspace alone.
struct Tool {
    root: PathBuf,
    program: PathBuf,
}

impl Tool {
    fn of(workspace: &Workspace) -> Self {
        let root = workspace.target.join("tools");
        Self { program: root.join("bin").join(format!("cargo-fuzz{}", env::consts::EXE_SUFFIX)), root }
    }

    fn is_installed(&self) -> bool {
        self.program.is_file()
    }

    fn install(&self) -> Result<()> {
        if self.is_installed() {
            return Ok(());
        }
        println!("fuzz: installing cargo-fuzz {VERSION} in {}, once", self.root.display());
        let mut command = cargo();
        command.args(["install", "--locked", "--debug", "--version", VERSION, "cargo-fuzz", "--root"]);
        let status = command.arg(&self.root).status().context("cannot start cargo")?;
        if !status.success() {
            bail!(
                "cargo-fuzz {VERSION} could not be installed ({status}). Without a network, put the program at {} \
                 and the crates of fuzz/Cargo.lock in cargo's cache (`cargo fetch --manifest-path fuzz/Cargo.toml`), \
                 or do without libFuzzer: `cargo test --package khashmir-fuzz`",
                self.program.display()
            );
        }
        Ok(())
    }
}

/// `-s none` works with the stable toolchain since this version.
const VERSION: &str = "0.13.2";

fn fuzz(workspace: &Workspace, tool: &Tool, targets: &[String], seconds: u64) -> Result<()> {
    for target in targets {
        println!("fuzz: {target}, for {seconds} s");
        let status =
            command(workspace, tool, target, seconds)?.status().context("cannot start cargo-fuzz")?;
        if !status.success() {
            bail!(
                "the target `{target}` failed ({status}); what is said above tells on which input, and where it is kept"
            );
        }
    }
    Ok(())
}

/// Runs a target without a sanitizer, which would take a nightly toolchain. What it learns stays in cargo's target
/// directory; the corpus in the repository is only read.
fn command(workspace: &Workspace, tool: &Tool, target: &str, seconds: u64) -> Result<Command> {
    let (fuzz, built) = (workspace.root.join("fuzz"), workspace.target.join("fuzz"));
    let learnt = built.join("corpus").join(target);
    fs::create_dir_all(&learnt).with_context(|| format!("cannot create {}", learnt.display()))?;
    let mut command = Command::new(&tool.program);
    command
        .current_dir(&workspace.root)
        .args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"])
        .arg(&fuzz);
    command.arg("--target-dir").arg(&built).args([target]).args([&learnt, &fuzz.join("corpus").join(target)]);
    command.arg("--").arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
    command.arg(format!("-dict={}", fuzz.join("bencode.dict").display()));
    Ok(command)
}

/// The targets there are: each has a corpus.
fn targets(root: &Path) -> Result<Vec<String>> {
    let directory = root.join("fuzz/corpus");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn chosen(targets: Vec<String>, name: &str) -> Result<Vec<String>> {
    match name {
        "all" => Ok(targets),
        name if targets.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        _ => bail!("there is no fuzz target `{name}`; the targets are {}, or all", targets.join(", ")),
    }
}

/// The crate libfuzzer-sys compiles libFuzzer.
fn require_compiler() -> Result<()> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    output(Command::new(&compiler).arg("--version")).map(drop).with_context(|| {
        format!("libFuzzer is written in C++: install a compiler (Debian's package g++), or set CXX to one; `{compiler}` is none")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_chosen_by_name_and_an_unknown_one_is_an_error() {
        let targets = || ["decode", "scan"].map(str::to_owned).to_vec();
        assert_eq!(chosen(targets(), "scan").ok(), Some(vec!["scan".to_owned()]));
        assert_eq!(chosen(targets(), "all").ok(), Some(targets()));
        let error = chosen(targets(), "scam").expect_err("unknown").to_string();
        assert!(error.contains("`scam`") && error.contains("decode, scan, or all"), "{error}");
    }

    #[test]
    fn every_target_has_a_corpus_and_a_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).expect("readable");
        let targets = targets(&root).expect("readable");
        assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
        assert!(
            targets.iter().all(|target| manifest.contains(&format!("name = \"{target}\""))),
            "{targets:?}"
        );
    }
}
