//! How the network of a run comes to be: hosts are added, told whom to ask, and given their troubles.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use khashmir::{Request, Time};

use super::{Phase, Run};
use crate::churn::Layout;
use crate::scenario::{NatPlan, Scenario, StartKind};
use crate::{Chance, HostId, Nat, NatKind};

/// What draws of chance are for.
const ADVERSARIES: u64 = 0xad7e;
const DEAD: u64 = 0xdead;
const JOIN: u64 = 0x301a;
const KNOWN: u64 = 0xb007;
const CLOCK: u64 = 0xc10c;
const GATE: u64 = 0x6a7e;

/// Nodes that join within this time do so at one moment: time need not stop for each of them.
const JOIN_STEP: Duration = Duration::from_millis(10);

/// How many are asked by a node that joins, and remembered for when it is alone.
const ASKED: usize = 3;

/// The numbers of the hosts that will be adversaries, for each of the scenario's; not yet added.
pub(super) fn choose_adversaries(scenario: &Scenario, layout: &Layout, seed: u64) -> Vec<Vec<HostId>> {
    let mut candidates: Vec<_> = (scenario.bootstrap()..layout.living()).map(host_at).collect();
    let mut chance = Chance::of(seed, &[ADVERSARIES]);
    let shares = scenario.adversaries.iter().map(|plan| plan.share);
    shares.map(|share| take_some(&mut candidates, share_of(layout.living(), share), &mut chance)).collect()
}

/// Takes so many out of `candidates`, chosen at random, and returns them in order.
pub(super) fn take_some(candidates: &mut Vec<HostId>, count: usize, chance: &mut Chance) -> Vec<HostId> {
    let count = count.min(candidates.len());
    for place in 0..count {
        let other = place + chance.below(candidates.len() - place);
        candidates.swap(place, other);
    }
    let mut taken: Vec<_> = candidates.drain(..count).collect();
    taken.sort_unstable();
    taken
}

pub(super) fn share_of(count: usize, share: f64) -> usize {
    (count as f64 * share).round() as usize
}

fn host_at(index: usize) -> HostId {
    HostId(u32::try_from(index).expect("a scenario has at most MAX_NODES hosts"))
}

impl Run {
    /// Adds hosts for a second, or all at once.
    pub(super) fn start(&mut self) {
        let living = self.layout.living();
        match self.scenario.start.kind {
            StartKind::Quick => {
                for host in self.world.quick_start(living) {
                    self.prepare(host);
                    self.remember_bootstrap(host);
                }
            }
            StartKind::Join => {
                let until = self.world.now() + Duration::from_secs(1);
                while self.world.len() < living && self.joins_at(self.world.len()) < until {
                    self.world.run_until(self.joins_at(self.world.len()));
                    self.add_joining();
                }
                if self.world.len() < living {
                    self.world.run_until(until);
                }
            }
        }
        if self.world.len() == living {
            self.add_absent();
            let bootstrap: Vec<_> = (0..self.scenario.bootstrap()).map(host_at).collect();
            self.world.set_bootstrap(&bootstrap);
            self.phase = Phase::Settle { from: self.world.now() };
        }
    }

    /// Makes dead those who are to be dead, and hostile those who are to be hostile.
    pub(super) fn befall(&mut self) {
        let hostile: BTreeSet<_> = self.hostile.iter().flatten().copied().collect();
        let mut candidates: Vec<_> = (self.scenario.bootstrap()..self.layout.living()).map(host_at).collect();
        candidates.retain(|host| !hostile.contains(host));
        let count = share_of(self.layout.living(), self.scenario.start.dead);
        let dead = take_some(&mut candidates, count, &mut Chance::of(self.world.seed(), &[DEAD]));
        dead.iter().for_each(|host| self.world.cut_power(*host));
        self.befallen.dead = dead.len() as u64;
        self.churn.except(dead.into_iter().chain(hostile));
        for (plan, hosts) in self.scenario.adversaries.iter().zip(&self.hostile) {
            plan.kind.possess(&mut self.world, hosts);
        }
        self.recount_living();
    }

    /// Where adversaries are.
    pub(super) fn hostile_addrs(&self) -> BTreeSet<SocketAddr> {
        self.hostile.iter().flatten().map(|host| self.world.addr(*host)).collect()
    }

    /// When the next host joins, if so many are there.
    fn joins_at(&self, others: usize) -> Time {
        let after = Duration::from_secs_f64(others as f64 / self.scenario.start.join_rate);
        let steps = after.as_micros() / JOIN_STEP.as_micros();
        crate::world::START + JOIN_STEP * u32::try_from(steps).unwrap_or(u32::MAX)
    }

    /// Adds a host that joins through random earlier ones.
    fn add_joining(&mut self) {
        let others = self.world.len();
        let host = self.world.add();
        self.prepare(host);
        if others > 0 {
            let mut chance = Chance::of(self.world.seed(), &[JOIN, others as u64]);
            let bootstrap = (0..ASKED).map(|_| self.world.addr(host_at(chance.below(others)))).collect();
            // Nobody waits for it: if it fails, the engine tries again by itself.
            let _ = self.world.input(host, |engine, now| engine.start(Request::Join { bootstrap }, now));
        }
        // Last, as a join takes those that it is given for the bootstrap nodes.
        self.remember_bootstrap(host);
    }

    /// Adds the hosts that are off at the beginning. Nobody knows of them yet.
    fn add_absent(&mut self) {
        for _ in 0..self.layout.off {
            let host = self.world.add();
            self.world.cut_power(host);
            self.prepare(host);
        }
    }

    /// Tells an engine whom to ask when it is alone.
    fn remember_bootstrap(&mut self, host: HostId) {
        let hosts = self.scenario.bootstrap();
        let first = Chance::of(self.world.seed(), &[KNOWN, host.index() as u64]).below(hosts);
        let all = (0..hosts.min(ASKED)).map(|place| host_at((first + place) % hosts));
        let bootstrap: Vec<_> =
            all.filter(|other| *other != host).map(|other| self.world.addr(other)).collect();
        self.world.input(host, |engine, _| engine.set_bootstrap(&bootstrap));
    }

    /// Gives a host its clock and what stands between it and the others. It has done nothing yet.
    fn prepare(&mut self, host: HostId) {
        self.set_clock(host);
        let is_open = host.index() < self.scenario.bootstrap()
            || self.hostile.iter().any(|hosts| hosts.binary_search(&host).is_ok());
        if !is_open {
            self.set_gate(host);
        }
    }

    fn set_clock(&mut self, host: HostId) {
        let clocks = self.scenario.clocks;
        if clocks.ahead.is_zero() && clocks.ppm == 0 {
            return;
        }
        let mut chance = Chance::of(self.world.seed(), &[CLOCK, host.index() as u64]);
        let ppm = (f64::from(clocks.ppm) * (2.0 * chance.unit() - 1.0)).round() as i32;
        // All are ahead of the world's clock, by up to twice as much: the engine that is here must not see it go back.
        let drifted = self.world.now().since(crate::world::START).as_secs_f64() * f64::from(ppm.min(0));
        let ahead = clocks.ahead.as_secs_f64() * 2e6 * chance.unit() - drifted;
        self.world.set_clock(host, ahead.ceil() as i64, ppm);
        self.befallen.clocks += 1;
    }

    fn set_gate(&mut self, host: HostId) {
        let NatPlan { full_cone, port_restricted, symmetric, mapping_timeout, unreachable, deaf } =
            self.scenario.nat;
        let mut draw = Chance::of(self.world.seed(), &[GATE, host.index() as u64]).unit();
        let mut falls_into = |share: f64| {
            let is_in = (0.0..share).contains(&draw);
            draw -= share;
            is_in
        };
        let kinds = [
            (full_cone, NatKind::FullCone),
            (port_restricted, NatKind::PortRestricted),
            (symmetric, NatKind::Symmetric),
        ];
        if let Some((_, kind)) = kinds.into_iter().find(|(share, _)| falls_into(*share)) {
            self.world.set_nat(host, Some(Nat { kind, mapping_timeout }));
        } else if falls_into(unreachable) {
            self.world.set_unreachable(host, true);
        } else if falls_into(deaf) {
            self.world.set_deaf(host, true);
        } else {
            return;
        }
        self.hidden.insert(host);
    }
}
