//! The file of a `RedbStorage`: opening, creating, reading and writing its one table. Knows how rows are encoded,
//! not what they mean.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process;

use ::redb::backends::FileBackend;
use ::redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, TableDefinition, TableError,
    WriteTransaction,
};
use bytes::Bytes;

use super::RedbOptions;
use super::overlay::Overlay;
use crate::StorageError;
use crate::row::{FORMAT, Meta, Row, RowKey, count_in_head, number};

/// Every row there is, in the order of their keys. Its name tells our files from those of other programs.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("khashmir");

/// A file and how to open it.
pub(super) struct StoreFile {
    path: PathBuf,
    options: RedbOptions,
    open_database: OpenDatabase,
}

/// Makes a database of a file, empty or not. A value, so that tests can put a faulty disk underneath.
pub(super) type OpenDatabase = Box<dyn Fn(&Builder, File) -> Result<Database, DatabaseError> + Send + Sync>;

/// An open file.
pub(super) struct Connection {
    pub(super) database: Database,
    pub(super) reader: Reader,
}

impl StoreFile {
    pub(super) fn new(path: &Path, options: RedbOptions) -> Self {
        let open = |builder: &Builder, file| builder.create_with_backend(FileBackend::new(file)?);
        Self::with_disk(path, options, Box::new(open))
    }

    pub(super) fn with_disk(path: &Path, options: RedbOptions, open_database: OpenDatabase) -> Self {
        Self { path: path.into(), options, open_database }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn options(&self) -> &RedbOptions {
        &self.options
    }

    /// Opens the file, or creates it if there is none.
    pub(super) fn open_or_create(&self) -> Result<Connection, StorageError> {
        if self.path.try_exists().map_err(|error| self.io_error(error))? {
            return self.open();
        }
        let draft = self.draft();
        let created = self.create_as(&draft);
        let result = match created {
            Ok(connection) => self.publish(&draft).map(|()| connection).map_err(|error| self.io_error(error)),
            Err(error) => Err(error),
        };
        // With its own name now, or ours and in the way of the next attempt.
        let _ = fs::remove_file(&draft);
        match result {
            // Another process was quicker.
            Err(_) if self.path.exists() => self.open(),
            result => result,
        }
    }

    /// Opens the file, which must be there.
    pub(super) fn open(&self) -> Result<Connection, StorageError> {
        self.guarded(|| self.open_unguarded())
    }

    fn open_unguarded(&self) -> Result<Connection, StorageError> {
        let open = || OpenOptions::new().read(true).write(true).open(&self.path);
        let file = open().map_err(|error| self.io_error(error))?;
        let length = file.metadata().map_err(|error| self.io_error(error))?.len();
        if length == 0 {
            return Err(StorageError::Foreign { path: self.path.clone() });
        }
        self.examine()?;
        let database = self.database(file)?;
        if self.holds_nothing(&database)? {
            self.write_format(&database)?;
        }
        let connection = self.connect(database)?;
        self.check_format(&connection.reader)?;
        Ok(connection)
    }

    /// Writes everything in one transaction and returns the file as it is then. `database` is `None` if the file
    /// has to be opened first.
    ///
    /// After an error the change may have been made all the same, but in whole or not at all. Rows are staged as
    /// they shall be, so that it can be written again.
    pub(super) fn write(
        &self,
        database: Option<Database>,
        sealed: &Overlay,
    ) -> Result<Connection, StorageError> {
        let database = match database {
            Some(database) => database,
            None => self.open()?.database,
        };
        self.guarded(|| {
            if !sealed.is_empty() {
                self.commit(&database, |transaction| apply(sealed, transaction))?;
            }
            self.connect(database)
        })
    }

    /// Reads from the last commit of an open database.
    pub(super) fn connect(&self, database: Database) -> Result<Connection, StorageError> {
        let reader = self.reader(&database)?;
        Ok(Connection { database, reader })
    }

    /// Creates the file under another name: what has the right one is whole, whenever the power goes.
    fn create_as(&self, draft: &Path) -> Result<Connection, StorageError> {
        // Left behind when the power went during an earlier creation.
        let _ = fs::remove_file(draft);
        let file = match OpenOptions::new().read(true).write(true).create_new(true).open(draft) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StorageError::NoDirectory { path: self.directory().into() });
            }
            Err(error) => return Err(self.io_error(error)),
        };
        let database = self.database(file)?;
        self.write_format(&database)?;
        self.connect(database)
    }

    /// Gives the file its name, unless there is one of that name by now.
    fn publish(&self, draft: &Path) -> io::Result<()> {
        match fs::hard_link(draft, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Some file systems have no hard links.
            Err(_) if !self.path.exists() => fs::rename(draft, &self.path),
            linked => linked,
        }?;
        sync_directory(self.directory())
    }

    /// A name that no other process uses now.
    fn draft(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".new-{}", process::id()));
        name.into()
    }

    fn database(&self, file: File) -> Result<Database, StorageError> {
        let mut builder = Builder::new();
        builder.set_cache_size(self.options.cache_bytes);
        builder.set_check_integrity_on_open(self.options.check_file);
        (self.open_database)(&builder, file).map_err(|error| self.redb_error(error))
    }

    /// Looks at the file without writing, as opening it for writing changes bytes: those of others are to stay
    /// as they are. One that was not closed cleanly cannot be looked at.
    fn examine(&self) -> Result<(), StorageError> {
        match Builder::new().set_cache_size(0).open_read_only(&self.path) {
            Ok(database) if self.holds_nothing(&database)? => Ok(()),
            Ok(database) => self.check_format(&self.reader(&database)?),
            Err(DatabaseError::RepairAborted) => Ok(()),
            Err(error) => Err(self.redb_error(error)),
        }
    }

    fn reader(&self, database: &impl ReadableDatabase) -> Result<Reader, StorageError> {
        let snapshot = database.begin_read().map_err(|error| self.redb_error(error))?;
        match snapshot.open_table(ROWS) {
            Ok(table) => Ok(Reader { table }),
            Err(TableError::Storage(error)) => Err(self.redb_error(error)),
            // No such table, or one of other types.
            Err(_) => Err(StorageError::Foreign { path: self.path.clone() }),
        }
    }

    /// Is this a file whose creation was cut off? One of another program would have tables.
    fn holds_nothing(&self, database: &impl ReadableDatabase) -> Result<bool, StorageError> {
        let tables = database.begin_read().map_err(|error| self.redb_error(error))?;
        let plain = tables.list_tables().map_err(|error| self.redb_error(error))?.count();
        let multimap = tables.list_multimap_tables().map_err(|error| self.redb_error(error))?.count();
        Ok(plain + multimap == 0)
    }

    fn write_format(&self, database: &Database) -> Result<(), StorageError> {
        self.commit(database, |transaction| {
            let key = RowKey::Meta(Meta::Format).encode();
            transaction.open_table(ROWS)?.insert(&key[..], &FORMAT.to_be_bytes()[..])?;
            Ok(())
        })
    }

    fn check_format(&self, reader: &Reader) -> Result<(), StorageError> {
        let row =
            reader.row(self, &RowKey::Meta(Meta::Format), Bytes::copy_from_slice)?.and_then(Row::into_meta);
        let found = row.and_then(|bytes| number(&bytes));
        match found.ok_or_else(|| StorageError::Foreign { path: self.path.clone() })? {
            FORMAT => Ok(()),
            found => Err(StorageError::OtherVersion { path: self.path.clone(), found, expected: FORMAT }),
        }
    }

    fn commit(
        &self,
        database: &Database,
        change: impl FnOnce(&WriteTransaction) -> Result<(), ::redb::Error>,
    ) -> Result<(), StorageError> {
        let committed = || {
            let mut transaction = database.begin_write()?;
            // Opens quickly after a crash, and commits in two phases: the checksums of one phase can be forged
            // by whoever chooses the content.
            transaction.set_quick_repair(true);
            change(&transaction)?;
            transaction.commit()?;
            Ok(())
        };
        committed().map_err(|error: ::redb::Error| self.redb_error(error))
    }

    /// Makes an error of a panic, which is how redb may answer a damaged file (see the documentation of
    /// `redb::Database::open`).
    fn guarded<T>(&self, read: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
        // What redb leaves behind is not used again: after an error the file is opened anew.
        catch_unwind(AssertUnwindSafe(read))
            .unwrap_or_else(|_| Err(StorageError::corrupt(&self.path, "redb cannot make sense of it")))
    }

    fn directory(&self) -> &Path {
        // The parent of a bare file name is the empty path, which cannot be opened.
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn io_error(&self, error: io::Error) -> StorageError {
        StorageError::from_io(&self.path, error)
    }

    fn redb_error(&self, error: impl Into<::redb::Error>) -> StorageError {
        StorageError::from_redb(&self.path, error.into(), FORMAT)
    }
}

impl fmt::Debug for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The rows as they were after one commit.
pub(super) struct Reader {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Reader {
    /// The row named `key`. What it keeps of the file's bytes, `copy` copies.
    pub(super) fn row(
        &self,
        file: &StoreFile,
        key: &RowKey,
        copy: impl Fn(&[u8]) -> Bytes,
    ) -> Result<Option<Row>, StorageError> {
        file.guarded(|| {
            let found = self.table.get(&key.encode()[..]).map_err(|error| file.redb_error(error))?;
            let Some(bytes) = found else { return Ok(None) };
            let row = key.decode_row(bytes.value(), copy);
            row.map(Some).ok_or_else(|| StorageError::corrupt(&file.path, "a row of a wrong length"))
        })
    }

    /// How many values the head with this key tells of.
    pub(super) fn count(&self, file: &StoreFile, head: &RowKey) -> Result<u64, StorageError> {
        file.guarded(|| {
            let found = self.table.get(&head.encode()[..]).map_err(|error| file.redb_error(error))?;
            let Some(bytes) = found else { return Ok(0) };
            count_in_head(bytes.value())
                .ok_or_else(|| StorageError::corrupt(&file.path, "a head of a wrong length"))
        })
    }

    /// The first row from `from` on, if it is of a kind that is looked for in order.
    pub(super) fn next(&self, file: &StoreFile, from: Bound<RowKey>) -> Result<Option<RowKey>, StorageError> {
        let from = from.map(|key| key.encode());
        let bounds = (from.as_ref().map(|key| &key[..]), Bound::Unbounded);
        file.guarded(|| {
            let mut range = self.table.range::<&[u8]>(bounds).map_err(|error| file.redb_error(error))?;
            let Some(first) = range.next() else { return Ok(None) };
            let (key, _) = first.map_err(|error| file.redb_error(error))?;
            let next = RowKey::decode(key.value());
            next.map(Some).ok_or_else(|| StorageError::corrupt(&file.path, "a key of a wrong length"))
        })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// Writes the rows of an overlay.
fn apply(sealed: &Overlay, transaction: &WriteTransaction) -> Result<(), ::redb::Error> {
    let mut table = transaction.open_table(ROWS)?;
    for (key, row) in sealed.iter() {
        let key = key.encode();
        match row {
            Some(row) => table.insert(&key[..], &row.encode()[..])?,
            None => table.remove(&key[..])?,
        };
    }
    Ok(())
}

/// Makes the name of a new file durable; what is in it is the file's own business.
fn sync_directory(directory: &Path) -> io::Result<()> {
    // Other systems have no handle to a directory that could be synchronised.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
