//! Rule: a relative link in a Markdown file leads to a file or directory of this repository.

use super::tree::{TextFile, Tree};
use super::violation::Violation;

const RULE: &str = "link";

pub(super) fn check(file: &TextFile, tree: &Tree) -> Vec<Violation> {
    if !file.path.ends_with(".md") {
        return Vec::new();
    }
    let mut violations = Vec::new();
    let mut is_fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            let dead = targets(&without_code(line))
                .into_iter()
                .filter(|target| !leads_somewhere(file, tree, target));
            violations.extend(dead.map(|target| {
                file.violation(
                    index + 1,
                    RULE,
                    format!("`{target}` leads nowhere: correct or remove the link"),
                )
            }));
        }
    }
    violations
}

/// The targets of `[text](target "title")`, `![text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let defined = definition.and_then(|(_, target)| target.split_whitespace().next());
    inline.chain(defined).map(|target| target.trim_matches(['<', '>']).to_owned()).collect()
}

/// The line without its `inline code`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

fn leads_somewhere(file: &TextFile, tree: &Tree, target: &str) -> bool {
    let path = target.split('#').next().unwrap_or_default();
    let has_scheme = target.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    has_scheme || path.is_empty() || resolve(&file.path, path).is_some_and(|path| tree.contains(&path))
}

/// `link` as seen from the file at `from`; none if it is absolute or leads out of the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    if link.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        let tree = tree(&[(path, text), ("docs/a.md", ""), ("docs/b/c.md", ""), ("LICENSE-MIT", "")]);
        let file = TextFile { path: path.into(), text: text.into() };
        check(&file, &tree).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn dead_links_are_found() {
        assert_eq!(
            lines_found("README.md", "see [x](docs/z.md)\n\n![y](z.png)\n[w]: docs/y.md\n"),
            [1, 3, 4]
        );
        assert_eq!(lines_found("docs/x.md", "[x](LICENSE-MIT) [y](docs/a.md)"), [1, 1]);
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        assert_eq!(
            lines_found("README.md", "[x](docs/a.md#there \"title\") [y](docs/b/) [z](./LICENSE-MIT)"),
            [0; 0]
        );
        assert_eq!(
            lines_found("docs/x.md", "[x](../LICENSE-MIT) [y](a.md) [z](b/c.md) [w](../README.md)"),
            [1]
        );
        assert_eq!(
            lines_found("docs/x.md", "[x](https://a.org/b) <mailto:a@b.org> [y](#here)\n[z]: a.md"),
            [0; 0]
        );
    }

    #[test]
    fn links_must_stay_in_the_repository() {
        assert_eq!(lines_found("README.md", "[x](../README.md)\n[y](/docs/a.md)"), [1, 2]);
    }

    #[test]
    fn code_holds_no_links() {
        assert_eq!(lines_found("README.md", "```\n[x](nowhere)\n```\nand `[y](nowhere)`\n"), [0; 0]);
    }

    #[test]
    fn other_files_are_not_markdown() {
        assert_eq!(lines_found("src/a.rs", "[x](nowhere)"), [0; 0]);
    }
}
