//! `Exit`: the numbers the program ends with. They are promised: scripts depend on them.

use std::process::ExitCode;

/// How the program ended, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    NotFound = 1,
    Usage = 2,
    NotJoined = 3,
    Deadline = 4,
    UnderStored = 5,
    Internal = 70,
    Output = 74,
    Configuration = 78,
    Interrupted = 130,
    /// What the shell says of a program that SIGPIPE ended: whoever reads our output has enough.
    BrokenPipe = 141,
}

impl Exit {
    pub(crate) const ALL: [Self; 11] = [
        Self::Done,
        Self::NotFound,
        Self::Usage,
        Self::NotJoined,
        Self::Deadline,
        Self::UnderStored,
        Self::Internal,
        Self::Output,
        Self::Configuration,
        Self::Interrupted,
        Self::BrokenPipe,
    ];

    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; for get: at least one value",
            Self::NotFound => {
                "the network answered and has no such value; for demo and sim: not all went as it should"
            }
            Self::Usage => "wrong usage: an option, a key or a value that cannot be",
            Self::NotJoined => "not joined: no bootstrap node answered",
            Self::Deadline => "the deadline passed, or nobody answered; what was found has been printed",
            Self::UnderStored => "stored, but on fewer nodes than --min-stored",
            Self::Internal => "internal error (a bug)",
            Self::Output => "the output could not be written",
            Self::Configuration => {
                "cannot start: address, state or temporary directory, settings or scenario (do not just try again)"
            }
            Self::Interrupted => "interrupted by SIGINT, SIGTERM or SIGHUP; what was found has been printed",
            Self::BrokenPipe => "the reader of the output went away",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
