//! A settled node, and those who ask it.

use std::net::SocketAddr;

use bytes::Bytes;
use khashmir::krpc::{Level, Query, TransactionId, encode_query_with};
use khashmir::routing::KTable;
use khashmir::storage::{MemoryStorage, Publisher, Storage};
use khashmir::{Contact, Engine, Id, Preset, Settings, Time};

pub(crate) const NOW: Time = Time::from_secs(1_000_000);

/// The key that has values.
pub(crate) const KEY: Id = Id::new([0x4b; 20]);

/// Those who ask.
const ASKERS: u64 = 64;

/// A node in a network of thousands, with as many contacts as its table takes.
pub(crate) struct Node {
    pub(crate) engine: Engine<MemoryStorage>,
}

impl Node {
    pub(crate) fn with_values(values: u32) -> Self {
        let mut storage = MemoryStorage::new();
        (0..values)
            .for_each(|n| assert!(storage.put(&KEY, &[n as u8; 20], Publisher::Ourselves, NOW).is_ok()));
        let own_id = id(0);
        // The askers are few, each asks again and again, and none answers a ping.
        let settings = Settings::of(Preset::Test);
        let mut table = KTable::new(own_id, settings.table, NOW);
        for n in 1..5000 {
            table.on_answer(Contact::new(id(n), addr(n)), NOW);
        }
        assert!(table.proven_len() > 140);
        let engine = Engine::resume(storage, settings, table, [7; 32], NOW);
        Self { engine: engine.expect("a storage in memory does not fail") }
    }
}

/// What each of the askers sends.
pub(crate) fn datagrams(query: impl Fn(u64) -> Query) -> Vec<(SocketAddr, Bytes)> {
    let datagram = |n| {
        let n = n + 1_000_000;
        let transaction = TransactionId::from(*id(n).as_bytes());
        (addr(n), encode_query_with(&transaction, &id(n), &query(n), Level::OURS))
    };
    (0..ASKERS).map(datagram).collect()
}

/// An id of no pattern, another one for each number.
pub(crate) fn id(n: u64) -> Id {
    Id::sha1(&n.to_be_bytes())
}

fn addr(n: u64) -> SocketAddr {
    let [.., a, b, c] = n.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 9977))
}
