//! Khashmir: a distributed hash table that keeps many values under one key.
//!
//! The node of apt-p2p's Kademlia network in Rust: 160-bit ids, KRPC over UDP, durable storage. It talks to
//! the original (Python, 2008) on the wire.
//!
//! [`Khashmir`] runs a node on tokio; [`Engine`] is the same node without I/O, for a simulator or a runtime of
//! one's own (`examples/engines.rs` is its network and its time). The layers below are crates of their own,
//! re-exported here: [`krpc`], [`routing`], [`storage`], [`actions`], [`types`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use khashmir::{Id, Khashmir};
//!
//! let node = Khashmir::builder().bind("127.0.0.1:0".parse()?).start().await?;
//! let other = Khashmir::builder().bind("127.0.0.1:0".parse()?).start().await?;
//! other.join([node.local_addr().to_string()]).await?;
//!
//! let key = Id::sha1(b"hello");
//! other.store(key, "one value").await?;
//! node.store(key, "another").await?;
//!
//! let (values, outcome) = other.get(key).collect().await?;
//! assert_eq!(values.len(), 2);
//! assert!(outcome.progress.complete);
//! # Ok(()) }
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod builder;
mod clock;
mod command;
mod driver;
mod engine;
mod error;
mod get;
mod handle;
mod limit_log;
mod outcome;
mod scope;
mod settings;
mod tokens;

pub use builder::Builder;
pub use engine::{Delays, Engine, EngineError, Event, MethodStatistics, OperationId, Statistics};
pub use error::{Error, Refused, StartError};
pub use get::Get;
pub use handle::Khashmir;
pub use khashmir_actions::{Caution, Holder, LookupConfig, Tally, Wanted};
pub use khashmir_krpc::{EndpointConfig, Failure, MAX_STORABLE, Method};
pub use khashmir_routing::TableConfig;
pub use khashmir_storage::{MemoryStorage, RedbStorage, Storage, StorageError, StoreLimits, Totals};
pub use khashmir_types::{Contact, Distance, Id, IdRange, ParseIdError, Prefix, Time};
pub use outcome::{
    Found, GetOutcome, Holders, JoinFailure, JoinOutcome, Outcome, Pong, Progress, Request, Source,
    StoreOutcome, Value,
};
pub use scope::Scope;
pub use settings::{Preset, Role, Settings, SettingsError};
pub use {
    khashmir_actions as actions, khashmir_krpc as krpc, khashmir_routing as routing,
    khashmir_storage as storage, khashmir_types as types,
};

/// The README's example is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
