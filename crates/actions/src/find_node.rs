//! `FindNode`: the nodes closest to a target, with the tokens they give.

use bytes::Bytes;
use khashmir_types::{Contact, Distance, Id, Time};

use crate::lookup::Lookup;
use crate::shortlist::Way;
use crate::{Action, Answer, Failure, Lead, LookupConfig, Question, Step, Tally};

/// Finds the k nodes closest to a target that answer.
///
/// It asks the closest nodes it knows for closer ones until the k closest that have not failed have all
/// answered (Kademlia, section 2.3). Nodes that fail give their place to others.
#[derive(Clone, Debug)]
pub struct FindNode {
    target: Id,
    k: usize,
    lookup: Lookup<Option<Box<Said>>>,
}

/// What a node said in its answer.
#[derive(Clone, Debug)]
struct Said {
    token: Option<Bytes>,
    /// Whom it named, by their last 32 bits: nodes close to a target have the first in common.
    named: Box<[u32]>,
    /// It should have named all nodes that it knows and that are closer.
    reach: Distance,
}

impl Said {
    /// Should it have named this node, if it knows it, and has not?
    fn passes_over(&self, id: &Id, distance: Distance) -> bool {
        distance < self.reach && !self.named.contains(&last_bits(id))
    }
}

fn last_bits(id: &Id) -> u32 {
    let [.., a, b, c, d] = *id.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// What comes of a [`FindNode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindNodeOutcome {
    /// What was looked for.
    pub target: Id,
    /// The closest nodes that answered, closest first; at most k. Never ourselves.
    pub closest: Vec<ClosestNode>,
    /// Those that were heard after them, as they were [suspicious](crate::Caution), closest first. None, as a rule.
    pub beyond: Vec<ClosestNode>,
    /// What was asked and what came back.
    pub tally: Tally,
    /// Did it end by its own rule, not by a limit on questions or time?
    pub complete: bool,
}

/// A node close to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosestNode {
    /// The node.
    pub contact: Contact,
    /// The token to store there with; `None` if it gave none.
    pub token: Option<Bytes>,
    /// So many of the nodes found, from the closest on, name others that are farther away, but not this one.
    pub passed_over_by: usize,
}

impl FindNode {
    /// Looks for `target` from the nodes in `start`. `own` is never asked nor found.
    ///
    /// Of the start nodes the closest 6 k are kept, `max_queries` at most.
    #[must_use]
    pub fn new(
        target: Id,
        start: impl IntoIterator<Item = impl Into<Lead>>,
        own: Id,
        config: LookupConfig,
        now: Time,
    ) -> Self {
        let mut lookup = Lookup::new(target, Question::FindNode { target }, own, config, now);
        lookup.extend(start, Way::START);
        Self { target, k: config.k.max(1), lookup }
    }
}

impl Action for FindNode {
    type Outcome = FindNodeOutcome;

    fn poll(&mut self, now: Time) -> Step {
        self.lookup.poll(now)
    }

    fn on_answer(&mut self, from: &Contact, answer: Answer, now: Time) {
        match answer {
            Answer::Nodes { nodes, token } => {
                let named = nodes.iter().map(|node| last_bits(&node.id)).collect();
                let farthest = nodes.iter().map(|node| self.target.distance(&node.id)).max();
                // One may have been ourselves, and is not passed on to us.
                let is_full = nodes.len().saturating_add(1) >= self.k;
                let reach = farthest.filter(|_| is_full).unwrap_or(Distance::MAX);
                self.lookup.on_answer(from, nodes, Some(Box::new(Said { token, named, reach })), now);
            }
            _ => self.lookup.on_failure(from, Failure::Invalid, now),
        }
    }

    fn on_failure(&mut self, from: &Contact, failure: Failure, now: Time) {
        self.lookup.on_failure(from, failure, now);
    }

    fn outcome(&self) -> FindNodeOutcome {
        let found: Vec<_> =
            self.lookup.found().filter_map(|node| Some((node.contact, node.note.as_deref()?))).collect();
        let passed_over_by = |id: &Id| {
            let distance = self.target.distance(id);
            found.iter().take_while(|(_, said)| said.passes_over(id, distance)).count()
        };
        let node = |(contact, said): &(Contact, &Said)| ClosestNode {
            contact: *contact,
            token: said.token.clone(),
            passed_over_by: passed_over_by(&contact.id),
        };
        let mut closest: Vec<_> = found.iter().map(node).collect();
        let beyond = closest.split_off(self.k.min(closest.len()));
        FindNodeOutcome {
            target: self.target,
            closest,
            beyond,
            tally: self.lookup.tally(),
            complete: self.lookup.is_complete(),
        }
    }
}

impl FindNodeOutcome {
    /// Is `own`, taken together with the nodes found, among the `count` closest to the target?
    ///
    /// A value is to be kept at the `count` closest nodes, and we may be one of them.
    #[must_use]
    pub fn is_among_closest(&self, own: &Id, count: usize) -> bool {
        let distance = self.target.distance(own);
        let closer = self.all().filter(|node| self.target.distance(&node.contact.id) < distance);
        closer.count() < count
    }

    /// How many of all nodes found, counted from the closest, are to have a value of which `redundancy` copies are wanted.
    ///
    /// More than that if all of so many passed over one of the k closest: honest nodes name the closest that they know, those that
    /// collude one another only, and now and then they are all of the very closest.
    #[must_use]
    pub fn copies(&self, redundancy: usize) -> usize {
        let last_hidden =
            self.closest.iter().skip(redundancy).rposition(|node| node.passed_over_by >= redundancy);
        let extra = if redundancy == 0 { None } else { last_hidden };
        redundancy.saturating_add(extra.map_or(0, |place| place.saturating_add(1)))
    }

    /// The closest nodes, and those beyond them.
    pub fn all(&self) -> impl Iterator<Item = &ClosestNode> {
        self.closest.iter().chain(&self.beyond)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Caution;
    use crate::fixtures::{OWN, START, TARGET, asked, node, node_at, nodes, plain};

    fn search(start: &[u8], config: LookupConfig) -> FindNode {
        FindNode::new(TARGET, nodes(start.iter().copied()), OWN, config, START)
    }

    fn naming(nodes: Vec<Contact>) -> Answer {
        Answer::Nodes { nodes, token: None }
    }

    fn found(search: &FindNode) -> Vec<Contact> {
        search.outcome().closest.iter().map(|node| node.contact).collect()
    }

    #[test]
    fn nobody_to_ask_is_the_end() {
        let mut search = search(&[], plain(4));
        assert_eq!(search.poll(START), Step::Done);
        assert!(search.outcome().complete && search.outcome().closest.is_empty());
    }

    #[test]
    fn a_node_that_fails_gives_its_place_to_the_next() {
        let mut search = search(&[1, 2, 3, 4], plain(8));
        assert_eq!(asked(&mut search, START), nodes([1, 2, 3]));
        search.on_failure(&node(2), Failure::Refused, START);
        assert_eq!(asked(&mut search, START), nodes([4]));
        for n in [1, 3, 4] {
            search.on_answer(&node(n), naming(vec![]), START);
        }
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!(found(&search), nodes([1, 3, 4]));
    }

    #[test]
    fn a_slow_node_holds_up_nobody() {
        let mut search = search(&[1, 2], LookupConfig { max_in_flight: 2, ..plain(1) });
        assert_eq!(asked(&mut search, START), nodes([1]));
        let slow = START + Duration::from_secs(2);
        assert_eq!(search.poll(START), Step::Wait(slow));
        assert_eq!(asked(&mut search, slow), nodes([2]));
    }

    #[test]
    fn a_slow_node_is_not_waited_for_once_k_others_have_answered() {
        let mut search = search(&[1, 2, 3, 4], plain(8));
        assert_eq!(asked(&mut search, START), nodes([1, 2, 3]));
        search.on_answer(&node(2), naming(vec![]), START);
        search.on_answer(&node(3), naming(vec![]), START);
        let slow = START + Duration::from_secs(2);
        assert_eq!(asked(&mut search, slow), nodes([4]));
        search.on_answer(&node(4), naming(vec![]), slow);
        assert_eq!(search.poll(slow), Step::Done);
        assert_eq!(found(&search), nodes([2, 3, 4]));
    }

    #[test]
    fn a_slow_node_gives_up_its_place_at_once_but_the_end_waits_until_it_is_lost() {
        let [slow, lost] = [1, 3].map(Duration::from_secs);
        let mut search =
            search(&[1, 2, 3, 4], LookupConfig { slow_after: slow, lost_after: lost, ..plain(8) });
        assert_eq!(asked(&mut search, START), nodes([1, 2, 3]));
        search.on_answer(&node(2), naming(vec![]), START);
        search.on_answer(&node(3), naming(vec![]), START);
        assert_eq!(asked(&mut search, START + slow), nodes([4]));
        search.on_answer(&node(4), naming(vec![]), START + slow);
        assert_eq!(search.poll(START + slow), Step::Wait(START + lost));
        search.on_answer(&node(1), naming(vec![]), START + lost - Duration::from_millis(1));
        assert_eq!(search.poll(START + lost), Step::Done);
        assert_eq!(found(&search), nodes([1, 2, 3]));
    }

    #[test]
    fn a_slow_node_is_waited_for_while_fewer_than_k_have_answered() {
        let mut search = search(&[1, 2], plain(8));
        assert_eq!(asked(&mut search, START), nodes([1, 2]));
        search.on_answer(&node(2), naming(vec![]), START);
        let late = START + Duration::from_secs(8);
        assert!(matches!(search.poll(late), Step::Wait(_)));
        search.on_answer(&node(1), naming(vec![]), late);
        assert_eq!(search.poll(late), Step::Done);
        assert_eq!(found(&search), nodes([1, 2]));
    }

    #[test]
    fn a_question_beyond_the_closest_holds_up_nobody_but_is_in_flight() {
        let config = LookupConfig { max_in_flight: 3, ..plain(2) };
        let mut search = search(&[8, 9], config);
        assert_eq!(asked(&mut search, START), nodes([8, 9]));
        search.on_answer(&node(8), naming(nodes([1, 2, 3])), START);
        // Two are open that hold up others, or three in all: the one to 9 holds up nobody any more.
        assert_eq!(asked(&mut search, START), nodes([1, 2]));
        search.on_answer(&node(1), naming(vec![]), START);
        assert_eq!(asked(&mut search, START), nodes([3]));
        search.on_answer(&node(2), naming(vec![]), START);
        search.on_answer(&node(3), naming(vec![]), START);
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!(search.outcome().tally.pending(), 1);
    }

    #[test]
    fn the_closest_are_asked_at_once_if_they_are_awaited_eagerly() {
        let config = LookupConfig { max_in_flight: 3, eager: 1, ..plain(1) };
        let mut search = search(&[8], config);
        assert_eq!(asked(&mut search, START), nodes([8]));
        search.on_answer(&node(8), naming(nodes([4, 5])), START);
        assert_eq!(asked(&mut search, START), nodes([4]));
        search.lookup.extend(nodes([1]), Way { hop: 2, path: 1 });
        assert_eq!(asked(&mut search, START), nodes([1]));
        search.lookup.extend(nodes([2]), Way { hop: 2, path: 1 });
        assert_eq!(asked(&mut search, START), [], "not the closest");
    }

    #[test]
    fn of_the_nodes_we_know_the_quickest_is_asked_first_and_not_waited_for_longer_than_it_takes() {
        let rtt = [None, Some(300), Some(40)];
        let leads =
            (1..).zip(rtt).map(|(n, ms)| Lead { contact: node(n), rtt: ms.map(Duration::from_millis) });
        let config = LookupConfig { max_in_flight: 2, ..plain(1) };
        let mut search = FindNode::new(TARGET, leads, OWN, config, START);
        assert_eq!(asked(&mut search, START), nodes([3]));
        let slow = START + Duration::from_millis(80);
        assert_eq!(search.poll(START), Step::Wait(slow));
        assert_eq!(asked(&mut search, slow), nodes([2]));
    }

    #[test]
    fn the_deadline_ends_it_with_what_is_known() {
        let mut search = search(&[1, 2], plain(2));
        assert_eq!(asked(&mut search, START), nodes([1, 2]));
        search.on_answer(&node(2), naming(vec![]), START);
        let deadline = START + LookupConfig::default().deadline;
        search.on_answer(&node(1), naming(vec![]), deadline);
        assert_eq!(search.poll(deadline), Step::Done);
        assert_eq!(found(&search), nodes([2]));
        assert!(!search.outcome().complete);
    }

    #[test]
    fn the_limit_on_questions_ends_it_with_what_is_known() {
        let mut search = search(&[5], LookupConfig { max_queries: 2, ..plain(2) });
        assert_eq!(asked(&mut search, START), nodes([5]));
        search.on_answer(&node(5), naming(nodes([1, 2, 3])), START);
        assert_eq!(asked(&mut search, START), nodes([1]));
        search.on_answer(&node(1), naming(vec![]), START);
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!(found(&search), nodes([1, 5]));
        assert!(!search.outcome().complete);
    }

    #[test]
    fn another_address_is_tried_when_the_first_fails() {
        let mut search = search(&[4, 5], plain(2));
        assert_eq!(asked(&mut search, START), nodes([4, 5]));
        search.on_answer(&node(4), naming(vec![node_at(1, 99)]), START);
        assert_eq!(asked(&mut search, START), [node_at(1, 99)]);
        search.on_answer(&node(5), naming(nodes([1])), START);
        assert_eq!(asked(&mut search, START), []);
        search.on_failure(&node_at(1, 99), Failure::TimedOut, START);
        assert_eq!(asked(&mut search, START), nodes([1]));
    }

    #[test]
    fn an_answer_of_the_wrong_kind_is_a_failure() {
        let mut search = search(&[1], plain(1));
        assert_eq!(asked(&mut search, START), nodes([1]));
        search.on_answer(&node(1), Answer::Stored, START);
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!((found(&search), search.outcome().tally.invalid), (vec![], 1));
    }

    #[test]
    fn hops_count_who_named_whom() {
        let mut search = search(&[9], plain(1));
        for n in [9, 5, 1] {
            assert_eq!(asked(&mut search, START), nodes([n]));
            search.on_answer(&node(n), naming(nodes(n.checked_sub(4))), START);
        }
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!(search.outcome().tally.hops, 3);
    }

    /// The node at distance `n`, in network `network`.
    fn node_in(network: u8, n: u8) -> Contact {
        Contact::new(node(n).id, ([198, 51, network, n], 9977).into())
    }

    #[test]
    fn a_flood_of_names_in_one_network_takes_one_place() {
        let config = LookupConfig { per_prefix: 1, ..plain(8) };
        let far = [1, 2, 3].map(|network| node_in(network, 100 + network));
        let mut search = FindNode::new(TARGET, far, OWN, config, START);
        assert_eq!(asked(&mut search, START), far);
        search.on_answer(&far[0], naming((1..=6).map(|n| node_in(9, n)).collect()), START);
        assert_eq!(asked(&mut search, START), [node_in(9, 1)]);
        search.on_answer(&node_in(9, 1), naming((11..=16).map(|n| node_in(9, n)).collect()), START);
        search.on_answer(&far[1], naming(vec![node_in(4, 50), node_in(5, 51)]), START);
        search.on_answer(&far[2], naming(vec![]), START);
        assert_eq!(asked(&mut search, START), [node_in(4, 50), node_in(5, 51)]);
        search.on_answer(&node_in(4, 50), naming(vec![]), START);
        search.on_answer(&node_in(5, 51), naming(vec![]), START);
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!(found(&search), [node_in(9, 1), node_in(4, 50), node_in(5, 51)]);
    }

    #[test]
    fn who_fails_leaves_its_place_to_the_closest_of_its_network() {
        let config = LookupConfig { per_prefix: 1, ..plain(8) };
        let near = [4, 3, 2].map(|n| node_in(9, n));
        let mut search = FindNode::new(TARGET, near, OWN, config, START);
        assert_eq!(asked(&mut search, START), [near[0]], "the one named first");
        search.on_failure(&near[0], Failure::TimedOut, START);
        assert_eq!(asked(&mut search, START), [near[2]]);
    }

    #[test]
    fn where_all_share_a_network_all_are_found() {
        for (start, per_prefix) in [(nodes([1, 2, 3, 4]), 1), (nodes([1, 2, 3, 4]), 2)] {
            let mut search =
                FindNode::new(TARGET, start, OWN, LookupConfig { per_prefix, ..plain(8) }, START);
            while let Step::Ask(ask) = search.poll(START) {
                search.on_answer(&ask.contact, naming(vec![]), START);
            }
            assert_eq!(found(&search), nodes([1, 2, 3]));
        }
        let on_a_lan = [1, 2, 3].map(|n| Contact::new(node(n).id, ([192, 168, 1, n], 9977).into()));
        let config = LookupConfig { per_prefix: 1, ..plain(8) };
        let mut search = FindNode::new(TARGET, on_a_lan, OWN, config, START);
        assert_eq!(asked(&mut search, START), on_a_lan, "at once: a LAN has no prefixes to count");
    }

    /// Distances are the last byte of ids: so many nodes in the network that one in ten distances has one.
    fn cautious() -> LookupConfig {
        let caution = Caution { dense: 3.0, sparse: 3.0, reach: 2.0, k: 5, paths: 0 };
        let network_size = 0.1 / TARGET.distance(&node(1).id).share();
        LookupConfig { caution: Some(caution), network_size: Some(network_size), ..plain(8) }
    }

    /// Whom a search asks if it knows these from the start and everybody answers.
    fn heard(distances: &[u8]) -> (Vec<Contact>, FindNodeOutcome) {
        let mut search = search(distances, cautious());
        while let Step::Ask(ask) = search.poll(START) {
            search.on_answer(&ask.contact, naming(vec![]), START);
        }
        (search.outcome().all().map(|node| node.contact).collect(), search.outcome())
    }

    #[test]
    fn plausible_distances_are_the_end() {
        let (found, outcome) = heard(&[5, 15, 25, 35, 45, 55, 65, 75]);
        assert_eq!((found, outcome.beyond, outcome.tally.asked), (nodes([5, 15, 25]), vec![], 3));
    }

    #[test]
    fn those_too_near_to_be_all_are_not_the_end() {
        let (found, outcome) = heard(&[1, 2, 3, 4, 5, 6, 7, 45, 65, 75]);
        let expected = nodes([1, 2, 3, 4, 5, 6, 7, 45, 65]);
        assert_eq!((found, outcome.beyond.len()), (expected, 6), "up to the first beyond reach");
    }

    #[test]
    fn those_too_far_to_be_all_are_not_the_end() {
        let (found, outcome) = heard(&[201, 202, 203, 204, 205, 206, 207]);
        assert_eq!(
            (found, outcome.beyond.len()),
            (nodes([201, 202, 203, 204, 205]), 2),
            "but five are enough"
        );
    }

    #[test]
    fn dead_nodes_do_not_make_the_others_sparse() {
        let mut search = search(&[20, 40, 60, 80, 100, 120, 140, 201, 202, 203, 204], cautious());
        while let Step::Ask(ask) = search.poll(START) {
            match ask.contact.id.as_bytes()[19] {
                ..200 => search.on_failure(&ask.contact, Failure::TimedOut, START),
                _ => search.on_answer(&ask.contact, naming(vec![]), START),
            }
        }
        assert_eq!((found(&search), search.outcome().beyond), (nodes([201, 202, 203]), vec![]));
    }

    /// Neither too dense nor too sparse, wherever nodes are.
    fn wary_of_short_ways() -> LookupConfig {
        let caution = Caution { dense: 1e9, sparse: 1e9, reach: 1.0, k: 3, paths: 3 };
        LookupConfig { caution: Some(caution), ..cautious() }
    }

    #[test]
    fn who_leads_straight_to_the_closest_is_not_believed_without_others() {
        let mut search = search(&[100, 101, 102], LookupConfig { concurrency: 3, ..wary_of_short_ways() });
        assert_eq!(asked(&mut search, START), nodes([100, 101, 102]));
        search.on_answer(&node(100), naming(nodes([10, 11, 12])), START);
        search.on_answer(&node(101), naming(nodes([50, 51])), START);
        search.on_answer(&node(102), naming(nodes([52])), START);
        assert_eq!(asked(&mut search, START), nodes([10, 11, 12]));
        search.on_answer(&node(10), naming(nodes([11, 12])), START);
        search.on_answer(&node(11), naming(nodes([10, 12])), START);
        let witnesses = nodes([50, 52]);
        assert_eq!(
            asked(&mut search, START),
            witnesses,
            "one of each other path, before the last has answered"
        );
        search.on_answer(&node(12), naming(nodes([10, 11])), START);
        search.on_answer(&node(52), naming(vec![]), START);
        assert!(matches!(search.poll(START), Step::Wait(_)));
        search.on_answer(&node(50), naming(nodes([5])), START);
        assert_eq!(asked(&mut search, START), nodes([5]));
        search.on_answer(&node(5), naming(vec![]), START);
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!((found(&search), search.outcome().beyond), (nodes([5, 10, 11]), vec![]));
    }

    #[test]
    fn who_has_nobody_else_to_ask_believes_them() {
        let mut search = search(&[100], wary_of_short_ways());
        assert_eq!(asked(&mut search, START), nodes([100]));
        search.on_answer(&node(100), naming(nodes([10, 11, 12])), START);
        assert_eq!(asked(&mut search, START), nodes([10, 11, 12]));
        for n in [10, 11, 12] {
            search.on_answer(&node(n), naming(nodes([10, 11, 12])), START);
        }
        assert_eq!(search.poll(START), Step::Done);
        assert!(search.outcome().complete);
        assert_eq!(found(&search), nodes([10, 11, 12]));
    }

    #[test]
    fn nobody_waits_for_a_late_witness() {
        let mut search =
            search(&[100, 101], LookupConfig { concurrency: 4, max_in_flight: 4, ..wary_of_short_ways() });
        assert_eq!(asked(&mut search, START), nodes([100, 101]));
        search.on_answer(&node(100), naming(nodes([10, 11, 12])), START);
        search.on_answer(&node(101), naming(nodes([50])), START);
        assert_eq!(asked(&mut search, START), nodes([10, 11, 12, 50]));
        for n in [10, 11, 12] {
            search.on_answer(&node(n), naming(nodes([10, 11, 12])), START);
        }
        let slow = START + Duration::from_secs(2);
        assert_eq!(search.poll(START), Step::Wait(slow));
        assert_eq!(search.poll(slow), Step::Done);
        assert_eq!(found(&search), nodes([10, 11, 12]));
    }

    #[test]
    fn among_nodes_that_we_know_nobody_leads_us() {
        let mut search = search(&[1, 2, 3, 4, 5], wary_of_short_ways());
        assert_eq!(asked(&mut search, START), nodes([1, 2, 3]));
        for n in [1, 2, 3] {
            search.on_answer(&node(n), naming(nodes([4])), START);
        }
        assert_eq!(search.poll(START), Step::Done);
    }

    #[test]
    fn a_suspicion_that_proves_wrong_costs_no_more() {
        let mut search = search(&[201, 202, 203, 204, 205, 206], cautious());
        assert_eq!(asked(&mut search, START), nodes([201, 202, 203]));
        search.on_answer(&node(201), naming(vec![]), START);
        search.on_answer(&node(202), naming(vec![]), START);
        search.on_answer(&node(203), naming(vec![]), START);
        let next = search.poll(START);
        assert!(matches!(&next, Step::Ask(ask) if ask.contact == node(204)), "{next:?}");
        search.on_answer(&node(204), naming(nodes([20, 30, 40])), START);
        assert_eq!(asked(&mut search, START), nodes([20, 30, 40]));
        for n in [20, 30, 40] {
            search.on_answer(&node(n), naming(vec![]), START);
        }
        assert_eq!(search.poll(START), Step::Done);
        assert_eq!((found(&search), search.outcome().beyond), (nodes([20, 30, 40]), vec![]));
    }

    #[test]
    fn a_value_is_stored_at_those_too_whom_the_closest_keep_quiet_about() {
        let copies_if_first_name = |others: [u8; 2]| {
            let mut search = search(&[1, 2, 3, 4, 5], LookupConfig { k: 5, ..plain(5) });
            assert_eq!(asked(&mut search, START).len(), 5);
            for n in [1, 2, 3] {
                search.on_answer(&node(n), naming(nodes([1, 2, 3].into_iter().chain(others))), START);
            }
            search.on_answer(&node(4), naming(nodes([1, 2, 3, 5])), START);
            search.on_answer(&node(5), naming(nodes([1, 2, 3, 4])), START);
            let found = search.outcome();
            [0, 1, 3, 4, 5, 6].map(|redundancy| found.copies(redundancy))
        };
        assert_eq!(copies_if_first_name([8, 9]), [0, 5, 5, 4, 5, 6]);
        assert_eq!(copies_if_first_name([5, 9]), [0, 4, 4, 4, 5, 6]);
        assert_eq!(copies_if_first_name([4, 5]), [0, 1, 3, 4, 5, 6]);
    }

    #[test]
    fn who_names_as_many_as_it_may_keeps_quiet_about_nobody_farther_away() {
        let copies_if_first_name = |named: &[u8]| {
            let mut search = search(&[1, 2, 5], plain(3));
            assert_eq!(asked(&mut search, START).len(), 3);
            for n in [1, 2] {
                search.on_answer(&node(n), naming(nodes(named.iter().copied())), START);
            }
            search.on_answer(&node(5), naming(vec![]), START);
            for n in [3, 4] {
                search.on_failure(&node(n), Failure::TimedOut, START);
            }
            search.outcome().copies(2)
        };
        assert_eq!(copies_if_first_name(&[1, 2, 3]), 2);
        assert_eq!(copies_if_first_name(&[1, 2]), 2, "the third may have been ourselves");
        assert_eq!(copies_if_first_name(&[1]), 3, "they may name two more");
        assert_eq!(copies_if_first_name(&[1, 2, 9]), 3);
    }

    #[test]
    fn we_are_close_if_few_are_closer() {
        let closest = [1, 2, 4].map(|n| ClosestNode { contact: node(n), token: None, passed_over_by: 0 });
        let (target, tally) = (TARGET, Tally::default());
        let outcome =
            FindNodeOutcome { target, closest: closest.into(), beyond: vec![], tally, complete: true };
        assert!(outcome.is_among_closest(&node(3).id, 3));
        assert!(!outcome.is_among_closest(&node(3).id, 2));
        assert!(!outcome.is_among_closest(&node(3).id, 0));
    }
}
