//! `Failure`: an error as the user sees it: what is wrong, what to do, and the exit code. The one place where
//! errors of the library become those.

use std::error::Error;
use std::fmt;
use std::io;

use khashmir::StartError;

use crate::exit::Exit;

/// An error that the user can do something about.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A stable name for programs: `E_NOT_JOINED`.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), help: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "E_USAGE", message)
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A node that cannot start.
    pub(crate) fn cannot_start(error: &StartError) -> Self {
        let (exit, code) = match error {
            StartError::Bind { .. } | StartError::NotIpv4 { .. } => (Exit::Configuration, "E_BIND"),
            StartError::Storage(_) | StartError::State { .. } => (Exit::Configuration, "E_STATE"),
            StartError::Settings(_) => (Exit::Configuration, "E_SETTINGS"),
            _ => (Exit::Internal, "E_INTERNAL"),
        };
        let failure = Self::new(exit, code, error.to_string());
        match error {
            StartError::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                failure.help("choose another address with --bind, such as --bind 0.0.0.0:0 for any free port")
            }
            StartError::Bind { .. } | StartError::NotIpv4 { .. } => {
                failure.help("choose another address with --bind")
            }
            StartError::Storage(_) | StartError::State { .. } => failure
                .help("choose another directory with --state, or leave it out to keep everything in memory"),
            _ => failure,
        }
    }

    /// The failure in `error`, or a bug: nothing else should reach the end of the program.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.clone();
        }
        let io = error.downcast_ref::<io::Error>();
        if let Some(failure) = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<Self>())
        {
            return failure.clone();
        }
        if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return Self::new(Exit::BrokenPipe, "E_BROKEN_PIPE", "the reader of the output went away");
        }
        Self::new(Exit::Internal, "E_INTERNAL", format!("{error:#}")).help("this is a bug: please report it")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}
