//! `Overlay`: rows that hide those of the file. Knows nothing of files.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::row::{Row, RowKey};

/// Rows as they shall be, written (`Some`) or removed (`None`), with the bytes of memory they take.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    rows: BTreeMap<RowKey, Option<Row>>,
    bytes: usize,
}

impl Overlay {
    pub(super) fn set(&mut self, key: RowKey, row: Option<Row>) {
        self.bytes += Row::staged_bytes(row.as_ref());
        if let Some(hidden) = self.rows.insert(key, row) {
            self.bytes -= Row::staged_bytes(hidden.as_ref());
        }
    }

    /// Puts the rows of a later overlay over these.
    pub(super) fn lay_over(&mut self, later: Self) {
        later.rows.into_iter().for_each(|(key, row)| self.set(key, row));
    }

    /// What this says of a row: written, removed, or nothing.
    pub(super) fn row(&self, key: &RowKey) -> Option<&Option<Row>> {
        self.rows.get(key)
    }

    /// The first row from `from` on, written or removed.
    pub(super) fn next(&self, from: Bound<RowKey>) -> Option<RowKey> {
        self.rows.range((from, Bound::Unbounded)).next().map(|(key, _)| *key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RowKey, Option<&Row>)> {
        self.rows.iter().map(|(key, row)| (key, row.as_ref()))
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
