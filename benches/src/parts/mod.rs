//! The parts of a run. One file for each.

mod allocations;
mod network;
mod reopen;
mod serve;
mod store;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::arguments::{Arguments, Part};
use crate::machine::{self, Machine};
use crate::report::Report;

/// Runs the parts that were asked for, and reports.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let extent = arguments.extent();
    // A file that cannot be read must not show after ten minutes.
    let earlier = arguments.compare.as_deref().map(Report::read).transpose()?;
    let mut report = Report::new(Machine::here(&extent));
    let place = Place::new(arguments)?;
    for part in arguments.chosen() {
        eprintln!("measuring: {} ...", part.name());
        match part {
            Part::Serve => serve::measure(&extent, &place, &mut report)?,
            Part::Store => store::measure(&extent, &place, &mut report)?,
            Part::Reopen => reopen::measure(&extent, &place, &mut report)?,
            Part::Network => network::measure(&extent, &place, &mut report)?,
            Part::Allocations => allocations::measure(&extent, &place, &mut report)?,
        }
    }
    print!("{}", report.table(earlier.as_ref()));
    arguments.json.as_deref().map_or(Ok(()), |path| report.write(path))
}

/// A directory for stores, removed again at the end.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new(arguments: &Arguments) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("khashmir-bench-");
        let directory = match &arguments.dir {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let advice = || "cannot make a directory for stores: name another with --dir";
        Ok(Self { directory: directory.with_context(advice)? })
    }

    /// On what the stores are.
    fn note(&self) -> String {
        let filesystem = machine::filesystem(self.directory.path());
        format!("stores on {}", filesystem.unwrap_or_else(|| "an unknown file system".to_owned()))
    }

    /// A directory of this name.
    pub(crate) fn store(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

/// The one in the middle, or the mean of the two; not a number if there is none.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
