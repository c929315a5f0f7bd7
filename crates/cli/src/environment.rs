//! What the environment says where the command line says nothing. An empty variable counts as unset; what is wrong
//! with another is said with its name.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;

use clap::ValueEnum;

use crate::args::{Command, NetworkArgs, Preset};
use crate::failure::Failure;
use crate::host::Host;

/// Takes from the environment what the command line leaves open.
pub(crate) fn complete(command: &mut Command) -> Result<(), Failure> {
    match command {
        Command::Node(args) => {
            if args.bind.is_none() {
                args.bind = bind()?;
            }
            network(&mut args.network)
        }
        Command::Get(args) => network(&mut args.client.network),
        Command::Put(args) => network(&mut args.client.network),
        Command::Lookup(args) => network(&mut args.client.network),
        Command::Ping(_) | Command::Demo(_) | Command::Sim(_) | Command::Help(_) => Ok(()),
    }
}

fn network(args: &mut NetworkArgs) -> Result<(), Failure> {
    if args.bootstrap.is_empty() {
        args.bootstrap = bootstrap()?;
    }
    if args.state.is_none() {
        args.state = variable("KHASHMIR_STATE").map(Into::into);
    }
    args.allow_private |= variable("KHASHMIR_ALLOW_PRIVATE").is_some_and(|value| !is_falsey(&value));
    if args.preset.is_none() {
        args.preset = preset()?;
    }
    Ok(())
}

fn preset() -> Result<Option<Preset>, Failure> {
    let name = "KHASHMIR_PRESET";
    let Some(text) = text(name)? else { return Ok(None) };
    let preset = Preset::from_str(text.trim(), true);
    let unknown = |_| invalid(name, &format!("{text:?} is none of public, lan and test"));
    preset.map(Some).map_err(unknown)
}

fn bind() -> Result<Option<SocketAddr>, Failure> {
    let name = "KHASHMIR_BIND";
    let Some(text) = text(name)? else { return Ok(None) };
    let addr = text.trim().parse().map_err(|_| invalid(name, &format!("{text:?} is not an ADDR:PORT")))?;
    Ok(Some(addr))
}

/// The hosts between commas; an empty item names nobody.
fn bootstrap() -> Result<Vec<Host>, Failure> {
    let name = "KHASHMIR_BOOTSTRAP";
    let text = text(name)?.unwrap_or_default();
    let items = text.split(',').filter(|item| !item.trim().is_empty());
    items.map(|item| item.parse().map_err(|error: Failure| invalid(name, &error.message))).collect()
}

fn text(name: &str) -> Result<Option<String>, Failure> {
    let text = variable(name).map(OsString::into_string).transpose();
    text.map_err(|_| invalid(name, "it is not UTF-8"))
}

fn invalid(name: &str, reason: &str) -> Failure {
    Failure::usage(format!("the environment variable {name}: {reason}"))
        .help(format!("correct or unset {name}"))
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.to_string_lossy().trim().is_empty())
}

fn is_falsey(value: &OsString) -> bool {
    let value = value.to_string_lossy().trim().to_lowercase();
    ["n", "no", "f", "false", "off", "0"].contains(&value.as_str())
}
