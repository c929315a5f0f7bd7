//! `Run`: carries a scenario out, a stretch of virtual time after the other, and reports what it has shown.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use khashmir::Time;

use crate::churn::{Churn, Layout};
use crate::report::{Account, Report};
use crate::scenario::{Disturbance, EventPlan, Scenario, ScenarioError};
use crate::workload::Workloads;
use crate::world::START;
use crate::{Counts, HostId, Oracle, World};

mod disturb;
mod faults;
mod prepare;
mod sum;

/// A scenario that is being carried out.
///
/// Call [`step`](Self::step) until it says [`Step::Done`], then [`report`](Self::report); or let
/// [`finish`](Self::finish) do both. The report may be taken at any time: it says then what there is so far.
#[derive(Debug)]
pub struct Run {
    scenario: Scenario,
    world: World,
    phase: Phase,
    layout: Layout,
    churn: Churn,
    workloads: Workloads,
    /// Events to come, the next one first.
    events: VecDeque<EventPlan>,
    /// When the partition that there is ends.
    heals_at: Option<Time>,
    /// Hosts that not everybody can reach.
    hidden: BTreeSet<HostId>,
    /// The hosts of each of the scenario's adversaries.
    hostile: Vec<Vec<HostId>>,
    /// How many hosts each thing that was asked for has befallen.
    befallen: faults::Befallen,
    /// When the workloads begin: time 0 of the scenario. Not known before the network has started.
    zero: Time,
    account: Account,
    /// Honest nodes that run, and what had been counted of starts and stops when they were last counted one by one.
    living: usize,
    switches: (u64, u64),
    /// When the oracle was last asked who there is, and what had been counted of starts and stops.
    asked_oracle: Option<(Time, (u64, u64))>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Start,
    Settle { from: Time },
    WarmUp,
    Work,
    Done,
}

/// What is left of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// There is more to do.
    Running(Progress),
    /// It is over.
    Done,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing: `start`, `settle`, `warm up`, `work`.
    pub phase: &'static str,
    /// How much of that is done, 0 to 1.
    pub done: f64,
    /// Virtual time since the first host was added.
    pub virtual_time: Duration,
    /// Things that have happened to hosts.
    pub events: u64,
}

/// How far switches and questions are planned ahead, and so how long a step is.
const SLICE: Duration = Duration::from_secs(10);

/// As [`SLICE`] in a world of [`LARGE`] or more nodes, where seconds take seconds: whoever watches wants to see it
/// move.
const SHORT_SLICE: Duration = Duration::from_secs(1);
const LARGE: usize = 50_000;

/// For how long the oracle's knowledge of who lives is good enough: whoever came since counts neither for nor
/// against a lookup.
const ORACLE_KEEPS: Duration = Duration::from_secs(60);

impl Run {
    /// Makes ready to carry out `scenario` with `nodes` instead of its own number of nodes, if given. Nothing
    /// happens yet; the number of threads changes no result.
    ///
    /// # Errors
    /// If the scenario cannot be: see [`Scenario::validate`].
    pub fn new(
        mut scenario: Scenario,
        seed: u64,
        nodes: Option<usize>,
        threads: usize,
    ) -> Result<Self, ScenarioError> {
        scenario.nodes = nodes.unwrap_or(scenario.nodes);
        scenario.bootstrap = scenario.bootstrap.map(|hosts| hosts.min(scenario.nodes));
        scenario.validate()?;
        let links = scenario.links()?;
        let layout = Layout::draw(scenario.churn.as_ref(), scenario.nodes, scenario.bootstrap(), seed);
        let settings = scenario.engine.settings();
        let k = settings.lookup.k;
        let mut world = World::new(seed).with_threads(threads).with_links(links).with_settings(settings);
        let hostile = prepare::choose_adversaries(&scenario, &layout, seed);
        for (plan, hosts) in scenario.adversaries.iter().zip(&hostile) {
            plan.kind.place(&mut world, hosts.iter().map(|host| host.index()));
        }
        let mut events: Vec<_> = scenario.events.clone();
        events.sort_by_key(|event| event.at);
        Ok(Self {
            churn: Churn::new(seed, scenario.churn.clone(), layout),
            workloads: Workloads::new(seed, &scenario.workload, k),
            events: events.into(),
            heals_at: None,
            hidden: BTreeSet::new(),
            hostile,
            befallen: faults::Befallen::default(),
            zero: Time::FAR_FUTURE,
            account: Account::default(),
            living: 0,
            switches: (0, 0),
            asked_oracle: None,
            phase: Phase::Start,
            scenario,
            world,
            layout,
        })
    }

    /// Carries it on for a while: some seconds of virtual time at most, or the whole of a quick start.
    pub fn step(&mut self) -> Step {
        match self.phase {
            Phase::Start => self.start(),
            Phase::Settle { from } => self.settle(from),
            Phase::WarmUp => self.warm_up(),
            Phase::Work => self.work(),
            Phase::Done => {}
        }
        if self.phase == Phase::Done { Step::Done } else { Step::Running(self.progress()) }
    }

    /// Carries it out to its end, and says after each step how far it has come.
    pub fn finish(mut self, on_progress: &mut dyn FnMut(&Progress)) -> Report {
        while let Step::Running(progress) = self.step() {
            on_progress(&progress);
        }
        self.report()
    }

    /// The world it happens in.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What it has shown so far.
    #[must_use]
    pub fn report(&self) -> Report {
        sum::report(self)
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let now = self.world.now();
        let share = |from: Time, to: Time| {
            let whole = to.since(from).as_secs_f64();
            if whole > 0.0 { (now.since(from).as_secs_f64() / whole).min(1.0) } else { 1.0 }
        };
        let (phase, done) = match self.phase {
            Phase::Start => ("start", self.world.len() as f64 / self.layout.nodes() as f64),
            Phase::Settle { from } => ("settle", share(from, from + self.scenario.settle())),
            Phase::WarmUp => ("warm up", share(self.zero - self.warm_up_time(), self.zero)),
            Phase::Work => ("work", share(self.zero, self.end())),
            Phase::Done => ("work", 1.0),
        };
        Progress { phase, done, virtual_time: now.since(START), events: self.world.counts().events }
    }

    fn settle(&mut self, from: Time) {
        let until = from + self.scenario.settle();
        self.pass(until.min(self.world.now() + self.slice()));
        if self.world.now() >= until {
            self.befall();
            self.churn.begin(self.world.now());
            self.zero = self.world.now() + self.warm_up_time();
            self.phase = Phase::WarmUp;
        }
    }

    fn warm_up(&mut self) {
        let until = self.zero.min(self.world.now() + self.slice());
        self.churn.plan(&mut self.world, until);
        self.pass(until);
        if self.world.now() >= self.zero {
            self.account = Account::default();
            self.workloads.begin(self.zero, self.hostile_addrs());
            self.phase = Phase::Work;
        }
    }

    fn work(&mut self) {
        let now = self.world.now();
        self.disturb(now);
        self.workloads.mark(now, &self.account);
        self.ask_oracle(now);
        let marks = [self.workloads.next_mark(now), self.next_disturbance(), Some(now + self.slice())];
        let until = marks.into_iter().flatten().min().unwrap_or(now);
        self.churn.plan(&mut self.world, until);
        self.workloads.plan(&mut self.world, until);
        self.pass(until);
        let ended = self.world.ended();
        self.workloads.on_ended(&self.world, ended);
        let is_over = self.world.now() >= self.end() && self.next_disturbance().is_none();
        if is_over && self.workloads.is_done() {
            self.workloads.mark(self.world.now(), &self.account);
            self.phase = Phase::Done;
        }
    }

    /// Lets time pass, and takes note of it.
    fn pass(&mut self, until: Time) {
        let passes = until.since(self.world.now());
        self.world.run_until(until);
        let counts = self.world.counts();
        self.account.pass(passes, self.living, &counts);
        self.count_living(&counts);
    }

    /// Keeps the number of living nodes up with what was switched on and off.
    fn count_living(&mut self, counts: &Counts) {
        let (starts, stops) = (counts.starts - self.switches.0, counts.stops - self.switches.1);
        self.living = (self.living as u64 + starts).saturating_sub(stops) as usize;
        self.switches = (counts.starts, counts.stops);
    }

    /// Counts living nodes one by one: to be called when hosts were changed otherwise than by switching them.
    fn recount_living(&mut self) {
        let counts = self.world.counts();
        self.living = self.world.hosts().filter(|host| self.world.engine(*host).is_some()).count();
        self.switches = (counts.starts, counts.stops);
    }

    /// Asks the oracle who there is, if it may have changed.
    fn ask_oracle(&mut self, now: Time) {
        let is_good = |(at, switches)| switches == self.switches || now.since(at) < ORACLE_KEEPS;
        if !self.asked_oracle.is_some_and(is_good) {
            self.workloads.set_oracle(self.reachable());
            self.asked_oracle = Some((now, self.switches));
        }
    }

    /// Who can be found: honest nodes that run, have found the network, and can be reached by all.
    fn reachable(&self) -> Oracle {
        let engine = |host: HostId| self.world.engine(host).filter(|engine| engine.is_joined());
        let open = self.world.hosts().filter(|host| !self.hidden.contains(host));
        Oracle::of(open.filter_map(|host| Some(crate::Resident { id: engine(host)?.id(), host })))
    }

    /// When there is nothing left to do but to wait for what was asked.
    fn end(&self) -> Time {
        let last_event = self.scenario.events.iter().map(|event| match event.what {
            Disturbance::Partition { heal: Some(heal), .. } => event.at + heal,
            _ => event.at,
        });
        let last_event = last_event.max().unwrap_or_default();
        self.workloads.end().max(self.zero + self.scenario.duration.max(last_event))
    }

    fn warm_up_time(&self) -> Duration {
        self.scenario.churn.as_ref().map_or(Duration::ZERO, |churn| churn.warm_up)
    }

    fn slice(&self) -> Duration {
        if self.scenario.nodes < LARGE { SLICE } else { SHORT_SLICE }
    }
}
