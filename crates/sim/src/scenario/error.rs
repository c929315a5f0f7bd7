//! `ScenarioError`: why a scenario cannot be run, where it says so, and what would do.

use crate::MatrixError;

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// A line that cannot be understood, or holds what cannot be.
    #[error("line {line}, `{text}`: {reason}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What stands there, the key included.
        text: String,
        /// What is wrong, and what would do.
        reason: String,
    },
    /// A value that does not fit the others.
    #[error("{key}: {reason}")]
    Value {
        /// Which, with its path: `churn.share`.
        key: String,
        /// What would do.
        reason: String,
    },
    /// The scenario names a file with delays, and nobody handed in what it holds.
    #[error("links.delay: the matrix in {file:?} was not handed in")]
    NoMatrix {
        /// The file it names.
        file: String,
    },
    /// What was handed in is no matrix.
    #[error("links.delay: {0}")]
    Matrix(#[from] MatrixError),
}
