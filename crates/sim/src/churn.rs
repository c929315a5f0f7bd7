//! `Churn`: who is switched on and off, and when. Plans a stretch of time ahead; each host's fate is its own.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use khashmir::Time;

use crate::scenario::ChurnPlan;
use crate::{Chance, HostId, World};

mod lifetime;

/// What draws of chance are for.
const SHARE: u64 = 0xc0de;
const SWITCH: u64 = 0xc407;
const DISK: u64 = 0xd15c;

/// How the hosts of a scenario are laid out: first those that stay, then those that come and go and are on at the
/// beginning, then those that come and go and are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) stay: usize,
    pub(crate) on: usize,
    pub(crate) off: usize,
}

impl Layout {
    /// Draws for each host but the first `bootstrap` whether it comes and goes, and whether it is on in the steady
    /// state.
    pub(crate) fn draw(plan: Option<&ChurnPlan>, nodes: usize, bootstrap: usize, seed: u64) -> Self {
        let mut layout = Self { stay: nodes, on: 0, off: 0 };
        let Some(plan) = plan else { return layout };
        let share_on = plan.sessions.mean() / (plan.sessions.mean() + plan.pauses().mean());
        for host in bootstrap..nodes {
            let mut chance = Chance::of(seed, &[SHARE, host as u64]);
            if chance.hits(plan.share) {
                layout.stay -= 1;
                *if chance.hits(share_on) { &mut layout.on } else { &mut layout.off } += 1;
            }
        }
        layout
    }

    /// Hosts that are on at the beginning.
    pub(crate) fn living(&self) -> usize {
        self.stay + self.on
    }

    /// Hosts.
    pub(crate) fn nodes(&self) -> usize {
        self.stay + self.on + self.off
    }
}

/// The switches to come.
#[derive(Debug)]
pub(crate) struct Churn {
    seed: u64,
    plan: Option<ChurnPlan>,
    layout: Layout,
    /// The next switch of each host that comes and goes.
    next: BinaryHeap<Reverse<(Time, HostId)>>,
    /// How often each of these hosts was switched, in the order of their numbers.
    switched: Vec<u32>,
    /// Hosts that are off until they return, whatever the plan says.
    departed: BTreeSet<HostId>,
    /// Hosts that are to be left alone from now on.
    excepted: BTreeSet<HostId>,
    /// Sessions that were ended so far.
    pub(crate) ended: u64,
    /// Hosts switched on so far, as they were and as new nodes.
    pub(crate) resumed: u64,
    pub(crate) renewed: u64,
}

impl Churn {
    pub(crate) fn new(seed: u64, plan: Option<ChurnPlan>, layout: Layout) -> Self {
        Self {
            seed,
            plan,
            layout,
            next: BinaryHeap::new(),
            switched: Vec::new(),
            departed: BTreeSet::new(),
            excepted: BTreeSet::new(),
            ended: 0,
            resumed: 0,
            renewed: 0,
        }
    }

    /// Begins `now`, in the steady state: what remains of each first session or pause is drawn.
    pub(crate) fn begin(&mut self, now: Time) {
        let Some(plan) = &self.plan else { return };
        let (seed, layout) = (self.seed, self.layout);
        self.switched = vec![0; layout.on + layout.off];
        let first = |place: usize| {
            let host = host_at(layout.stay + place);
            let lifetime = if place < layout.on { plan.sessions } else { plan.pauses() };
            let mut chance = Chance::of(seed, &[SWITCH, u64::from(host.0), 0]);
            Reverse((now + lifetime.residual(&mut chance), host))
        };
        self.next = (0..layout.on + layout.off).map(first).collect();
    }

    /// Plans every switch before `until`.
    pub(crate) fn plan(&mut self, world: &mut World, until: Time) {
        while let Some(Reverse((at, host))) = self.next.peek().copied()
            && at < until
        {
            self.next.pop();
            let Some(next) = self.switch(world, at, host) else { continue };
            self.next.push(Reverse((next, host)));
        }
    }

    /// Switches hosts off until they return. Nothing of it is random: the caller has chosen them.
    pub(crate) fn depart(&mut self, world: &mut World, hosts: &[HostId]) {
        for host in hosts {
            world.cut_power(*host);
        }
        self.departed.extend(hosts);
    }

    /// Lets those return that departed, unless they would be off by now anyway. Says how many were switched on.
    pub(crate) fn bring_back(&mut self, world: &mut World) -> usize {
        let back: Vec<_> =
            std::mem::take(&mut self.departed).into_iter().filter(|host| self.is_on(*host)).collect();
        back.iter().for_each(|host| world.restart(*host));
        back.len()
    }

    /// Leaves hosts alone from now on.
    pub(crate) fn except(&mut self, hosts: impl IntoIterator<Item = HostId>) {
        self.excepted.extend(hosts);
    }

    /// Does a host that is restarted now go on from its disk, if a share of them does?
    pub(crate) fn keeps_disk(&self, host: HostId, at: Time, share: f64) -> bool {
        Chance::of(self.seed, &[DISK, u64::from(host.0), at.as_micros()]).hits(share)
    }

    /// Switches a host once, and says when it is to be switched again; never, if it is to be left alone.
    fn switch(&mut self, world: &mut World, at: Time, host: HostId) -> Option<Time> {
        let plan = self.plan.as_ref()?;
        if self.excepted.contains(&host) {
            return None;
        }
        let was_on = self.is_on(host);
        let switched = self.switched.get_mut(host.index() - self.layout.stay)?;
        *switched += 1;
        let mut chance = Chance::of(self.seed, &[SWITCH, u64::from(host.0), u64::from(*switched)]);
        let lasts = if was_on { plan.pauses().draw(&mut chance) } else { plan.sessions.draw(&mut chance) };
        if self.departed.contains(&host) {
            return Some(at + lasts);
        }
        if was_on {
            world.plan_power_cut(at, host);
            self.ended += 1;
        } else {
            let keeps_disk = self.keeps_disk(host, at, plan.keeps_disk);
            world.plan_start(at, host, keeps_disk);
            *if keeps_disk { &mut self.resumed } else { &mut self.renewed } += 1;
        }
        Some(at + lasts)
    }

    /// Is a host on by its own plan?
    fn is_on(&self, host: HostId) -> bool {
        let Layout { stay, on, .. } = self.layout;
        let Some(place) = host.index().checked_sub(stay) else { return true };
        let began_on = place < on;
        let was_switched_back = self.switched.get(place).is_none_or(|switched| switched % 2 == 0);
        began_on == was_switched_back
    }
}

fn host_at(index: usize) -> HostId {
    HostId(u32::try_from(index).expect("a scenario has at most MAX_NODES hosts"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Scenario;

    fn plan(text: &str) -> Option<ChurnPlan> {
        Scenario::parse(&format!("[churn]\n{text}")).unwrap().churn
    }

    #[test]
    fn hosts_are_laid_out_by_the_share_that_comes_and_goes_and_is_on() {
        let plan = plan("sessions = { exponential = '30m' }\npauses = { exponential = '10m' }\nshare = 0.8");
        let Layout { stay, on, off } = Layout::draw(plan.as_ref(), 10_000, 100, 7);
        assert_eq!(stay + on + off, 10_000);
        assert!((1980..=2180).contains(&stay), "a fifth of 9,900, and the first hundred: {stay}");
        assert!((5780..=6100).contains(&on), "three quarters of the rest: {on}");
        assert_eq!(Layout::draw(None, 50, 3, 7), Layout { stay: 50, on: 0, off: 0 });
    }

    #[test]
    fn hosts_that_departed_or_are_to_be_left_alone_are_not_switched() {
        let mut world = World::new(7);
        let hosts: Vec<_> = (0..40).map(|_| world.add()).collect();
        let layout = Layout { stay: 2, on: 38, off: 0 };
        let mut churn = Churn::new(7, plan("sessions = { exponential = '1m' }"), layout);
        churn.begin(world.now());
        let (departing, excepted) = (&hosts[2..30], &hosts[30..35]);
        churn.except(excepted.iter().copied());
        churn.depart(&mut world, departing);
        for _ in 0..60 {
            let until = world.now() + Duration::from_secs(10);
            churn.plan(&mut world, until);
            world.run_until(until);
            let is_on = |host: &HostId| world.engine(*host).is_some();
            assert!(!departing.iter().any(is_on) && excepted.iter().all(is_on));
        }
        let back = churn.bring_back(&mut world);
        assert_eq!(departing.iter().filter(|host| world.engine(**host).is_some()).count(), back);
        assert!((5..=23).contains(&back), "about half would be on by now: {back} of 28");
        assert!(
            churn.ended > 5 && churn.resumed > 0 && churn.renewed > 0,
            "five hosts went on coming and going"
        );
    }
}
