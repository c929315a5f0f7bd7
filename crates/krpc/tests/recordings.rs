//! The codec and the endpoint against recordings of the original and against hostile datagrams.
//!
//! Only what this layer decides is checked; what a whole node does is for the engine's tests.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use khashmir_krpc::{
    Callee, Endpoint, EndpointConfig, Event, Failure, Message, Method, Query, Token, decode, encode_query,
    encode_reply, scan,
};
use khashmir_recordings::{Value as Json, bytes, hex, load};
use khashmir_types::{Id, Time};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use serde_bencode::value::Value;

/// A recorded value, or `None` for types that bencode has not.
fn value(json: &Json) -> Option<Value> {
    let (kind, content) = json.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "bytes" | "unicode" => Some(Value::Bytes(bytes(content))),
        "int" => Some(Value::Int(content.as_str().unwrap().parse().ok()?)),
        "bool" => Some(Value::Int(content.as_bool().unwrap().into())),
        "list" => content.as_array().unwrap().iter().map(value).collect::<Option<_>>().map(Value::List),
        "dict" => {
            let entries = content.as_array().unwrap().iter();
            entries
                .map(|entry| Some((bytes(&entry[0]), value(&entry[1])?)))
                .collect::<Option<_>>()
                .map(Value::Dict)
        }
        _ => None,
    }
}

fn decoded(input: &[u8]) -> Option<Value> {
    scan(input).ok()?;
    Some(serde_bencode::from_bytes(input).expect("what passes the scan can be decoded"))
}

#[test]
fn bencode_is_accepted_and_rejected_as_a_strict_decoder_must() {
    for case in load("bencode.json")["decode"].as_array().unwrap() {
        let (name, found) = (&case["name"], decoded(&bytes(&case["hex"])));
        match case["robust"].as_str().unwrap() {
            "accept" => assert_eq!(found, value(&case["original"]["ok"]), "{name}"),
            "reject" => assert_eq!(found, None, "{name}"),
            either => assert_eq!(either, "either", "{name}"),
        }
    }
}

#[test]
fn values_are_encoded_as_by_the_original() {
    let mut checked = 0;
    for case in load("bencode.json")["encode"].as_array().unwrap() {
        if let (Some(value), Some(expected)) = (value(&case["value"]), case["hex"].as_str()) {
            assert_eq!(serde_bencode::to_bytes(&value).unwrap(), hex(expected), "{}", case["name"]);
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} checked");
}

const GOLDEN: [&str; 6] = ["ping", "join", "find_node", "find_value", "get_value", "store_value"];

#[test]
fn queries_and_replies_of_the_original_are_read_and_written_byte_for_byte() {
    let mut checked = 0;
    for name in GOLDEN {
        for case in load(&format!("golden/{name}.json"))["cases"].as_array().unwrap() {
            let request = bytes(&case["request"]);
            let Ok(Message::Query { transaction, sender, query, .. }) = decode(&request) else { continue };
            assert_eq!(encode_query(&transaction, &sender, &query), request, "{}", case["name"]);
            let Some(response) = case["response"].as_str().map(hex) else { continue };
            if let Ok(Message::Reply { transaction, body }) = decode(&response) {
                let (sender, reply) = body.read(query.method()).unwrap();
                let written = encode_reply(&transaction, &sender, &reply).unwrap();
                assert_eq!(written, response, "{}", case["name"]);
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "only {checked} checked");
}

#[test]
fn what_the_original_asks_as_a_client_is_what_we_would_ask() {
    let mut checked = 0;
    for scenario in load("golden/client.json")["scenarios"].as_array().unwrap() {
        for event in scenario["events"].as_array().unwrap().iter().filter(|event| event["dir"] == "out") {
            let datagram = bytes(&event["hex"]);
            // The original sends whatever its caller wants stored, however long; we would not.
            if let Ok(Message::Query { transaction, sender, query, .. }) = decode(&datagram) {
                assert_eq!(encode_query(&transaction, &sender, &query), datagram);
                assert_eq!(query.method().name(), event["method"]);
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} checked");
}

/// The entries of `attack/<class>.json`.
fn attack(class: &str) -> Vec<Json> {
    load(&format!("attack/{class}.json"))["entries"].as_array().unwrap().clone()
}

#[test]
fn hostile_requests_are_read_as_they_must_be() {
    let classes = load("attack/index.json")["classes"].clone();
    let names: Vec<String> = match &classes {
        Json::Object(classes) => classes.keys().cloned().collect(),
        classes => classes.as_array().unwrap().iter().map(|class| class.as_str().unwrap().into()).collect(),
    };
    let entries = names.iter().filter(|name| !name.starts_with("answer-") && *name != "floods");
    let mut seen = BTreeMap::new();
    for entry in entries.flat_map(|class| attack(class)) {
        assert_eq!(entry["context"], "request");
        let acceptable: Vec<_> = entry["must"]["any_of"]
            .as_array()
            .unwrap()
            .iter()
            .map(|outcome| outcome.as_str().unwrap())
            .collect();
        let outcome = match decode(&bytes(&entry["hex"])) {
            // Whether a token is good only the engine knows.
            Ok(Message::Query { query: Query::StoreValue { .. }, .. })
                if acceptable.contains(&"error 205") =>
            {
                "error 205"
            }
            Ok(Message::Query { .. }) => "normal",
            Ok(Message::Refused { refusal, .. }) => &format!("error {}", refusal.code().number()),
            Ok(Message::Reply { .. } | Message::Error { .. } | Message::UnknownType { .. }) | Err(_) => {
                "none"
            }
        };
        assert!(acceptable.contains(&outcome), "{}: {outcome}, not {acceptable:?}", entry["name"]);
        *seen.entry(outcome.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

/// Who answers in the recordings, and as whom; the node that asked is the one of the golden fixtures.
struct Roles {
    own_id: Id,
    attacker: SocketAddr,
    attacker_id: Id,
}

fn roles() -> Roles {
    let own_id = bytes(&load("golden/client.json")["own_id"]);
    // The first contact-free answer of the attacker tells its id.
    let entries = attack("answer-find_node");
    let honest = entries.iter().find(|entry| entry["must"]["outcome"] == "ok").unwrap();
    let answer = bytes(&honest["hex"]);
    let Ok(Message::Reply { body, .. }) = decode(&answer) else { panic!("no reply") };
    let (attacker_id, _) = body.read(Method::Ping).unwrap();
    let own_id = Id::from_slice(&own_id).unwrap();
    Roles { own_id, attacker: "127.5.0.66:6066".parse().unwrap(), attacker_id }
}

fn question(method: Method) -> Query {
    let key = Id::MAX;
    match method {
        Method::Ping => Query::Ping,
        Method::Join => Query::Join,
        Method::FindNode => Query::FindNode { target: key },
        Method::FindValue => Query::FindValue { key },
        Method::GetValue => Query::GetValue { key, num: 0 },
        Method::StoreValue => {
            Query::StoreValue { key, value: "value".into(), token: Token::new(&b"01234567890123456789"[..]) }
        }
    }
}

/// Calls the attacker, plays its answer, waits, and says how the call ended.
fn outcome(roles: &Roles, method: Method, entry: &Json) -> &'static str {
    let start = Time::from_secs(1_000_000);
    let mut endpoint =
        Endpoint::new(roles.own_id, EndpointConfig::default(), &mut ChaCha12Rng::seed_from_u64(2));
    // Only a join does not know who will answer.
    let id = (method != Method::Join).then_some(roles.attacker_id);
    let callee = Callee { addr: roles.attacker, id };
    endpoint.call(callee, &question(method), start, &mut ChaCha12Rng::seed_from_u64(1)).unwrap();
    let asked = endpoint.poll_transmit().unwrap();
    let Ok(Message::Query { transaction, .. }) = decode(&asked.payload) else { panic!("no query") };

    let mut answer = bytes(&entry["hex"]);
    for at in entry["tid_placeholder_at"].as_array().into_iter().flatten() {
        let at = usize::try_from(at.as_u64().unwrap()).unwrap();
        answer[at..at + 20].copy_from_slice(transaction.as_bytes());
    }
    let from = match entry["source"].as_str().unwrap() {
        "attacker" => roles.attacker,
        "other port" => "127.5.0.66:6067".parse().unwrap(),
        "other host" => "127.5.0.67:6066".parse().unwrap(),
        source => panic!("{source}"),
    };
    endpoint.handle_datagram(from, &answer, start + Duration::from_millis(10));
    assert!(endpoint.poll_transmit().is_none(), "an answer was answered: {}", entry["name"]);
    let mut ends = Vec::new();
    for second in 0..10 {
        endpoint.handle_timeout(start + Duration::from_secs(second));
        while let Some(event) = endpoint.poll_event() {
            ends.extend(match event {
                Event::Answered { .. } => Some("ok"),
                Event::Failed { cause: Failure::Timeout, .. } => Some("timed out"),
                Event::Failed { .. } => Some("failed"),
                Event::Query { .. } => None,
            });
        }
    }
    assert_eq!(ends.len(), 1, "{}", entry["name"]);
    ends[0]
}

#[test]
fn hostile_answers_end_the_call_as_they_must() {
    let roles = roles();
    for method in Method::ALL {
        for entry in attack(&format!("answer-{method}")) {
            let must = entry["must"]["outcome"].as_str().unwrap();
            let outcome = outcome(&roles, method, &entry);
            // What is too long or no bencode (such as the original's own text type) is silence, and silence
            // fails the call when its time is over.
            let is_silence = decode(&bytes(&entry["hex"])).is_err() && outcome == "timed out";
            let stands_for = if is_silence { "failed" } else { outcome };
            let acceptable = must.split(" or ").any(|must| must == outcome || must == stands_for);
            assert!(acceptable, "{method}, {}: {outcome}, not {must}", entry["name"]);
        }
    }
}

#[test]
fn floods_leave_nothing_behind() {
    let start = Time::from_secs(1_000_000);
    for entry in attack("floods") {
        let mut endpoint =
            Endpoint::new(roles().own_id, EndpointConfig::default(), &mut ChaCha12Rng::seed_from_u64(2));
        let (template, vary) = (bytes(&entry["template_hex"]), &entry["vary"]);
        let offset = usize::try_from(vary["offset"].as_u64().unwrap()).unwrap();
        let (mut answers, mut queries) = (0, 0);
        for number in 0..u32::try_from(entry["count"].as_u64().unwrap()).unwrap() {
            let mut datagram = template.clone();
            datagram[offset..offset + 4].copy_from_slice(&number.to_be_bytes());
            let host =
                if entry["sources"].as_str().unwrap().starts_with("a new address") { number } else { 0 };
            let from = SocketAddr::from(((0x7f0a_0001 + host).to_be_bytes(), 7000));
            endpoint.handle_datagram(from, &datagram, start);
            answers += std::iter::from_fn(|| endpoint.poll_transmit()).count();
            queries += std::iter::from_fn(|| endpoint.poll_event()).count();
        }
        assert_eq!((endpoint.open_calls(), endpoint.poll_timeout()), (0, None), "{}", entry["name"]);
        let must = entry["must"].as_str().unwrap();
        if must.contains("rate limited") {
            assert!(answers + queries <= 250, "{}: {answers} answers, {queries} queries", entry["name"]);
        }
        if must.contains("silence") || must.contains("garbage") {
            assert_eq!((answers, queries), (0, 0), "{}", entry["name"]);
        }
    }
}
