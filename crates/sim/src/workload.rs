//! `Workloads`: what is asked of whom and when, and what comes of it. Knows when to ask, not how time passes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use khashmir::{Contact, Id, Outcome, Request, Time, Value};

use crate::host::Ended;
use crate::report::{Account, Operations, Samples, Traffic};
use crate::scenario::{Expectation, Work, WorkloadPlan};
use crate::{Chance, HostId, Oracle, World};

mod series;

use series::{Series, Task};

/// What draws of chance are for.
const WHO: u64 = 0x3a05;
const TARGET: u64 = 0x7a26;

/// Hosts drawn until one can be asked. If a hundredth of all can be, one in 20,000 questions is not asked.
const TRIES: usize = 1000;

/// Longer than any operation takes: two actions of at most a minute.
const LONGEST_OPERATION: Duration = Duration::from_secs(180);

/// Nodes beyond the k closest that are thought of when some of these have gone.
const SPARE: usize = 8;

/// The workloads of a scenario.
#[derive(Debug)]
pub(crate) struct Workloads {
    seed: u64,
    zero: Time,
    k: usize,
    loads: Vec<Load>,
    /// What was asked and has not ended, by who was asked when. Bounded by the rates and the longest operation.
    pending: BTreeMap<(HostId, Time), Pending>,
    /// Who can be found, as it was before what ends now began.
    oracle: Oracle,
    /// Where adversaries are.
    hostile: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
struct Load {
    plan: WorkloadPlan,
    series: Vec<Series>,
    samples: Vec<Samples>,
    /// Who has stored each value, if it was stored.
    publishers: Vec<Option<HostId>>,
    quiet: Option<(Account, Option<Traffic>)>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    load: usize,
    series: usize,
    /// Which of the series it is.
    number: usize,
}

impl Workloads {
    /// Workloads of nodes that look for the `k` closest.
    pub(crate) fn new(seed: u64, plans: &[WorkloadPlan], k: usize) -> Self {
        let loads = plans.iter().map(Load::new).collect();
        let (pending, oracle, hostile) = (BTreeMap::new(), Oracle::default(), BTreeSet::new());
        Self { seed, zero: Time::FAR_FUTURE, k, loads, pending, oracle, hostile }
    }

    /// Says when time 0 is, and where adversaries are.
    pub(crate) fn begin(&mut self, zero: Time, hostile: BTreeSet<SocketAddr>) {
        (self.zero, self.hostile) = (zero, hostile);
    }

    /// When the last thing is to be asked, or the last quiet time ends.
    pub(crate) fn end(&self) -> Time {
        self.zero + self.loads.iter().map(Load::end).max().unwrap_or_default()
    }

    /// When [`mark`](Self::mark) is to be called next.
    pub(crate) fn next_mark(&self, now: Time) -> Option<Time> {
        let marks = self.loads.iter().filter_map(Load::quiet_time).flat_map(|(from, to)| [from, to]);
        marks.map(|mark| self.zero + mark).filter(|mark| *mark > now).min()
    }

    /// Begins and ends the quiet times that do so now.
    pub(crate) fn mark(&mut self, now: Time, account: &Account) {
        for load in &mut self.loads {
            let Some((from, to)) = load.quiet_time() else { continue };
            if load.quiet.is_none() && self.zero + from <= now {
                load.quiet = Some((*account, None));
            }
            if let Some((before, traffic @ None)) = &mut load.quiet
                && self.zero + to <= now
            {
                *traffic = Some(account.since(before, &load.plan.named("quiet")));
            }
        }
    }

    /// Has everything been asked, and has all of it ended?
    pub(crate) fn is_done(&self) -> bool {
        self.pending.is_empty() && self.loads.iter().flat_map(|load| &load.series).all(Series::is_done)
    }

    /// Who can be found from now on; to be said when hosts have come or gone, and at the beginning.
    pub(crate) fn set_oracle(&mut self, oracle: Oracle) {
        self.oracle = oracle;
    }

    /// Plans everything that is to be asked before `until`.
    pub(crate) fn plan(&mut self, world: &mut World, until: Time) {
        for load in 0..self.loads.len() {
            for series in 0..self.loads[load].series.len() {
                while let Some((number, at)) = self.loads[load].series[series].next_before(until, self.zero) {
                    self.ask(world, Pending { load, series, number }, at);
                }
            }
        }
    }

    /// Takes in what has ended.
    pub(crate) fn on_ended(&mut self, world: &World, ended: Vec<Ended>) {
        for ended in ended {
            if let Some(pending) = self.pending.remove(&(ended.host, ended.started)) {
                self.judge(world, pending, &ended);
            }
        }
        let now = world.now();
        let is_cut_off =
            |(host, at): &(HostId, Time)| world.engine(*host).is_none() || *at + LONGEST_OPERATION < now;
        let cut_off: Vec<_> = self.pending.extract_if(.., |asked, _| is_cut_off(asked)).collect();
        for (_, pending) in cut_off {
            self.samples(pending).cut_off += 1;
        }
    }

    /// What has come of it all so far, and what was expected.
    pub(crate) fn operations(&self) -> Vec<(Expectation, Operations)> {
        let rows = self.loads.iter().flat_map(|load| load.plan.rows().into_iter().zip(&load.samples));
        rows.map(|(row, samples)| (row.expect, samples.sum_up(&row.name, row.expect.success))).collect()
    }

    /// What was sent in each quiet time that is over, and what was expected.
    pub(crate) fn quiet(&self) -> Vec<(Expectation, Traffic)> {
        let traffic = |load: &Load| load.quiet.as_ref().and_then(|(_, traffic)| traffic.clone());
        self.loads.iter().filter_map(|load| Some((load.plan.expect, traffic(load)?))).collect()
    }

    fn ask(&mut self, world: &mut World, pending: Pending, at: Time) {
        let load = &self.loads[pending.load];
        let (key, task) = (pending.number % load.keys(), load.series[pending.series].task);
        let publisher = load.publishers.get(key).copied().flatten();
        let text = value_of(self.seed, pending.load, key);
        let (request, preferred) = match task {
            Task::Lookup => (Request::FindNode { target: self.target(pending) }, None),
            Task::Store => (Request::Store { key: Id::sha1(text.as_bytes()), value: text.into() }, None),
            // What was never stored, nobody looks for.
            Task::StoreAgain | Task::Get if publisher.is_none() => return,
            Task::StoreAgain => {
                (Request::Store { key: Id::sha1(text.as_bytes()), value: text.into() }, publisher)
            }
            Task::Get => (Request::Get { key: Id::sha1(text.as_bytes()) }, None),
        };
        if let Some(host) = self.choose(world, pending, at, preferred) {
            self.pending.insert((host, at), pending);
            world.plan(at, host, request);
        }
    }

    /// A living honest host that has found the network, and that nothing else is asked of at that moment.
    fn choose(&self, world: &World, pending: Pending, at: Time, preferred: Option<HostId>) -> Option<HostId> {
        let can_be_asked = |host: &HostId| {
            world.engine(*host).is_some_and(khashmir::Engine::is_joined)
                && !self.pending.contains_key(&(*host, at))
        };
        let mut chance = self.chance(WHO, pending);
        let drawn = std::iter::repeat_with(|| {
            HostId(u32::try_from(chance.below(world.len())).expect("a scenario has at most MAX_NODES hosts"))
        });
        preferred.into_iter().chain(drawn.take(TRIES)).find(can_be_asked)
    }

    fn judge(&mut self, world: &World, pending: Pending, ended: &Ended) {
        let (text, target) = (value_of(self.seed, pending.load, self.key(pending)), self.target(pending));
        let Some((succeeded, tally)) = (match &ended.outcome {
            Outcome::Found(found) => {
                let heard = [found.closest.as_slice(), &found.beyond].concat();
                let verdict = self.verdict(world, ended.host, &target, &heard);
                let samples = self.samples(pending);
                *samples.found_all.get_or_insert(0) += usize::from(verdict.found_all);
                Some((verdict.found_closest, found.progress.tally))
            }
            Outcome::Got(got) => {
                let is_it = |value: &Value| value.data.as_ref() == text.as_bytes();
                Some((ended.values.iter().any(is_it), got.progress.tally))
            }
            Outcome::Stored(stored) => {
                let is_stored = stored.stored_here || !stored.stored.is_empty();
                if is_stored {
                    let key = self.key(pending);
                    self.loads[pending.load].publishers[key] = Some(ended.host);
                }
                Some((is_stored, stored.progress.tally))
            }
            _ => None,
        }) else {
            return;
        };
        let samples = self.samples(pending);
        samples.succeeded += usize::from(succeeded);
        samples.add(ended.first_value, ended.elapsed, &tally, ended.bytes);
    }

    /// Did a lookup find who is truly closest? Who came or went meanwhile counts neither for it nor against it.
    fn verdict(&self, world: &World, asker: HostId, target: &Id, found: &[Contact]) -> Verdict {
        let lives = |id: &Id, host: HostId| world.engine(host).is_some_and(|engine| engine.id() == *id);
        let is_known = |id: &Id| self.oracle.host_of(id).is_some_and(|host| lives(id, host));
        let closest = self.oracle.closest(target, self.k + 1 + SPARE);
        let closest = closest.iter().filter(|near| near.host != asker && lives(&near.id, near.host));
        let closest: Vec<_> = closest.take(self.k).map(|near| near.id).collect();
        let uncounted = found.iter().filter(|node| !is_known(&node.id) && !self.hostile.contains(&node.addr));
        let wanted = closest.len().min(self.k.saturating_sub(uncounted.count()));
        let has = |id: &Id| found.iter().any(|node| node.id == *id);
        Verdict {
            found_closest: closest.first().is_none_or(has),
            found_all: closest.iter().take(wanted).all(has),
        }
    }

    fn samples(&mut self, pending: Pending) -> &mut Samples {
        let load = &mut self.loads[pending.load];
        &mut load.samples[load.series[pending.series].row]
    }

    fn key(&self, pending: Pending) -> usize {
        pending.number % self.loads[pending.load].keys()
    }

    fn target(&self, pending: Pending) -> Id {
        Id::random(&mut self.chance(TARGET, pending))
    }

    fn chance(&self, purpose: u64, pending: Pending) -> Chance {
        let Pending { load, series, number } = pending;
        Chance::of(self.seed, &[purpose, load as u64, series as u64, number as u64])
    }
}

/// Whether a lookup found the truly closest node, and all k of them.
struct Verdict {
    found_closest: bool,
    found_all: bool,
}

/// The value under a key, which is its SHA-1.
fn value_of(seed: u64, load: usize, key: usize) -> String {
    format!("value {key} of workload {load}, seed {seed}")
}

impl Load {
    fn new(plan: &WorkloadPlan) -> Self {
        let samples = plan.rows().iter().map(|_| Samples::default()).collect();
        let mut load =
            Self { plan: plan.clone(), series: plan.series(), samples, publishers: Vec::new(), quiet: None };
        load.publishers = vec![None; load.keys()];
        load
    }

    /// Values, at least 1.
    fn keys(&self) -> usize {
        match self.plan.work {
            Work::Get { keys, .. } | Work::Survival { keys, .. } => keys.max(1),
            Work::Lookup { .. } | Work::Quiet { .. } => 1,
        }
    }

    fn end(&self) -> Duration {
        let asked = self.series.iter().map(Series::end);
        asked.chain(self.quiet_time().map(|(_, to)| to)).max().unwrap_or_default()
    }

    /// From when to when it is to be quiet, from time 0 on.
    fn quiet_time(&self) -> Option<(Duration, Duration)> {
        match self.plan.work {
            Work::Quiet { lasts } => Some((self.plan.start, self.plan.start + lasts)),
            _ => None,
        }
    }
}
