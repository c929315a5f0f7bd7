//! `Shortlist`: the nodes an action may ask, by distance, and what has become of each.
//! Knows no limits on asking and no questions.

use std::net::SocketAddr;
use std::time::Duration;

use khashmir_types::{Contact, Distance, Id, Prefix, Time};

/// Candidates sorted by distance to a target, each id once.
#[derive(Clone, Debug)]
pub(crate) struct Shortlist<T> {
    target: Id,
    by_distance: Vec<Candidate<T>>,
    /// Addresses that stayed silent. At most one for each question asked.
    silent: Vec<SocketAddr>,
    /// Most nodes of one prefix that have a place.
    per_prefix: usize,
}

/// A node that may be asked, with a note of what it said or is to be told. Small, as all are looked at with every answer.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<T> {
    /// The node, at the address where it was asked last or will be asked next.
    pub(crate) contact: Contact,
    pub(crate) state: State,
    pub(crate) way: Way,
    /// How long it takes to answer, if it was asked before.
    pub(crate) rtt: Option<Duration>,
    pub(crate) note: T,
    /// Is it one of those of its prefix that may be asked?
    pub(crate) has_place: bool,
    /// Every address it was named at, in that order, if there are several: those up to `contact`'s are not to be asked again.
    addresses: Option<Box<Addresses>>,
}

#[derive(Clone, Debug)]
struct Addresses {
    first: SocketAddr,
    others: Vec<SocketAddr>,
}

/// How one has come to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// How many nodes named one another from the start to this one, itself included.
    pub(crate) hop: usize,
    /// Which of those whom we knew ourselves named the first of them; of several the first that did.
    pub(crate) path: u8,
}

impl Way {
    /// Of those whom we know ourselves.
    pub(crate) const START: Self = Self { hop: 1, path: 0 };
}

/// A node to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The node.
    pub contact: Contact,
    /// How long it usually takes to answer, if that is known.
    pub rtt: Option<Duration>,
}

impl From<Contact> for Lead {
    /// A node of which nothing more is known.
    fn from(contact: Contact) -> Self {
        Self { contact, rtt: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    New,
    Asked { at: Time },
    Answered,
    Failed,
}

/// The first address named for an id may be a lie that is to keep an honest node out (S18), so others are
/// tried when it fails. Two more, as every lie costs a timeout; any named beyond that are ignored.
const MAX_ADDRESSES: usize = 3;

impl<T> Shortlist<T> {
    /// An empty list, in which at most `per_prefix` nodes of one prefix have a place.
    pub(crate) fn new(target: Id, per_prefix: usize) -> Self {
        Self { target, by_distance: Vec::new(), silent: Vec::new(), per_prefix }
    }

    /// Makes room for so many candidates at once.
    pub(crate) fn reserve(&mut self, candidates: usize) {
        self.by_distance.reserve(candidates);
    }

    /// Adds a node, or another address of a known one. A known one keeps its way and note.
    ///
    /// The null id, port 0 and addresses that stayed silent are skipped.
    pub(crate) fn add(&mut self, lead: Lead, way: Way, note: T) {
        let contact = lead.contact;
        if contact.id.is_null() || contact.addr.port() == 0 || self.silent.contains(&contact.addr) {
            return;
        }
        match self.position(&contact.id) {
            Ok(known) => {
                if self.by_distance.get_mut(known).is_some_and(|known| known.add_address(contact.addr)) {
                    self.give_place(known, self.has_room(contact.addr));
                }
            }
            Err(place) => {
                let mut candidate = Candidate::new(lead, way, note);
                candidate.has_place = self.has_room(contact.addr);
                self.by_distance.insert(place, candidate);
            }
        }
    }

    /// Forgets the farthest nodes that were never asked, so that `limit` of those remain, and as many of those without
    /// a place: a thousand names in one network push nobody out.
    pub(crate) fn keep_untried(&mut self, limit: usize) {
        let (mut placed, mut waiting) = (0, 0);
        self.by_distance.retain(|candidate| {
            let kept = if candidate.has_place { &mut placed } else { &mut waiting };
            *kept = usize::saturating_add(*kept, usize::from(candidate.is_untried()));
            !candidate.is_untried() || *kept <= limit
        });
    }

    /// Gives one more node of each prefix a place; returns whether there was one that waited.
    pub(crate) fn widen(&mut self) -> bool {
        self.per_prefix = self.per_prefix.saturating_add(1);
        self.fill_places()
    }

    /// Marks the candidate at `index` as asked.
    #[expect(clippy::indexing_slicing, reason = "an index of `iter`, and nothing has gone since")]
    pub(crate) fn on_asked(&mut self, index: usize, now: Time) -> &Candidate<T> {
        let candidate = &mut self.by_distance[index];
        candidate.state = State::Asked { at: now };
        candidate
    }

    /// Marks a node as having answered. `None` if no question to it is open.
    pub(crate) fn on_answer(&mut self, from: &Contact) -> Option<&mut Candidate<T>> {
        let index = self.asked(from)?;
        let candidate = self.by_distance.get_mut(index)?;
        candidate.state = State::Answered;
        Some(candidate)
    }

    /// Marks a node as having failed at its address, which leaves it its other addresses. `None` if no
    /// question to it is open.
    pub(crate) fn on_failure(&mut self, from: &Contact) -> Option<()> {
        let index = self.asked(from)?;
        self.move_on(index);
        self.fill_places();
        Some(())
    }

    /// Marks an address as silent: no node will be asked there any more. What a liar names at a victim's
    /// address costs the victim one question, not one for each name.
    pub(crate) fn on_silence(&mut self, addr: SocketAddr) {
        self.silent.push(addr);
        for index in 0..self.by_distance.len() {
            let is_there =
                |candidate: &Candidate<T>| candidate.state == State::New && candidate.contact.addr == addr;
            if self.by_distance.get(index).is_some_and(is_there) {
                self.move_on(index);
            }
        }
        self.fill_places();
    }

    /// All candidates, closest first, with their indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Candidate<T>)> + Clone {
        self.by_distance.iter().enumerate()
    }

    /// The candidates that have a place and have not failed, closest first, with their indices.
    pub(crate) fn live(&self) -> impl Iterator<Item = (usize, &Candidate<T>)> + Clone {
        self.iter().filter(|(_, candidate)| candidate.state != State::Failed && candidate.has_place)
    }

    /// How far a node is from the target.
    pub(crate) fn distance(&self, id: &Id) -> Distance {
        self.target.distance(id)
    }

    /// The candidates that have answered, closest first.
    pub(crate) fn answered(&self) -> impl Iterator<Item = &Candidate<T>> {
        self.by_distance.iter().filter(|candidate| candidate.state == State::Answered)
    }

    /// The candidates with an open question, closest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Candidate<T>> {
        self.by_distance.iter().filter(|candidate| candidate.is_open())
    }

    /// May this candidate be asked now? Not while another question to its address is open.
    pub(crate) fn is_askable(&self, candidate: &Candidate<T>) -> bool {
        candidate.state == State::New
            && candidate.has_place
            && !self.open().any(|open| open.contact.addr == candidate.contact.addr)
    }

    /// Gives up the present address of the candidate at `index` for the next. A place in one prefix is none in another.
    fn move_on(&mut self, index: usize) {
        let Some(candidate) = self.by_distance.get_mut(index) else { return };
        candidate.move_on(&self.silent);
        candidate.has_place = false;
        let addr = candidate.contact.addr;
        self.give_place(index, self.has_room(addr));
    }

    /// Gives the candidate at `index` a place, or takes it.
    fn give_place(&mut self, index: usize, has_place: bool) {
        if let Some(candidate) = self.by_distance.get_mut(index) {
            candidate.has_place = has_place;
        }
    }

    /// Gives the places that have become free to the closest of those that wait; returns whether there was one.
    fn fill_places(&mut self) -> bool {
        let mut has_filled = false;
        for index in 0..self.by_distance.len() {
            let waits = |candidate: &&Candidate<T>| candidate.state == State::New && !candidate.has_place;
            let waiting = self.by_distance.get(index).filter(waits);
            if waiting.is_some_and(|candidate| self.has_room(candidate.contact.addr)) {
                self.give_place(index, true);
                has_filled = true;
            }
        }
        has_filled
    }

    /// May one more node be asked that is in the prefix of `addr`?
    fn has_room(&self, addr: SocketAddr) -> bool {
        if self.per_prefix == usize::MAX {
            return true;
        }
        let Some(prefix) = Prefix::of(addr.ip()) else { return true };
        let is_there = |(_, candidate): &(usize, &Candidate<T>)| prefix.contains(candidate.contact.addr.ip());
        self.live().filter(is_there).count() < self.per_prefix
    }

    /// Where the node is that a question to just this contact is open to.
    fn asked(&self, from: &Contact) -> Option<usize> {
        let index = self.position(&from.id).ok()?;
        let candidate = self.by_distance.get(index)?;
        (candidate.contact == *from && candidate.is_open()).then_some(index)
    }

    /// Where `id` is, or else where it belongs. Distances are unique, as ids are.
    fn position(&self, id: &Id) -> Result<usize, usize> {
        let distance = self.distance(id);
        self.by_distance.binary_search_by_key(&distance, |candidate| self.distance(&candidate.contact.id))
    }
}

impl<T> Candidate<T> {
    fn new(Lead { contact, rtt }: Lead, way: Way, note: T) -> Self {
        Self { contact, state: State::New, way, rtt, note, has_place: true, addresses: None }
    }

    /// Notes another address; returns whether it is to be asked there now.
    fn add_address(&mut self, addr: SocketAddr) -> bool {
        let current = self.contact.addr;
        if self.addresses.is_none() && addr == current {
            return false;
        }
        let addresses =
            self.addresses.get_or_insert_with(|| Box::new(Addresses { first: current, others: Vec::new() }));
        let Addresses { first, others } = &mut **addresses;
        if *first == addr || others.contains(&addr) || others.len() >= MAX_ADDRESSES - 1 {
            return false;
        }
        others.push(addr);
        let is_next = self.state == State::Failed;
        if is_next {
            self.contact.addr = addr;
            self.state = State::New;
        }
        is_next
    }

    /// Gives up this address for the next one that is not known to be silent.
    fn move_on(&mut self, silent: &[SocketAddr]) {
        let current = self.contact.addr;
        let all = self.addresses.iter().flat_map(|all| std::iter::once(&all.first).chain(&all.others));
        let later = all.skip_while(|addr| **addr != current).skip(1);
        match later.copied().find(|addr| !silent.contains(addr)) {
            Some(addr) => (self.contact.addr, self.state) = (addr, State::New),
            None => self.state = State::Failed,
        }
    }

    /// Has another node named it? Else we knew it ourselves.
    pub(crate) fn was_named(&self) -> bool {
        self.way.hop > 1
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    fn is_untried(&self) -> bool {
        self.state == State::New && self.addresses.as_ref().is_none_or(|all| all.first == self.contact.addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{START, TARGET, node, node_at, nodes};

    fn list(contacts: impl IntoIterator<Item = Contact>) -> Shortlist<()> {
        let mut list = Shortlist::new(TARGET, usize::MAX);
        contacts.into_iter().for_each(|contact| list.add(contact.into(), Way::START, ()));
        list
    }

    fn live(list: &Shortlist<()>) -> Vec<Contact> {
        list.live().map(|(_, candidate)| candidate.contact).collect()
    }

    #[test]
    fn is_sorted_and_holds_each_id_once() {
        assert_eq!(live(&list(nodes([3, 1, 2, 3]))), nodes([1, 2, 3]));
    }

    #[test]
    fn the_null_id_and_port_0_are_skipped() {
        let nowhere = Contact::new(node(1).id, ([192, 0, 2, 1], 0).into());
        assert_eq!(live(&list([node(0), nowhere])), []);
    }

    #[test]
    fn a_failed_node_comes_back_at_an_address_named_later_but_at_none_twice() {
        let mut list = list(nodes([1]));
        for at in [1, 7, 8] {
            list.add(node_at(1, at).into(), Way::START, ());
            assert_eq!(live(&list), [node_at(1, at)]);
            list.on_asked(0, START);
            assert_eq!(list.on_failure(&node_at(1, at)), Some(()));
            list.add(node_at(1, at).into(), Way::START, ());
            assert_eq!(live(&list), []);
        }
        list.add(node_at(1, 9).into(), Way::START, ());
        assert_eq!(live(&list), [], "three addresses are tried");
    }

    #[test]
    fn nobody_is_asked_at_an_address_that_stayed_silent() {
        let mut list = list([node_at(1, 7), node_at(2, 7), node(3)]);
        list.add(node(2).into(), Way::START, ());
        list.on_asked(0, START);
        let second = &list.by_distance[1];
        assert!(!list.is_askable(second), "one question at a time");
        assert_eq!(list.on_failure(&node_at(1, 7)), Some(()));
        list.on_silence(node(7).addr);
        list.add(node_at(4, 7).into(), Way::START, ());
        assert_eq!(live(&list), nodes([2, 3]));
    }

    #[test]
    fn the_farthest_untried_are_forgotten_first() {
        let mut list = list(nodes([1, 2, 3, 4]));
        list.on_asked(3, START);
        list.keep_untried(2);
        assert_eq!(live(&list), nodes([1, 2, 4]));
    }

    #[test]
    fn those_that_wait_for_a_place_push_out_nobody_that_has_one() {
        let mut list = Shortlist::new(TARGET, 1);
        let elsewhere = Contact::new(node(9).id, ([198, 51, 100, 1], 9977).into());
        nodes(1..=8)
            .into_iter()
            .chain([elsewhere])
            .for_each(|contact| list.add(contact.into(), Way::START, ()));
        list.keep_untried(3);
        let known: Vec<_> = list.iter().map(|(_, candidate)| candidate.contact).collect();
        assert_eq!(
            known,
            [node(1), node(2), node(3), node(4), elsewhere],
            "one with a place, three that wait, and another prefix"
        );
        assert_eq!(live(&list), [node(1), elsewhere]);
        assert!(list.widen());
        assert_eq!(live(&list), [node(1), node(2), elsewhere]);
        assert!(list.widen() && list.widen() && !list.widen(), "until nobody waits");
    }

    #[test]
    fn an_answer_counts_only_from_where_it_was_asked() {
        let mut list = list(nodes([1, 2]));
        list.on_asked(0, START);
        assert!(list.on_answer(&node_at(1, 2)).is_none());
        assert!(list.on_answer(&node(2)).is_none());
        assert!(list.on_answer(&node(1)).is_some());
        assert!(list.on_answer(&node(1)).is_none(), "once");
    }
}
