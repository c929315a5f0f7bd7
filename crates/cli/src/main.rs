//! The program `khashmir`: reads the command line, runs one command, says how it ended. What a command does is in
//! its file under `commands`; what the network does is in the library.

mod args;
mod client;
mod commands;
mod duration;
mod environment;
mod exit;
mod failure;
mod help;
mod host;
mod human;
mod key;
mod output;
mod paint;
mod record;
mod stop;
mod stopwatch;
mod value;

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Colour, Command, General};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::record::Record;

fn main() -> ExitCode {
    let mut args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error).into(),
    };
    log(&args);
    let output = Output::new(&args.general);
    if let Err(failure) = environment::complete(&mut args.command) {
        return report(&failure, &output).into();
    }
    run(args, &output).unwrap_or_else(|error| report(&Failure::of(&error), &output)).into()
}

/// Runs the command. What it found out is its exit code; what kept it from that, its error.
fn run(args: Args, output: &Output) -> anyhow::Result<Exit> {
    let Args { general, command } = args;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let exit = runtime.block_on(async {
        match command {
            Command::Node(args) => commands::node::run(args, &general, output).await,
            Command::Get(args) => commands::get::run(args, &general, output).await,
            Command::Put(args) => commands::put::run(args, &general, output).await,
            Command::Lookup(args) => commands::lookup::run(args, &general, output).await,
            Command::Ping(args) => commands::ping::run(args, &general, output).await,
            Command::Demo(args) => commands::demo::run(args, &general, output).await,
            Command::Sim(args) => commands::sim::run(args, &general, output).await,
            Command::Help(args) => help::run(&args, output),
        }
    });
    // Every node has been shut down; a name that is still being resolved is not worth waiting for.
    runtime.shutdown_background();
    exit
}

/// Says what went wrong.
fn report(failure: &Failure, output: &Output) -> Exit {
    if failure.exit == Exit::BrokenPipe {
        return failure.exit;
    }
    output.failure(failure);
    let summary = Record::summary("error").with("code", failure.code);
    // The error has been told; that nobody reads the summary changes nothing.
    let _ = output.json(&summary);
    failure.exit
}

/// Says what is wrong with the command line; or what was asked for: the help, the version.
fn refuse(error: &clap::Error) -> Exit {
    let is_json = env::args_os().any(|argument| argument == "--json");
    let output = Output::new(&General::plain(is_json));
    if let Some(failure) = error.source().and_then(|source| source.downcast_ref::<Failure>()) {
        return report(failure, &output);
    }
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_json && !is_answer {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return report(&Failure::usage(message).help("see khashmir --help"), &output);
    }
    match error.print() {
        Err(error) => report(&Failure::of(&output::unwritten(error).into()), &output),
        _ if is_answer => Exit::Done,
        _ => Exit::Usage,
    }
}

/// Logs to stderr: what the flags say, else what the environment says, else warnings; of a node, which runs for long, also
/// whether the system grants its socket a buffer as large as it asks for.
fn log(Args { general, command }: &Args) {
    let usual = if matches!(command, Command::Node(_)) { "warn,khashmir_krpc::udp=info" } else { "warn" };
    let named = |name: &str| env::var(name).ok().filter(|filter| !filter.is_empty());
    let filter = match general.verbose {
        1 => "info".to_owned(),
        2 => "debug".to_owned(),
        3.. => "trace".to_owned(),
        0 if general.quiet => "error".to_owned(),
        0 => named("KHASHMIR_LOG").or_else(|| named("RUST_LOG")).unwrap_or_else(|| usual.to_owned()),
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
        .with_ansi(paint::Paint::new(general.color, io::IsTerminal::is_terminal(&io::stderr())).is_on())
        .init();
}

impl General {
    /// What holds before the command line is understood.
    fn plain(is_json: bool) -> Self {
        Self { json: is_json, timeout: None, color: Colour::Auto, verbose: 0, quiet: false }
    }
}
