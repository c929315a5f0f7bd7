//! What was asked for and what has happened: a run in which a requested fault never fired shows nothing about it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Run;

/// How many hosts each thing that was asked for has befallen.
#[derive(Clone, Debug, Default)]
pub(super) struct Befallen {
    pub(super) dead: u64,
    pub(super) clocks: u64,
    /// By what happened.
    events: BTreeMap<&'static str, u64>,
    /// Events that befell nobody. At most as many as the scenario has.
    idle: Vec<String>,
}

impl Befallen {
    /// So many `hosts` have `departed`, or whatever `name` says, `at` a time of the scenario.
    pub(super) fn add_event(&mut self, name: &'static str, at: Duration, hosts: usize) {
        *self.events.entry(name).or_default() += hosts as u64;
        if hosts == 0 {
            self.idle.push(format!("at {at:?} no host {name}"));
        }
    }
}

impl Run {
    /// How often each fault has fired.
    pub(super) fn faults(&self) -> BTreeMap<String, u64> {
        let deeds = self.world.deeds();
        let own = [
            ("dead", self.befallen.dead),
            ("clocks_off", self.befallen.clocks),
            ("sessions_ended", self.churn.ended),
            ("nodes_resumed", self.churn.resumed),
            ("nodes_renewed", self.churn.renewed),
            ("adversaries_asked", deeds.asked),
            ("misdeeds", deeds.misdeeds),
        ];
        let events = self.befallen.events.iter().map(|(name, count)| (*name, *count));
        let all = self.world.counts().faults().chain(own).chain(events);
        all.map(|(name, count)| (name.to_owned(), count)).collect()
    }

    /// The faults that were asked for and have never fired.
    pub(super) fn missed_faults(&self, faults: &BTreeMap<String, u64>) -> Vec<String> {
        let (links, nat) = (&self.scenario.links, &self.scenario.nat);
        let has_nat = nat.full_cone + nat.port_restricted + nat.symmetric > 0.0;
        let asked_for = [
            ("links.loss", links.loss > 0.0, "lost"),
            ("links.duplication", links.duplication > 0.0, "duplicated"),
            ("links.corruption", links.corruption > 0.0, "corrupted"),
            ("links.reordering", links.reordering > 0.0, "held"),
            ("start.dead", self.scenario.start.dead > 0.0, "dead"),
            ("churn", self.scenario.churn.is_some(), "sessions_ended"),
            ("nat", has_nat, "nat_dropped"),
            ("nat.unreachable", nat.unreachable > 0.0, "firewalled"),
            ("nat.deaf", nat.deaf > 0.0, "unheard"),
            ("partition", self.befallen.events.contains_key("partitioned"), "cut"),
            ("flooder.forged", self.scenario.adversaries.iter().any(|plan| plan.kind.forges()), "forged"),
            ("adversaries", !self.scenario.adversaries.is_empty(), "misdeeds"),
        ];
        let has_fired = |name: &str| faults.get(name).is_some_and(|count| *count > 0);
        let missed = asked_for.into_iter().filter(|(_, is_asked, name)| *is_asked && !has_fired(name));
        let missed = missed.map(|(key, _, name)| format!("{key} ({name} is 0)"));
        missed.chain(self.befallen.idle.iter().cloned()).collect()
    }
}
