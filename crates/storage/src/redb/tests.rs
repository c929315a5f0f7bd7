//! A `RedbStorage` on a disk that fails.

mod crashes;
mod platter;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ::redb::StorageBackend;
use ::redb::backends::FileBackend;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use tempfile::TempDir;

use super::*;

const SOMEBODY: Publisher = Publisher::V4([192, 0, 2]);

/// What the disk refuses, shared with the backends made for it.
#[derive(Debug, Default)]
struct Disk {
    /// Calls that still succeed before `fault` sets in.
    good_calls: AtomicU64,
    fault: Mutex<Option<io::ErrorKind>>,
    also_reads: AtomicBool,
    /// The content of the file when it was last synchronised: all that a power cut leaves.
    durable: Mutex<Vec<u8>>,
}

impl Disk {
    fn fail_after(&self, good_calls: u64, kind: io::ErrorKind) {
        self.good_calls.store(good_calls, Ordering::Relaxed);
        *self.fault.lock().unwrap() = Some(kind);
    }

    fn heal(&self) {
        *self.fault.lock().unwrap() = None;
    }

    /// Has the fault set in? Heals it.
    fn has_failed(&self) -> bool {
        self.fault.lock().unwrap().take().is_some() && self.good_calls.load(Ordering::Relaxed) == 0
    }

    /// Takes away what was not synchronised, with the file closed.
    fn cut_power(&self, path: &Path) {
        fs::write(path, &*self.durable.lock().unwrap()).unwrap();
    }

    fn check(&self) -> io::Result<()> {
        let Some(kind) = *self.fault.lock().unwrap() else { return Ok(()) };
        let countdown = |left: u64| left.checked_sub(1);
        match self.good_calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, countdown) {
            Ok(_) => Ok(()),
            Err(_) => Err(kind.into()),
        }
    }
}

/// A file on a [`Disk`].
#[derive(Debug)]
struct FaultyFile {
    file: FileBackend,
    disk: Arc<Disk>,
}

impl FaultyFile {
    fn content(&self) -> io::Result<Vec<u8>> {
        let mut content = vec![0; usize::try_from(self.file.len()?).unwrap()];
        self.file.read(0, &mut content)?;
        Ok(content)
    }
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.disk.also_reads.load(Ordering::Relaxed) {
            self.disk.check()?;
        }
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.check()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.check()?;
        *self.disk.durable.lock().unwrap() = self.content()?;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.check()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

fn open_on(disk: &Arc<Disk>, path: &Path, options: RedbOptions) -> Result<RedbStorage, StorageError> {
    let disk = Arc::clone(disk);
    let open = move |builder: &::redb::Builder, file: File| {
        builder.create_with_backend(FaultyFile { file: FileBackend::new(file)?, disk: Arc::clone(&disk) })
    };
    RedbStorage::start(StoreFile::with_disk(path, options, Box::new(open)))
}

/// A storage on a disk, in a directory.
fn fresh(options: RedbOptions) -> (TempDir, Arc<Disk>, RedbStorage) {
    let (directory, disk) = (TempDir::new().unwrap(), Arc::default());
    let storage = open_on(&disk, &directory.path().join("storage"), options).unwrap();
    (directory, disk, storage)
}

fn put(storage: &mut RedbStorage, numbers: std::ops::Range<u32>) {
    for n in numbers {
        storage.put(&Id::MAX, &n.to_be_bytes(), SOMEBODY, Time::from_secs(1)).unwrap();
    }
}

fn commit(storage: &mut RedbStorage) -> Result<Ticket, StorageError> {
    let committed = storage.begin_commit().unwrap().run();
    storage.on_committed(committed)
}

/// Is it these numbers that are stored?
fn holds(storage: &RedbStorage, numbers: std::ops::Range<u32>) -> bool {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut values = storage.sample(&Id::MAX, usize::MAX, &mut rng).unwrap();
    values.sort_unstable();
    values.into_iter().eq(numbers.map(|n| Bytes::copy_from_slice(&n.to_be_bytes())))
}

#[test]
fn a_failure_at_any_call_loses_nothing_and_heals() {
    for good_calls in 0.. {
        let (directory, disk, mut storage) = fresh(RedbOptions::default());
        put(&mut storage, 0..300);
        commit(&mut storage).unwrap();
        put(&mut storage, 300..600);
        disk.fail_after(good_calls, io::ErrorKind::StorageFull);
        let result = commit(&mut storage);
        if !disk.has_failed() {
            assert!(result.is_ok() && good_calls > 3);
            break;
        }
        if let Err(error) = result {
            assert!(matches!(error, StorageError::DiskFull { .. }), "at call {good_calls}: {error:?}");
            assert!(error.is_retryable());
            // The disk was still bad when the commit tried to open the file again, so this one does.
            commit(&mut storage).unwrap();
            assert!(holds(&storage, 0..600));
            put(&mut storage, 600..700);
            commit(&mut storage).unwrap();
            assert!(holds(&storage, 0..700));
        }
        drop(storage);
        let storage = RedbStorage::open(directory.path().join("storage")).unwrap();
        assert!(holds(&storage, 0..600) || holds(&storage, 0..700));
    }
}

#[test]
fn a_power_cut_at_any_call_keeps_what_was_acknowledged() {
    for good_calls in 0.. {
        let (directory, disk, mut storage) = fresh(RedbOptions::default());
        let path = directory.path().join("storage");
        put(&mut storage, 0..300);
        commit(&mut storage).unwrap();
        put(&mut storage, 300..600);
        // From some call on nothing reaches the disk any more.
        disk.fail_after(good_calls, io::ErrorKind::Other);
        let is_acknowledged = commit(&mut storage).is_ok();
        drop(storage);
        disk.cut_power(&path);
        let storage = RedbStorage::open(&path).unwrap();
        assert!(holds(&storage, 0..600) || (!is_acknowledged && holds(&storage, 0..300)));
        if is_acknowledged {
            break;
        }
    }
}

#[test]
fn a_disk_that_stays_full_keeps_what_is_staged_readable() {
    let (_directory, disk, mut storage) = fresh(RedbOptions::default());
    put(&mut storage, 0..10);
    commit(&mut storage).unwrap();
    disk.fail_after(0, io::ErrorKind::StorageFull);
    for round in 1..5 {
        put(&mut storage, round * 10..round * 10 + 10);
        assert!(matches!(commit(&mut storage), Err(StorageError::DiskFull { .. })));
        assert!(storage.staged() > 0);
    }
    disk.heal();
    commit(&mut storage).unwrap();
    assert!(holds(&storage, 0..50));
    assert!(storage.begin_commit().is_none());
}

#[test]
fn a_failed_read_makes_the_next_commit_open_the_file_again() {
    let (_directory, disk, storage) = fresh(RedbOptions { cache_bytes: 0, ..RedbOptions::default() });
    let mut storage = storage;
    put(&mut storage, 0..10_000);
    commit(&mut storage).unwrap();
    assert!(storage.begin_commit().is_none());

    disk.also_reads.store(true, Ordering::Relaxed);
    disk.fail_after(0, io::ErrorKind::Other);
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    assert!(matches!(storage.sample(&Id::MAX, 100, &mut rng), Err(StorageError::Io { .. })));
    assert!(matches!(storage.sample(&Id::MAX, 100, &mut rng), Err(StorageError::Closed { .. })));
    assert!(commit(&mut storage).is_err());
    disk.heal();
    commit(&mut storage).unwrap();
    assert!(holds(&storage, 0..10_000));
    assert!(storage.begin_commit().is_none());
}

#[test]
fn a_creation_that_fails_leaves_nothing() {
    let (directory, disk) = (TempDir::new().unwrap(), Arc::default());
    let path = directory.path().join("storage");
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, "no room on the disk"),
        (io::ErrorKind::ReadOnlyFilesystem, "no permission"),
        (io::ErrorKind::Other, "cannot read or write"),
    ] {
        for good_calls in [0, 1, 2, 5] {
            Disk::fail_after(&disk, good_calls, kind);
            let error = open_on(&disk, &path, RedbOptions::default()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(&path.display().to_string()), "{error}");
            assert!(!path.exists());
        }
    }
    disk.heal();
    open_on(&disk, &path, RedbOptions::default()).unwrap();
}
