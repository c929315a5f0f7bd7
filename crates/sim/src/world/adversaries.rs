//! Hosts that are not honest: how they come into a world, and what they do there.

use std::mem;
use std::net::SocketAddr;

use crate::HostId;
use crate::adversary::{Adversary, Deeds, Tamper, Tampered};
use crate::event::Switch;
use crate::host::{Host, Occupant};
use crate::shard::Shard;

use super::World;

impl World {
    /// Adds a host with something other than an engine, that knows its own address.
    pub fn add_adversary(&mut self, adversary: impl FnOnce(SocketAddr) -> Box<dyn Adversary>) -> HostId {
        self.add_possessed(None, adversary)
    }

    /// As [`add_adversary`](Self::add_adversary), at an address of its own. If a host is there, it can no more be reached.
    pub fn add_adversary_at(
        &mut self,
        addr: SocketAddr,
        adversary: impl FnOnce(SocketAddr) -> Box<dyn Adversary>,
    ) -> HostId {
        self.add_possessed(Some(addr), adversary)
    }

    /// Puts something else in the place of whoever is at a host. Its disk stays.
    pub fn possess(&mut self, host: HostId, adversary: impl FnOnce(SocketAddr) -> Box<dyn Adversary>) {
        let (addr, now) = (self.addr(host), self.now);
        let (shard, terrain) = self.shard_mut(host);
        shard.switch(host, Switch::Off, now, terrain);
        shard.host_mut(host).occupant = Occupant::Adversary(adversary(addr));
        shard.settle(host, now, terrain);
    }

    /// Has what the node at a host hears and says pass through `tamper` from now on. Its id, its table and its values
    /// stay; operations that somebody waits for never end.
    ///
    /// # Panics
    /// If no engine runs there.
    pub fn tamper(&mut self, host: HostId, tamper: impl Tamper + 'static) {
        let now = self.now;
        let (shard, terrain) = self.shard_mut(host);
        let place = shard.host_mut(host);
        let Occupant::Engine(engine) = mem::replace(&mut place.occupant, Occupant::Nobody) else {
            panic!("no engine runs at {host:?}")
        };
        // The end of a commit under way will be for nobody: its values are committed anew.
        place.life += 1;
        place.disk.reopen();
        place.watches = Vec::new();
        place.occupant = Occupant::Adversary(Box::new(Tampered::new(*engine, tamper)));
        shard.settle(host, now, terrain);
    }

    /// Reserves an address for a host that is yet to be added: the one with this [number](HostId::index).
    ///
    /// # Panics
    /// If it has been added already.
    pub fn place(&mut self, number: usize, addr: SocketAddr) {
        assert!(number >= self.len(), "host {number} has its address already");
        let host = HostId(u32::try_from(number).expect("at most MAX_HOSTS"));
        self.terrain.addresses.set(host, addr);
    }

    /// What is at a host that is not honest.
    #[must_use]
    pub fn adversary(&self, host: HostId) -> Option<&dyn Adversary> {
        match &self.host(host).occupant {
            Occupant::Adversary(adversary) => Some(adversary.as_ref()),
            _ => None,
        }
    }

    /// What all adversaries have done so far, but for those that were put out of their hosts.
    #[must_use]
    pub fn deeds(&self) -> Deeds {
        let mut deeds = Deeds::default();
        for (_, host) in self.shards.iter().flat_map(Shard::hosts) {
            if let Occupant::Adversary(adversary) = &host.occupant {
                deeds += adversary.deeds();
            }
        }
        deeds
    }

    fn add_possessed(
        &mut self,
        addr: Option<SocketAddr>,
        adversary: impl FnOnce(SocketAddr) -> Box<dyn Adversary>,
    ) -> HostId {
        let settings = self.terrain.settings.clone();
        let id = self.add_host(addr, Host::new(settings, Occupant::Nobody));
        self.possess(id, adversary);
        id
    }
}
