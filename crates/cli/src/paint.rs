//! `Paint`: colour, where it is wanted. Never carries meaning by itself.

use std::env;
use std::fmt::{self, Display};

use crate::args::Colour;

/// Paints for one stream, or leaves everything as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    is_on: bool,
}

/// A text with its colour. Pads the text, not the colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Painted<T> {
    text: T,
    code: Option<&'static str>,
}

impl Paint {
    /// What the user says goes; else what the environment says (`NO_COLOR`, `CLICOLOR_FORCE`); else terminals
    /// are painted.
    pub(crate) fn new(colour: Colour, is_terminal: bool) -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let is_on = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => !is_no_color() && (is_set("CLICOLOR_FORCE") || is_terminal),
        };
        Self { is_on }
    }

    pub(crate) fn is_on(self) -> bool {
        self.is_on
    }

    pub(crate) fn strong<T>(self, text: T) -> Painted<T> {
        self.code(text, "1")
    }

    pub(crate) fn faint<T>(self, text: T) -> Painted<T> {
        self.code(text, "2")
    }

    pub(crate) fn good<T>(self, text: T) -> Painted<T> {
        self.code(text, "32")
    }

    pub(crate) fn bad<T>(self, text: T) -> Painted<T> {
        self.code(text, "1;31")
    }

    fn code<T>(self, text: T, code: &'static str) -> Painted<T> {
        Painted { text, code: self.is_on.then_some(code) }
    }
}

/// Any value but the empty one counts, as <https://no-color.org> has it.
fn is_no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code else { return self.text.fmt(f) };
        write!(f, "\x1b[{code}m")?;
        self.text.fmt(f)?;
        f.write_str("\x1b[0m")
    }
}
