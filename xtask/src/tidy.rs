//! `cargo xtask tidy`: the rules of the architecture, checked by machine. One file per rule.
//!
//! The rules read text, not types: they are quick, need no build, and err on the side of asking.

mod header;
mod layers;
mod leftovers;
mod length;
mod links;
mod order;
mod sans_io;
mod source;
mod tree;
mod unfinished;
mod violation;

use anyhow::{Result, bail};

use self::source::Source;
use self::tree::Tree;
use self::violation::Violation;
use crate::workspace::Workspace;

/// Checks every rule and lists every violation; an error if there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(&workspace.root)?;
    let violations = check(workspace, &tree);
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => println!("tidy: {} files keep every rule", tree.files.len()),
        1 => bail!("tidy found 1 violation, listed above"),
        count => bail!("tidy found {count} violations, listed above"),
    }
    Ok(())
}

fn check(workspace: &Workspace, tree: &Tree) -> Vec<Violation> {
    let rust = tree.files.iter().filter(|file| file.path.ends_with(".rs"));
    let sources: Vec<Source> = rust.map(|file| Source::new(&file.path, &file.text)).collect();
    let mut violations = layers::check(&workspace.packages, tree);
    for source in &sources {
        violations.extend(header::check(source));
        violations.extend(length::check(source));
        violations.extend(order::check(source));
        violations.extend(unfinished::check(source));
    }
    violations.extend(sans_io::check(&sources, sans_io::EXCEPTIONS));
    for file in &tree.files {
        violations.extend(leftovers::check(file));
        violations.extend(links::check(file, tree));
    }
    violations.sort();
    violations
}

/// The crates whose code must not reach for the world: what they need comes in as arguments.
/// `khashmir` is among them for its engine; its shell is excepted file by file.
const CORE: [&str; 7] = [
    "crates/types/",
    "crates/krpc/",
    "crates/routing/",
    "crates/storage/",
    "crates/actions/",
    "crates/khashmir/",
    "crates/sim/",
];

/// Is this a file of the core or of its tests? Examples and benchmarks stand in its user's place.
fn is_core(path: &str) -> bool {
    let within = CORE.iter().find_map(|directory| path.strip_prefix(directory));
    within.is_some_and(|path| path.starts_with("src/") || path.starts_with("tests/"))
}
