//! `golden/client.json`: what the engine asks for each local action, and what it makes of the answers.
//!
//! By design other than the first revision: results hold only nodes that answered; only they enter the table;
//! a store keeps a copy here; pings and refreshes of our own go on beside what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::storage::Publisher;
use khashmir::{
    Contact, Event, Id, MemoryStorage, OperationId, Outcome, Request, Settings, Storage, Time, Wanted,
};
use khashmir_recordings::{Value, bytes, load};

use super::bencode::{self, Bencode};
use super::wire::{Query, id, reply};
use super::{all_pass, ensure, list, stale, text};
use crate::support::engine::{Rig, START, original_settings};

/// A query as it is compared: when, to whom, what.
type Asked = (Time, SocketAddr, String, Bencode);

/// A recorded scenario with the engine that plays it.
pub struct Stage<'a> {
    pub scenario: &'a Value,
    pub rig: Rig,
    pub peers: BTreeMap<String, Contact>,
    key: Id,
    /// Every query of ours so far, resends apart.
    queries: Vec<Query>,
    /// Every query of ours so far, resends included.
    pub sendings: Vec<Query>,
}

/// The recorded moment `seconds`, in the engine's time.
pub fn moment(seconds: &Value) -> Time {
    START + Duration::from_micros((seconds.as_f64().unwrap() * 1e6).round() as u64)
}

/// A decoded value as the recordings write it.
fn typed(value: &Value) -> Bencode {
    if value["bytes"].is_string() {
        return Bencode::Bytes(bytes(&value["bytes"]));
    }
    match value["int"].as_str() {
        Some(number) => Bencode::Int(number.parse().unwrap()),
        None => panic!("an argument of unknown type: {value}"),
    }
}

pub fn arguments(recorded: &Value) -> Bencode {
    let entries = recorded.as_object().unwrap();
    Bencode::Dict(entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), typed(value))).collect())
}

/// The original's settings, with what the scenario says.
pub fn settings(scenario: &Value) -> Settings {
    let mut settings = original_settings();
    if let Some(number) = scenario["config"]["RETRIEVE_VALUES"].as_i64() {
        let nodes = (number < 0).then_some(settings.store_redundancy);
        let values = usize::try_from(number.unsigned_abs()).ok().filter(|values| *values > 0);
        settings.retrieve_values = Wanted { values, nodes };
    }
    settings
}

impl<'a> Stage<'a> {
    pub fn new(recording: &Value, scenario: &'a Value, settings: Settings, unproven: &[Contact]) -> Self {
        let key = id(&recording["key"]);
        let mut storage = MemoryStorage::new();
        storage.set_own_id(id(&recording["own_id"])).unwrap();
        storage.set_contacts(unproven).unwrap();
        // What is told at once is what the node has itself.
        for value in
            told(scenario, "values").filter(|told| told["t"] == 0.0).flat_map(|t| list(&t["args"][1]))
        {
            storage.put(&key, &bytes(&value["bytes"]), Publisher::Ourselves, START).unwrap();
        }
        let rig = Rig::new(storage, settings);
        let peer = |peer: &Value| {
            let port = peer["port"].as_u64().unwrap().try_into().unwrap();
            let addr = SocketAddr::new(text(&peer["host"]).parse().unwrap(), port);
            (text(&peer["name"]).to_owned(), Contact::new(id(&peer["id"]), addr))
        };
        let peers = list(&scenario["peers"]).iter().map(peer).collect();
        Self { scenario, rig, peers, key, queries: Vec::new(), sendings: Vec::new() }
    }

    /// Lets the engine ask `contact`, which answers: now it is in the table as one that has.
    pub fn meet(&mut self, contact: Contact) {
        self.rig.take_sent();
        self.rig.start(Request::AddContact { addr: contact.addr });
        let asked = self.rig.take_sent().iter().filter_map(Query::read).find(|q| q.sent.to == contact.addr);
        self.rig.deliver(contact.addr, &reply(&asked.unwrap().transaction, contact.id, &[]));
        self.rig.take_sent();
        self.rig.take_events();
    }

    /// A name or `host:port`, as an address.
    pub fn addr(&self, name: &str) -> SocketAddr {
        self.peers.get(name).map_or_else(|| name.parse().unwrap(), |peer| peer.addr)
    }

    fn events(&self, direction: &'static str) -> impl Iterator<Item = &'a Value> + use<'a> {
        list(&self.scenario["events"]).iter().filter(move |event| event["dir"] == direction)
    }

    /// What was asked in the recording, each question once.
    fn recorded(&self) -> Vec<Asked> {
        let mut datagrams = BTreeSet::new();
        let first = |event: &&'a Value| {
            event["method"].is_string() && datagrams.insert((text(&event["to"]), text(&event["hex"])))
        };
        let asked = |event: &Value| {
            let (method, to) = (text(&event["method"]).to_owned(), self.addr(text(&event["to"])));
            (moment(&event["t"]), to, method, arguments(&event["args"]))
        };
        self.events("out").filter(first).map(asked).collect()
    }

    /// Reads what was sent meanwhile. A resend is the same question.
    fn listen(&mut self) {
        for query in self.rig.take_sent().iter().filter_map(Query::read) {
            self.sendings.push(query.clone());
            if self.queries.iter().all(|known| known.transaction != query.transaction) {
                self.queries.push(query);
            }
        }
    }

    /// Our questions that are not the upkeep's own.
    fn asked(&self, recorded: &[Asked]) -> Vec<Asked> {
        let asked = |q: &Query| (q.sent.at, q.sent.to, q.method.clone(), q.arguments.clone());
        let is_upkeep = |asked: &Asked| {
            let is_recorded =
                recorded.iter().any(|(_, _, method, what)| (method, what) == (&asked.2, &asked.3));
            !is_recorded && matches!(asked.2.as_str(), "ping" | "find_node")
        };
        self.queries.iter().map(asked).filter(|asked| !is_upkeep(asked)).collect()
    }

    /// Plays the scenario to its end. The same action is begun anew for each of its ends that was told, half a
    /// minute apart.
    pub fn play_actions(&mut self) -> Vec<OperationId> {
        let turns = told(self.scenario, "found").count().max(1);
        let mut operations = Vec::new();
        for turn in 0..u32::try_from(turns).unwrap() {
            let begin = START + Duration::from_secs(30) * turn;
            self.play(begin);
            operations.push(self.rig.start(self.request()));
            self.rig.commit();
            self.listen();
            self.play(begin + Duration::from_secs(29));
        }
        operations
    }

    /// Plays what peers sent, until `end`.
    fn play(&mut self, end: Time) {
        let begin = self.rig.now;
        for event in self.events("in") {
            let at = moment(&event["t"]);
            if at <= begin || at > end {
                continue;
            }
            self.rig.run_until(at);
            self.listen();
            let datagram = self.translate(&bytes(&event["hex"]));
            self.rig.deliver(self.addr(text(&event["from"])), &datagram);
            self.rig.commit();
            self.listen();
        }
        self.rig.run_until(end);
        self.listen();
    }

    /// A recorded answer with the transaction id of our question in place of the recorded one's.
    fn translate(&self, recorded: &[u8]) -> Vec<u8> {
        let mut datagram = recorded.to_vec();
        let mut earlier = Vec::new();
        for event in self.events("out").filter(|event| event["method"].is_string()) {
            let theirs = Bencode::parse(&bytes(&event["hex"])).unwrap();
            let theirs = theirs.at("t").and_then(Bencode::bytes).unwrap().to_vec();
            let question = (self.addr(text(&event["to"])), text(&event["method"]), arguments(&event["args"]));
            let turn = earlier.iter().filter(|earlier| **earlier == question).count();
            let is_it = |q: &&Query| (q.sent.to, q.method.as_str(), q.arguments.clone()) == question;
            if let Some(ours) = self.queries.iter().filter(is_it).nth(turn)
                && let Some(at) = datagram.windows(20).position(|window| window == theirs)
            {
                datagram[at..at + 20].copy_from_slice(&ours.transaction);
            }
            earlier.push(question);
        }
        datagram
    }

    /// Has this peer answered a question as itself?
    fn has_answered(&self, name: &str) -> bool {
        let peer = self.peers[name];
        self.events("in").filter(|event| text(&event["from"]) == name).any(|event| {
            let message = Bencode::parse(&bytes(&event["hex"]));
            let id = message.as_ref().and_then(|m| m.at("r")?.at("id")?.bytes());
            id == Some(peer.id.as_ref()) && moment(&event["t"]) < START + Duration::from_secs(20)
        })
    }

    fn request(&self) -> Request {
        let (name, key) = (text(&self.scenario["name"]), self.key);
        match name.split([',', ' ']).next().unwrap() {
            "join" => Request::AddContact { addr: self.peers["A"].addr },
            "find_node" => Request::FindNode { target: self.target() },
            "find_value" => Request::FindValue { key },
            "get_value" => Request::Get { key },
            "store_value" => {
                let value = told(self.scenario, "stored").next().map(|told| bytes(&told["args"][1]["bytes"]));
                Request::Store { key, value: value.map(Bytes::from).unwrap() }
            }
            _ => panic!("unknown action: {name}"),
        }
    }

    /// What a find_node of the recording looks for.
    fn target(&self) -> Id {
        let targets = self.events("out").filter_map(|event| event["args"]["target"]["bytes"].as_str());
        targets.map(|target| target.parse().unwrap()).next().unwrap_or(self.key)
    }
}

/// What the caller was told under the name `callback`.
fn told<'a>(scenario: &'a Value, callback: &'static str) -> impl Iterator<Item = &'a Value> {
    list(&scenario["callbacks"]).iter().filter(move |told| told["callback"] == callback)
}

fn check(recording: &Value, scenario: &Value) -> Result<(), String> {
    match text(&scenario["name"]) {
        name if name.starts_with("ping of a stale node") => stale::check(recording, scenario),
        "checkpoints" => check_checkpoints(recording, scenario),
        name if name.starts_with("refresh") => check_refresh(recording, scenario),
        _ => check_action(recording, scenario),
    }
}

fn check_action(recording: &Value, scenario: &Value) -> Result<(), String> {
    let mut stage = Stage::new(recording, scenario, settings(scenario), &[]);
    for name in list(&scenario["initial_table"]) {
        stage.meet(stage.peers[text(name)]);
    }
    let operations = stage.play_actions();
    let recorded = stage.recorded();
    same(&recorded, &stage.asked(&recorded))?;
    check_told(&mut stage, &operations)?;
    check_table(&stage)
}

/// The same questions at the same moments; within a moment in any order.
fn same(recorded: &[Asked], asked: &[Asked]) -> Result<(), String> {
    let sorted = |asked: &[Asked]| {
        let mut asked = asked.to_vec();
        asked.sort();
        asked
    };
    let (recorded, asked) = (sorted(recorded), sorted(asked));
    ensure(recorded == asked, || format!("asked {asked:?}, not {recorded:?}"))
}

fn check_told(stage: &mut Stage<'_>, operations: &[OperationId]) -> Result<(), String> {
    let ends: Vec<_> = operations.iter().map(|o| stage.rig.outcome_of(*o)).collect::<Result<_, _>>()?;
    let events = stage.rig.take_events();
    check_values(stage, &events, operations[0])?;
    let is_exact = stage.scenario["expect"] == "exact";
    for (turn, (at, outcome)) in ends.into_iter().enumerate() {
        let told = list(&stage.scenario["callbacks"]).iter().filter(|told| is_end(told)).nth(turn);
        let Some(told) = told else {
            ensure(!is_exact, || "the recording tells of no end".into())?;
            // The original never ended: that it does, and once, is better. Without an id it is a failure.
            let is_failure = matches!(outcome, Outcome::Pong(Err(_)));
            ensure(is_failure != stage.has_answered("A"), || format!("ended with {outcome:?}"))?;
            continue;
        };
        ensure(at == moment(&told["t"]), || format!("ended at {at}, not {}", told["t"]))?;
        let result = check_outcome(stage, told, &outcome);
        ensure(result.is_ok() || !is_exact, || format!("{result:?}"))?;
    }
    Ok(())
}

/// Is this the last that the caller was told?
fn is_end(told: &Value) -> bool {
    told["callback"] != "values" || list(&told["args"][1]).is_empty()
}

fn check_outcome(stage: &Stage<'_>, told: &Value, outcome: &Outcome) -> Result<(), String> {
    let ids = |nodes: &[Contact]| nodes.iter().map(|node| node.id).collect::<Vec<_>>();
    let answered = |node: &&Value| {
        stage.peers.iter().any(|(name, peer)| peer.id == id(&node["id"]) && stage.has_answered(name))
    };
    let found =
        || list(&told["args"][0]).iter().filter(answered).map(|node| id(&node["id"])).collect::<Vec<_>>();
    let is_right = match outcome {
        Outcome::Pong(pong) => pong.is_ok() == (told["callback"] == "joined" && told["args"][0].is_array()),
        Outcome::Found(ours) => ids(&ours.closest) == found(),
        Outcome::Holders(ours) => ours.holders.iter().map(|holder| holder.contact.id).eq(found()),
        Outcome::Got(_) => told["callback"] == "values",
        Outcome::Stored(ours) => {
            let thanks = list(&told["args"][2]).iter().map(|response| id(&response["dict"][0][1]["bytes"]));
            ids(&ours.stored).into_iter().collect::<BTreeSet<_>>() == thanks.collect()
        }
        Outcome::Joined(_) => false,
    };
    ensure(is_right, || format!("ended with {outcome:?}, not {told}"))
}

/// The same new values at the same moments.
fn check_values(stage: &Stage<'_>, events: &[(Time, Event)], get: OperationId) -> Result<(), String> {
    let ours = events.iter().filter_map(|(at, event)| match event {
        Event::Values { operation, values } if *operation == get => {
            Some((*at, values.iter().map(|value| value.data.to_vec()).collect::<BTreeSet<_>>()))
        }
        _ => None,
    });
    let told = told(stage.scenario, "values").filter(|told| !is_end(told)).map(|told| {
        let values = list(&told["args"][1]).iter().map(|value| bytes(&value["bytes"])).collect();
        (moment(&told["t"]), values)
    });
    let (ours, told) = (ours.collect::<Vec<_>>(), told.collect::<Vec<_>>());
    ensure(ours == told, || format!("told {ours:?}, not {told:?}"))
}

/// The same nodes as recorded, but for those that only sent a query; and never any other.
fn check_table(stage: &Stage<'_>) -> Result<(), String> {
    let known: BTreeSet<_> = stage.rig.engine.table().contacts().map(|contact| contact.addr).collect();
    let recorded = list(&stage.scenario["table_after"]).iter();
    let recorded: BTreeSet<_> = recorded.map(|name| stage.addr(text(name))).collect();
    let asked_only = stage.peers.iter().filter(|(name, _)| {
        !stage.has_answered(name) && !list(&stage.scenario["initial_table"]).contains(&name.as_str().into())
    });
    let asked_only: BTreeSet<_> = asked_only.map(|(_, peer)| peer.addr).collect();
    let peers: BTreeSet<_> = stage.peers.values().map(|peer| peer.addr).collect();
    let expected: BTreeSet<_> = recorded.difference(&asked_only).copied().collect();
    let expected: BTreeSet<_> = expected.intersection(&peers).copied().collect();
    ensure(known == expected, || format!("the table holds {known:?}, not {expected:?}"))
}

/// The secrets rotate, and id and table are saved, after a minute and then about every five.
fn check_checkpoints(recording: &Value, scenario: &Value) -> Result<(), String> {
    let mut stage = Stage::new(recording, scenario, settings(scenario), &[]);
    stage.meet(stage.peers["A"]);
    let probe = |stage: &mut Stage<'_>| {
        let own = bencode::bytes(stage.rig.engine.id());
        let asker = ([127, 0, 0, 1], 19001).into();
        let query = super::wire::query("find_node", &[7; 20], &[("id", own.clone()), ("target", own)]);
        stage.rig.deliver(asker, &query);
        let answers = stage.rig.take_sent();
        let answer = answers.iter().filter_map(|sent| Bencode::parse(&sent.payload));
        answer.filter_map(|a| Some(a.at("r")?.at("token")?.bytes()?.to_vec())).next().unwrap()
    };
    let (mut token, mut rotations) = (probe(&mut stage), Vec::new());
    for second in 1..=1000 {
        stage.rig.run_until(START + Duration::from_secs(second));
        let now = probe(&mut stage);
        if now != token {
            token = now;
            rotations.push(second);
            let saved = stage.rig.engine.storage().contacts().unwrap();
            ensure(saved == [stage.peers["A"]], || format!("saved {saved:?}"))?;
        }
    }
    ensure(rotations.first() == Some(&60), || format!("rotations at {rotations:?}"))?;
    let intervals: Vec<_> = rotations.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let is_regular = intervals.len() >= 2 && intervals.iter().all(|interval| (269..=331).contains(interval));
    ensure(is_regular, || format!("rotations at {rotations:?}"))
}

/// A bucket where nothing happened for an hour is looked into, once.
fn check_refresh(recording: &Value, scenario: &Value) -> Result<(), String> {
    let mut stage = Stage::new(recording, scenario, settings(scenario), &[]);
    let forced = text(&scenario["name"]).contains("forced");
    let node = stage.peers["A"];
    stage.meet(node);
    let due = START + Duration::from_secs(3600);
    if forced {
        // What the original did at each start, we do when we have found a network.
        stage.rig.start(Request::Join { bootstrap: vec![node.addr] });
    } else {
        stage.rig.run_until(due);
        stage.listen();
        let early = stage.queries.iter().filter(|query| query.method == "find_node").count();
        ensure(early == 0, || format!("{early} lookups within the hour"))?;
        stage.rig.run_until(due + Duration::from_secs(1));
    }
    let mut lookups = BTreeSet::new();
    for _ in 0..4 {
        stage.listen();
        for query in std::mem::take(&mut stage.queries) {
            if query.method == "find_node" {
                lookups.insert(query.arguments.at("target").unwrap().bytes().unwrap().to_vec());
            }
            let nobody = [("nodes", Bencode::List(Vec::new()))];
            stage.rig.deliver(node.addr, &reply(&query.transaction, node.id, &nobody));
        }
    }
    // One bucket; the neighbourhood is looked up besides when joining.
    let expected = if forced { 2 } else { 1 };
    ensure(lookups.len() == expected, || format!("{} lookups, not {expected}", lookups.len()))?;
    let known: Vec<_> = stage.rig.engine.table().contacts().collect();
    ensure(known == [node], || format!("the table holds {known:?}"))
}

#[test]
fn an_action_asks_and_tells_as_recorded() {
    let recording = load("golden/client.json");
    all_pass("golden/client.json", list(&recording["scenarios"]), |scenario| check(&recording, scenario));
}
