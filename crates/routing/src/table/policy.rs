//! What enters the table and what leaves it: the final revision's rule that only those who answered us enter.
//! Knows what was heard, not how pings are sent.

use khashmir_types::{Contact, Id, Time};

use super::KTable;
use crate::{KBucket, KNode, Standing};

/// Most nodes that answered us while an entry has their id or address and that wait for its ping to fail. More than
/// a few at a time means an attack; further ones are forgotten and may answer again later.
const MAX_CONTENDERS: usize = 8;

impl KTable {
    /// Takes in contacts saved earlier, as unproven, and wishes to ping each.
    ///
    /// Those that find no room, whose id or address is taken, or that are too many of their prefix, are dropped.
    pub fn load(&mut self, contacts: impl IntoIterator<Item = Contact>, now: Time) {
        for contact in contacts {
            let is_taken = |node: &KNode| *node.id() == contact.id || node.is_at(&contact.addr);
            if !self.is_admissible(&contact.id)
                || self.nodes().any(is_taken)
                || self.is_one_too_many(&contact)
            {
                continue;
            }
            if let Ok(index) = self.make_room(&contact.id, now) {
                let mut node = KNode::new(contact, Standing::Unproven, now);
                node.plan_ping(now);
                self.mark(&contact);
                self.buckets[index].place(node);
                self.wake(index, now);
            }
        }
    }

    /// `contact` answered a request of ours, under the id we expected, from the address we asked.
    ///
    /// A known node becomes the youngest of its bucket. Another enters if there is room; if its bucket is full, it is
    /// kept in reserve, and the oldest node is pinged if it was not heard for more than `min_ping_interval`: one after the other, so
    /// that all nodes of the bucket have had their turn after another `min_ping_interval`. A contact
    /// that contradicts an entry (another address for the id, another id for the address) changes nothing until a
    /// ping to that entry fails. One too many of its address prefix changes nothing, either.
    pub fn on_answer(&mut self, contact: Contact, now: Time) {
        let queried_us = self.newcomers.take(&contact);
        if !self.is_admissible(&contact.id) {
            return;
        }
        if self.marks.may_have_id(&contact.id) && self.node(&contact.id).is_some_and(|node| node.is(&contact))
        {
            self.mark_seen(&contact.id, now);
            self.contenders.retain(|node| !node.contradicts(&contact));
            return;
        }
        let mut node = KNode::new(contact, Standing::Proven, now);
        let reserve = self.buckets[self.index_of(&contact.id)].reserve();
        reserve.iter().for_each(|former| node.inherit_rtt(former));
        if queried_us {
            // Its NAT let our ping pass as it had just sent us something. Will it do so later?
            node.plan_ping(now + self.config.min_ping_interval);
        }
        self.admit(node, now);
    }

    /// `contact` sent us a query. That proves nothing, so at most it is pinged.
    ///
    /// It is if its id is new, there would be room for it or its bucket's oldest node was not heard for more than
    /// `min_ping_interval` and the bucket's reserve is not full of nodes heard within `bucket_staleness`, and
    /// `max_newcomers` allows. When it answers, it enters, and is pinged again later.
    pub fn on_query(&mut self, contact: Contact, now: Time) {
        let has_place = self.newcomers.has_place(&self.config, now);
        if !has_place
            || !self.is_admissible(&contact.id)
            || !self.wants(&contact.id, now)
            || self.is_one_too_many(&contact)
        {
            return;
        }
        self.newcomers.offer(contact, &self.config, now);
    }

    /// A request of ours to `contact`, a ping or another, was not answered, refused with an error, or not even sent.
    ///
    /// The node is pinged again after `min_ping_interval`. It leaves at the `max_failures`th failure in a row, or at
    /// once if it was to prove itself because another node waits for its place, id or address. Nothing happens if the
    /// table knows the id at another address.
    pub fn on_failure(&mut self, contact: Contact, now: Time) {
        self.drop_candidate(&contact, now);
        let (max_failures, retry_at) = (self.config.max_failures, now + self.config.min_ping_interval);
        let has_successor = self.has_successor(&contact);
        let Some(node) = self.entry_mut(&contact) else { return };
        if node.on_failed() >= max_failures || (node.is_challenged() && has_successor) {
            return self.evict(&contact, now);
        }
        node.plan_ping(retry_at);
        self.wake(self.index_of(&contact.id), retry_at);
    }

    /// Another id than that of `contact` answered at its address: the node is gone, and leaves the table at once.
    pub fn on_wrong_id(&mut self, contact: Contact, now: Time) {
        self.drop_candidate(&contact, now);
        if self.entry_mut(&contact).is_some() {
            self.evict(&contact, now);
        }
    }

    /// Lets a node that answered us enter, wait in its bucket's reserve, or wait for the entry it contradicts; or forgets it, if
    /// it is one too many of its prefix.
    fn admit(&mut self, node: KNode, now: Time) {
        let contact = node.contact();
        if self.is_contradicted(&contact) {
            return self.contend(node, now);
        }
        if self.is_one_too_many(&contact) {
            return;
        }
        match self.make_room(node.id(), now) {
            Ok(index) => {
                self.mark(&contact);
                self.buckets[index].place(node);
                self.buckets[index].touch(now);
                self.wake(index, node.ping_at());
            }
            Err(_) => self.reserve(node, now),
        }
    }

    /// Does an entry have the id of `contact` at another address, or another id at its address?
    pub(super) fn is_contradicted(&self, contact: &Contact) -> bool {
        (self.marks.may_have_id(&contact.id) || self.marks.may_have_network(contact.addr))
            && self.nodes().any(|entry| entry.contradicts(contact))
    }

    /// Keeps `node` in the reserve of its full bucket, and pings the bucket's oldest node if that may be gone.
    fn reserve(&mut self, node: KNode, now: Time) {
        let (limit, index) = (self.config.replacements, self.index_of(node.id()));
        self.buckets[index].keep_replacement(node.at_rest(), limit);
        let stale_since = self.stale_since(now);
        let interval = self.config.min_ping_interval;
        if limit > 0 && self.buckets[index].challenge_oldest(stale_since, interval, now) {
            self.wake(index, now);
        }
    }

    /// Lets `node` wait until the entries that contradict it have failed, and pings them.
    ///
    /// The first to contend for an id or address is the only one until that is settled.
    fn contend(&mut self, node: KNode, now: Time) {
        let contact = node.contact();
        let stale_since = self.stale_since(now);
        self.contenders.retain(|other| !other.is(&contact) && !is_stale(other, stale_since));
        let is_second = self.contenders.iter().any(|other| other.contradicts(&contact));
        if is_second || self.contenders.len() >= MAX_CONTENDERS {
            return;
        }
        self.contenders.push(node);
        for index in 0..self.buckets.len() {
            let entries = self.buckets[index].nodes_mut().iter_mut();
            let challenged =
                entries.filter(|entry| entry.contradicts(&contact)).map(|entry| entry.challenge(now)).count();
            if challenged > 0 {
                self.wake(index, now);
            }
        }
    }

    /// Removes the entry `contact`; whoever waited for its id, its address or its place may enter.
    fn evict(&mut self, contact: &Contact, now: Time) {
        self.remove(&contact.id);
        let freed = self.contenders.extract(|node| node.contradicts(contact));
        freed.into_iter().for_each(|node| self.admit(node, now));
        self.refill(&contact.id, now);
    }

    /// Fills the room in the bucket of `id` from its reserve, the last heard first. Those that answered within
    /// `min_ping_interval` enter, the others are pinged: they enter when they answer.
    fn refill(&mut self, id: &Id, now: Time) {
        let (index, stale_since) = (self.index_of(id), self.stale_since(now));
        while self.room_in(index) > 0 {
            let Some(node) = self.buckets[index].pop_replacement(stale_since) else { break };
            self.admit(node, now);
        }
        self.wake(index, now);
        let room = self.room_in(index);
        for node in self.buckets[index].reserve_mut().iter_mut().rev().take(room) {
            node.plan_ping(now);
        }
    }

    /// Forgets `contact` wherever it waits to enter; if in a reserve, the next one there may be pinged.
    fn drop_candidate(&mut self, contact: &Contact, now: Time) {
        self.newcomers.take(contact);
        self.contenders.retain(|node| !node.is(contact));
        let index = self.index_of(&contact.id);
        if self.buckets[index].forget_replacement(|node| node.is(contact)) {
            self.merge(index);
            self.refill(&contact.id, now);
        }
    }

    /// Would a node called `id` enter if it answered, or could it take the place of one not heard for long?
    fn wants(&self, id: &Id, now: Time) -> bool {
        let index = self.index_of(id);
        let bucket = &self.buckets[index];
        let limit = self.config.bucket_limit(self.own_id.distance(id).shared_prefix_bits());
        let has_room = if index + 1 < self.buckets.len() {
            bucket.nodes().len() < limit
        } else {
            // After all the splits that `id` would cause, those at the same distance from us share its bucket.
            let depth = |id: &Id| self.own_id.distance(id).shared_prefix_bits();
            bucket.nodes().iter().filter(|node| depth(node.id()) == depth(id)).count() < limit
        };
        // Whether it is known is asked last: all nodes of the bucket must be looked at, and most buckets are full.
        let is_it = |node: &KNode| node.id() == id;
        (has_room || self.lacks_reserve(bucket, now))
            && !bucket.reserve().iter().any(is_it)
            && !(self.marks.may_have_id(id) && bucket.nodes().iter().any(is_it))
    }

    /// May the oldest node of a full bucket be gone, while too few are known that would take its place?
    ///
    /// Without the second condition every lookup among quiet nodes would end in as many pings as it asks nodes.
    fn lacks_reserve(&self, bucket: &KBucket, now: Time) -> bool {
        let is_recent = |node: &&KNode| node.last_seen() >= Some(now - self.config.bucket_staleness);
        bucket.oldest().is_some_and(|oldest| is_stale(oldest, self.stale_since(now)))
            && bucket.reserve().iter().filter(is_recent).count() < self.config.replacements
    }

    /// Does a node wait for the place, the id or the address of the entry `contact`?
    fn has_successor(&self, contact: &Contact) -> bool {
        let has_reserve = !self.buckets[self.index_of(&contact.id)].reserve().is_empty();
        has_reserve || self.contenders.iter().any(|node| node.contradicts(contact))
    }

    fn entry_mut(&mut self, contact: &Contact) -> Option<&mut KNode> {
        self.bucket_mut(&contact.id).node_mut(&contact.id).filter(|node| node.is(contact))
    }

    /// Whoever was not heard since then may be gone.
    fn stale_since(&self, now: Time) -> Time {
        now - self.config.min_ping_interval
    }
}

fn is_stale(node: &KNode, since: Time) -> bool {
    node.last_seen() < Some(since)
}
