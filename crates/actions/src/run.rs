//! `Run`: a shortlist being asked within the limits of a [`LookupConfig`]. Knows no questions: which node
//! comes next, and when it is enough, is for the actions to say.

use khashmir_types::{Contact, Id, Time};

use crate::shortlist::{Candidate, Lead, Shortlist, State, Way};
use crate::{Failure, LookupConfig, Step, Tally};

#[derive(Clone, Debug)]
pub(crate) struct Run<T> {
    list: Shortlist<T>,
    config: LookupConfig,
    deadline: Time,
    tally: Tally,
    end: Option<End>,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By the rule of its action.
    Complete,
    /// By a limit on questions or time.
    CutShort,
}

impl<T> Run<T> {
    /// A run among nodes that the caller has chosen.
    pub(crate) fn new(target: Id, config: LookupConfig, now: Time) -> Self {
        let (list, tally) = (Shortlist::new(target, usize::MAX), Tally::default());
        Self { list, config, deadline: now + config.deadline, tally, end: None }
    }

    /// A run among nodes that others name: `per_prefix` holds.
    pub(crate) fn among_strangers(target: Id, config: LookupConfig, now: Time) -> Self {
        let per_prefix = if config.per_prefix == 0 { usize::MAX } else { config.per_prefix };
        Self { list: Shortlist::new(target, per_prefix), ..Self::new(target, config, now) }
    }

    /// Lets one more node of each prefix be asked; returns whether there is one.
    pub(crate) fn widen(&mut self) -> bool {
        self.list.widen()
    }

    /// Adds nodes that may be asked. Those that never can be within the limit on questions are forgotten;
    /// nodes are asked closest first, so these are the farthest. One more is kept: if it is left at the
    /// limit, the run was cut short. And no more than `spare` are kept that were not asked yet.
    pub(crate) fn extend(&mut self, nodes: impl IntoIterator<Item = (Lead, T)>, way: Way, spare: usize) {
        let nodes = nodes.into_iter();
        self.list.reserve(nodes.size_hint().1.map_or(0, |most| most.min(spare)));
        for (lead, note) in nodes {
            self.list.add(lead, way, note);
        }
        self.list.keep_untried(self.queries_left().saturating_add(1).min(spare));
    }

    /// Marks the candidate at `index` as asked.
    pub(crate) fn ask(&mut self, index: usize, now: Time) -> &Candidate<T> {
        self.tally.asked = self.tally.asked.saturating_add(1);
        self.list.on_asked(index, now)
    }

    /// Marks a node as having answered. `None` if no question to it is open, or at the end.
    pub(crate) fn on_answer(&mut self, from: &Contact, now: Time) -> Option<&mut Candidate<T>> {
        if self.is_over(now) {
            return None;
        }
        let candidate = self.list.on_answer(from)?;
        self.tally.on_answer(candidate.way.hop);
        Some(candidate)
    }

    /// Marks a node as having failed, if a question to it is open and this is not the end.
    pub(crate) fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        if self.is_over(now) || self.list.on_failure(from).is_none() {
            return;
        }
        self.tally.on_failure(failure);
        if failure == Failure::TimedOut {
            self.list.on_silence(from.addr);
        }
    }

    /// Ends the run.
    pub(crate) fn finish(&mut self, end: End) -> Step {
        self.end = Some(end);
        Step::Done
    }

    /// Waits for an answer, for the next open question to become slow or lost, or for the deadline.
    pub(crate) fn wait(&self, now: Time) -> Step {
        let moments = self.list.open().filter_map(|candidate| {
            let State::Asked { at } = candidate.state else { return None };
            [self.slow_at(candidate)?, at + self.config.lost_after].into_iter().filter(|at| *at > now).min()
        });
        Step::Wait(moments.min().unwrap_or(self.deadline).min(self.deadline))
    }

    /// Waits while a question is open; else ends the run, as nobody is left to ask.
    pub(crate) fn wait_or_finish(&mut self, now: Time) -> Step {
        if self.list.open().next().is_some() {
            return self.wait(now);
        }
        let is_left = self.list.live().any(|(_, candidate)| candidate.state == State::New);
        self.finish(if is_left { End::CutShort } else { End::Complete })
    }

    /// Is this the end? Ends the run at its deadline.
    pub(crate) fn is_over(&mut self, now: Time) -> bool {
        if self.end.is_none() && now >= self.deadline {
            self.end = Some(End::CutShort);
        }
        self.end.is_some()
    }

    /// The place of the closest candidate that may be asked now; every question that is not slow holds up
    /// others.
    pub(crate) fn next(&self, now: Time) -> Option<usize> {
        if !self.has_room(self.fresh(now).count()) {
            return None;
        }
        self.list.iter().find(|(_, candidate)| self.list.is_askable(candidate)).map(|(index, _)| index)
    }

    /// The candidates with an open question that is not slow yet, closest first.
    pub(crate) fn fresh(&self, now: Time) -> impl Iterator<Item = &Candidate<T>> {
        self.list.open().filter(move |candidate| self.is_fresh(candidate, now))
    }

    /// May one more question be asked, with `holding` open ones that hold up others?
    pub(crate) fn has_room(&self, holding: usize) -> bool {
        holding < self.config.concurrency.max(1) && self.may_ask()
    }

    /// Do the limits that hold for every question leave room for one more?
    pub(crate) fn may_ask(&self) -> bool {
        self.list.open().count() < self.config.max_in_flight.max(1) && self.queries_left() > 0
    }

    /// Has this candidate an open question that is not slow yet?
    pub(crate) fn is_fresh(&self, candidate: &Candidate<T>, now: Time) -> bool {
        self.slow_at(candidate).is_some_and(|slow| now < slow)
    }

    /// Has a question asked `at` that moment been open for so long that nobody waits for its answer any more?
    pub(crate) fn is_lost(&self, at: Time, now: Time) -> bool {
        now >= at + self.config.lost_after
    }

    /// How many more questions may be asked.
    pub(crate) fn queries_left(&self) -> usize {
        self.config.max_queries.saturating_sub(self.tally.asked)
    }

    /// How many of the closest are asked whatever else is open.
    pub(crate) fn eager(&self) -> usize {
        self.config.eager
    }

    pub(crate) fn list(&self) -> &Shortlist<T> {
        &self.list
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.end == Some(End::Complete)
    }

    fn slow_at(&self, candidate: &Candidate<T>) -> Option<Time> {
        match candidate.state {
            State::Asked { at } => Some(at + self.config.patience(candidate.rtt)),
            State::New | State::Answered | State::Failed => None,
        }
    }
}
