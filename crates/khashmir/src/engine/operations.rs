//! The life of operations: start, ask, be answered, end. What each stage means is in `stages`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir_actions::{self as actions, Answer, Ask, Question, Step};
use khashmir_krpc::{
    self as krpc, CallRefused, Callee, ErrorCode, MAX_STORABLE, Method, Query, Reply, Token,
};
use khashmir_routing::KNode;
use khashmir_storage::Storage;
use khashmir_types::{Contact, Id, Time};

use super::operation::{Goal, Operation, OperationId, Stage};
use super::{Engine, Event, Pending, Purpose};
use crate::error::Refused;
use crate::outcome::{Outcome, Pong, Request};

impl<S: Storage> Engine<S> {
    /// Starts an operation. Its events carry the id returned; the last is [`Event::Finished`].
    ///
    /// # Errors
    /// If as many run as the settings allow, the engine is stopping, or a value to be stored has a length that
    /// cannot be.
    pub fn start(&mut self, request: Request, now: Time) -> Result<OperationId, Refused> {
        if self.stopping {
            return Err(Refused::Stopping);
        }
        if self.operations.len() >= self.settings.max_operations {
            return Err(Refused::Busy { limit: self.settings.max_operations });
        }
        if let Request::Store { value, .. } = &request
            && !(1..=MAX_STORABLE).contains(&value.len())
        {
            return Err(Refused::ValueLength { found: value.len() });
        }
        let id = self.new_operation_id();
        match request {
            Request::FindNode { target } => self.start_find_node(id, Goal::FindNode, target, now),
            Request::FindValue { key } => self.start_find_value(id, Goal::FindValue { key }, key, now),
            Request::Get { key } => self.start_get(id, key, now),
            Request::Store { key, value } => {
                self.activity.on_started(Method::StoreValue);
                self.start_store(id, key, value, now);
            }
            Request::Join { bootstrap } => self.start_join(&bootstrap, id, now),
            Request::AddContact { addr } => self.start_contact(id, addr, &Query::Join, now),
            Request::Ping { addr } => self.start_contact(id, addr, &Query::Ping, now),
        }
        self.settle(now);
        Ok(id)
    }

    /// Gives an operation up: no event of it follows. Answers on their way still inform the table.
    pub fn cancel(&mut self, operation: OperationId, now: Time) {
        if let Some(Operation { goal: Goal::Join(_), .. }) = self.take_operation(operation) {
            self.forget_join(operation);
        }
        self.settle(now);
    }

    #[expect(clippy::arithmetic_side_effects, reason = "of a counter of 64 bits")]
    pub(super) fn new_operation_id(&mut self) -> OperationId {
        self.next_operation += 1;
        OperationId(self.next_operation)
    }

    /// Begins to look for `target` on behalf of `goal`.
    pub(super) fn start_find_node(&mut self, id: OperationId, goal: Goal, target: Id, now: Time) {
        let stage = self.find_node_stage(target, &[], self.lookup(), now);
        self.operations.insert(id, Operation::new(goal, stage, now));
        self.advance(id, now);
    }

    /// Begins to look for holders of `key` on behalf of `goal`.
    pub(super) fn start_find_value(&mut self, id: OperationId, goal: Goal, key: Id, now: Time) {
        let stage = self.find_value_stage(key, now);
        self.operations.insert(id, Operation::new(goal, stage, now));
        self.advance(id, now);
    }

    fn start_contact(&mut self, id: OperationId, addr: SocketAddr, query: &Query, now: Time) {
        self.activity.on_started(query.method());
        self.operations.insert(id, Operation::new(Goal::Contact(query.method()), Stage::Waiting, now));
        if let Err(failure) = self.introduce(addr, query, id, now) {
            self.finish_contact(id, Err(failure), now);
        }
    }

    /// Carries an operation on until it waits for something: an answer, a moment, or room for one more call.
    pub(super) fn advance(&mut self, id: OperationId, now: Time) {
        loop {
            let has_room = self.has_call_room();
            let Some(operation) = self.operations.get_mut(&id) else { return };
            if !has_room && operation.stage.method().is_some() {
                self.stalled.insert(id);
                return;
            }
            match operation.poll(now) {
                None => return self.wake_at(id, None),
                Some(Step::Wait(until)) => return self.wake_at(id, Some(until)),
                Some(Step::Ask(ask)) => self.ask(id, ask, now),
                Some(Step::Done) => self.on_stage_done(id, now),
            }
        }
    }

    /// Carries on those that waited for room, as far as there is some now.
    pub(super) fn resume_stalled(&mut self, now: Time) {
        while self.has_call_room()
            && let Some(id) = self.stalled.pop_first()
        {
            self.advance(id, now);
        }
    }

    fn ask(&mut self, id: OperationId, Ask { contact, question }: Ask, now: Time) {
        let query = query_of(question);
        match self.endpoint.call(contact, &query, now, &mut self.rng) {
            Ok(call) => {
                self.calls.insert(call, Pending { purpose: Purpose::Operation(id), since: now });
            }
            Err(refused) => {
                let failure = match refused {
                    CallRefused::TooLong { .. } => actions::Failure::Refused,
                    _ => actions::Failure::Unsent,
                };
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.stage.on_failure(&contact, failure, now);
                }
            }
        }
    }

    /// Works off what the endpoint has to say.
    pub(super) fn drain_endpoint(&mut self, now: Time) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                krpc::Event::Query { from, sender, query, reply_to } => {
                    self.serve(from, sender, query, &reply_to, now);
                }
                krpc::Event::Answered { call, from, reply, rtt } => {
                    self.on_answered(call, from, reply, now);
                    self.on_rtt(&from, rtt);
                }
                krpc::Event::Failed { call, callee, method, cause } => {
                    self.on_failed(call, callee, method, cause, now);
                }
            }
        }
    }

    /// Learns from how long an answer took, if that is certain.
    fn on_rtt(&mut self, from: &Contact, rtt: Option<Duration>) {
        if let Some(rtt) = rtt {
            self.patience.on_rtt(rtt);
            self.table.on_rtt(from, rtt);
        }
    }

    fn on_answered(&mut self, call: krpc::CallId, from: Contact, reply: Reply, now: Time) {
        let pending = self.take_call(call);
        let is_proof = pending.is_some_and(|pending| pending.purpose == Purpose::Proof);
        if !is_proof && self.admits(&from) {
            self.table.on_answer(from, now);
        }
        let Some(Pending { purpose, since }) = pending else { return };
        let rtt = now.since(since);
        self.activity.on_answered(reply.method(), rtt);
        match purpose {
            Purpose::Operation(id) => {
                let names_us = matches!(&reply, Reply::FindNode { nodes, .. } if nodes.iter().any(|node| node.id == self.id));
                let answer = self.answer_of(reply);
                if let Some(operation) = self.operations.get_mut(&id) {
                    operation.on_answer(&from, answer, names_us, now);
                }
                self.report_values(id);
                self.advance(id, now);
            }
            Purpose::Introduction(id) => match (self.operations.get(&id).map(|o| &o.goal), reply) {
                (Some(Goal::Join(_)), Reply::Join { addr }) => self.on_bootstrap(id, from, addr, now),
                (Some(Goal::Contact(_)), _) => self.finish_contact(id, Ok(Pong { contact: from, rtt }), now),
                _ => {}
            },
            Purpose::Reunion => self.on_reunion(from, now),
            Purpose::Upkeep | Purpose::Proof => {}
        }
    }

    fn on_failed(
        &mut self,
        call: krpc::CallId,
        callee: Callee,
        method: Method,
        cause: krpc::Failure,
        now: Time,
    ) {
        let contact = callee.id.map(|id| Contact::new(id, callee.addr));
        if let Some(contact) = contact {
            match cause {
                krpc::Failure::WrongId { .. } => self.table.on_wrong_id(contact, now),
                krpc::Failure::Stopped => {}
                // It lives, but does not serve this: a node of another role.
                krpc::Failure::Error { code, .. }
                    if code == ErrorCode::UnknownMethod.number() && !method.is_for_all() => {}
                _ => self.on_contact_failure(contact, now),
            }
        }
        match self.take_call(call).map(|pending| pending.purpose) {
            Some(Purpose::Operation(id)) => {
                if let (Some(operation), Some(contact)) = (self.operations.get_mut(&id), contact) {
                    operation.stage.on_failure(&contact, failure_of(&cause), now);
                }
                self.advance(id, now);
            }
            Some(Purpose::Introduction(id)) => match self.operations.get(&id).map(|o| &o.goal) {
                Some(Goal::Join(_)) => self.on_bootstrap_failure(id, callee.addr, cause, now),
                Some(Goal::Contact(_)) => self.finish_contact(id, Err(cause), now),
                _ => {}
            },
            Some(Purpose::Upkeep | Purpose::Reunion | Purpose::Proof) | None => {}
        }
    }

    fn finish_contact(&mut self, id: OperationId, pong: Result<Pong, krpc::Failure>, now: Time) {
        self.finish(id, Outcome::Pong(pong), now);
    }

    /// Tells the table that a node has failed; if that was once too often, it is not forgotten for good.
    fn on_contact_failure(&mut self, contact: Contact, now: Time) {
        let was_proven = self.table.node(&contact.id).is_some_and(KNode::is_proven);
        self.table.on_failure(contact, now);
        if was_proven && self.table.node(&contact.id).is_none() {
            self.reunion.on_lost(contact.addr);
        }
    }

    /// What a call that has ended was for. An idle engine owns no buffers: a simulation holds a million of them.
    fn take_call(&mut self, call: krpc::CallId) -> Option<Pending> {
        let pending = self.calls.remove(&call);
        if self.calls.is_empty() {
            self.calls = HashMap::new();
        }
        pending
    }

    /// Ends an operation with `outcome`.
    pub(super) fn finish(&mut self, id: OperationId, outcome: Outcome, now: Time) {
        if let Some(operation) = self.take_operation(id) {
            if let Some(method) = operation.goal.method() {
                self.activity.on_completed(method, now.since(operation.started));
            }
            self.events.push_back(Event::Finished { operation: id, outcome });
        }
    }

    /// Takes an operation out, with its alarm.
    pub(super) fn take_operation(&mut self, id: OperationId) -> Option<Operation> {
        self.wake_at(id, None);
        let operation = self.operations.remove(&id);
        if self.operations.is_empty() {
            (self.operations, self.wakes) = (BTreeMap::new(), BTreeSet::new());
        }
        operation
    }

    /// Sets, moves or clears the alarm of an operation.
    pub(super) fn wake_at(&mut self, id: OperationId, at: Option<Time>) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        if let Some(before) = operation.wakes.take() {
            self.wakes.remove(&(before, id));
        }
        operation.wakes = at;
        self.wakes.extend(at.map(|at| (at, id)));
    }

    pub(super) fn set_stage(&mut self, id: OperationId, stage: Stage, now: Time) {
        if let Some(operation) = self.operations.get_mut(&id) {
            (operation.stage, operation.stage_started) = (stage, now);
        }
    }

    /// What an action may hear of a reply: only contacts that we may ask.
    fn answer_of(&self, reply: Reply) -> Answer {
        let admitted = |mut nodes: Vec<Contact>| {
            nodes.retain(|node| self.admits(node));
            nodes
        };
        match reply {
            Reply::FindNode { nodes, token } => {
                Answer::Nodes { nodes: admitted(nodes), token: token.map(Bytes::from) }
            }
            Reply::FindValue { nodes, num, values } => Answer::Count { nodes: admitted(nodes), num, values },
            Reply::GetValue { values } => Answer::Values(values),
            Reply::StoreValue | Reply::Ping | Reply::Join { .. } => Answer::Stored,
        }
    }
}

fn query_of(question: Question) -> Query {
    match question {
        Question::FindNode { target } => Query::FindNode { target },
        Question::FindValue { key } => Query::FindValue { key },
        Question::GetValue { key, num } => Query::GetValue { key, num },
        Question::StoreValue { key, value, token } => {
            Query::StoreValue { key, value, token: Token::new(token) }
        }
    }
}

fn failure_of(cause: &krpc::Failure) -> actions::Failure {
    match cause {
        krpc::Failure::Error { .. } => actions::Failure::Refused,
        krpc::Failure::Timeout => actions::Failure::TimedOut,
        krpc::Failure::SendError | krpc::Failure::Stopped => actions::Failure::Unsent,
        _ => actions::Failure::Invalid,
    }
}
