//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::extent::Extent;
use crate::role::Role;

/// Measures a shipped node: over real sockets on loopback, and on a real disk.
#[derive(Debug, Parser)]
#[command(name = "khashmir-bench")]
pub(crate) struct Arguments {
    /// What to measure; everything if nothing is named
    pub(crate) parts: Vec<Part>,
    /// Shorter and smaller, for a first impression: a minute instead of ten
    #[arg(long)]
    pub(crate) quick: bool,
    /// So short that the figures mean nothing: shows that the program works
    #[arg(long, hide = true, conflicts_with = "quick")]
    pub(crate) smoke: bool,
    /// Write the figures to this file, one JSON object a line; the first line is the machine
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Show how the figures changed since a run that was written with --json
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// Where stores are made, and removed again: on the disk that is to be measured. Default: the system's
    /// temporary directory
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) dir: Option<PathBuf>,
    /// What this process is to be for another that measures
    #[arg(long, hide = true, value_parser = Role::parse)]
    pub(crate) role: Option<Role>,
}

/// Something that can be measured on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// Requests answered per second and CPU time for each, against a bare echo
    Serve,
    /// Values acknowledged as durable per second; reads beside it; one key with 100,000 values
    Store,
    /// How soon a store of millions of values serves again after a crash
    Reopen,
    /// Networks in one process: lookups, their times, memory
    Network,
    /// Calls for memory for each request answered
    Allocations,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Store => "store",
            Self::Reopen => "reopen",
            Self::Network => "network",
            Self::Allocations => "allocations",
        }
    }
}

impl Arguments {
    pub(crate) fn extent(&self) -> Extent {
        match (self.smoke, self.quick) {
            (true, _) => Extent::SMOKE,
            (_, true) => Extent::QUICK,
            _ => Extent::FULL,
        }
    }

    /// The parts to run, each once, in the order in which they are reported.
    pub(crate) fn chosen(&self) -> Vec<Part> {
        let is_chosen = |part: &Part| self.parts.is_empty() || self.parts.contains(part);
        Part::value_variants().iter().copied().filter(is_chosen).collect()
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
    fn parts_run_once_and_in_order() {
        let chosen = |line: &[&str]| Arguments::try_parse_from(line).unwrap().chosen();
        assert_eq!(chosen(&["bench"]), Part::value_variants());
        assert_eq!(chosen(&["bench", "serve", "serve"]), [Part::Serve]);
    }
}
