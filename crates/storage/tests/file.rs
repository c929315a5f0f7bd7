//! The file of a `RedbStorage`: what survives which death, and what is said of files that cannot be used.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{SOMEBODY, commit, key, rng, secs, values};
use khashmir_storage::{RedbOptions, RedbStorage, Storage, StorageError, Totals};
use khashmir_types::Contact;
use redb::TableDefinition;
use tempfile::TempDir;

/// A directory, and the path of a file in it that is not there yet.
fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("storage");
    (directory, path)
}

/// A committed storage with `count` values under one key.
fn filled(path: &Path, count: u32) -> RedbStorage {
    let mut storage = RedbStorage::open(path).unwrap();
    for n in 0..count {
        storage.put(&key(1), &n.to_be_bytes(), SOMEBODY, secs(1)).unwrap();
    }
    commit(&mut storage);
    storage
}

#[test]
fn everything_committed_survives_a_restart() {
    let (_directory, path) = place();
    let contacts = [Contact::new(key(2), "[2001:db8::1]:9977".parse().unwrap())];
    let mut storage = filled(&path, 1000);
    storage.set_own_id(key(3)).unwrap();
    storage.set_contacts(&contacts).unwrap();
    commit(&mut storage);
    storage.put(&key(1), b"staged only", SOMEBODY, secs(1)).unwrap();
    drop(storage);

    let mut storage = RedbStorage::open(&path).unwrap();
    assert_eq!(storage.totals(), Totals { keys: 1, values: 1000, bytes: 4000 });
    assert_eq!(storage.count(&key(1)).unwrap(), 1000);
    assert_eq!(storage.own_id().unwrap(), Some(key(3)));
    assert_eq!(storage.contacts().unwrap(), contacts);
    assert_eq!(storage.expire(secs(2), 2000).unwrap().values, 1000);
}

#[test]
fn a_copy_of_an_open_file_opens() {
    let (directory, path) = place();
    let mut storage = filled(&path, 100);
    storage.put(&key(1), b"staged only", SOMEBODY, secs(1)).unwrap();
    let copy = directory.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(RedbStorage::open(&copy).unwrap().count(&key(1)).unwrap(), 100);
}

#[test]
fn a_commit_outlives_its_storage() {
    let (_directory, path) = place();
    let mut storage = filled(&path, 1);
    storage.put(&key(1), b"late", SOMEBODY, secs(1)).unwrap();
    let commit = storage.begin_commit().unwrap();
    drop(storage);
    assert!(matches!(RedbStorage::open(&path), Err(StorageError::InUse { .. })), "the commit has the file");
    let _ = commit.run();
    assert_eq!(RedbStorage::open(&path).unwrap().count(&key(1)).unwrap(), 2);
}

#[test]
fn too_much_staged_is_refused_until_a_commit() {
    let (_directory, path) = place();
    let options = RedbOptions { staged_bytes: 10_000, ..RedbOptions::default() };
    let mut storage = RedbStorage::open_with(&path, options).unwrap();
    let mut accepted = 0;
    let error = loop {
        match storage.put(&key(1), &[accepted; 100], SOMEBODY, secs(1)) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StorageError::Backlogged { staged: 10_000.., limit: 10_000 }));
    assert!(error.is_retryable());
    assert!(storage.expire(secs(2), 1).is_err());
    storage.set_own_id(key(1)).unwrap();

    let pending = storage.begin_commit().unwrap();
    assert!(storage.put(&key(1), b"still in memory", SOMEBODY, secs(1)).is_err());
    storage.on_committed(pending.run()).unwrap();
    storage.put(&key(1), b"room again", SOMEBODY, secs(1)).unwrap();
    commit(&mut storage);

    // A sweep stops where the room ends, and says that there is more.
    let mut removed = 0;
    loop {
        let swept = storage.expire(secs(2), usize::MAX).unwrap();
        removed += swept.values;
        commit(&mut storage);
        if !swept.more {
            break;
        }
    }
    assert_eq!(removed, usize::from(accepted) + 1);
    assert_eq!(storage.totals(), Totals::default());
}

#[test]
fn a_file_in_use_is_said_to_be() {
    let (_directory, path) = place();
    let storage = filled(&path, 1);
    let error = RedbStorage::open(&path).unwrap_err();
    assert!(matches!(error, StorageError::InUse { .. }), "{error}");
    assert_says(&error, &path, "stop the other node");
    drop(storage);
    RedbStorage::open(&path).unwrap();
}

#[test]
fn files_of_others_are_left_as_they_are() {
    let (_directory, path) = place();
    for content in
        [&b""[..], b"x", b"not a database, though long enough to be mistaken for one", &[0; 100_000]]
    {
        fs::write(&path, content).unwrap();
        let error = RedbStorage::open(&path).unwrap_err();
        assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
        assert_says(&error, &path, "move it away");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn databases_of_others_are_left_as_they_are() {
    let (_directory, path) = place();
    let table = TableDefinition::<u64, &str>::new("accounts");
    with_redb(&path, |transaction| {
        transaction.open_table(table).unwrap().insert(1, "theirs").unwrap();
    });
    let before = fs::read(&path).unwrap();
    let error = RedbStorage::open(&path).unwrap_err();
    assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
    assert!(before == fs::read(&path).unwrap());
}

#[test]
fn another_format_is_named_and_left_as_it_is() {
    let (_directory, path) = place();
    drop(filled(&path, 10));
    let rows = TableDefinition::<&[u8], &[u8]>::new("khashmir");
    with_redb(&path, |transaction| {
        transaction.open_table(rows).unwrap().insert(&[0, 0][..], &9_u64.to_be_bytes()[..]).unwrap();
    });
    let before = fs::read(&path).unwrap();
    let error = RedbStorage::open(&path).unwrap_err();
    assert!(matches!(error, StorageError::OtherVersion { found: 9, expected: 2, .. }), "{error}");
    assert_says(&error, &path, "format 9");
    assert!(before == fs::read(&path).unwrap());
}

#[test]
fn an_interrupted_creation_is_finished() {
    let (_directory, path) = place();
    drop(redb::Database::create(&path).unwrap());
    let mut storage = RedbStorage::open(&path).unwrap();
    storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    commit(&mut storage);
}

#[test]
fn damaged_files_are_said_to_be_and_left() {
    let (_directory, path) = place();
    drop(filled(&path, 10_000));
    let whole = fs::read(&path).unwrap();
    for length in [9, 100, 4096, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = RedbStorage::open(&path).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }), "{length}: {error:?}");
        assert_says(&error, &path, "restore a backup");
        assert!(fs::read(&path).unwrap() == whole[..length]);
    }
}

#[test]
fn damage_anywhere_is_at_worst_an_error() {
    let (_directory, path) = place();
    let storage = filled(&path, 2000);
    let unclean = fs::read(&path).unwrap();
    drop(storage);
    let clean = fs::read(&path).unwrap();
    for whole in [unclean, clean] {
        for start in (0..whole.len()).step_by(whole.len() / 20) {
            let mut bytes = whole.clone();
            bytes[start..].iter_mut().take(64).for_each(|byte| *byte ^= 0xa5);
            for damaged in [&bytes[..], &whole[..start]] {
                fs::write(&path, damaged).unwrap();
                if let Ok(mut storage) = RedbStorage::open(&path) {
                    let _ = storage.sample(&key(1), 2000, &mut rng());
                    let _ = storage.expire(secs(2), 10);
                    let _ = storage.begin_commit().map(|commit| storage.on_committed(commit.run()));
                }
            }
        }
    }
}

#[test]
fn a_check_finds_damage_that_a_quick_start_does_not() {
    let (_directory, path) = place();
    drop(filled(&path, 10_000));
    let mut bytes = fs::read(&path).unwrap();
    let position = bytes.windows(4).rposition(|window| window == 9_000_u32.to_be_bytes()).unwrap();
    bytes[position] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let options = RedbOptions { check_file: true, ..RedbOptions::default() };
    let error = RedbStorage::open_with(&path, options).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_missing_directory_is_named() {
    let (directory, _) = place();
    let missing = directory.path().join("missing");
    let error = RedbStorage::open(missing.join("storage")).unwrap_err();
    assert!(matches!(&error, StorageError::NoDirectory { path } if *path == missing), "{error}");
}

#[test]
fn a_directory_is_not_a_storage() {
    let (directory, _) = place();
    let error = RedbStorage::open(directory.path()).unwrap_err();
    assert!(matches!(error, StorageError::Foreign { .. }), "{error}");
}

/// The child of the next test: stores without end, and says after each commit what it would acknowledge.
#[test]
fn child_that_stores_until_killed() {
    let Some(path) = env::var_os("KHASHMIR_STORAGE_CHILD") else { return };
    let mut storage = RedbStorage::open(path).unwrap();
    let mut stdout = std::io::stdout();
    for n in storage.count(&key(1)).unwrap().. {
        storage.put(&key(1), &n.to_be_bytes(), SOMEBODY, secs(n)).unwrap();
        storage.put(&key(2), &n.to_be_bytes(), SOMEBODY, secs(n)).unwrap();
        if n % 8 == 7 {
            let _ = storage.expire(secs(0), 10).unwrap();
            commit(&mut storage);
            writeln!(stdout, "acknowledged {n}").unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let (_directory, path) = place();
    let mut acknowledged = 0;
    for round in 1..=3 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_that_stores_until_killed", "--nocapture"])
            .env("KHASHMIR_STORAGE_CHILD", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut numbers = lines.filter_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse().ok());
        // The harness may write on the first line, so some numbers are missed; not the last before the kill.
        acknowledged = numbers.by_ref().nth(5 * round).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = numbers.last().unwrap_or(acknowledged);

        let mut storage = RedbStorage::open(&path).unwrap();
        for n in [1, 2] {
            let kept = values(&storage, n);
            assert!((0..=acknowledged).all(|value: u64| kept.contains(&value.to_be_bytes()[..])));
            assert_eq!(storage.count(&key(n)).unwrap(), kept.len() as u64);
        }
        let totals = storage.totals();
        assert_eq!((totals.keys, totals.bytes), (2, 8 * totals.values));
        assert_eq!(totals.values, 2 * storage.count(&key(1)).unwrap());
        assert_eq!(storage.sample(&key(1), 3, &mut rng()).unwrap().len(), 3);
        assert_eq!(storage.expire(secs(1), 10).unwrap().values, 2, "value 0 of both keys, until a commit");
    }
    assert!(acknowledged > 0);
}

/// Changes a file as another program with redb would.
fn with_redb(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::create(path).unwrap();
    let mut transaction = database.begin_write().unwrap();
    transaction.set_quick_repair(true);
    change(&transaction);
    transaction.commit().unwrap();
}

fn assert_says(error: &StorageError, path: &Path, help: &str) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains(help), "{text}");
}
