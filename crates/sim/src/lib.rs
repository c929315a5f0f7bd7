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
mod churn;
mod counts;
mod disk;
mod event;
mod gate;
mod host;
mod links;
mod nat;
mod oracle;
mod out;
mod partition;
mod report;
mod run;
mod scenario;
mod shard;
mod terrain;
mod trie;
mod wheel;
mod workload;
mod world;

pub use address::HostId;
pub use adversary::{
    Adversary, AdversaryError, AdversaryKind, Answer, Asked, Claim, Colluder, Decoys, Deeds, Flood, Flooder,
    Inventor, Liar, MAX_PREFIXES, Ring, Swallower, Tamper, Tampered, spread_over_prefixes,
};
pub use chance::Chance;
pub use counts::Counts;
pub use disk::Disk;
pub use gate::Loss;
pub use host::{Ended, Received};
pub use links::{Delay, Geography, Links, Matrix, MatrixError};
pub use nat::{Nat, NatKind};
pub use oracle::{Oracle, Resident};
pub use partition::Cut;
pub use report::{Bin, Latency, Measured, Operations, Report, Spread, TableQuality, Traffic};
pub use run::{Progress, Run, Step};
pub use scenario::{
    AdversaryPlan, ChurnPlan, ClockPlan, CutPlan, DelayPlan, Disturbance, EnginePlan, EventPlan, Expectation,
    Lifetime, LinkPlan, NatPlan, Preset, Scenario, ScenarioError, StartKind, StartPlan, Work, WorkloadPlan,
};
pub use terrain::Sent;
pub use world::World;
