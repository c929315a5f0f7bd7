//! The quick start: hosts with tables as a settled network would have them, without the settling.
//! `docs/simulation.md` shows how like a real join it is.

use std::time::Duration;

use khashmir::routing::{KTable, KnownNode};
use khashmir::storage::Storage;
use khashmir::{Contact, Engine, Id, Time};
use rand::{Rng, RngExt};

use super::{MAX_HOSTS, World};
use crate::HostId;
use crate::chance::Chance;
use crate::host::{Host, Occupant};
use crate::links::Place;
use crate::terrain::Terrain;

const PURPOSE: u64 = 0x901c;

/// Of a bucket that prefers near nodes, those in half of its places are the nearest of this many times its size, and
/// of no more than [`MOST_MET`]: candidates that a node has met in an hour or two of upkeep.
const MET_PER_PLACE: usize = 8;

/// In an hour some 17 refreshes bring some 400 answers, half of them of nodes that belong in the first bucket.
const MOST_MET: usize = 256;

impl World {
    /// Adds `nodes` hosts that know one another as if they had run for hours: each bucket holds nodes of its range, all
    /// of them if they are few, else some chosen at random, with others in reserve. All are alive, and nothing is stored.
    ///
    /// Takes some 160 us of a core and, with the default tables, 40 KB a node. They do not know the hosts that were there before.
    pub fn quick_start(&mut self, nodes: usize) -> Vec<HostId> {
        let first = self.len();
        assert!(first + nodes <= MAX_HOSTS, "a world has at most {MAX_HOSTS} hosts");
        self.terrain.hosts += nodes;
        let added: Vec<HostId> = self.hosts().skip(first).collect();
        let network = Network::of(&added, &self.terrain);
        let (shards, now) = (self.shards.len(), self.now);
        std::thread::scope(|scope| {
            for (index, shard) in self.shards.iter_mut().enumerate() {
                let (added, network, terrain) = (&added, &network, &self.terrain);
                scope.spawn(move || {
                    let mut taken = Taken::of(network.by_id.len());
                    for host in added.iter().filter(|host| host.index() % shards == index) {
                        let mut place = Host::new(terrain.settings.clone(), Occupant::Nobody);
                        let engine = network.engine(*host, &mut place, terrain, &mut taken, now);
                        place.occupant = Occupant::Engine(Box::new(engine));
                        shard.add(place);
                        shard.out.counts.starts += 1;
                        shard.settle(*host, now, terrain);
                    }
                });
            }
        });
        added
    }
}

/// The nodes of a network by id.
struct Network {
    by_id: Vec<(Id, HostId)>,
    /// Where they are, in the same order.
    places: Vec<Place>,
}

impl Network {
    fn of(hosts: &[HostId], terrain: &Terrain) -> Self {
        let mut by_id: Vec<_> = hosts.iter().map(|host| (id_of(*host, terrain), *host)).collect();
        by_id.sort_unstable();
        let place = |(_, host): &(Id, HostId)| terrain.links.delay.place(terrain.seed, *host);
        let places = by_id.iter().map(place).collect();
        Self { by_id, places }
    }

    /// An engine that has been running at `host` for a while.
    fn engine(
        &self,
        host: HostId,
        place: &mut Host,
        terrain: &Terrain,
        taken: &mut Taken,
        now: Time,
    ) -> Engine<crate::Disk> {
        let (id, mut chance) =
            (id_of(host, terrain), Chance::of(terrain.seed, &[PURPOSE, 1, u64::from(host.0)]));
        let table = KTable::restore(
            id,
            terrain.settings.table,
            self.known(id, host, terrain, taken, &mut chance, now),
            now,
        );
        let contacts: Vec<_> = table.contacts().collect();
        place.disk.set_contacts(&contacts).expect("the disk is not told to fail");
        place.life = 1;
        // They did not all start at one moment: else all would write checkpoints at one moment, too.
        let started = now - terrain.settings.first_checkpoint.mul_f64(chance.unit());
        let seed = terrain.engine_seed(host, place.life);
        Engine::resume(place.disk.clone(), (*terrain.settings).clone(), table, seed, started)
            .expect("the settings were checked, and the disk is not told to fail")
    }

    /// The nodes that `id` knows, bucket by bucket.
    fn known(
        &self,
        id: Id,
        host: HostId,
        terrain: &Terrain,
        taken: &mut Taken,
        chance: &mut Chance,
        now: Time,
    ) -> Vec<KnownNode> {
        let config = &terrain.settings.table;
        let delay_to = terrain.links.delay.starting_at(terrain.links.delay.place(terrain.seed, host));
        let delay = |node: usize| delay_to(&self.places[node]);
        let (mut known, mut range) = (Vec::new(), 0..self.by_id.len());
        for depth in 0..Id::BITS {
            let ones =
                range.start + self.by_id[range.clone()].partition_point(|(other, _)| !other.bit(depth));
            let (zeros, ones) = (range.start..ones, ones..range.end);
            let (ours, theirs) = if id.bit(depth) { (ones, zeros) } else { (zeros, ones) };
            let limit =
                config.first_buckets.get(depth).map_or(config.k, |limit| config.k.max(usize::from(*limit)));
            // Buckets around us know everybody there; see `KTable::on_rtt`.
            let is_choosy = config.prefers_near && ours.len() > 8 * config.k;
            let chosen = if is_choosy {
                self.nearest(theirs, limit, config.replacements, delay, taken, chance)
            } else {
                self.some(theirs, limit + config.replacements, taken, chance)
            };
            // Each bucket was heard or looked for within its time, or it would have been refreshed.
            let touched = config.bucket_staleness.mul_f64(chance.unit());
            // Those in reserve were heard last: they found it full.
            let age = |place: usize, chance: &mut Chance| match place {
                0 => touched,
                _ if place < limit => touched + Duration::from_secs(3600).mul_f64(chance.unit()),
                _ => touched.mul_f64(chance.unit()),
            };
            for (place, node) in chosen.into_iter().enumerate() {
                let (other, at) = self.by_id[node];
                let (contact, last_seen) = (Contact::new(other, terrain.addr(at)), now - age(place, chance));
                let rtt = Some(2 * delay(node));
                known.push(KnownNode { contact, last_seen, rtt });
            }
            if ours.len() <= 1 {
                break;
            }
            range = ours;
        }
        known
    }

    /// At most `limit` of the nodes in `range`, at random, by number.
    fn some(
        &self,
        range: std::ops::Range<usize>,
        limit: usize,
        taken: &mut Taken,
        chance: &mut Chance,
    ) -> Vec<usize> {
        if range.len() <= limit {
            return range.collect();
        }
        let mut nodes: Vec<usize> = Vec::with_capacity(limit);
        while nodes.len() < limit {
            let node = chance.random_range(range.clone());
            if taken.take(node) {
                nodes.push(node);
            }
        }
        nodes.iter().for_each(|node| taken.give_back(*node));
        nodes
    }

    /// As [`some`](Self::some), but half of them are the nearest of many.
    fn nearest(
        &self,
        range: std::ops::Range<usize>,
        limit: usize,
        replacements: usize,
        delay: impl Fn(usize) -> Duration,
        taken: &mut Taken,
        chance: &mut Chance,
    ) -> Vec<usize> {
        let mut met = self.some(range, (limit * MET_PER_PLACE).min(MOST_MET.max(limit)), taken, chance);
        let others = met.len().min(limit - limit / 2);
        let candidates = met.split_off(others);
        let mut candidates: Vec<_> =
            candidates.into_iter().enumerate().map(|(order, node)| (delay(node), order, node)).collect();
        let wanted = (limit + replacements - others).min(candidates.len());
        if wanted < candidates.len() {
            candidates.select_nth_unstable(wanted);
            candidates.truncate(wanted);
        }
        candidates.sort_unstable();
        met.extend(candidates.into_iter().map(|(_, _, node)| node));
        met
    }
}

/// Which nodes have been taken, a bit for each.
struct Taken(Vec<u64>);

impl Taken {
    fn of(nodes: usize) -> Self {
        Self(vec![0; nodes.div_ceil(64)])
    }

    /// Takes a node; returns whether it was free.
    fn take(&mut self, node: usize) -> bool {
        let (word, bit) = (&mut self.0[node / 64], 1 << (node % 64));
        let is_free = *word & bit == 0;
        *word |= bit;
        is_free
    }

    fn give_back(&mut self, node: usize) {
        self.0[node / 64] &= !(1 << (node % 64));
    }
}

fn id_of(host: HostId, terrain: &Terrain) -> Id {
    let mut bytes = [0; Id::LEN];
    Chance::of(terrain.seed, &[PURPOSE, 0, u64::from(host.0)]).fill_bytes(&mut bytes);
    Id::new(bytes)
}
