//! Rule: no paths of somebody's machine and no notes to oneself, in any text of the workspace.

use super::source::{find_words, is_word};
use super::tree::TextFile;
use super::violation::Violation;

const RULE: &str = "leftover";

/// This file has to name what it bans.
const OWN_PATH: &str = "xtask/src/tidy/leftovers.rs";

pub(super) fn check(file: &TextFile) -> Vec<Violation> {
    if file.path == OWN_PATH {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate();
    lines.filter_map(|(index, line)| Some(file.violation(index + 1, RULE, advice(line)?))).collect()
}

fn advice(line: &str) -> Option<String> {
    if let Some(note) = NOTES.iter().find(|note| find_words(line, note).next().is_some()) {
        return Some(format!("do it, or open an issue, instead of `{note}`"));
    }
    let directory = MACHINE_PATHS.iter().find(|directory| holds_path(line, directory))?;
    Some(format!("name no path of one machine (`{directory}`): use a relative or a temporary one"))
}

/// Does an absolute path in `directory` start on this line? `a/home/b` and `${X}/home/b` are not absolute.
fn holds_path(line: &str, directory: &str) -> bool {
    let is_part = |c: char| is_word(c) || matches!(c, '.' | '-' | '}' | '~' | '*');
    line.match_indices(directory).any(|(at, _)| !line[..at].ends_with(is_part))
}

const MACHINE_PATHS: [&str; 3] = ["/home/", "/root/", "/Users/"];
const NOTES: [&str; 2] = ["TODO", "FIXME"];

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(text: &str) -> Vec<usize> {
        let file = TextFile { path: "docs/a.md".into(), text: text.into() };
        check(&file).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn notes_to_oneself_are_found() {
        assert_eq!(lines_found("a\n// TODO: b\nFIXME\n"), [2, 3]);
        assert_eq!(lines_found("TODOS, unFIXMEd\n"), [0; 0]);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        assert_eq!(lines_found("see /Users/a\n\"/home/b\"\n(/root/c)\nfile:///home/d\n"), [1, 2, 3, 4]);
        assert_eq!(lines_found("net/Users/a, https://x.org/home/b, $HOME/c, ~/Users/d\n"), [0; 0]);
    }

    #[test]
    fn this_file_alone_may_name_them() {
        let file = TextFile { path: OWN_PATH.into(), text: "TODO".into() };
        assert_eq!(check(&file), []);
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(OWN_PATH).exists());
    }
}
