//! Rule: every Rust file opens with a short `//!` header that says what it is and what it must not know.

use super::source::Source;
use super::violation::Violation;

const RULE: &str = "header";

/// Longer, a header stops being read; what a crate needs to say more goes to its `lib.rs`.
const MOST_LINES: usize = 5;

pub(super) fn check(source: &Source) -> Option<Violation> {
    let is_crate_doc = source.path.ends_with("lib.rs");
    if is_crate_doc && source.text.starts_with("#![doc = include_str!(") {
        return None;
    }
    let header: Vec<&str> = source.text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let advice = match header.first() {
        None => {
            "start the file with a `//!` header that says what it is and what it must not know".to_owned()
        }
        Some(first) if first.trim().is_empty() => {
            "say what the file is in the header's first line".to_owned()
        }
        Some(_) if header.len() > MOST_LINES && !is_crate_doc => {
            format!("cut the header from {} lines to at most {MOST_LINES}", header.len())
        }
        Some(_) => return None,
    };
    Some(source.violation(1, RULE, advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaks(path: &str, text: &str) -> bool {
        check(&Source::new(path, text)).is_some()
    }

    #[test]
    fn one_to_five_lines_are_a_header() {
        assert!(!breaks("a.rs", "//! What it is.\n\nuse b;"));
        assert!(!breaks("a.rs", &"//! What it is.\n".repeat(5)));
        assert!(breaks("a.rs", &"//! What it is.\n".repeat(6)));
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert!(breaks("a.rs", ""));
        assert!(breaks("a.rs", "use b;\n//! Too late."));
        assert!(breaks("a.rs", "// Not a header."));
        assert!(breaks("a.rs", "//!\n//! Late."));
    }

    #[test]
    fn a_crate_doc_may_be_long_or_included_but_not_absent() {
        assert!(!breaks("crates/a/src/lib.rs", &"//! A crate.\n".repeat(50)));
        assert!(!breaks("crates/a/src/lib.rs", "#![doc = include_str!(\"../README.md\")]"));
        assert!(breaks("crates/a/src/lib.rs", "mod a;"));
    }
}
