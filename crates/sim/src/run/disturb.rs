//! What happens to many hosts of a run at once.

use khashmir::Time;

use super::Run;
use super::prepare::{share_of, take_some};
use crate::scenario::{CutPlan, Disturbance};
use crate::{Chance, Cut, HostId};

/// What draws of chance are for.
const DEPART: u64 = 0xd4a7;
const RESTART: u64 = 0x4e57;
const ISLAND: u64 = 0x151a;

impl Run {
    /// When something happens to many hosts next.
    pub(super) fn next_disturbance(&self) -> Option<Time> {
        let event = self.events.front().map(|event| self.zero + event.at);
        [event, self.heals_at].into_iter().flatten().min()
    }

    /// Has everything happen that is due.
    pub(super) fn disturb(&mut self, now: Time) {
        if self.heals_at.is_some_and(|at| at <= now) {
            self.heals_at = None;
            self.world.heal();
        }
        while let Some(event) = self.events.pop_front_if(|event| self.zero + event.at <= now) {
            let (name, hosts) = match event.what {
                Disturbance::Depart(share) => ("departed", self.depart(share)),
                Disturbance::Return => ("returned", self.churn.bring_back(&mut self.world)),
                Disturbance::Partition { share, cut, heal } => {
                    self.heals_at = heal.map(|after| now + after);
                    ("partitioned", self.cut_off(share, cut))
                }
                Disturbance::Restart { share, keeps_disk } => {
                    ("restarted", self.restart(share, keeps_disk, now))
                }
            };
            self.befallen.add_event(name, event.at, hosts);
        }
    }

    fn depart(&mut self, share: f64) -> usize {
        let mut living = self.living_hosts();
        let count = share_of(living.len(), share);
        let departing = take_some(&mut living, count, &mut self.event_chance(DEPART));
        self.churn.depart(&mut self.world, &departing);
        departing.len()
    }

    fn restart(&mut self, share: f64, keeps_disk: f64, now: Time) -> usize {
        let mut living = self.living_hosts();
        let count = share_of(living.len(), share);
        let restarting = take_some(&mut living, count, &mut self.event_chance(RESTART));
        for host in &restarting {
            if self.churn.keeps_disk(*host, now, keeps_disk) {
                self.world.restart(*host);
            } else {
                self.world.replace(*host);
            }
        }
        restarting.len()
    }

    /// Puts a share of all hosts on an island; the first bootstrap host is never there.
    fn cut_off(&mut self, share: f64, cut: CutPlan) -> usize {
        let mut hosts: Vec<_> = self.world.hosts().skip(1).collect();
        let count = share_of(hosts.len(), share);
        let island = take_some(&mut hosts, count, &mut self.event_chance(ISLAND));
        let cut = match cut {
            CutPlan::Both => Cut::Both,
            CutPlan::In => Cut::Inward,
            CutPlan::Out => Cut::Outward,
        };
        self.world.partition(|host| u8::from(island.binary_search(&host).is_ok()), cut);
        island.len()
    }

    /// Honest nodes that run, but for bootstrap hosts.
    fn living_hosts(&self) -> Vec<HostId> {
        let hosts = self.world.hosts().skip(self.scenario.bootstrap());
        hosts.filter(|host| self.world.engine(*host).is_some()).collect()
    }

    fn event_chance(&self, purpose: u64) -> Chance {
        Chance::of(self.world.seed(), &[purpose, self.events.len() as u64])
    }
}
