//! Storage for the Khashmir DHT: many values under one key, kept until they are not refreshed any more.
//!
//! [`Storage`] is what a node needs: quick calls for the path of a packet, and a **group commit** that runs
//! beside it. A change is readable at once and *staged*; [`Storage::begin_commit`] turns everything staged into
//! one [`Commit`], which is run wherever blocking is allowed and whose [`Committed`] is handed back. Whoever
//! acknowledges a value only after the commit that covers its [`Ticket`] has succeeded never acknowledges a
//! value that a power cut can take away.
//!
//! [`MemoryStorage`] keeps everything in memory, [`RedbStorage`] in one file, and [`FaultyStorage`] makes chosen
//! operations of another fail, for tests of what stands above. This crate knows no wire, no routing and no
//! clock.
//!
//! ```
//! use khashmir_storage::{MemoryStorage, Publisher, Storage};
//! use khashmir_types::{Id, Time};
//! use rand::{SeedableRng, rngs::ChaCha12Rng};
//!
//! let mut rng = ChaCha12Rng::seed_from_u64(1);
//! let mut storage = MemoryStorage::new();
//! let key = Id::sha1(b"a file");
//!
//! let publisher = Publisher::at([192, 0, 2, 7].into());
//! let ticket = storage.put(&key, b"192.0.2.7:9977", publisher, Time::from_secs(1))?;
//! let commit = storage.begin_commit().expect("something is staged");
//! let committed = commit.run(); // on another thread, if the storage is on a disk
//! let durable = storage.on_committed(committed)?;
//! assert!(ticket <= durable, "now the value may be acknowledged");
//!
//! assert_eq!(storage.sample(&key, 10, &mut rng)?, [&b"192.0.2.7:9977"[..]]);
//! # Ok::<(), khashmir_storage::StorageError>(())
//! ```

mod account;
mod commit;
mod error;
mod expiry;
mod faulty;
mod few;
mod limits;
mod memory;
mod publisher;
mod redb;
mod room;
mod row;
mod slots;
mod snapshot;
mod storage;

pub use commit::{Commit, Committed, Ticket};
pub use error::StorageError;
pub use faulty::{FaultyStorage, Operation};
pub use limits::StoreLimits;
pub use memory::MemoryStorage;
pub use publisher::Publisher;
pub use redb::{RedbOptions, RedbStorage};
pub use snapshot::MAX_CONTACTS;
pub use storage::{Storage, Swept, Totals};
