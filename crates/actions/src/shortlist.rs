//! `Shortlist`: the nodes an action may ask, by distance, and what has become of each.
//! Knows no limits on asking and no questions.

use std::net::SocketAddr;
use std::time::Duration;

use khashmir_types::{Contact, Distance, Id, Time};

/// Candidates sorted by distance to a target, each id once.
#[derive(Clone, Debug)]
pub(crate) struct Shortlist<T> {
    target: Id,
    by_distance: Vec<Candidate<T>>,
    /// Addresses that stayed silent. At most one for each question asked.
    silent: Vec<SocketAddr>,
}

/// A node that may be asked, with a note of what it said or is to be told.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<T> {
    /// The node, at the address where it was asked last or will be asked next.
    pub(crate) contact: Contact,
    pub(crate) state: State,
    /// How many nodes named one another from the start to this one, itself included.
    pub(crate) hop: usize,
    /// How long it takes to answer, if it was asked before.
    pub(crate) rtt: Option<Duration>,
    pub(crate) note: T,
    distance: Distance,
    /// The address it was named at first.
    first: SocketAddr,
    /// Every other address it was named at, in that order: those up to `contact`'s are not to be asked again.
    others: Vec<SocketAddr>,
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
    pub(crate) fn new(target: Id) -> Self {
        Self { target, by_distance: Vec::new(), silent: Vec::new() }
    }

    /// Adds a node, or another address of a known one. A known one keeps its hop and note.
    ///
    /// The null id, port 0 and addresses that stayed silent are skipped.
    pub(crate) fn add(&mut self, lead: Lead, hop: usize, note: T) {
        let contact = lead.contact;
        if contact.id.is_null() || contact.addr.port() == 0 || self.silent.contains(&contact.addr) {
            return;
        }
        match self.position(&contact.id) {
            Ok(known) => self.by_distance[known].add_address(contact.addr),
            Err(place) => self
                .by_distance
                .insert(place, Candidate::new(lead, self.target.distance(&contact.id), hop, note)),
        }
    }

    /// Forgets the farthest nodes that were never asked, so that `limit` of those remain.
    pub(crate) fn keep_untried(&mut self, limit: usize) {
        let mut kept = 0;
        self.by_distance.retain(|candidate| {
            kept += usize::from(candidate.is_untried());
            !candidate.is_untried() || kept <= limit
        });
    }

    /// Marks the candidate at `index` as asked.
    pub(crate) fn on_asked(&mut self, index: usize, now: Time) -> &Candidate<T> {
        let candidate = &mut self.by_distance[index];
        candidate.state = State::Asked { at: now };
        candidate
    }

    /// Marks a node as having answered. `None` if no question to it is open.
    pub(crate) fn on_answer(&mut self, from: &Contact) -> Option<&mut Candidate<T>> {
        let index = self.asked(from)?;
        let candidate = &mut self.by_distance[index];
        candidate.state = State::Answered;
        Some(candidate)
    }

    /// Marks a node as having failed at its address, which leaves it its other addresses. `None` if no
    /// question to it is open.
    pub(crate) fn on_failure(&mut self, from: &Contact) -> Option<()> {
        let index = self.asked(from)?;
        self.by_distance[index].move_on(&self.silent);
        Some(())
    }

    /// Marks an address as silent: no node will be asked there any more. What a liar names at a victim's
    /// address costs the victim one question, not one for each name.
    pub(crate) fn on_silence(&mut self, addr: SocketAddr) {
        self.silent.push(addr);
        for candidate in &mut self.by_distance {
            if candidate.state == State::New && candidate.contact.addr == addr {
                candidate.move_on(&self.silent);
            }
        }
    }

    /// All candidates, closest first, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Candidate<T>)> + Clone {
        self.by_distance.iter().enumerate()
    }

    /// The candidates that have not failed, closest first, with their places.
    pub(crate) fn live(&self) -> impl Iterator<Item = (usize, &Candidate<T>)> + Clone {
        self.iter().filter(|(_, candidate)| candidate.state != State::Failed)
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
        candidate.state == State::New && !self.open().any(|open| open.contact.addr == candidate.contact.addr)
    }

    /// Where the node is that a question to just this contact is open to.
    fn asked(&self, from: &Contact) -> Option<usize> {
        let index = self.position(&from.id).ok()?;
        let candidate = &self.by_distance[index];
        (candidate.contact == *from && candidate.is_open()).then_some(index)
    }

    /// Where `id` is, or else where it belongs. Distances are unique, as ids are.
    fn position(&self, id: &Id) -> Result<usize, usize> {
        let distance = self.target.distance(id);
        self.by_distance.binary_search_by_key(&distance, |candidate| candidate.distance)
    }
}

impl<T> Candidate<T> {
    fn new(Lead { contact, rtt }: Lead, distance: Distance, hop: usize, note: T) -> Self {
        Self { contact, state: State::New, hop, rtt, note, distance, first: contact.addr, others: Vec::new() }
    }

    fn add_address(&mut self, addr: SocketAddr) {
        if self.first == addr || self.others.contains(&addr) || self.others.len() + 1 == MAX_ADDRESSES {
            return;
        }
        self.others.push(addr);
        if self.state == State::Failed {
            self.contact.addr = addr;
            self.state = State::New;
        }
    }

    /// Gives up this address for the next one that is not known to be silent.
    fn move_on(&mut self, silent: &[SocketAddr]) {
        let current = self.contact.addr;
        let all = std::iter::once(&self.first).chain(&self.others);
        let later = all.skip_while(|addr| **addr != current).skip(1);
        match later.copied().find(|addr| !silent.contains(addr)) {
            Some(addr) => (self.contact.addr, self.state) = (addr, State::New),
            None => self.state = State::Failed,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    fn is_untried(&self) -> bool {
        self.state == State::New && self.first == self.contact.addr
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{START, TARGET, node, node_at, nodes};

    fn list(contacts: impl IntoIterator<Item = Contact>) -> Shortlist<()> {
        let mut list = Shortlist::new(TARGET);
        contacts.into_iter().for_each(|contact| list.add(contact.into(), 1, ()));
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
            list.add(node_at(1, at).into(), 1, ());
            assert_eq!(live(&list), [node_at(1, at)]);
            list.on_asked(0, START);
            assert_eq!(list.on_failure(&node_at(1, at)), Some(()));
            list.add(node_at(1, at).into(), 1, ());
            assert_eq!(live(&list), []);
        }
        list.add(node_at(1, 9).into(), 1, ());
        assert_eq!(live(&list), [], "three addresses are tried");
    }

    #[test]
    fn nobody_is_asked_at_an_address_that_stayed_silent() {
        let mut list = list([node_at(1, 7), node_at(2, 7), node(3)]);
        list.add(node(2).into(), 1, ());
        list.on_asked(0, START);
        let second = &list.by_distance[1];
        assert!(!list.is_askable(second), "one question at a time");
        assert_eq!(list.on_failure(&node_at(1, 7)), Some(()));
        list.on_silence(node(7).addr);
        list.add(node_at(4, 7).into(), 1, ());
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
    fn an_answer_counts_only_from_where_it_was_asked() {
        let mut list = list(nodes([1, 2]));
        list.on_asked(0, START);
        assert!(list.on_answer(&node_at(1, 2)).is_none());
        assert!(list.on_answer(&node(2)).is_none());
        assert!(list.on_answer(&node(1)).is_some());
        assert!(list.on_answer(&node(1)).is_none(), "once");
    }
}
