//! `StorageError`: what can go wrong with a storage, and the way out.

use std::io;
use std::path::{Path, PathBuf};

/// Why a storage could not be opened, read or written. Every text names the file and what to do.
///
/// Opening never deletes or overwrites anything that was there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Another process, or another storage of this one, has the file open.
    #[error("{} is in use; stop the other node or choose another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The directory that should hold the file does not exist.
    #[error("the directory {} does not exist; create it or choose another file", path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// What is there is not a storage: another program's file, an empty file, a directory.
    #[error(
        "{} is not a khashmir storage and was left as it is; move it away or choose another file",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a version of this crate with another format.
    #[error(
        "{} has storage format {found}, this version reads format {expected}, and was left as it is; \
         use the version that wrote it or choose another file",
        path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The format found; 0 if it is older than the numbering.
        found: u64,
        /// The format that this version reads and writes.
        expected: u64,
    },
    /// The file is damaged.
    #[error("{} is damaged ({reason}); restore a backup or move it away to start empty", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file or its directory may not be read and written.
    #[error("no permission to read and write {}; change its owner or mode: {source}", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room left. What is staged stays staged, for when there is.
    #[error("no room on the disk for {}; free some: {source}", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk failed in another way. What is staged stays staged.
    #[error("cannot read or write {}; check the disk: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier failure closed the file. The next commit opens it again.
    #[error("{} is closed after an earlier failure; the next commit opens it again", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// A limit is reached, and no value may make room.
    #[error("the store is full; try again later or raise its limits")]
    Full,
    /// Too much waits for commits: they fail, or are slower than what comes in.
    #[error("{staged} bytes wait to be committed, the limit is {limit}; try again after a commit")]
    Backlogged {
        /// Bytes staged.
        staged: usize,
        /// Bytes that may be staged before changes are refused.
        limit: usize,
    },
}

impl StorageError {
    /// May the same call succeed later without anybody doing something to the file?
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::DiskFull { .. }
                | Self::Io { .. }
                | Self::Closed { .. }
                | Self::Full
                | Self::Backlogged { .. }
        )
    }

    pub(crate) fn corrupt(path: &Path, reason: &str) -> Self {
        Self::Corrupt { path: path.into(), reason: reason.into() }
    }

    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path, source }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { path, source }
            }
            // Redb says InvalidData of a file that does not begin as its own do.
            io::ErrorKind::IsADirectory | io::ErrorKind::InvalidData => Self::Foreign { path },
            io::ErrorKind::UnexpectedEof => Self::Corrupt { path, reason: "it ends too early".into() },
            _ => Self::Io { path, source },
        }
    }

    pub(crate) fn from_redb(path: &Path, error: ::redb::Error, expected: u64) -> Self {
        match error {
            ::redb::Error::DatabaseAlreadyOpen | ::redb::Error::LockProtocolMismatch => {
                Self::InUse { path: path.into() }
            }
            ::redb::Error::UpgradeRequired(_) => Self::OtherVersion { path: path.into(), found: 0, expected },
            ::redb::Error::Corrupted(reason) => Self::corrupt(path, &reason),
            ::redb::Error::Io(source) => Self::from_io(path, source),
            ::redb::Error::PreviousIo | ::redb::Error::DatabaseClosed => Self::Closed { path: path.into() },
            other => Self::Io { path: path.into(), source: io::Error::other(other.to_string()) },
        }
    }
}
