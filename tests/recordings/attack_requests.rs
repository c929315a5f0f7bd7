//! `attack/`, context `request`: hostile datagrams out of the blue.

use khashmir::Storage;
use khashmir_recordings::{Value, bytes, load};

use super::fixture::{Fixture, client};
use super::golden::{Handled, check_others, handle};
use super::judge::Exchange;
use super::{all_pass, ensure, list, text};

fn check(entry: &Value) -> Result<(), String> {
    let mut fixture = Fixture::new("table+values");
    let (from, request) = (client(), fixture.translate(&bytes(&entry["hex"])));
    let (known, totals) = (fixture.contacts(), fixture.rig.engine.storage().totals());
    let Handled { answer, others } = handle(&mut fixture, from, &request)?;
    check_others(&others, from)?;
    let never: Vec<_> = list(&entry["never"]).iter().map(text).collect();
    // A query alone never inserts, whatever it holds, nor changes an address: more than `never` asks for.
    ensure(fixture.contacts() == known, || "it changed the routing table".into())?;
    if never.contains(&"store") {
        ensure(fixture.rig.engine.storage().totals() == totals, || "it stored something".into())?;
    }
    let exchange = Exchange { fixture: &fixture, from, request: &request, answer: answer.as_deref() };
    let outcome = exchange.outcome()?;
    // What is refused as malformed is refused before it has any effect.
    let is_malformed = matches!(outcome.as_str(), "none" | "error 203" | "error 204");
    ensure(others.is_empty() || !is_malformed, || format!("{outcome}, and it caused {others:?}"))?;
    let any_of: Vec<_> = list(&entry["must"]["any_of"]).iter().map(text).collect();
    ensure(any_of.contains(&outcome.as_str()), || format!("{outcome}, not one of {any_of:?}"))?;
    let (bytes, limit) = (answer.map_or(0, |answer| answer.len() as u64), entry["max_reply"].as_u64());
    ensure(limit.is_none_or(|limit| bytes <= limit), || format!("{bytes} bytes, more than {limit:?}"))
}

/// Plays all classes but those that are answers or floods.
#[test]
fn a_hostile_request_gets_no_more_than_it_may() {
    let classes =
        load("attack/index.json")["classes"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut played = 0;
    for class in classes.iter().filter(|class| !class.starts_with("answer-")) {
        let recording = format!("attack/{class}.json");
        let entries = load(&recording)["entries"].as_array().unwrap().clone();
        let requests: Vec<_> = entries.into_iter().filter(|entry| entry["context"] == "request").collect();
        played += requests.len();
        all_pass(&recording, &requests, check);
    }
    assert!(played > 0);
}
