//! What follows when a stage of an operation is done: the next stage, or the outcome.

use bytes::Bytes;
use khashmir_actions::{
    Action, ClosestNode, FindNode, FindNodeOutcome, FindValue, Get, Lead, LookupConfig, StoreValue,
    StoreValueOutcome, Tally,
};
use khashmir_krpc::Method;
use khashmir_routing::Among;
use khashmir_storage::{Publisher, Storage};
use khashmir_types::{Contact, Id, Time};

use super::operation::{Enough, Goal, Here, Operation, OperationId, Stage};
use super::parked::Waiting;
use super::{Engine, Event};
use crate::Role;
use crate::outcome::{Found, GetOutcome, Holders, Outcome, Progress, Source, StoreOutcome, Value};

/// How many times k contacts of ours a lookup begins with. The farther half is asked only if nearer ones are
/// dead: others name mostly those that we know too, dead ones included.
const START_PER_K: usize = 2;

/// In a network of fewer nodes than this, lookups take answers as they are: they hear a good part of it anyway, and how
/// near its closest nodes are says little.
const SMALLEST_DISTRUSTED: f64 = 64.0;

/// Questions at a time of a lookup that nobody waits for: the alpha of the Kademlia paper.
const UNHURRIED: usize = 3;

/// Values taken from our own store for one get, if the settings set no lower limit: the original's
/// `RETRIEVE_VALUES`.
const MAX_LOCAL_VALUES: usize = 10_000;

impl<S: Storage> Engine<S> {
    /// The lookup of `target` from the closest contacts we have, and `others`.
    pub(super) fn find_node_stage(
        &mut self,
        target: Id,
        others: &[Contact],
        limits: LookupConfig,
        now: Time,
    ) -> Stage {
        self.activity.on_started(Method::FindNode);
        let start = others.iter().copied().map(Lead::from).chain(self.start_for(&target, now));
        Stage::FindNode(FindNode::new(target, start, self.id, limits, now))
    }

    /// The lookup of holders of `key` from the closest contacts we have.
    pub(super) fn find_value_stage(&mut self, key: Id, now: Time) -> Stage {
        self.activity.on_started(Method::FindValue);
        let start = self.start_for(&key, now);
        Stage::FindValue(FindValue::new(key, start, self.id, self.lookup(), now))
    }

    /// Where a lookup of `target` begins. Looking there keeps the bucket fresh.
    fn start_for(&mut self, target: &Id, now: Time) -> Vec<Lead> {
        self.table.touch(target, now);
        let closest =
            self.table.closest(target, self.settings.lookup.k.saturating_mul(START_PER_K), Among::All);
        let lead = |contact: Contact| Lead { contact, rtt: self.table.rtt(&contact.id) };
        closest.into_iter().map(lead).collect()
    }

    /// The limits of a lookup that nobody waits for: it asks few at a time, and so fewer that turn out not to matter.
    pub(super) fn unhurried(&self) -> LookupConfig {
        let limits = self.lookup();
        LookupConfig { concurrency: limits.concurrency.min(UNHURRIED), eager: 0, ..limits }
    }

    /// The limits of an action that begins now.
    pub(super) fn lookup(&self) -> LookupConfig {
        let network_size = self.table.network_size().filter(|size| *size >= SMALLEST_DISTRUSTED);
        let limits = LookupConfig { network_size, ..self.settings.lookup };
        if self.settings.adapts_patience { self.patience.shorten(limits) } else { limits }
    }

    /// Begins a store: with a search for the closest nodes, unless one for the same key has just found them. Their tokens are good
    /// for any value.
    pub(super) fn start_store(&mut self, id: OperationId, key: Id, value: Bytes, now: Time) {
        let mut goal = Goal::store(key, value);
        let Some(found) = self.recent.of(&key, now) else {
            return self.start_find_node(id, goal, key, now);
        };
        if let Goal::Store { is_hasty, .. } = &mut goal {
            *is_hasty = true;
        }
        self.operations.insert(id, Operation::new(goal, Stage::Waiting, now));
        self.on_nodes_found(id, found, now);
        self.advance(id, now);
    }

    /// Searches after all if a store that did not has reached too few: nodes may have gone, or changed their secrets.
    fn searches_after_all(&mut self, id: OperationId, stored: &StoreValueOutcome, now: Time) -> bool {
        let wanted = self.settings.store_redundancy;
        let Some(Operation { goal: Goal::Store { key, is_hasty, .. }, .. }) = self.operations.get_mut(&id)
        else {
            return false;
        };
        if !std::mem::take(is_hasty) || stored.stored.len() >= wanted {
            return false;
        }
        let key = *key;
        self.recent.forget(&key);
        let stage = self.find_node_stage(key, &[], self.lookup(), now);
        self.set_stage(id, stage, now);
        true
    }

    /// Begins a get: our own values are there at once.
    pub(super) fn start_get(&mut self, id: OperationId, key: Id, now: Time) {
        self.activity.on_started(Method::FindValue);
        self.activity.on_started(Method::GetValue);
        let limit = self.settings.retrieve_values.values.unwrap_or(MAX_LOCAL_VALUES).min(MAX_LOCAL_VALUES);
        let local = self.storage.sample(&key, limit, &mut self.rng).unwrap_or_else(|error| {
            tracing::debug!(%key, %error, "own store not read");
            Vec::new()
        });
        if !local.is_empty() {
            let values =
                local.iter().map(|data| Value { data: data.clone(), source: Source::Local }).collect();
            self.events.push_back(Event::Values { operation: id, values });
        }
        let goal = Goal::Get { from_local: local.len() };
        let (start, wanted) = (self.start_for(&key, now), self.settings.retrieve_values);
        let action = Get::new(key, start, self.id, local, wanted, self.lookup(), now);
        self.operations.insert(id, Operation::new(goal, Stage::Get(Box::new(action)), now));
        self.advance(id, now);
    }

    /// Passes on the values that have arrived for a get.
    pub(super) fn report_values(&mut self, id: OperationId) {
        let Some(Operation { stage: Stage::Get(action), .. }) = self.operations.get_mut(&id) else {
            return;
        };
        while let Some(delivery) = action.poll_values() {
            let source = Source::Node(delivery.from);
            let values = delivery.values.into_iter().map(|data| Value { data, source }).collect();
            self.events.push_back(Event::Values { operation: id, values });
        }
    }

    /// The stage of an operation is done: on to the next, or to the end.
    pub(super) fn on_stage_done(&mut self, id: OperationId, now: Time) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        if let Some(method) = operation.stage.method() {
            self.activity.on_completed(method, now.since(operation.stage_started));
        }
        match std::mem::replace(&mut operation.stage, Stage::Waiting) {
            Stage::FindNode(action) => self.on_nodes_found(id, action.outcome(), now),
            Stage::FindValue(action) => self.on_holders_found(id, &action, now),
            Stage::Get(action) => self.on_values_got(id, &action, now),
            Stage::StoreValue(action) => {
                let outcome = action.outcome();
                if self.searches_after_all(id, &outcome, now) {
                    return;
                }
                if let Some(Operation { goal: Goal::Store { stored, .. }, .. }) = self.operations.get_mut(&id)
                {
                    *stored = Some(outcome);
                }
                self.conclude_store(id, now);
            }
            Stage::Waiting => {}
        }
    }

    fn on_nodes_found(&mut self, id: OperationId, found: FindNodeOutcome, now: Time) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        let elapsed = now.since(operation.started);
        match &mut operation.goal {
            Goal::Join(_) => self.on_neighbourhood(id, found.closest.len(), now),
            Goal::Store { key, value, search, complete, is_hasty, .. } => {
                (*search, *complete) = (found.tally, found.complete);
                let (key, value) = (*key, value.clone());
                // In a network so small that there are fewer, each newcomer is one of the closest.
                if !*is_hasty && found.complete && found.closest.len() >= self.settings.lookup.k {
                    self.recent.note(found.clone(), now);
                }
                self.store_here(id, &found, key, &value, now);
                // A store is answered after a commit: how long pings take says little about it.
                let (lookup, redundancy) = (self.settings.lookup, self.redundancy(&found));
                let nodes = found.closest.into_iter().chain(found.beyond);
                let action = StoreValue::new(key, value, nodes, redundancy, lookup, now);
                self.set_stage(id, Stage::StoreValue(action), now);
            }
            Goal::Refresh(enough) => {
                if let Enough::Known { is_known: true, .. } = enough {
                    let table = self.settings.table;
                    let attempts = u32::from(table.max_failures).saturating_sub(1).max(1);
                    self.reunion.on_known(table.min_ping_interval.saturating_mul(attempts), now);
                }
                self.take_operation(id);
                self.schedule.on_refreshed();
            }
            _ => {
                let contacts = |nodes: Vec<ClosestNode>| nodes.into_iter().map(|node| node.contact).collect();
                let (closest, beyond) = (contacts(found.closest), contacts(found.beyond));
                let progress = Progress { tally: found.tally, complete: found.complete, elapsed };
                self.finish(id, Outcome::Found(Found { closest, beyond, progress }), now);
            }
        }
    }

    fn on_holders_found(&mut self, id: OperationId, action: &FindValue, now: Time) {
        let found = action.outcome();
        let Some(operation) = self.operations.get_mut(&id) else { return };
        if let Goal::FindValue { key } = &operation.goal {
            let local = self.storage.count(key).unwrap_or(0);
            let elapsed = now.since(operation.started);
            let progress = Progress { tally: found.tally, complete: found.complete, elapsed };
            self.finish(id, Outcome::Holders(Holders { holders: found.holders, local, progress }), now);
        }
    }

    fn on_values_got(&mut self, id: OperationId, action: &Get, now: Time) {
        let got = action.outcome();
        let Some(Operation { goal: Goal::Get { from_local }, started, .. }) = self.operations.get(&id) else {
            return;
        };
        let elapsed = now.since(*started);
        let progress = Progress { tally: got.tally, complete: got.complete, elapsed };
        let (values, holders, from_local) = (got.values, got.holders, *from_local);
        self.finish(id, Outcome::Got(GetOutcome { values, from_local, holders, progress }), now);
    }

    /// On how many of the nodes found a value is stored: if the closest are suspicious, they may be as many as they like, and all
    /// made up, and if they keep quiet about somebody, accomplices.
    fn redundancy(&self, found: &FindNodeOutcome) -> usize {
        found.copies(self.settings.store_redundancy.saturating_add(found.beyond.len()))
    }

    /// Keeps a copy of a value of ours, if we are one of those who should have it. The original never does,
    /// so that a lone node loses what it stores, and lookups that end at the true closest node find nothing.
    fn store_here(&mut self, id: OperationId, found: &FindNodeOutcome, key: Id, value: &Bytes, now: Time) {
        let wanted =
            self.settings.role == Role::Write && found.is_among_closest(&self.id, self.redundancy(found));
        if !wanted {
            return;
        }
        let here = match self.storage.put(&key, value, Publisher::Ourselves, self.storage_time(now)) {
            Ok(ticket) => {
                self.parked.park(ticket, Waiting::Ourselves(id));
                Here::Waiting
            }
            Err(error) => {
                tracing::debug!(%key, %error, "no copy kept here");
                Here::Failed
            }
        };
        self.set_here(id, here);
    }

    /// The copy of a stored value that we keep is durable, or could not be made so.
    pub(super) fn on_stored_here(&mut self, id: OperationId, here: Here, now: Time) {
        self.set_here(id, here);
        self.conclude_store(id, now);
    }

    fn set_here(&mut self, id: OperationId, changed: Here) {
        if let Some(Operation { goal: Goal::Store { here, .. }, .. }) = self.operations.get_mut(&id) {
            *here = changed;
        }
    }

    /// Ends a store once the others have answered and our own copy, if any, is durable.
    fn conclude_store(&mut self, id: OperationId, now: Time) {
        let Some(Operation { goal: Goal::Store { stored, here, search, complete, .. }, started, .. }) =
            self.operations.get_mut(&id)
        else {
            return;
        };
        if *here == Here::Waiting {
            return;
        }
        let Some(stored) = stored.take() else { return };
        let outcome = StoreOutcome {
            refused: stored.tally.refused.saturating_add(stored.tally.invalid),
            timed_out: stored.tally.timed_out.saturating_add(stored.tally.unsent),
            stored: stored.stored,
            stored_here: *here == Here::Durable,
            progress: Progress {
                tally: search.followed_by(stored.tally),
                complete: *complete && stored.complete && *here != Here::Failed,
                elapsed: now.since(*started),
            },
        };
        self.finish(id, Outcome::Stored(outcome), now);
    }

    /// Ends an operation with what it has so far.
    pub(super) fn finish_early(&mut self, id: OperationId, now: Time) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        match &mut operation.goal {
            Goal::FindNode | Goal::FindValue { .. } | Goal::Get { .. } => self.on_stage_done(id, now),
            Goal::Store { complete, stored, .. } => {
                *complete = false;
                if let Stage::StoreValue(action) = &operation.stage {
                    *stored = Some(action.outcome());
                }
                let nothing =
                    StoreValueOutcome { stored: Vec::new(), tally: Tally::default(), complete: false };
                stored.get_or_insert(nothing);
                operation.stage = Stage::Waiting;
                self.conclude_store(id, now);
            }
            Goal::Join(_) => self.finish_join(id, now),
            Goal::Refresh(_) => drop(self.take_operation(id)),
            // Its call ends when the endpoint stops.
            Goal::Contact(_) => {}
        }
    }
}
