//! `Tree`: the text files of the workspace, in order of their paths. Knows no rule.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::violation::Violation;

/// The text files of the workspace, in order of their paths.
pub(super) struct Tree {
    pub(super) files: Vec<TextFile>,
}

/// A file that holds UTF-8.
pub(super) struct TextFile {
    /// Relative to the workspace's root, with `/` between its parts.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    /// Reads every text file below `root` but for git's, what cargo built, and the recordings, which are data.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        read_directory(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// The text of the file at `path`, if it is in the tree.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let index = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[index].text)
    }

    /// Is there a file or a directory at `path`?
    pub(super) fn contains(&self, path: &str) -> bool {
        let holds = |file: &TextFile| match file.path.strip_prefix(path) {
            Some(rest) => path.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        self.files.iter().any(holds) || SKIPPED.contains(&path)
    }
}

impl TextFile {
    /// A violation at `line` of this file.
    pub(super) fn violation(&self, line: usize, rule: &'static str, advice: String) -> Violation {
        Violation { path: self.path.clone(), line, rule, advice }
    }
}

fn read_directory(directory: &Path, prefix: &str, files: &mut Vec<TextFile>) -> Result<()> {
    let complain = || format!("cannot read {}", directory.display());
    for entry in fs::read_dir(directory).with_context(complain)? {
        let entry = entry.with_context(complain)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().with_context(complain)?;
        if kind.is_dir() && !is_skipped(&entry.path(), &path) {
            read_directory(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
            files.extend(String::from_utf8(bytes).ok().map(|text| TextFile { path, text }));
        }
    }
    Ok(())
}

/// Cargo marks a directory of what it built with a `CACHEDIR.TAG`, whatever its name.
fn is_skipped(directory: &Path, path: &str) -> bool {
    SKIPPED.contains(&path) || directory.join("CACHEDIR.TAG").exists()
}

/// Not ours to judge: git's own files, the recordings of the original, and what a fuzzer thought of.
const SKIPPED: [&str; 5] =
    [".git", "fuzz/artifacts", "fuzz/corpus", "tests/vectors/attack", "tests/vectors/golden"];

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A tree of these paths and texts.
    pub(in crate::tidy) fn tree(files: &[(&str, &str)]) -> Tree {
        let mut files: Vec<_> = files
            .iter()
            .map(|(path, text)| TextFile { path: (*path).into(), text: (*text).into() })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Tree { files }
    }

    #[test]
    fn this_workspace_is_read_without_what_was_built() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let tree = Tree::read(&root).expect("readable");
        assert!(tree.text("xtask/src/tidy/tree.rs").is_some_and(|text| text.contains("this very text")));
        assert!(tree.files.iter().all(|file| !file.path.starts_with(".git/")));
        assert!(tree.files.iter().all(|file| !file.path.starts_with("target/")));
    }

    #[test]
    fn a_tree_contains_its_files_and_directories() {
        let tree = tree(&[("docs/a.md", ""), ("README.md", "")]);
        for path in ["docs/a.md", "docs", "README.md", "tests/vectors/golden"] {
            assert!(tree.contains(path), "{path}");
        }
        for path in ["docs/b.md", "doc", "README", "docs/a.md/x"] {
            assert!(!tree.contains(path), "{path}");
        }
    }
}
