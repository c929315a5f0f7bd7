//! `Oracle`: who is truly closest, as only the world can know. Knows no wire and no lookups.

use khashmir::Id;
use khashmir::routing::KTable;

use crate::trie;
use crate::{HostId, World};

/// A node that lives, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resident {
    /// Its id.
    pub id: Id,
    /// Its host.
    pub host: HostId,
}

/// Every node that lived at one moment, by id. It does not follow what happens later.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// In order: an array of the leaves of the binary tree of ids.
    residents: Vec<Resident>,
}

impl Oracle {
    /// All engines of a world that run now. They are what is honest there.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let engines = world.hosts().filter_map(|host| Some(Resident { id: world.engine(host)?.id(), host }));
        Self::of(engines)
    }

    /// These nodes.
    #[must_use]
    pub fn of(residents: impl IntoIterator<Item = Resident>) -> Self {
        let mut residents: Vec<_> = residents.into_iter().collect();
        residents.sort_unstable();
        Self { residents }
    }

    /// The `count` nodes closest to `target`, by distance; all if there are fewer.
    #[must_use]
    pub fn closest(&self, target: &Id, count: usize) -> Vec<Resident> {
        trie::closest(&self.residents, |resident| &resident.id, target, count)
    }

    /// Where the node with an id is.
    #[must_use]
    pub fn host_of(&self, id: &Id) -> Option<HostId> {
        let place = self.residents.binary_search_by(|resident| resident.id.cmp(id)).ok()?;
        self.residents.get(place).map(|resident| resident.host)
    }

    /// The share of the `k` nodes closest to a table's owner that the table holds; 1 if there are no others.
    #[must_use]
    pub fn known_share(&self, table: &KTable, k: usize) -> f64 {
        let own_id = table.own_id();
        let neighbours = self.closest(&own_id, k + 1);
        let neighbours: Vec<_> = neighbours.iter().filter(|near| near.id != own_id).take(k).collect();
        if neighbours.is_empty() {
            return 1.0;
        }
        let known = neighbours.iter().filter(|near| table.node(&near.id).is_some()).count();
        known as f64 / neighbours.len() as f64
    }

    /// Nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.residents.len()
    }

    /// Are there no nodes?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.residents.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resident((number, id): (u32, [u8; 20])) -> Resident {
        Resident { id: Id::new(id), host: HostId(number) }
    }

    /// Ids that share long prefixes, so that the tree is deep and lopsided.
    fn ids() -> impl Strategy<Value = Vec<[u8; 20]>> {
        let id = (any::<[u8; 20]>(), 0_usize..20).prop_map(|(mut id, shared)| {
            id[..shared].fill(0xa5);
            id
        });
        prop::collection::vec(id, 0..60)
    }

    proptest! {
        #[test]
        fn the_closest_are_those_that_a_search_of_all_finds(ids in ids(), target: [u8; 20], count in 0_usize..20) {
            let mut residents: Vec<_> = (0..).zip(ids).map(resident).collect();
            let target = Id::new(target);
            let oracle = Oracle::of(residents.clone());
            residents.sort_by_key(|resident| (resident.id.distance(&target), resident.host));
            residents.truncate(count);
            prop_assert_eq!(oracle.closest(&target, count), residents);
        }
    }

    #[test]
    fn a_node_is_found_by_its_id() {
        let oracle = Oracle::of((0..50).map(|n| Resident { id: Id::sha1(&[n]), host: HostId(n.into()) }));
        assert_eq!(oracle.host_of(&Id::sha1(&[33])), Some(HostId(33)));
        assert_eq!(oracle.host_of(&Id::sha1(&[99])), None);
    }

    #[test]
    fn a_settled_network_knows_its_neighbourhoods() {
        let mut world = World::new(7);
        let hosts = world.grow(30);
        let oracle = Oracle::new(&world);
        assert_eq!(oracle.len(), 30);
        assert!(hosts.iter().all(|host| oracle.known_share(world.engine(*host).unwrap().table(), 8) == 1.0));
    }
}
