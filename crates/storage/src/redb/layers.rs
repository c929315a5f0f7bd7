//! `Layers`: what is staged, over what a commit is writing, over what is in the file. Knows no transaction.

use std::cell::Cell;
use std::mem;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use khashmir_types::Id;

use super::file::{Reader, StoreFile};
use super::glanced::Glanced;
use super::overlay::Overlay;
use crate::StorageError;
use crate::row::{Part, Row, RowKey};
use crate::slots::Rows;

/// The rows that a reader sees: the topmost layer that says something of a row decides.
#[derive(Debug)]
pub(super) struct Layers {
    staged: Overlay,
    /// Written by the commit under way, if there is one.
    sealed: Option<Arc<Overlay>>,
    committed: Reader,
    file: Arc<StoreFile>,
    /// Has a read failed? Redb refuses everything after a failure, until the file is opened again.
    read_failed: Cell<bool>,
    glanced: Glanced,
}

impl Layers {
    pub(super) fn new(file: Arc<StoreFile>, committed: Reader) -> Self {
        let staged = Overlay::default();
        Self {
            staged,
            sealed: None,
            committed,
            file,
            read_failed: Cell::new(false),
            glanced: Glanced::default(),
        }
    }

    /// Takes what is staged for a commit to write. It stays readable.
    pub(super) fn seal(&mut self) -> Arc<Overlay> {
        let sealed = Arc::new(mem::take(&mut self.staged));
        self.sealed = Some(Arc::clone(&sealed));
        sealed
    }

    /// Ends what [`Layers::seal`] began. Without success what was sealed is staged again, below what came later.
    /// `reader` is the file as it is now, if it is open.
    pub(super) fn unseal(&mut self, is_written: bool, reader: Option<Reader>) {
        if let Some(reader) = reader {
            self.committed = reader;
            self.read_failed.set(false);
        }
        let Some(sealed) = self.sealed.take() else { return };
        if !is_written {
            let later = mem::replace(&mut self.staged, Arc::unwrap_or_clone(sealed));
            self.staged.lay_over(later);
        }
    }

    /// Bytes of memory in what is not in the file yet.
    pub(super) fn staged(&self) -> usize {
        self.staged.bytes() + self.sealed.as_ref().map_or(0, |sealed| sealed.bytes())
    }

    pub(super) fn is_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Has a read failed since the file was opened?
    pub(super) const fn has_failed(&self) -> bool {
        self.read_failed.get()
    }

    fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        [Some(&self.staged), self.sealed.as_deref()].into_iter().flatten()
    }

    /// What the topmost overlay says of a row that one of them names.
    fn staged_row(&self, key: &RowKey) -> Option<&Option<Row>> {
        self.overlays().find_map(|overlay| overlay.row(key))
    }

    fn row_copied(&self, key: &RowKey, copy: impl Fn(&[u8]) -> Bytes) -> Result<Option<Row>, StorageError> {
        match self.staged_row(key) {
            Some(row) => Ok(row.clone()),
            None => self.noting_failure(self.committed.row(&self.file, key, copy)),
        }
    }

    fn noting_failure<T>(&self, read: Result<T, StorageError>) -> Result<T, StorageError> {
        read.inspect_err(|_| self.read_failed.set(true))
    }
}

impl Rows for Layers {
    fn row(&self, key: &RowKey) -> Result<Option<Row>, StorageError> {
        self.row_copied(key, Bytes::copy_from_slice)
    }

    fn glance(&self, key: &RowKey) -> Result<Option<Row>, StorageError> {
        self.row_copied(key, |bytes| self.glanced.copy(bytes))
    }

    fn next(&self, mut from: Bound<RowKey>) -> Result<Option<RowKey>, StorageError> {
        loop {
            let committed = self.noting_failure(self.committed.next(&self.file, from))?;
            let staged = self.overlays().filter_map(|overlay| overlay.next(from));
            let Some(next) = staged.chain(committed).min() else { return Ok(None) };
            let is_removed = matches!(self.staged_row(&next), Some(None));
            if !is_removed {
                return Ok(Some(next));
            }
            from = Bound::Excluded(next);
        }
    }

    fn count(&self, key: &Id) -> Result<u64, StorageError> {
        let head = RowKey::Of(*key, Part::Head);
        match self.staged_row(&head) {
            Some(Some(Row::Few(few))) => Ok(few.count()),
            Some(Some(Row::Many(many))) => Ok(many.count),
            Some(_) => Ok(0),
            None => self.noting_failure(self.committed.count(&self.file, &head)),
        }
    }

    fn stage(&mut self, key: RowKey, row: Option<Row>) {
        self.staged.set(key, row);
    }

    fn check_room(&self) -> Result<(), StorageError> {
        let (staged, limit) = (self.staged(), self.file.options().staged_bytes);
        if staged < limit { Ok(()) } else { Err(StorageError::Backlogged { staged, limit }) }
    }

    fn corrupt(&self, reason: &str) -> StorageError {
        StorageError::corrupt(self.file.path(), reason)
    }
}
