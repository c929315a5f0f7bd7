//! Plays the recorded lookups of the original (`actions.json`) in virtual time and compares outcomes.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use khashmir_actions::{
    Action, Answer, ClosestNode, Failure, FindNode, FindValue, GetValue, Holder, LookupConfig, Question,
    Step, StoreValue, Wanted,
};
use khashmir_recordings::{Value, bytes, hex, load};
use khashmir_types::{Contact, Id, Time};

const TIMEOUT: Duration = Duration::from_secs(20);

/// What one recorded scenario comes to.
#[derive(Debug, Default, PartialEq)]
struct Played {
    /// Names of nodes, or values in hex.
    result: Vec<String>,
    /// The values reported, batch by batch.
    reported: Vec<Vec<String>>,
    query_order: Vec<(String, &'static str)>,
    /// The `num` of every get_value.
    nums: Vec<u64>,
    end: Time,
    complete: bool,
}

/// The scripted network of a scenario, and what has happened in it so far.
struct Network<'a> {
    scenario: &'a Value,
    own: Contact,
    target: Id,
    nodes: BTreeMap<SocketAddr, &'a Value>,
    names: BTreeMap<&'a str, Contact>,
    invented: u32,
    now: Time,
    played: Played,
}

impl<'a> Network<'a> {
    fn new(recording: &Value, scenario: &'a Value) -> Self {
        let ip: IpAddr = recording["own_address"][0].as_str().unwrap().parse().unwrap();
        let port = u16::try_from(recording["own_address"][1].as_u64().unwrap()).unwrap();
        let nodes = scenario["network"].as_array().unwrap();
        Self {
            scenario,
            own: Contact::new(id(&recording["own_id"]), SocketAddr::new(ip, port)),
            target: id(&recording["target"]),
            nodes: nodes.iter().map(|node| (contact(node).addr, node)).collect(),
            names: nodes.iter().map(|node| (node["name"].as_str().unwrap(), contact(node))).collect(),
            invented: 0,
            now: Time::EPOCH,
            played: Played::default(),
        }
    }

    fn play(mut self, config: LookupConfig) -> Played {
        let table = self.scenario["table"].as_array().unwrap();
        let table: Vec<Contact> = table.iter().map(|name| self.names[name.as_str().unwrap()]).collect();
        let complete = match self.scenario["op"].as_str().unwrap() {
            "find_node" => {
                let found = self.find_node(table, config);
                self.played.result = found.0.iter().map(|node| self.name(&node.contact)).collect();
                found.1
            }
            "find_value" => {
                let (holders, complete) = self.find_value(table, config);
                self.played.result = holders.iter().map(|holder| self.name(&holder.contact)).collect();
                complete
            }
            "get_value" => {
                let own = self.local_values();
                self.report(&own);
                let (holders, found) = self.find_value(table, config);
                self.get_value(holders, own, config) && found
            }
            "get_value_only" => {
                let own = self.local_values();
                let start = self.scenario["start_with"].as_array().unwrap();
                let holder = |node: &Value| Holder {
                    contact: self.names[node[0].as_str().unwrap()],
                    num: node[1].as_u64().unwrap(),
                };
                let holders = start.iter().map(holder).collect();
                self.get_value(holders, own, config)
            }
            "store_value" => {
                let (nodes, found) = self.find_node(table, config);
                self.store_value(nodes, config) && found
            }
            "store_value_only" => {
                let start = self.scenario["start_with"].as_array().unwrap();
                let node = |name: &Value| {
                    let contact = self.names[name.as_str().unwrap()];
                    ClosestNode {
                        contact,
                        token: string(&self.nodes[&contact.addr]["token"]),
                        passed_over_by: 0,
                    }
                };
                let nodes = start.iter().map(node).collect();
                self.store_value(nodes, config)
            }
            other => panic!("unknown operation {other}"),
        };
        Played { end: self.now, complete, ..self.played }
    }

    fn find_node(&mut self, start: Vec<Contact>, config: LookupConfig) -> (Vec<ClosestNode>, bool) {
        let mut action = FindNode::new(self.target, start, self.own.id, config, self.now);
        self.drive(&mut action, |_, _| ());
        let outcome = action.outcome();
        (outcome.closest, outcome.complete)
    }

    fn find_value(&mut self, start: Vec<Contact>, config: LookupConfig) -> (Vec<Holder>, bool) {
        let mut action = FindValue::new(self.target, start, self.own.id, config, self.now);
        self.drive(&mut action, |_, _| ());
        let outcome = action.outcome();
        (outcome.holders, outcome.complete)
    }

    fn get_value(&mut self, holders: Vec<Holder>, own: Vec<Bytes>, config: LookupConfig) -> bool {
        let setting = |name: &str| self.scenario["config"][name].as_i64().unwrap();
        let values = setting("RETRIEVE_VALUES").unsigned_abs() as usize;
        let nodes = setting("STORE_REDUNDANCY") as usize;
        let wanted = match setting("RETRIEVE_VALUES") {
            0 => Wanted::ALL,
            ..0 => Wanted { values: Some(values), nodes: Some(nodes) },
            1.. => Wanted { values: Some(values), nodes: None },
        };
        let mut action = GetValue::new(self.target, holders, own, wanted, config, self.now);
        self.drive(&mut action, |action, network| {
            while let Some(delivery) = action.poll_values() {
                network.report(&delivery.values);
            }
        });
        self.played.result = self.played.reported.concat();
        action.outcome().complete
    }

    fn store_value(&mut self, nodes: Vec<ClosestNode>, config: LookupConfig) -> bool {
        let redundancy = self.scenario["config"]["STORE_REDUNDANCY"].as_u64().unwrap() as usize;
        let value = Bytes::from_static(b"the value");
        let mut action = StoreValue::new(self.target, value, nodes, redundancy, config, self.now);
        self.drive(&mut action, |_, _| ());
        let outcome = action.outcome();
        self.played.result = outcome.stored.iter().map(|contact| self.name(contact)).collect();
        outcome.complete
    }

    /// Runs an action to its end: answers arrive in the order of their time, ties in order of sending.
    fn drive<A: Action>(&mut self, action: &mut A, on_input: impl Fn(&mut A, &mut Self)) {
        let mut arrivals = BTreeMap::new();
        let mut sent = 0;
        loop {
            match action.poll(self.now) {
                Step::Ask(ask) => {
                    self.log(&ask.contact, &ask.question);
                    for (delay, arrival) in self.ask(&ask.contact, &ask.question) {
                        arrivals.insert((self.now + delay, sent), (ask.contact, arrival));
                        sent += 1;
                    }
                }
                Step::Wait(until) => {
                    match arrivals.first_entry().filter(|arrival| arrival.key().0 <= until) {
                        None => self.now = until,
                        Some(arrival) => {
                            self.now = arrival.key().0;
                            match arrival.remove() {
                                (from, Ok(answer)) => action.on_answer(&from, answer, self.now),
                                (from, Err(failure)) => action.on_failure(&from, failure, self.now),
                            }
                            on_input(action, self);
                        }
                    }
                }
                Step::Done => break,
            }
        }
        for ((at, _), (from, arrival)) in arrivals {
            match arrival {
                Ok(answer) => action.on_answer(&from, answer, at),
                Err(failure) => action.on_failure(&from, failure, at),
            }
            assert_eq!(action.poll(at), Step::Done, "ends once");
        }
    }

    /// What comes back to a question, as the wire layer would report it, and after what time.
    fn ask(&mut self, to: &Contact, question: &Question) -> Vec<(Duration, Result<Answer, Failure>)> {
        let timed_out = vec![(TIMEOUT, Err(Failure::TimedOut))];
        let Some(node) = self.nodes.get(&to.addr).copied() else {
            if to.addr.ip().to_string().starts_with("127.66.") && self.is_endless() {
                let nodes = self.invent();
                return vec![(Duration::from_millis(10), Ok(Answer::Nodes { nodes, token: None }))];
            }
            return timed_out;
        };
        let mut delay = Duration::from_secs_f64(node["latency"].as_f64().unwrap());
        let (mut reply, mut copies) = (self.reply(node, question), 1);
        for behaviour in node.get("behaviour").and_then(Value::as_array).into_iter().flatten() {
            let on = behaviour["on"].as_str().unwrap();
            if on != "*" && on != method(question) {
                continue;
            }
            match behaviour["does"].as_str().unwrap() {
                "silent" | "from_other_port" => return timed_out,
                "error" => return vec![(delay, Err(Failure::Refused))],
                "wrong_id" | "raw answer" => return vec![(delay, Err(Failure::Invalid))],
                "delay" => delay = Duration::from_secs_f64(behaviour["arg"][0].as_f64().unwrap()),
                "twice" => copies = 2,
                "override" => reply.extend(behaviour["keys"].as_object().unwrap().clone()),
                other => panic!("unknown behaviour {other}"),
            }
        }
        if delay >= TIMEOUT {
            return timed_out;
        }
        vec![(delay, self.decode(&reply, question)); copies]
    }

    /// The keys of an honest reply.
    fn reply(&self, node: &Value, question: &Question) -> serde_json::Map<String, Value> {
        let values = node["values"].as_array().unwrap();
        let count = serde_json::json!({ "int": values.len().to_string() });
        let sent = match question {
            Question::GetValue { num, .. } if *num > 0 => values.len().min(*num as usize),
            _ => values.len(),
        };
        let mut reply = serde_json::Map::new();
        reply.insert("id".into(), serde_json::json!({ "bytes": node["id"] }));
        reply.insert("nodes".into(), serde_json::json!({ "contacts": node["neighbours"] }));
        reply.insert("token".into(), node["token"].clone());
        reply.insert("num".into(), node.get("claims_num").cloned().unwrap_or(count));
        reply.insert("values".into(), serde_json::json!({ "list": values[..sent] }));
        reply
    }

    fn decode(
        &mut self,
        reply: &serde_json::Map<String, Value>,
        question: &Question,
    ) -> Result<Answer, Failure> {
        if string(&reply["id"]).is_none() {
            return Err(Failure::Invalid);
        }
        Ok(match question {
            Question::FindNode { .. } => {
                Answer::Nodes { nodes: self.contacts(&reply["nodes"]), token: string(&reply["token"]) }
            }
            Question::FindValue { .. } => {
                let num = reply["num"]["int"].as_str().and_then(|int| int.parse().ok()).unwrap_or(0);
                Answer::Count { nodes: self.contacts(&reply["nodes"]), num, values: Vec::new() }
            }
            Question::GetValue { .. } => {
                let values = reply["values"]["list"].as_array().into_iter().flatten();
                Answer::Values(values.filter_map(string).collect())
            }
            Question::StoreValue { .. } => Answer::Stored,
        })
    }

    /// The contacts that are 26 bytes in a list, at addresses that are not ours nor 0.0.0.0 nor broadcast.
    fn contacts(&mut self, nodes: &Value) -> Vec<Contact> {
        if nodes == "special" {
            return self.invent();
        }
        let raw = |raw: &Value| {
            let raw = string(raw)?;
            let named = std::str::from_utf8(&raw).ok().and_then(|name| self.names.get(name));
            named.copied().or_else(|| Contact::try_from(&raw[..]).ok())
        };
        let contact = |node: &Value| match node.as_str() {
            Some("self") => Some(self.own),
            Some(name) => self.names.get(name).copied(),
            None => raw(node.get("raw").unwrap_or(node)),
        };
        let named = nodes.get("contacts").or_else(|| nodes.get("list")).and_then(Value::as_array);
        let usable = |contact: &Contact| {
            let ip = contact.addr.ip().to_string();
            ip != "0.0.0.0" && ip != "255.255.255.255" && contact.addr != self.own.addr
        };
        let ours = |contact: &Contact| contact.id == self.own.id;
        named.into_iter().flatten().filter_map(contact).filter(|c| usable(c) || ours(c)).collect()
    }

    fn is_endless(&self) -> bool {
        self.scenario["name"].as_str().unwrap().contains("endless")
    }

    /// Eight contacts closer to the target than any before.
    fn invent(&mut self) -> Vec<Contact> {
        let next = |_| {
            self.invented += 1;
            let mut id = *self.target.as_bytes();
            let distance = (1_u32 << 31) - self.invented;
            id.iter_mut().skip(2).zip(distance.to_be_bytes()).for_each(|(byte, xor)| *byte ^= xor);
            let [_, _, high, low] = self.invented.to_be_bytes();
            Contact::new(Id::new(id), ([127, 66, high, low], 10_000).into())
        };
        (0..8).map(next).collect()
    }

    fn local_values(&self) -> Vec<Bytes> {
        self.scenario["local_values"].as_array().unwrap().iter().map(|value| bytes(value).into()).collect()
    }

    fn report(&mut self, values: &[Bytes]) {
        if !values.is_empty() {
            self.played.reported.push(values.iter().map(|value| format!("{value:x}")).collect());
        }
    }

    fn log(&mut self, to: &Contact, question: &Question) {
        if let Question::GetValue { num, .. } = question {
            self.played.nums.push(*num);
        }
        let name = self.nodes.get(&to.addr).map(|node| node["name"].as_str().unwrap().to_string());
        self.played.query_order.push((name.unwrap_or_else(|| to.addr.to_string()), method(question)));
    }

    fn name(&self, contact: &Contact) -> String {
        let node = self.nodes.get(&contact.addr).filter(|node| id(&node["id"]) == contact.id);
        node.map_or_else(|| format!("id {contact}"), |node| node["name"].as_str().unwrap().to_string())
    }
}

fn id(value: &Value) -> Id {
    Id::from_slice(&bytes(value)).unwrap()
}

fn contact(node: &Value) -> Contact {
    let port = u16::try_from(node["port"].as_u64().unwrap()).unwrap();
    Contact::new(id(&node["id"]), SocketAddr::new(node["host"].as_str().unwrap().parse().unwrap(), port))
}

/// The bytes of a typed value that is a string.
fn string(value: &Value) -> Option<Bytes> {
    Some(hex(value.get("bytes")?.as_str()?).into())
}

fn method(question: &Question) -> &'static str {
    match question {
        Question::FindNode { .. } => "find_node",
        Question::FindValue { .. } => "find_value",
        Question::GetValue { .. } => "get_value",
        Question::StoreValue { .. } => "store_value",
    }
}

/// The scenario's concurrency, without leap-frogging, as the first revision had none.
fn plain(scenario: &Value) -> LookupConfig {
    let concurrency = scenario["config"]["CONCURRENT_REQS"].as_u64().unwrap() as usize;
    let deadline = Duration::from_secs(600);
    LookupConfig { concurrency, max_in_flight: concurrency, deadline, ..LookupConfig::default() }
}

/// The scenario's concurrency, with leap-frogging and little patience.
fn leaping(scenario: &Value) -> LookupConfig {
    let plain = plain(scenario);
    LookupConfig { max_in_flight: 4 * plain.concurrency, ..plain }
}

fn scenarios(recording: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let scenarios = recording["scenarios"].as_array().unwrap();
    scenarios.iter().map(|scenario| (scenario["name"].as_str().unwrap(), scenario))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_string()).collect()
}

fn values(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|v| v["bytes"].as_str().unwrap().to_string()).collect()
}

/// Does a node fail in the lookup, so that we ask another in its place where the original did not?
fn replaces_the_dead(scenario: &Value) -> bool {
    scenario["name"].as_str().unwrap().contains("dead nodes")
}

/// Does this node answer with malformed `nodes`? Then to count its answer and not to are equally right.
fn lies_about_nodes(scenario: &Value, name: &str) -> bool {
    let nodes = scenario["network"].as_array().unwrap();
    let behaviours =
        nodes.iter().filter(|node| node["name"] == name).filter_map(|node| node.get("behaviour"));
    behaviours.filter_map(Value::as_array).flatten().any(|behaviour| behaviour["keys"].get("nodes").is_some())
}

#[test]
fn exact_scenarios_play_as_recorded() {
    let recording = load("actions.json");
    for (name, scenario) in scenarios(&recording).filter(|(_, scenario)| scenario["expect"] == "exact") {
        let played = Network::new(&recording, scenario).play(plain(scenario));
        assert!(played.complete, "{name}: complete");

        let order: Vec<(String, &str)> = played.query_order;
        let recorded = scenario["query_order"].as_array().unwrap().iter();
        let recorded: Vec<_> = recorded
            .map(|query| (query[0].as_str().unwrap().to_string(), query[1].as_str().unwrap()))
            .collect();
        if !replaces_the_dead(scenario) {
            assert_eq!(order, recorded, "{name}: order");
        }
        let events = scenario["events"].as_array().unwrap();
        let nums: Vec<u64> = events.iter().filter_map(|event| event["num"].as_u64()).collect();
        assert_eq!(played.nums, nums, "{name}: num");

        let callbacks = scenario["callbacks"].as_array().unwrap();
        if scenario["op"].as_str().unwrap().starts_with("get") {
            let reported: Vec<Vec<String>> =
                callbacks.iter().map(|callback| values(&callback["values"])).collect();
            assert_eq!([&played.reported[..], &[vec![]]].concat(), reported, "{name}: callbacks");
            assert_eq!(played.result, values(&scenario["result"]), "{name}: result");
        } else {
            assert_eq!(played.result, texts(&scenario["result"]), "{name}: result");
        }
        if let Some(stored_on) = scenario.get("stored_on") {
            let stored: BTreeSet<String> =
                order.into_iter().filter(|query| query.1 == "store_value").map(|query| query.0).collect();
            assert_eq!(stored, texts(stored_on).into_iter().collect(), "{name}: stored on");
        }
        let end = callbacks.last().unwrap()["t"].as_f64().unwrap();
        if !replaces_the_dead(scenario) {
            assert!(
                played.end <= Time::EPOCH + Duration::from_secs_f64(end + 1e-4),
                "{name}: end {}",
                played.end
            );
        }
    }
}

#[test]
fn leap_frogging_finds_the_same() {
    let recording = load("actions.json");
    for (name, scenario) in scenarios(&recording).filter(|(_, scenario)| scenario["expect"] == "exact") {
        let plain = Network::new(&recording, scenario).play(plain(scenario));
        let leaping = Network::new(&recording, scenario).play(leaping(scenario));
        assert!(leaping.complete, "{name}: complete");
        if scenario["op"] == "get_value" {
            let sorted = |values: &[String]| values.iter().cloned().collect::<BTreeSet<_>>();
            assert_eq!(sorted(&leaping.result), sorted(&plain.result), "{name}: result");
        } else {
            assert_eq!(leaping.result, plain.result, "{name}: result");
        }
        assert!(leaping.end <= plain.end, "{name}: end");
    }
}

#[test]
fn faults_of_the_original_are_mended() {
    let recording = load("actions.json");
    for (name, scenario) in scenarios(&recording).filter(|(_, scenario)| scenario["expect"] != "exact") {
        for config in [plain(scenario), leaping(scenario)] {
            let played = Network::new(&recording, scenario).play(config);
            let is_endless = name.contains("endless");
            assert_eq!(played.complete, !is_endless, "{name}: complete");
            assert!(
                played.query_order.len() <= if is_endless { config.max_queries } else { 40 },
                "{name}: queries"
            );

            let excluded = texts(&scenario["better"]["result_must_exclude"]);
            assert!(!played.result.iter().any(|node| excluded.contains(node)), "{name}: {:?}", played.result);
            assert!(!played.result.contains(&format!("id {}", Id::NULL)), "{name}: the null id");
            if let Some(live) = scenario.get("live_closest").filter(|_| !is_endless) {
                let honest = |nodes: Vec<String>| -> Vec<String> {
                    nodes.into_iter().filter(|node| !lies_about_nodes(scenario, node)).collect()
                };
                let (found, live) = (honest(played.result), honest(texts(live)));
                if name.contains("random web") {
                    // Not every node there is known to those that a lookup asks: no worse than the original, then.
                    let hits = |nodes: &[String]| nodes.iter().filter(|node| live.contains(node)).count();
                    assert_eq!(found.len(), live.len(), "{name}: result");
                    assert!(hits(&found) >= hits(&texts(&scenario["result"])), "{name}: {found:?}");
                } else {
                    assert_eq!(found, live, "{name}: result");
                }
            }
        }
    }
}

#[test]
fn retrieving_all_values_gets_all_and_ends() {
    let recording = load("actions.json");
    let all = |scenario: &Value| scenario["op"] == "get_value" && scenario["config"]["RETRIEVE_VALUES"] == 0;
    for (name, scenario) in scenarios(&recording).filter(|(_, scenario)| all(scenario)) {
        let nodes = scenario["network"].as_array().unwrap();
        let existing: BTreeSet<String> = nodes.iter().flat_map(|node| values(&node["values"])).collect();
        let played = Network::new(&recording, scenario).play(plain(scenario));
        assert_eq!(played.result.into_iter().collect::<BTreeSet<_>>(), existing, "{name}");
    }
}

#[test]
fn only_strings_are_taken_for_values() {
    let recording = load("actions.json");
    for (name, scenario) in scenarios(&recording).filter(|(name, _)| name.contains("liar: values")) {
        let played = Network::new(&recording, scenario).play(plain(scenario));
        assert_eq!(played.result, ["62"], "{name}");
    }
}

#[test]
fn nothing_that_the_final_revision_found_is_missed() {
    let recording = load("actions_final_revision.json");
    for (name, scenario) in scenarios(&recording) {
        let played = Network::new(&recording, scenario).play(leaping(scenario));
        assert_eq!(played.complete, !name.contains("endless"), "{name}: complete");
        if scenario["op"] == "find_node" || scenario["op"] == "store_value" {
            let is_ours = |node: &String| node == "self" || node.starts_with('\'');
            let is_null = |node: &String| node.starts_with(&format!("id {}", Id::NULL));
            let mut recorded = texts(&scenario["result"]);
            recorded.retain(|node| !is_ours(node) && !is_null(node));
            let missed: Vec<&String> = recorded.iter().filter(|node| !played.result.contains(node)).collect();
            assert!(missed.is_empty(), "{name}: missed {missed:?}");
        }
    }
}
