//! `cargo xtask`: the workspace's chores. Parses the command line; each command has its own file.
//!
//! Must not know any crate of ours: it works on their files and drives cargo.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program for developers")]

mod bench;
mod campaign;
mod ci;
mod dist;
mod fuzz;
mod plots;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The workspace's chores.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything a change must pass: formatting, tidy, clippy, tests, documentation
    Ci,
    /// Check the rules of the architecture: layers, sizes, no clocks or randomness in the core
    Tidy,
    /// Build the `khashmir` program and pack it, reproducibly, into dist/
    Dist(dist::Options),
    /// Run a fuzz target for a while; installs cargo-fuzz in cargo's target directory if it is not there
    Fuzz(fuzz::Options),
    /// Measure whole programs: requests served, values stored, networks, memory
    Bench(bench::Options),
    /// Attack simulated networks of thousands of nodes in every way we know, and see whether they hold their levels
    Campaign(campaign::Options),
    /// Draw the figures of docs/ from stored results of the simulator, or from new ones with --run
    Plots(plots::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = Workspace::load().and_then(|workspace| match arguments.command {
        Chore::Ci => ci::run(&workspace),
        Chore::Tidy => tidy::run(&workspace),
        Chore::Dist(options) => dist::run(&workspace, &options),
        Chore::Fuzz(options) => fuzz::run(&workspace, &options),
        Chore::Bench(options) => bench::run(&workspace, &options),
        Chore::Campaign(options) => campaign::run(&workspace, &options),
        Chore::Plots(options) => plots::run(&workspace, &options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_command_prints_the_help() {
        let error = Arguments::try_parse_from(["xtask"]).err().expect("a command is required");
        assert!(error.to_string().contains("Usage: cargo xtask"));
    }
}
