//! A deterministic simulator of the Khashmir DHT: the shipped [`Engine`](khashmir::Engine), a million times, in virtual time.
//!
//! A [`World`] holds hosts, the links between them and a clock. The engines are those that the daemon runs, and
//! every datagram is encoded and decoded; only sockets, clocks and disks are the world's. Everything follows from
//! one seed.
//!
//! ```
//! use khashmir::Id;
//! use khashmir_sim::World;
//!
//! let mut world = World::new(7);
//! let hosts = world.grow(100);
//! let stored = world.store(hosts[3], Id::sha1(b"key"), "a value");
//! let (values, _) = world.get(hosts[90], Id::sha1(b"key"));
//! assert_eq!((stored.stored.len(), values[0].data.as_ref()), (6, &b"a value"[..]));
//! ```

mod address;
mod adversary;
mod chance;
mod counts;
mod disk;
mod event;
mod host;
mod links;
mod shard;
mod terrain;
mod wheel;
mod world;

pub use address::HostId;
pub use adversary::Adversary;
pub use chance::Chance;
pub use counts::Counts;
pub use disk::Disk;
pub use host::{Ended, Received};
pub use links::{Delay, Geography, Links};
pub use terrain::Sent;
pub use world::World;
