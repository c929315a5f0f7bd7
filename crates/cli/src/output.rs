//! `Output`: what goes where. Data to stdout, everything else to stderr; as text or as JSON lines; flushed at once.

use std::cell::Cell;
use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::args::{Colour, General};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paint::Paint;
use crate::record::Record;

/// The program's two streams. Methods that write data fail if nobody reads it any more.
#[derive(Debug)]
pub(crate) struct Output {
    is_json: bool,
    is_quiet: bool,
    is_terminal: bool,
    /// May stderr have a line that is redrawn?
    is_live: bool,
    colour: Colour,
    /// Is there a progress line to be erased before anything else is written?
    drawn: Cell<bool>,
}

impl Output {
    pub(crate) fn new(general: &General) -> Self {
        let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self {
            is_json: general.json,
            is_quiet: general.quiet,
            is_terminal: io::stdout().is_terminal(),
            is_live: io::stderr().is_terminal() && !general.quiet && !general.json && !is_dumb,
            colour: general.color,
            drawn: Cell::new(false),
        }
    }

    /// Is nothing wanted but results and errors?
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Does stdout go to human eyes?
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// How stdout is painted.
    pub(crate) fn paint(&self) -> Paint {
        Paint::new(self.colour, self.is_terminal)
    }

    /// One thing of the command's result, on stdout: `text` for humans, `record` for programs.
    pub(crate) fn data(&self, text: impl Display, record: &Record) -> io::Result<()> {
        self.json(record)?;
        self.text(text)
    }

    /// Bytes as they are, then the end of the line, on stdout.
    pub(crate) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(&[bytes, b"\n"].concat())
    }

    /// A line for humans alone, on stdout.
    pub(crate) fn text(&self, text: impl Display) -> io::Result<()> {
        if self.is_json { Ok(()) } else { self.write(format!("{text}\n").as_bytes()) }
    }

    /// How the command went: for programs the last line of stdout, for humans a line on stderr.
    pub(crate) fn summary(&self, text: impl Display, record: &Record) -> io::Result<()> {
        self.note(text);
        self.json(record)
    }

    /// A line for programs alone, on stdout.
    pub(crate) fn json(&self, record: &Record) -> io::Result<()> {
        if self.is_json { self.write(format!("{record}\n").as_bytes()) } else { Ok(()) }
    }

    /// A line for human eyes, on stderr.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.is_json && !self.is_quiet {
            self.tell(&format!("{text}\n"));
        }
    }

    /// What went wrong, on stderr.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.is_json {
            let record = Record::new("error").with("code", failure.code).text("message", &failure.message);
            return self.tell(&format!("{}\n", record.with("help", failure.help.clone())));
        }
        let paint = Paint::new(self.colour, io::stderr().is_terminal());
        let mut text = format!("{} {}\n", paint.bad("error:"), failure.message);
        if let Some(help) = &failure.help {
            text.push_str(&format!("  {} {help}\n", paint.strong("help:")));
        }
        self.tell(&text);
    }

    /// May a progress line be drawn?
    pub(crate) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Draws the progress line, in place of the last one.
    pub(crate) fn progress(&self, line: impl Display) {
        if self.is_live {
            // The line must not wrap, or it could not be erased: autowrap off, and on again.
            let _ = io::stderr().write_all(format!("\r\x1b[K\x1b[?7l{line}\x1b[?7h").as_bytes());
            self.drawn.set(true);
        }
    }

    /// Erases the progress line, if there is one.
    pub(crate) fn clear(&self) {
        if self.drawn.take() {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.clear();
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(unwritten)
    }

    /// To whom nobody listens on stderr there is no way left to complain.
    fn tell(&self, text: &str) {
        self.clear();
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// An error of stdout, told from every other: that a reader went away stays as it is, the rest becomes a `Failure`.
pub(crate) fn unwritten(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return error;
    }
    let failure = Failure::new(Exit::Output, "E_OUTPUT", format!("cannot write the output: {error}"));
    io::Error::new(error.kind(), failure.help("is there room where the output goes to?"))
}
