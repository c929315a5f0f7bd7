//! `Violation`: one place that breaks a rule, and what to do about it.

use std::fmt;

/// One place that breaks a rule. Sorts by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    /// Relative to the workspace's root.
    pub(super) path: String,
    /// From 1.
    pub(super) line: usize,
    pub(super) rule: &'static str,
    /// What to do.
    pub(super) advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_a_place_an_editor_can_open() {
        let violation =
            Violation { path: "a/b.rs".into(), line: 7, rule: "header", advice: "add one".into() };
        assert_eq!(violation.to_string(), "a/b.rs:7: header: add one");
    }
}
