//! `attack/`, context `answer:…`: hostile answers to what the engine asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Contact, Id, MemoryStorage, Method, OperationId, Outcome, Request, Settings, Storage};
use khashmir_recordings::{Value, bytes, load};

use super::bencode::{self, Bencode};
use super::fixture::own_id;
use super::wire::{Query, address, id, reply};
use super::{all_pass, ensure, list, text};
use crate::support::engine::{Rig, Sent, original_settings};

/// The attacker's id.
const ATTACKER: &str = "849fc9517d38ac4bcaab209a7f7c91710b91c706";

/// What the engine is after. Any id does.
const TARGET: Id = Id::new([0x77; 20]);

/// Longer datagrams are always silence, as they were to the original, whose buffer had this size.
const MAX_RECEIVED: usize = 8192;

/// Questions that one answer may bring upon one address which does not answer, whatever ids are named there.
const MAX_QUERIES_TO_ONE: usize = 1;

/// An engine that knows the attacker alone and has asked it `method`.
struct Ambush {
    rig: Rig,
    /// `None` if nobody but the engine itself wanted to know.
    operation: Option<OperationId>,
    asked: Query,
}

fn attacker() -> Contact {
    Contact::new(ATTACKER.parse().unwrap(), ([127, 5, 0, 66], 6066).into())
}

fn settings() -> Settings {
    let mut settings = original_settings();
    settings.calls.timeout = Duration::from_secs(9);
    settings.calls.initial_delay = Duration::from_secs(2);
    settings
}

/// The engine, with `contacts` of a former life, at the address it has in the recordings.
fn engine(contacts: &[Contact]) -> Rig {
    let mut storage = MemoryStorage::new();
    storage.set_own_id(own_id()).unwrap();
    storage.set_contacts(contacts).unwrap();
    let mut rig = Rig::new(storage, settings());
    rig.engine.add_own_addr(([127, 0, 0, 1], 9977).into());
    rig
}

/// The latest query to the attacker.
fn asked(rig: &mut Rig, method: &str) -> Query {
    let queries: Vec<_> = rig.take_sent().iter().filter_map(Query::read).collect();
    let query = queries.into_iter().rfind(|query| query.sent.to == attacker().addr && query.method == method);
    query.unwrap_or_else(|| panic!("the attacker is not asked {method}"))
}

/// The attacker answers as it should.
fn answer(rig: &mut Rig, method: &str, results: &[(&str, Bencode)]) {
    let query = asked(rig, method);
    rig.deliver(attacker().addr, &reply(&query.transaction, attacker().id, results));
}

impl Ambush {
    fn new(method: &str) -> Self {
        if method == "ping" {
            // A contact of a former life is pinged before it counts as one that answers.
            let mut rig = engine(&[attacker()]);
            rig.run_for(Duration::ZERO);
            return Self { asked: asked(&mut rig, method), rig, operation: None };
        }
        let mut rig = engine(&[]);
        let join = rig.start(Request::AddContact { addr: attacker().addr });
        if method == "join" {
            return Self { asked: asked(&mut rig, method), rig, operation: Some(join) };
        }
        answer(&mut rig, "join", &[]);
        rig.take_events();
        let nobody = ("nodes", Bencode::List(Vec::new()));
        let operation = match method {
            "find_node" => rig.start(Request::FindNode { target: TARGET }),
            "find_value" => rig.start(Request::FindValue { key: TARGET }),
            "get_value" => {
                let get = rig.start(Request::Get { key: TARGET });
                answer(&mut rig, "find_value", &[nobody, ("num", Bencode::Int(3))]);
                get
            }
            "store_value" => {
                let store = rig.start(Request::Store { key: TARGET, value: Bytes::from_static(b"value") });
                answer(&mut rig, "find_node", &[nobody, ("token", bencode::bytes([5; 20]))]);
                store
            }
            other => panic!("unknown method {other:?}"),
        };
        Self { asked: asked(&mut rig, method), rig, operation: Some(operation) }
    }

    /// Calls of `method` that were answered, and that failed.
    fn ended(&self, method: &str) -> (u64, u64) {
        let statistics = self.rig.engine.statistics(self.rig.now);
        let counters = statistics.traffic.of(Method::from_name(method.as_bytes()).unwrap());
        (counters.answered, counters.failed)
    }

    /// Hands in the hostile answer, lets everything end, and says what became of the question.
    fn spring(&mut self, method: &str, from: SocketAddr, datagram: &[u8]) -> (&'static str, Vec<Sent>) {
        let before = self.ended(method);
        self.rig.deliver(from, datagram);
        let after = self.ended(method);
        let mut sent = self.rig.take_sent();
        // Long enough for every call and lookup to end, and too short for any upkeep.
        self.rig.run_for(Duration::from_secs(600));
        sent.extend(self.rig.take_sent());
        match (after.0 - before.0, after.1 - before.1) {
            (0, 0) if self.ended(method).1 > before.1 => ("timed out", sent),
            (1, 0) => ("ok", sent),
            (0, 1) => ("failed", sent),
            other => panic!("one answer ended calls: {other:?}"),
        }
    }
}

fn check(entry: &Value) -> Result<(), String> {
    let method = text(&entry["context"]).strip_prefix("answer:").ok_or("not an answer")?;
    let mut ambush = Ambush::new(method);
    let mut datagram = bytes(&entry["hex"]);
    for at in list(&entry["tid_placeholder_at"]) {
        let at = usize::try_from(at.as_u64().unwrap()).unwrap();
        datagram[at..at + 20].copy_from_slice(&ambush.asked.transaction);
    }
    let from = match text(&entry["source"]) {
        "attacker" => attacker().addr,
        "other port" => SocketAddr::new(attacker().addr.ip(), attacker().addr.port() + 1),
        "other host" => ([127, 5, 0, 67], attacker().addr.port()).into(),
        other => return Err(format!("unknown source {other:?}")),
    };
    let (outcome, sent) = ambush.spring(method, from, &datagram);
    let mut allowed: Vec<_> = text(&entry["must"]["outcome"]).split(" or ").collect();
    // What is not strict bencode is no answer at all (section 20, rule 1), and what is too long is not read.
    if datagram.len() > MAX_RECEIVED || Bencode::parse(&datagram).is_none() {
        allowed.push("timed out");
    }
    ensure(allowed.contains(&outcome), || format!("{outcome}, not {allowed:?}"))?;
    check_operation(&ambush, outcome)?;
    check_sent(entry, from, &sent)?;
    check_table(entry, &ambush, outcome)
}

/// The operation ends once, and believes what was answered, no more.
fn check_operation(ambush: &Ambush, outcome: &str) -> Result<(), String> {
    let Some(operation) = ambush.operation else { return Ok(()) };
    let (_, ended) = ambush.rig.outcome_of(operation)?;
    let believed = match ended {
        Outcome::Found(found) => found.closest.contains(&attacker()),
        Outcome::Pong(pong) => pong.is_ok(),
        Outcome::Stored(stored) => stored.stored.contains(&attacker()),
        Outcome::Holders(holders) => holders.progress.tally.answered > 0,
        // The attacker has answered the search before.
        Outcome::Got(got) => got.progress.tally.answered > 1,
        Outcome::Joined(_) => return Err("nobody asked to join".into()),
    };
    ensure(believed == (outcome == "ok"), || format!("{outcome}, and the operation ended otherwise"))
}

fn check_sent(entry: &Value, from: SocketAddr, sent: &[Sent]) -> Result<(), String> {
    for addr in list(&entry["never_contact"]).iter().map(address) {
        ensure(sent.iter().all(|sent| sent.to != addr), || format!("{addr} was contacted"))?;
    }
    let is_forbidden = list(&entry["never"]).iter().any(|never| never == "reply to the answer");
    let answers = sent.iter().filter(|sent| sent.to == from && Query::read(sent).is_none()).count();
    ensure(answers == usize::from(!is_forbidden), || format!("{answers} replies to the answer"))?;
    if text(&entry["note"]).contains("good contact should be used") {
        let is_new = |sent: &Sent| sent.to != attacker().addr;
        ensure(sent.iter().any(is_new), || "the good contact was not asked".into())?;
    }
    let mut queries = BTreeMap::<SocketAddr, BTreeSet<Vec<u8>>>::new();
    for query in sent.iter().filter_map(Query::read).filter(|query| query.sent.to != attacker().addr) {
        queries.entry(query.sent.to).or_default().insert(query.transaction);
    }
    let most = queries.values().map(BTreeSet::len).max().unwrap_or(0);
    ensure(most <= MAX_QUERIES_TO_ONE, || format!("{most} questions to one address"))
}

fn check_table(entry: &Value, ambush: &Ambush, outcome: &str) -> Result<(), String> {
    let table = ambush.rig.engine.table();
    let known: BTreeSet<_> = table.contacts().collect();
    ensure(known.is_subset(&BTreeSet::from([attacker()])), || format!("the table holds {known:?}"))?;
    for never in list(&entry["never_insert"]).iter().map(id) {
        ensure(table.node(&never).is_none(), || format!("{never} was inserted"))?;
    }
    for never in list(&entry["never_insert_address"]).iter().map(address) {
        ensure(known.iter().all(|contact| contact.addr != never), || format!("{never} was inserted"))?;
    }
    // Of a ping and a join, being known is all that comes.
    let is_proven = table.node(&attacker().id).is_some_and(khashmir::routing::KNode::is_proven);
    let is_first_call = ambush.operation.is_none() || ambush.asked.method == "join";
    ensure(!is_first_call || is_proven == (outcome == "ok"), || format!("{outcome}, proven: {is_proven}"))
}

fn plays(method: &str) {
    let recording = format!("attack/answer-{method}.json");
    all_pass(&recording, list(&load(&recording)["entries"]), check);
}

#[test]
fn a_hostile_answer_to_a_ping_does_no_harm() {
    plays("ping");
}

#[test]
fn a_hostile_answer_to_a_join_does_no_harm() {
    plays("join");
}

#[test]
fn a_hostile_answer_to_a_find_node_does_no_harm() {
    plays("find_node");
}

#[test]
fn a_hostile_answer_to_a_find_value_does_no_harm() {
    plays("find_value");
}

#[test]
fn a_hostile_answer_to_a_get_value_does_no_harm() {
    plays("get_value");
}

#[test]
fn a_hostile_answer_to_a_store_value_does_no_harm() {
    plays("store_value");
}
