//! `golden/conversations.json`: several steps on one node, tokens and expiry among them.

use std::collections::BTreeSet;
use std::time::Duration;

use khashmir_recordings::{Value, bytes, load};

use super::bencode::Bencode;
use super::fixture::Fixture;
use super::golden::{Handled, handle};
use super::judge::Exchange;
use super::wire::{address, id};
use super::{all_pass, ensure, list, text};

fn check(conversation: &Value) -> Result<(), String> {
    let mut fixture = Fixture::new(text(&conversation["fixture"]));
    for (number, step) in list(&conversation["steps"]).iter().enumerate() {
        let played = match step["local"].as_str() {
            Some(local) => pass_time(&mut fixture, local),
            None => exchange(&mut fixture, step, &conversation["expect"]),
        };
        played.map_err(|why| format!("step {number}: {why}"))?;
    }
    check_stored(&fixture, list(&conversation["stored_after"]))
}

fn exchange(fixture: &mut Fixture, step: &Value, label: &Value) -> Result<(), String> {
    let mut step = step.clone();
    if step["expect"].is_null() {
        step["expect"] = label.clone();
    }
    if step["includes_requester"] == true {
        // Only who has answered is named to others.
        step["also_ok"] = serde_json::json!(["normal without the requester"]);
    }
    let (from, request) = (address(&step["from"]), fixture.translate(&bytes(&step["request"])));
    let Handled { answer, .. } = handle(fixture, from, &request)?;
    Exchange { fixture, from, request: &request, answer: answer.as_deref() }.check(&step)?;
    if step["response"].is_string() {
        learn_token(fixture, &bytes(&step["response"]), &answer.unwrap_or_default());
    }
    Ok(())
}

/// The recorded answer's token stands for ours from now on.
fn learn_token(fixture: &mut Fixture, recorded: &[u8], ours: &[u8]) {
    let token = |answer| {
        let answer = Bencode::parse(answer)?;
        <[u8; 20]>::try_from(answer.at("r")?.at("token")?.bytes()?).ok()
    };
    if let (Some(recorded), Some(ours)) = (token(recorded), token(ours)) {
        fixture.learn_token(recorded, ours);
    }
}

/// A step in words: a rotation of the secrets, the clock, an expiry. Those come with checkpoints here.
fn pass_time(fixture: &mut Fixture, local: &str) -> Result<(), String> {
    let seconds = local.split(|c: char| !c.is_ascii_digit()).find_map(|number| number.parse().ok());
    match local.split([' ', ':', ',']).next() {
        Some("rotate") => fixture.rotate(),
        _ if local.contains("expire") || local.contains("expiry") => fixture.rotate(),
        _ => {
            let seconds = seconds.ok_or_else(|| format!("unknown step {local:?}"))?;
            fixture.rig.run_for(Duration::from_secs(seconds));
        }
    }
    Ok(())
}

fn check_stored(fixture: &Fixture, pairs: &[Value]) -> Result<(), String> {
    let keys: BTreeSet<_> = pairs.iter().map(|pair| id(&pair[0])).collect();
    for key in keys {
        let of_key = pairs.iter().filter(|pair| id(&pair[0]) == key);
        let expected: BTreeSet<_> = of_key.map(|pair| bytes(&pair[1])).collect();
        let stored = fixture.values(&key);
        ensure(stored == expected, || format!("{key} holds {stored:?}, not {expected:?}"))?;
    }
    Ok(())
}

#[test]
fn a_conversation_goes_as_recorded() {
    let recording = "golden/conversations.json";
    all_pass(recording, list(&load(recording)["conversations"]), check);
}
