//! `TableQuality`: how much routing tables know of what they should.

use khashmir::Id;
use serde::Serialize;

use super::Spread;
use crate::{Chance, HostId, Oracle, World};

/// How good the routing tables of living honest nodes are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TableQuality {
    /// Tables looked at, chosen at random.
    pub sampled: usize,
    /// The share of its k truly closest neighbours that a table holds, on average. Only nodes that all can reach count.
    pub knows_closest: f64,
    /// The share of tables that hold all of them.
    pub knows_all: f64,
    /// The share of entries whose node does not run any more.
    pub dead: f64,
    /// Entries in a table.
    pub contacts: Option<Spread>,
    /// Of all living honest nodes, how many know nobody who has answered.
    pub isolated: usize,
}

/// Tables looked at, at most: enough to tell 99.0 from 99.9 %, and little work in the largest world.
const MOST_SAMPLED: usize = 1000;

impl TableQuality {
    /// Looks at tables of a world. `reachable` says who should be known.
    pub(crate) fn of(world: &World, reachable: &Oracle, k: usize) -> Self {
        const PURPOSE: u64 = 0x7ab1e;
        let living: Vec<HostId> = world.hosts().filter(|host| world.engine(*host).is_some()).collect();
        let running = running_ids(world);
        let mut sample = living.clone();
        let mut chance = Chance::of(world.seed(), &[PURPOSE]);
        for place in 0..sample.len().min(MOST_SAMPLED) {
            let other = place + chance.below(sample.len() - place);
            sample.swap(place, other);
        }
        sample.truncate(MOST_SAMPLED);
        let tables: Vec<_> = sample.iter().filter_map(|host| Some(world.engine(*host)?.table())).collect();
        let known: Vec<_> = tables.iter().map(|table| reachable.known_share(table, k)).collect();
        let sizes: Vec<_> = tables.iter().map(|table| table.len() as f64).collect();
        let contacts = tables.iter().flat_map(|table| table.contacts());
        let dead = contacts.filter(|contact| running.binary_search(&contact.id).is_err()).count();
        let over = |sum: f64, parts: f64| if parts > 0.0 { sum / parts } else { 0.0 };
        Self {
            sampled: tables.len(),
            knows_closest: over(known.iter().sum(), known.len() as f64),
            knows_all: over(known.iter().filter(|share| **share == 1.0).count() as f64, known.len() as f64),
            dead: over(dead as f64, sizes.iter().sum()),
            contacts: Spread::of(&sizes),
            isolated: living
                .iter()
                .filter_map(|host| world.engine(*host))
                .filter(|engine| !engine.is_joined())
                .count(),
        }
    }
}

/// The ids of all that run, adversaries included, in order.
fn running_ids(world: &World) -> Vec<Id> {
    let mut ids: Vec<_> =
        world.hosts().filter_map(|host| world.contact(host)).map(|contact| contact.id).collect();
    ids.sort_unstable();
    ids
}
