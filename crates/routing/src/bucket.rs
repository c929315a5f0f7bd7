//! `KBucket`: the nodes of one range of ids, and the few that would take their places. Knows neither its range nor
//! its limits.

use std::time::Duration;

use khashmir_types::{Contact, Id, Time};

use crate::KNode;
use crate::row::Row;

/// The nodes of one range of ids, oldest first: in the order in which they were last heard.
#[derive(Clone, Debug)]
pub struct KBucket {
    nodes: Row,
    replacements: Row,
    touched: Time,
    /// No ping is due earlier. May be too early, never too late.
    pings_from: Time,
    /// When a node was last challenged.
    challenged: Time,
}

impl KBucket {
    pub(crate) fn new(now: Time) -> Self {
        Self::with_nodes(Row::default(), now)
    }

    pub(crate) fn with_nodes(nodes: Row, touched: Time) -> Self {
        let pings_from = nodes.iter().map(KNode::ping_at).min().unwrap_or(Time::FAR_FUTURE);
        Self { nodes, replacements: Row::default(), touched, pings_from, challenged: Time::EPOCH }
    }

    pub(crate) fn touch(&mut self, now: Time) {
        self.touched = now;
    }

    /// Makes the node `id`, just heard, the youngest; returns it as it was before.
    pub(crate) fn mark_seen(&mut self, id: &Id, now: Time) -> Option<KNode> {
        let index = self.nodes.iter().position(|node| node.id() == id)?;
        let before = self.nodes[index];
        self.nodes[index].on_seen(now);
        self.nodes.move_to_end(index);
        self.touch(now);
        Some(before)
    }

    /// Adds `node` as the youngest, whenever it was seen. It must not be here yet.
    pub(crate) fn push(&mut self, node: KNode) {
        self.expect_ping(node.ping_at());
        self.forget_replacement(|reserve| reserve.id() == node.id());
        self.nodes.push(node);
    }

    /// Adds `node` after those not seen later. It must not be here yet.
    pub(crate) fn place(&mut self, node: KNode) {
        self.expect_ping(node.ping_at());
        self.forget_replacement(|reserve| reserve.id() == node.id());
        self.nodes.insert(index_by_last_seen(&self.nodes, &node), node);
    }

    pub(crate) fn remove(&mut self, id: &Id) -> Option<KNode> {
        let index = self.nodes.iter().position(|node| node.id() == id)?;
        Some(self.nodes.remove(index))
    }

    /// Keeps `node` in reserve with at most `limit` others: one for each id and address, the last seen win.
    pub(crate) fn keep_replacement(&mut self, node: KNode, limit: usize) {
        let contact = node.contact();
        self.forget_replacement(|old| *old.id() == contact.id || old.is_at(&contact.addr));
        let index = index_by_last_seen(&self.replacements, &node);
        if self.replacements.len() < limit {
            self.replacements.insert(index, node);
        } else if let Some(last) = index.checked_sub(1) {
            // In the place of the oldest: a full reserve hears strangers often and need not ask for memory each time.
            self.replacements[..index].rotate_left(1);
            self.replacements[last] = node;
        }
    }

    /// Takes out the replacement last seen, unless that was before `since`.
    pub(crate) fn pop_replacement(&mut self, since: Time) -> Option<KNode> {
        self.replacements.pop_if(|node| node.last_seen() >= Some(since))
    }

    /// Forgets the replacements that `is_lost` picks; returns whether there were any.
    pub(crate) fn forget_replacement(&mut self, mut is_lost: impl FnMut(&KNode) -> bool) -> bool {
        let before = self.replacements.len();
        self.replacements.retain(|node| !is_lost(node));
        self.replacements.len() < before
    }

    /// Gives the place of the node `slow` to `near`, a replacement and favoured from now on; `slow` goes into reserve.
    pub(crate) fn favour(&mut self, near: KNode, slow: &Id) {
        let limit = self.replacements.len();
        let slow = self.remove(slow);
        self.place(near.at_rest().favoured());
        slow.into_iter().for_each(|node| self.keep_replacement(node.at_rest(), limit));
    }

    /// Moves the nodes that `moves` picks into a new bucket; both keep their order and are as touched as before.
    pub(crate) fn split_off(&mut self, moves: impl Fn(&Id) -> bool) -> Self {
        let nodes = self.nodes.extract(|node| moves(node.id()));
        let replacements = self.replacements.extract(|node| moves(node.id()));
        Self {
            nodes,
            replacements,
            touched: self.touched,
            pings_from: self.pings_from,
            challenged: self.challenged,
        }
    }

    /// Takes in the nodes of `other`, each after those of ours not seen later, and keeps its own time of touch.
    pub(crate) fn absorb(&mut self, other: Self, limit: usize) {
        self.expect_ping(other.pings_from);
        let mut index = 0;
        for node in other.nodes {
            let not_later = |ours: &&KNode| ours.last_seen() <= node.last_seen();
            index += self.nodes.iter().skip(index).take_while(not_later).count();
            self.nodes.insert(index, node);
            index += 1;
        }
        other.replacements.into_iter().for_each(|node| self.keep_replacement(node, limit));
    }

    /// Has the oldest node prove that it is there, if it was not heard since `stale_since`; returns whether it is to be pinged.
    ///
    /// No more often than brings all nodes of the bucket their turn in `interval`: a lookup hears as many strangers as it asks nodes,
    /// and in a network that was quiet until then a ping for each would nearly double what it costs.
    pub(crate) fn challenge_oldest(&mut self, stale_since: Time, interval: Duration, now: Time) -> bool {
        let turns = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX).max(1);
        let Some(oldest) = self.nodes.iter_mut().next() else { return false };
        let is_due = oldest.last_seen() < Some(stale_since) && now.since(self.challenged) >= interval / turns;
        if is_due {
            oldest.challenge(now);
            self.challenged = now;
        }
        is_due
    }

    /// A ping of a node or replacement here was planned for `at`.
    pub(crate) fn expect_ping(&mut self, at: Time) {
        self.pings_from = self.pings_from.min(at);
    }

    /// Notes that the next node whose ping is due is being pinged, and returns it; nodes go first, then replacements.
    pub(crate) fn poll_ping(&mut self, now: Time) -> Option<Contact> {
        if self.pings_from > now {
            return None;
        }
        let all = self.nodes.iter_mut().chain(self.replacements.iter_mut());
        if let Some(node) = { all }.find(|node| node.ping_at() <= now) {
            node.on_pinged();
            return Some(node.contact());
        }
        self.pings_from = self.all().map(KNode::ping_at).min().unwrap_or(Time::FAR_FUTURE);
        None
    }

    /// No ping is due before this, and perhaps one then.
    pub(crate) fn pings_from(&self) -> Time {
        self.pings_from
    }

    pub(crate) fn node_mut(&mut self, id: &Id) -> Option<&mut KNode> {
        self.nodes.iter_mut().find(|node| node.id() == id)
    }

    pub(crate) fn nodes_mut(&mut self) -> &mut [KNode] {
        &mut self.nodes
    }

    /// The nodes, then the replacements.
    pub(crate) fn all(&self) -> impl Iterator<Item = &KNode> {
        self.nodes.iter().chain(self.replacements.iter())
    }

    /// The nodes, then the replacements.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut KNode> {
        self.nodes.iter_mut().chain(self.replacements.iter_mut())
    }

    /// Those in reserve, the last one heard last.
    pub(crate) fn reserve(&self) -> &[KNode] {
        &self.replacements
    }

    pub(crate) fn reserve_mut(&mut self) -> &mut [KNode] {
        &mut self.replacements
    }

    /// Bytes owned beside the bucket itself.
    pub(crate) fn owned_bytes(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.replacements)
    }

    /// The nodes, oldest first.
    #[must_use]
    pub fn nodes(&self) -> &[KNode] {
        &self.nodes
    }

    /// The node that was not heard for the longest time.
    #[must_use]
    pub fn oldest(&self) -> Option<&KNode> {
        self.nodes.first()
    }

    /// The node called `id`.
    #[must_use]
    pub fn node(&self, id: &Id) -> Option<&KNode> {
        self.nodes.iter().find(|node| node.id() == id)
    }

    /// Nodes that have answered us but found the bucket full, the last one heard last. They are not in the table.
    pub fn replacements(&self) -> impl Iterator<Item = Contact> + '_ {
        self.replacements.iter().map(KNode::contact)
    }

    /// When a node of this bucket was last heard or looked for.
    #[must_use]
    pub const fn touched(&self) -> Time {
        self.touched
    }
}

/// Where `node` belongs among `nodes`: after those not seen later.
fn index_by_last_seen(nodes: &[KNode], node: &KNode) -> usize {
    nodes.partition_point(|other| other.last_seen() <= node.last_seen())
}
