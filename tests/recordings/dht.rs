//! The upper layer of `golden/client.json`: joining, and getting and storing by keys of any length. And
//! `golden/client_final_revision.json`: when the final revision sends, and sends again.
//!
//! By design other than the original: a network that was not found is looked for again by the engine itself,
//! and being a bootstrap node is for the caller to know.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Event, Id, OperationId, Outcome, Request, Settings, Time};
use khashmir_recordings::{Value, bytes, load};

use super::bencode::{Bencode, dict};
use super::client::{Stage, arguments, moment, settings};
use super::wire::{Query, reply};
use super::{all_pass, ensure, list, text};
use crate::support::engine::{START, original_settings};

/// What the application's caller did after joining: known by the keys that went over the wire.
enum Then {
    Nothing,
    Get(Id),
    Store(Id, Bytes),
}

/// Whole questions: to whom and what.
type Question = (SocketAddr, String, Bencode);

fn check_dht(recording: &Value, scenario: &Value) -> Result<(), String> {
    let mut stage = Stage::new(recording, scenario, original_settings(), &[]);
    let bootstrap = list(&scenario["bootstrap"]).iter().map(|addr| text(addr).parse().unwrap()).collect();
    let join = stage.rig.start(Request::Join { bootstrap });
    let mut asked = serve(&mut stage, scenario);
    let joined_at = check_joined(&stage, join, scenario)?;
    ensure(joined_at <= START + Duration::from_secs(20), || "it took longer than a call".into())?;
    let operation = match then(scenario) {
        Then::Nothing => None,
        Then::Get(key) => Some(stage.rig.start(Request::Get { key })),
        Then::Store(key, value) => Some(stage.rig.start(Request::Store { key, value })),
    };
    asked.extend(serve(&mut stage, scenario));
    let outs = list(&scenario["events"]).iter().filter(|event| event["method"].is_string());
    for event in outs {
        let question =
            (stage.addr(text(&event["to"])), text(&event["method"]).to_owned(), arguments(&event["args"]));
        ensure(asked.contains(&question), || format!("never asked {question:?}"))?;
    }
    let refresh_only = |method: &str| matches!(method, "ping" | "join" | "find_node");
    let strange =
        asked.iter().find(|question| !refresh_only(&question.1) && !is_recorded(&stage, scenario, question));
    ensure(strange.is_none(), || format!("asked {strange:?}"))?;
    operation.map_or(Ok(()), |operation| check_result(&mut stage, scenario, operation))
}

fn is_recorded(stage: &Stage<'_>, scenario: &Value, question: &Question) -> bool {
    list(&scenario["events"]).iter().filter(|event| event["method"].is_string()).any(|event| {
        let to = stage.addr(text(&event["to"]));
        (to, text(&event["method"]), arguments(&event["args"]))
            == (question.0, &question.1, question.2.clone())
    })
}

/// What the recording does once it has joined.
fn then(scenario: &Value) -> Then {
    let outs = || list(&scenario["events"]).iter().filter(|event| event["dir"] == "out");
    let argument = |event: &Value, name: &str| bytes(&event["args"][name]["bytes"]);
    if let Some(store) = outs().find(|event| event["method"] == "store_value") {
        let key = Id::from_slice(&argument(store, "key")).unwrap();
        return Then::Store(key, argument(store, "value").into());
    }
    match outs().find(|event| event["method"] == "find_value") {
        // What the caller's key, short or long, becomes is what goes over the wire.
        Some(find) => Then::Get(Id::from_slice(&argument(find, "key")).unwrap()),
        None => Then::Nothing,
    }
}

/// The recorded peers answer whatever they are asked as they once did, or are silent if they were. Returns
/// every question.
fn serve(stage: &mut Stage<'_>, scenario: &Value) -> Vec<Question> {
    let mut asked = Vec::new();
    // Past the timeout of a call, before any attempt to join again.
    let end = stage.rig.now + Duration::from_secs(20);
    loop {
        stage.rig.commit();
        let queries: Vec<_> = stage.rig.take_sent().iter().filter_map(Query::read).collect();
        for query in &queries {
            if let Some(answer) = recorded_answer(stage, scenario, query) {
                stage.rig.deliver(query.sent.to, &answer);
            }
        }
        asked.extend(queries.into_iter().map(|query| (query.sent.to, query.method, query.arguments)));
        if stage.rig.now >= end {
            return asked;
        }
        stage.rig.run_until((stage.rig.now + Duration::from_secs(1)).min(end));
    }
}

/// What the peer once answered to this question; to upkeep's own, an empty answer if it answers at all.
fn recorded_answer(stage: &Stage<'_>, scenario: &Value, query: &Query) -> Option<Vec<u8>> {
    let events = list(&scenario["events"]);
    let (name, peer) = stage.peers.iter().find(|(_, peer)| peer.addr == query.sent.to)?;
    let mut ins = events.iter().filter(|event| event["dir"] == "in" && event["from"] == name.as_str());
    let asked = events.iter().filter(|event| event["dir"] == "out" && event["to"] == name.as_str());
    let turn = { asked }.position(|event| {
        text(&event["method"]) == query.method && arguments(&event["args"]) == query.arguments
    });
    let Some(turn) = turn else {
        ins.next()?;
        return Some(reply(&query.transaction, peer.id, &[("nodes", Bencode::List(Vec::new()))]));
    };
    let mut answer = Bencode::parse(&bytes(&ins.nth(turn)?["hex"]))?;
    *answer.at_mut("t")? = Bencode::Bytes(query.transaction.clone());
    Some(answer.to_bytes())
}

/// The join ends once: with a network if there was one to find, and else in time.
fn check_joined(stage: &Stage<'_>, join: OperationId, scenario: &Value) -> Result<Time, String> {
    let (at, outcome) = stage.rig.outcome_of(join)?;
    let Outcome::Joined(joined) = outcome else { return Err(format!("ended with {outcome:?}")) };
    // A bootstrap node is in the network even if it is the first; whether it is one is the caller's matter.
    let expected = scenario["joined"] == true && scenario["bootstrap_node"] != true;
    ensure(joined.is_joined() == expected, || format!("{joined:?}"))?;
    let result = list(&scenario["results"]).iter().find(|result| result["what"] == "join");
    let Some(result) = result else { return Ok(at) };
    if !joined.is_joined() {
        ensure(at == moment(&result["t"]), || format!("ended at {at}, not {}", result["t"]))?;
    }
    for seen_as in list(&result["ok"]) {
        let addr = format!("{}:{}", ascii(&seen_as[0]), text(&seen_as[1]["int"]));
        let ours = joined.seen_as.map(|addr| addr.to_string());
        ensure(ours == Some(addr), || format!("seen as {ours:?}"))?;
    }
    Ok(at)
}

fn ascii(value: &Value) -> String {
    String::from_utf8(bytes(&value["bytes"])).unwrap()
}

/// A get brings the recorded values, a store is acknowledged by the recorded nodes.
fn check_result(stage: &mut Stage<'_>, scenario: &Value, operation: OperationId) -> Result<(), String> {
    let (_, outcome) = stage.rig.outcome_of(operation)?;
    let result = list(&scenario["results"]).iter().find(|result| result["what"] != "join");
    let expected = list(&result.ok_or("no result is recorded")?["ok"]);
    match outcome {
        Outcome::Got(_) => {
            let values = stage.rig.take_events().into_iter().filter_map(|(_, event)| match event {
                Event::Values { values, .. } => Some(values),
                _ => None,
            });
            let ours: BTreeSet<_> = values.flatten().map(|value| value.data.to_vec()).collect();
            let theirs: BTreeSet<_> = expected.iter().map(|value| encode(value).to_bytes()).collect();
            // Values that are not bencode reach the application, which tells them apart.
            ensure(theirs.is_subset(&ours), || format!("got {ours:?}, not {theirs:?}"))
        }
        Outcome::Stored(stored) => {
            let theirs: BTreeSet<_> = expected.iter().map(|e| bytes(&e["dict"][0][1]["bytes"])).collect();
            let ours: BTreeSet<_> = stored.stored.iter().map(|c| c.id.as_bytes().to_vec()).collect();
            ensure(ours == theirs, || format!("stored at {ours:?}, not {theirs:?}"))
        }
        other => Err(format!("ended with {other:?}")),
    }
}

/// A decoded value, encoded again as the application did.
fn encode(value: &Value) -> Bencode {
    if let Some(entries) = value["dict"].as_array() {
        let entry = |pair: &Value| (String::from_utf8(bytes(&pair[0])).unwrap(), encode(&pair[1]));
        let entries: Vec<_> = entries.iter().map(entry).collect();
        return dict(&entries.iter().map(|(key, value)| (key.as_str(), value.clone())).collect::<Vec<_>>());
    }
    match (value["list"].as_array(), value["int"].as_str()) {
        (Some(items), _) => Bencode::List(items.iter().map(encode).collect()),
        (None, Some(number)) => Bencode::Int(number.parse().unwrap()),
        (None, None) => Bencode::Bytes(bytes(&value["bytes"])),
    }
}

/// The final revision's times, and its bound on questions at a time.
fn final_settings(scenario: &Value) -> Settings {
    let (mut settings, defaults) = (settings(scenario), Settings::default());
    settings.calls.timeout = defaults.calls.timeout;
    settings.calls.initial_delay = defaults.calls.initial_delay;
    settings
}

/// Each datagram of the scenario's action goes out, and goes out again, when the final revision's did.
fn check_schedule(recording: &Value, scenario: &Value) -> Result<(), String> {
    let mut stage = Stage::new(recording, scenario, final_settings(scenario), &[]);
    for name in list(&scenario["initial_table"]) {
        stage.meet(stage.peers[text(name)]);
    }
    stage.play_actions();
    let sent = |event: &Value| {
        (moment(&event["t"]), stage.addr(text(&event["to"])), text(&event["method"]).to_owned())
    };
    let outs = list(&scenario["events"]).iter().filter(|event| event["method"].is_string());
    let theirs: BTreeSet<_> = outs.map(sent).collect();
    let methods: BTreeSet<_> = theirs.iter().map(|(_, _, method)| method.clone()).collect();
    let ours = stage.sendings.iter().map(|query| (query.sent.at, query.sent.to, query.method.clone()));
    let ours: BTreeSet<_> = ours.filter(|(_, _, method)| methods.contains(method)).collect();
    ensure(ours == theirs, || format!("sent {ours:?}, not {theirs:?}"))
}

#[test]
fn the_upper_layer_joins_gets_and_stores_as_recorded() {
    let recording = load("golden/client.json");
    all_pass("golden/client.json", list(&recording["dht"]), |scenario| check_dht(&recording, scenario));
}

#[test]
fn questions_are_repeated_as_the_final_revision_does() {
    let recording = load("golden/client_final_revision.json");
    // Pings of stale nodes and refreshes come when our own upkeep wants them.
    let is_action = |scenario: &&Value| {
        let name = text(&scenario["name"]);
        !["ping", "refresh", "checkpoints"].iter().any(|upkeep| name.starts_with(upkeep))
    };
    let actions: Vec<_> = list(&recording["scenarios"]).iter().filter(is_action).cloned().collect();
    all_pass("golden/client_final_revision.json", &actions, |scenario| check_schedule(&recording, scenario));
}

#[test]
fn an_own_key_of_any_length_is_the_recorded_one() {
    assert_eq!(Id::from_key(b"short").as_bytes(), b"short\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(Id::from_key(b"a key of more than twenty bytes").as_bytes(), b"a key of more than t");
}
