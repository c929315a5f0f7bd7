//! The command line: every command and option, with its help.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use khashmir::{Scope, Settings};

use crate::duration;
use crate::help;
use crate::host::Host;
use crate::key::Key;

/// A node of the Khashmir DHT, and what one asks a network of them.
#[derive(Debug, Parser)]
#[command(
    name = "khashmir",
    version,
    about = "Store and find many values under one key in a Khashmir DHT",
    long_about = help::ABOUT,
    after_help = help::EXAMPLES,
    after_long_help = help::MORE,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) general: General,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct General {
    /// Print one JSON object per line; the last is always the summary
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Give up after this long, such as 9s, 15m or 2.5h [default: 30s, for demo 5m, for sim never]
    #[arg(short, long, global = true, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    /// Log more to stderr, up to -vvv; KHASHMIR_LOG takes finer filters
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Print nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node in the foreground until it is stopped
    Node(NodeArgs),
    /// Print the values under a key as they arrive
    Get(GetArgs),
    /// Store a value under a key, beside the values that are there already
    Put(PutArgs),
    /// List the nodes closest to a key
    Lookup(LookupArgs),
    /// Ask nodes for a sign of life: their id and the round trip
    Ping(PingArgs),
    /// Show a whole network at work: twenty nodes in this process
    Demo(DemoArgs),
    /// Simulate a network of up to a million nodes, in virtual time
    Sim(SimArgs),
    /// Explain a command or a topic: exit-codes, json, keys
    Help(HelpArgs),
}

/// How to find a network.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// A node of the network to join through; may be repeated [env: KHASHMIR_BOOTSTRAP]
    #[arg(short = 'B', long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(crate) bootstrap: Vec<Host>,
    /// Keep values, id and contacts in this directory; it is made if it does not exist
    /// [env: KHASHMIR_STATE]
    #[arg(short = 'd', long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Accept nodes at private and loopback addresses too, for networks of one's own
    /// [env: KHASHMIR_ALLOW_PRIVATE]
    #[arg(long)]
    pub(crate) allow_private: bool,
    /// What kind of network it is, and so which defences are on [default: public] [env: KHASHMIR_PRESET]
    #[arg(long, value_name = "KIND", value_enum)]
    pub(crate) preset: Option<Preset>,
}

/// The kinds of networks, as the library knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// The internet: every defence is on
    Public,
    /// A network of one owner: private addresses are accepted, and none must prove itself
    Lan,
    /// A network made for a test: as lan, without limits on how much is asked and answered
    Test,
}

impl NetworkArgs {
    /// The settings that these arguments imply.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::of(match self.preset {
            None | Some(Preset::Public) => khashmir::Preset::Public,
            Some(Preset::Lan) => khashmir::Preset::Lan,
            Some(Preset::Test) => khashmir::Preset::Test,
        });
        if self.allow_private {
            settings.scope = Scope::ANY;
        }
        settings
    }
}

/// What every command needs that visits a network for a moment.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct ClientArgs {
    /// Send from this IPv4 address [default: 127.0.0.1:0 for a network there, else 0.0.0.0:0]
    #[arg(short, long, value_name = "ADDR:PORT")]
    pub(crate) bind: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = help::NODE)]
pub(crate) struct NodeArgs {
    /// The IPv4 address to listen at; port 0 takes any free one [default: 0.0.0.0:9977] [env: KHASHMIR_BIND]
    #[arg(short, long, value_name = "ADDR:PORT", help_heading = "Network")]
    pub(crate) bind: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Serve what is stored here, but store nothing for others
    #[arg(long)]
    pub(crate) read_only: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = help::GET)]
pub(crate) struct GetArgs {
    /// 40 hex digits, text:… or file:PATH
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
    /// Stop at so many values
    #[arg(short = 'n', long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub(crate) values: Option<usize>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = help::PUT)]
pub(crate) struct PutArgs {
    /// 40 hex digits, text:… or file:PATH
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
    /// The value; - reads it from standard input
    #[arg(value_name = "VALUE", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) value: Option<OsString>,
    /// Read the value from this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Fail if fewer nodes than this acknowledge the value
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=6))]
    pub(crate) min_stored: usize,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = help::LOOKUP)]
pub(crate) struct LookupArgs {
    /// 40 hex digits, text:… or file:PATH
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
    /// How many nodes to find
    #[arg(short = 'k', value_name = "N", default_value_t = 8, value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub(crate) k: usize,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = help::PING)]
pub(crate) struct PingArgs {
    /// The nodes to ask, all at the same time
    #[arg(value_name = "HOST:PORT", required = true)]
    pub(crate) hosts: Vec<Host>,
    /// How often to ask each
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) count: usize,
    /// Send from this IPv4 address
    #[arg(short, long, value_name = "ADDR:PORT", default_value = "0.0.0.0:0")]
    pub(crate) bind: SocketAddr,
}

#[derive(Debug, clap::Args)]
#[command(after_help = help::DEMO)]
pub(crate) struct DemoArgs {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(8..=200))]
    pub(crate) nodes: usize,
    /// Which nodes store, read and stop
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, clap::Args)]
#[command(after_help = help::SIM)]
pub(crate) struct SimArgs {
    /// The file that says what happens, in TOML; - reads it from standard input
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: PathBuf,
    /// Everything follows from it: equal seeds give equal runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many nodes, whatever the scenario says
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000_000))]
    pub(crate) nodes: Option<usize>,
    /// How many threads; the results do not depend on it [default: one for each processor, if there are nodes enough]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HelpArgs {
    /// A command, or one of exit-codes, json, keys
    #[arg(value_name = "COMMAND|TOPIC")]
    pub(crate) topic: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
