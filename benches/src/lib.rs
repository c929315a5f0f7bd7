//! Whole-program benchmarks: what a shipped node does over real sockets and on a real disk.
//!
//! One program, in two positions. Started by hand it measures: it asks, checks every answer, and reports. What is
//! measured runs in processes of its own, which are the same program in a role: a node, a bare echo, a
//! store to be killed, a network.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program for developers")]

mod arguments;
mod asker;
mod clock;
mod corpus;
mod exchange;
mod extent;
mod machine;
mod neighbours;
mod parts;
mod process;
mod question;
mod report;
mod role;
mod roles;
mod stores;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;

/// How many calls for memory this process has made so far, if its allocator counts them.
pub type Allocations = Option<fn() -> u64>;

/// Does what the command line says.
#[must_use]
pub fn run(allocations: Allocations) -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.role {
        Some(role) => roles::play(role, allocations),
        None => parts::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
