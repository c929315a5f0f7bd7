//! `Lookup`: the walk towards a target that `FindNode` and `FindValue` share (Kademlia, section 2.3).
//!
//! Ends when the k closest nodes that have neither failed nor been very late have all answered; if these are suspicious
//! ([`Caution`]), when more have.

use khashmir_types::{Contact, Distance, Id, Time};

use crate::run::{End, Run};
use crate::shortlist::{Candidate, Lead, State, Way};
use crate::{Ask, Caution, Failure, LookupConfig, Question, Step, Tally};

#[derive(Clone, Debug)]
pub(crate) struct Lookup<T> {
    own: Id,
    k: usize,
    caution: Option<(Caution, f64)>,
    question: Question,
    run: Run<T>,
    /// Is it suspicious if this is the end, whoever is closest?
    is_doubtful: bool,
    /// Paths, as we count those whom we asked ourselves and who have answered.
    paths: u8,
    /// The paths on which somebody has answered whom another named, a bit for each.
    walked: u64,
}

impl<T: Default> Lookup<T> {
    pub(crate) fn new(target: Id, question: Question, own: Id, config: LookupConfig, now: Time) -> Self {
        let run = Run::among_strangers(target, config, now);
        Self {
            own,
            k: config.k.max(1),
            caution: config.caution.zip(config.network_size),
            question,
            run,
            is_doubtful: false,
            paths: 0,
            walked: 0,
        }
    }

    /// Adds nodes that we know or that somebody named. Our own id is skipped.
    pub(crate) fn extend(&mut self, nodes: impl IntoIterator<Item = impl Into<Lead>>, way: Way) {
        let others = nodes.into_iter().map(Into::into).filter(|lead: &Lead| lead.contact.id != self.own);
        self.run.extend(others.map(|lead| (lead, T::default())), way, SPARE_PER_K.saturating_mul(self.k));
    }

    /// Takes in the answer of a node: the nodes it names, and what to note of itself.
    pub(crate) fn on_answer(&mut self, from: &Contact, nodes: Vec<Contact>, note: T, now: Time) {
        let Some(candidate) = self.run.on_answer(from, now) else { return };
        candidate.note = note;
        let path = if candidate.was_named() {
            self.walked |= bit(candidate.way.path);
            candidate.way.path
        } else {
            self.paths = self.paths.wrapping_add(1);
            self.paths
        };
        let way = Way { hop: candidate.way.hop.saturating_add(1), path };
        self.extend(first_of_each(nodes, NAMED_PER_K.saturating_mul(self.k)), way);
    }

    /// Says whether it is suspicious if this is the end, whoever is closest.
    pub(crate) fn set_doubtful(&mut self, is_doubtful: bool) {
        self.is_doubtful = is_doubtful;
    }

    pub(crate) fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        self.run.on_failure(from, failure, now);
    }

    pub(crate) fn poll(&mut self, now: Time) -> Step {
        if self.run.is_over(now) {
            return Step::Done;
        }
        while self.has_heard_closest(|_| true, now) {
            if self.answered().count() >= self.k || !self.run.widen() {
                return self.run.finish(End::Complete);
            }
        }
        if self.run.queries_left() == 0 && self.has_heard_closest(|state| state != State::New, now) {
            return self.run.finish(End::CutShort);
        }
        let Some(index) = self.next(now) else { return self.run.wait(now) };
        let contact = self.run.ask(index, now).contact;
        Step::Ask(Ask { contact, question: self.question.clone() })
    }

    /// The nodes found, closest first: the k closest that have answered; if those are suspicious, the others that were to be
    /// heard, too.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Candidate<T>> {
        let (mut extent, mut is_enough) = (self.extent(), false);
        let heard = self.run.list().iter().filter(|(_, candidate)| candidate.state != State::New);
        heard.filter_map(move |(_, candidate)| {
            let is_wanted = !is_enough;
            if candidate.state != State::Answered {
                extent.on_silent();
                return None;
            }
            is_enough |= extent.is_enough_with(candidate, self.distance(candidate));
            is_wanted.then_some(candidate)
        })
    }

    /// The nodes that have answered, closest first.
    pub(crate) fn answered(&self) -> impl Iterator<Item = &Candidate<T>> {
        self.run.list().answered()
    }

    /// Has `contact` been asked, and not answered yet?
    pub(crate) fn is_open(&self, contact: &Contact) -> bool {
        self.run.list().open().any(|candidate| candidate.contact == *contact)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.run.tally()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.run.is_complete()
    }

    /// Have the k closest that are in a state that `matters`, and have not failed, answered?
    ///
    /// A node that is very late gives its place to the next: if k others have answered, nobody waits for it (it is
    /// dead more often than late, and would hold up the end for the whole timeout of a call). If there are fewer, it
    /// is all there is to wait for.
    fn has_heard_closest(&self, matters: impl Fn(State) -> bool, now: Time) -> bool {
        let (mut extent, mut waits) = (self.extent(), false);
        for (_, candidate) in self.run.list().iter().filter(|(_, candidate)| matters(candidate.state)) {
            match candidate.state {
                State::Answered => {
                    let is_enough = extent.is_enough_with(candidate, self.distance(candidate));
                    if is_enough && !(extent.are_led() && self.awaits_witness(now)) {
                        return true;
                    }
                }
                State::Failed => extent.on_silent(),
                State::Asked { at } if self.run.is_lost(at, now) => {
                    extent.on_silent();
                    waits = true;
                }
                State::New if !candidate.has_place => {}
                State::New | State::Asked { .. } => return false,
            }
        }
        !waits
    }

    fn distance(&self, candidate: &Candidate<T>) -> Distance {
        self.run.list().distance(&candidate.contact.id)
    }

    /// How far the nodes that have answered reach, so far none of them.
    fn extent(&self) -> Extent {
        Extent {
            k: self.k,
            caution: self.caution,
            answered: 0,
            silent: 0,
            named: 0,
            suspects: self.is_doubtful,
        }
    }

    /// On how many paths somebody is to be heard.
    fn paths_wanted(&self) -> usize {
        self.caution.map_or(0, |(caution, _)| caution.paths)
    }

    /// Those who could tell whether there is another way to the target than the few on which we have come so far: named by others, on
    /// paths on which nobody has answered whom another named. Nobody, once enough paths were walked.
    fn witnesses(&self) -> impl Iterator<Item = (usize, &Candidate<T>)> {
        let are_wanted = (self.walked.count_ones() as usize) < self.paths_wanted();
        let is_witness = move |candidate: &Candidate<T>| {
            are_wanted && candidate.was_named() && self.walked & bit(candidate.way.path) == 0
        };
        self.run.list().live().filter(move |(_, candidate)| is_witness(candidate))
    }

    /// Is there a witness to wait for, or to ask? Nobody waits for one that is late.
    fn awaits_witness(&self, now: Time) -> bool {
        let may_ask = self.run.may_ask();
        self.witnesses().any(|(_, witness)| {
            self.run.is_fresh(witness, now) || (may_ask && self.run.list().is_askable(witness))
        })
    }

    /// Have the k closest been heard, and were they not suspicious?
    fn is_content(&self) -> bool {
        let mut extent = self.extent();
        for (_, candidate) in self.run.list().iter() {
            match candidate.state {
                State::Answered if extent.is_enough_with(candidate, self.distance(candidate)) => return true,
                State::New if candidate.has_place => return false,
                State::Answered | State::New => {}
                State::Asked { .. } | State::Failed => extent.on_silent(),
            }
        }
        false
    }

    /// The place of the node to ask next, if one is to be asked now.
    fn next(&self, now: Time) -> Option<usize> {
        self.next_closest(now).or_else(|| self.next_witness(now))
    }

    /// The place of the closest node on a path of its own, if that is wanted and all of the k closest were asked. The last of those
    /// need not have answered.
    fn next_witness(&self, now: Time) -> Option<usize> {
        let closest = self.prompt(now).take(self.k);
        let are_led = closest.clone().filter(|(_, candidate)| candidate.was_named()).count() > self.k / 2;
        let is_close = are_led && !closest.clone().any(|(_, candidate)| candidate.state == State::New);
        if !is_close || !self.run.has_room(self.run.fresh(now).count()) {
            return None;
        }
        let asked = self.witnesses().filter(|(_, witness)| self.run.is_fresh(witness, now));
        let covered = asked.fold(self.walked, |covered, (_, witness)| covered | bit(witness.way.path));
        if covered.count_ones() as usize >= self.paths_wanted() {
            return None;
        }
        let is_wanted = |(_, witness): &(usize, &Candidate<T>)| {
            covered & bit(witness.way.path) == 0 && self.run.list().is_askable(witness)
        };
        self.witnesses().find(is_wanted).map(|(index, _)| index)
    }

    /// The candidates that live and are not slow to answer, closest first.
    fn prompt(&self, now: Time) -> impl Iterator<Item = (usize, &Candidate<T>)> + Clone {
        let is_slow = move |candidate: &Candidate<T>| {
            matches!(candidate.state, State::Asked { .. }) && !self.run.is_fresh(candidate, now)
        };
        self.run.list().live().filter(move |(_, candidate)| !is_slow(candidate))
    }

    /// The place of the closest node to ask, if one is to be asked now. Open questions beyond the k closest that
    /// are not slow hold up nobody.
    fn next_closest(&self, now: Time) -> Option<usize> {
        let list = self.run.list();
        let live = self.prompt(now);
        let heard = live.clone().take_while(|(_, candidate)| candidate.state == State::Answered).count();
        // If the k closest have answered and this is not the end, they are suspicious: on to the next ones.
        let window = match () {
            () if heard < self.k => self.k,
            () if self.is_content() => heard,
            () => heard.saturating_add(self.k),
        };
        let closest = live.take(window);
        let holding = closest.clone().filter(|(_, candidate)| self.run.is_fresh(candidate, now)).count();
        let width = match () {
            () if self.run.has_room(holding) => window,
            () if self.run.may_ask() => self.run.eager(),
            () => return None,
        };
        let mut askable = closest.take(width).filter(|(_, candidate)| list.is_askable(candidate));
        let (index, first) = askable.next()?;
        if first.was_named() {
            return Some(index);
        }
        // Nobody has named a closer one: of those that we know ourselves, all of one bucket as a rule, the quickest
        // will bring the most.
        let quick = askable.filter(|(_, other)| !other.was_named() && other.rtt.is_some());
        let quickest = quick.min_by_key(|(_, other)| other.rtt);
        let is_quicker =
            |(_, other): &(usize, &Candidate<T>)| first.rtt.is_none_or(|rtt| other.rtt < Some(rtt));
        Some(quickest.filter(is_quicker).map_or(index, |(index, _)| index))
    }
}

/// Whether those who have answered, counted from the closest on, are enough.
struct Extent {
    k: usize,
    /// With the size of the network.
    caution: Option<(Caution, f64)>,
    answered: usize,
    /// Those among them that have not. Our estimate of the network counts dead nodes, so these do not make it sparse.
    silent: usize,
    /// Those of the k closest that others named.
    named: usize,
    suspects: bool,
}

impl Extent {
    /// One more has not answered, and will not.
    fn on_silent(&mut self) {
        self.silent = self.silent.saturating_add(1);
    }

    /// Were most of the k closest named by others? Who is close to the target knows them himself.
    fn are_led(&self) -> bool {
        self.named > self.k / 2
    }

    /// Is one more, at this distance, enough?
    fn is_enough_with<T>(&mut self, candidate: &Candidate<T>, distance: Distance) -> bool {
        self.answered = self.answered.saturating_add(1);
        if self.answered <= self.k {
            self.named = self.named.saturating_add(usize::from(candidate.was_named()));
        }
        let Some((caution, size)) = self.caution else { return self.answered >= self.k };
        let expected = size * distance.share();
        if self.answered <= self.k {
            self.suspects |= caution.is_too_dense(self.answered, expected);
        }
        if self.answered == self.k {
            self.suspects |= caution.is_too_sparse(self.answered.saturating_add(self.silent), expected);
        }
        let is_far_enough = self.answered >= caution.k && expected >= caution.reach * self.k as f64;
        self.answered >= self.k && (!self.suspects || is_far_enough)
    }
}

/// One of 64 bits for a path: there are a dozen.
fn bit(path: u8) -> u64 {
    1 << (path % 64)
}

/// How many times k nodes are kept that were not asked yet. Most are never asked, but where somebody invents nodes next to the target
/// the true ones are behind these: with 4 instead of 6, inventors from 64 prefixes push them out.
const SPARE_PER_K: usize = 6;

/// How many times k contacts are read of one answer. Honest ones hold k at most; the rest is room for
/// others' larger k, and a liar gains little from it.
const NAMED_PER_K: usize = 2;

/// The first `limit` contacts, without those whose id came before: no single answer fills the places for
/// the other addresses of a node.
fn first_of_each(mut nodes: Vec<Contact>, limit: usize) -> Vec<Contact> {
    nodes.truncate(limit);
    let mut first: Vec<Contact> = Vec::with_capacity(nodes.len());
    for contact in nodes {
        if !first.iter().any(|earlier| earlier.id == contact.id) {
            first.push(contact);
        }
    }
    first
}
