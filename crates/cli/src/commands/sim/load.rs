//! The scenario as the user names it: a file or standard input, and the file of delays that it names in turn.

use std::fs;
use std::io;
use std::path::Path;

use khashmir_sim::{Scenario, ScenarioError};

use crate::exit::Exit;
use crate::failure::Failure;

/// Reads a scenario and all it needs. `-` stands for standard input.
pub(super) fn scenario(path: &Path) -> Result<Scenario, Failure> {
    let is_stdin = path == Path::new("-");
    let text = if is_stdin { io::read_to_string(io::stdin().lock()) } else { fs::read_to_string(path) };
    let text = text.map_err(|error| {
        Failure::new(Exit::Usage, "E_FILE", format!("cannot read {}: {error}", name(path)))
    })?;
    let mut scenario = Scenario::parse(&text).map_err(|error| wrong(path, &error))?;
    if let Some(file) = scenario.matrix_file() {
        // What a file names is beside it; beside standard input is the current directory.
        let matrix = path.parent().map_or_else(|| file.into(), |directory| directory.join(file));
        let text = fs::read_to_string(&matrix).map_err(|error| no_matrix(path, &matrix, &error))?;
        scenario.set_matrix(&text).map_err(|error| wrong(&matrix, &error))?;
    }
    Ok(scenario)
}

/// A scenario that cannot be run.
pub(super) fn wrong(path: &Path, error: &ScenarioError) -> Failure {
    Failure::new(Exit::Configuration, "E_SCENARIO", format!("{}: {error}", name(path)))
        .help("the files in scenarios/ are examples, and docs/simulation.md explains every key")
}

fn no_matrix(path: &Path, matrix: &Path, error: &io::Error) -> Failure {
    let message = format!("{}: links.delay: cannot read {}: {error}", name(path), matrix.display());
    Failure::new(Exit::Configuration, "E_SCENARIO", message)
        .help("a matrix is looked for in the directory of the scenario that names it")
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}
