//! The routing table of the Khashmir DHT: whom we know, whom to name to others, whom to ping next.
//!
//! [`KTable`] is a data structure without I/O: it reads no clock and sends nothing. Its user reports what
//! was heard ([`KTable::on_answer`], [`KTable::on_query`], [`KTable::on_failure`]) and carries out its wishes
//! ([`KTable::poll_upkeep`]). It knows no wire, no storage and no lookups.
//!
//! ```
//! use std::time::Duration;
//!
//! use khashmir_routing::{Among, KTable, TableConfig, Upkeep};
//! use khashmir_types::{Contact, Id, Time};
//!
//! let now = Time::from_secs(1_000_000);
//! let mut table = KTable::new(Id::sha1(b"our node"), TableConfig::default(), now);
//! let node = Contact::new(Id::sha1(b"a node"), "192.0.2.7:9977".parse()?);
//!
//! // A stranger asks us something: it may lie about its address, so it does not enter, it is pinged.
//! table.on_query(node, now);
//! assert!(table.is_empty());
//! assert_eq!(table.poll_upkeep(now), Some(Upkeep::Ping(node)));
//!
//! // It answers: now it is worth naming to others.
//! table.on_answer(node, now);
//! assert_eq!(table.closest(&Id::sha1(b"any key"), 8, Among::Proven), [node]);
//!
//! // Nothing is left to do before the time the table says.
//! assert_eq!(table.poll_upkeep(now), None);
//! assert_eq!(table.poll_timeout(), Some(now + Duration::from_secs(15 * 60)));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! The table is a comb. Only the bucket that holds our own id ever splits (Kademlia, section 2.4), so bucket `i`
//! holds the ids that share just `i` leading bits with ours, and the last bucket those that share at least as
//! many.
//!
//! A million tables are to fit in one process. A node takes 56 bytes, a bucket 40, and neither owns places it does not
//! use: a table of 145 nodes in 19 buckets takes 9.1 kB, with full reserves 12.9 kB, an empty one 0.2 kB
//! ([`KTable::memory_size`]). [`KTable::restore`] builds one in some ten microseconds.

mod bucket;
mod config;
mod marks;
mod moment;
mod newcomers;
mod node;
mod row;
mod rtt;
mod table;

pub use bucket::KBucket;
pub use config::TableConfig;
pub use node::{KNode, Standing};
pub use table::{Among, Insertion, KTable, KnownNode, Refresh, Upkeep};
