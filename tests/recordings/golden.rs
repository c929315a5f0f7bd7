//! `golden/`: one request to a node in a known state, and its answer.

use std::collections::BTreeSet;

use khashmir::{Contact, Id, Method, Storage};
use khashmir_recordings::{Value, bytes, load};

use super::bencode::Bencode;
use super::fixture::{Fixture, client, key};
use super::judge::Exchange;
use super::wire::{Query, address, id, query, reply};
use super::{all_pass, ensure, list, text};
use crate::support::engine::Sent;

/// What came of one datagram.
pub struct Handled {
    /// The answer to its sender.
    pub answer: Option<Vec<u8>>,
    /// What else was sent.
    pub others: Vec<Sent>,
}

/// Hands in `datagram`, drives the commit, and sorts what was sent. No store may be acknowledged before its
/// commit, and no sender be answered twice.
pub fn handle(fixture: &mut Fixture, from: std::net::SocketAddr, datagram: &[u8]) -> Result<Handled, String> {
    let is_answer = |sent: &Sent| sent.to == from && Query::read(sent).is_none();
    fixture.rig.take_sent();
    let staged_before = fixture.rig.engine.storage().staged();
    fixture.rig.deliver(from, datagram);
    let mut sent = fixture.rig.take_sent();
    let is_staged = fixture.rig.engine.storage().staged() > staged_before;
    ensure(!is_staged || !sent.iter().any(is_answer), || "acknowledged before the commit".into())?;
    fixture.rig.commit();
    sent.extend(fixture.rig.take_sent());
    let (mut answers, others): (Vec<_>, Vec<_>) = sent.into_iter().partition(is_answer);
    ensure(answers.len() <= 1, || format!("{} answers", answers.len()))?;
    Ok(Handled { answer: answers.pop().map(|sent| sent.payload.to_vec()), others })
}

/// A stranger's query may cause one thing besides its answer: a ping to that stranger.
pub fn check_others(others: &[Sent], from: std::net::SocketAddr) -> Result<(), String> {
    let is_ping = |sent: &Sent| sent.to == from && Query::read(sent).is_some_and(|q| q.method == "ping");
    ensure(others.len() <= 1 && others.iter().all(is_ping), || format!("also sent {others:?}"))
}

fn check(case: &Value) -> Result<(), String> {
    let mut fixture = Fixture::new(text(&case["fixture"]));
    let (from, request) = (address(&case["from"]), fixture.translate(&bytes(&case["request"])));
    let (known, totals) = (fixture.contacts(), fixture.rig.engine.storage().totals());
    let Handled { answer, others } = handle(&mut fixture, from, &request)?;
    check_others(&others, from)?;
    ensure(fixture.contacts() == known, || "a query changed the routing table".into())?;
    let exchange = Exchange { fixture: &fixture, from, request: &request, answer: answer.as_deref() };
    exchange.check(case)?;
    let outcome = exchange.outcome()?;
    let stored = list(&case["effects"]["stored"]);
    if outcome == "normal" && !stored.is_empty() {
        check_stored(&fixture, stored)?;
    } else {
        let is_same = fixture.rig.engine.storage().totals() == totals;
        ensure(is_same, || format!("stored something, with outcome {outcome}"))?;
    }
    if outcome == "normal" { check_newcomers(&mut fixture, &case["effects"], &others) } else { Ok(()) }
}

fn check_stored(fixture: &Fixture, stored: &[Value]) -> Result<(), String> {
    for pair in stored {
        let (key, value) = (id(&pair[0]), bytes(&pair[1]));
        ensure(fixture.values(&key).contains(&value), || format!("{key} was not stored"))?;
    }
    Ok(())
}

/// Whom the original inserted at once, we ping, and insert when it answers.
fn check_newcomers(fixture: &mut Fixture, effects: &Value, others: &[Sent]) -> Result<(), String> {
    for inserted in list(&effects["inserted"]) {
        let addr = address(&serde_json::json!([inserted["host"], inserted["port"]]));
        let newcomer = Contact::new(id(&inserted["id"]), addr);
        let ping = others.iter().find(|sent| sent.to == addr).and_then(Query::read);
        let ping = ping.ok_or_else(|| format!("{newcomer} was not pinged"))?;
        fixture.rig.deliver(addr, &reply(&ping.transaction, newcomer.id, &[]));
        ensure(fixture.contacts().contains(&newcomer), || format!("{newcomer} answered and is not known"))?;
    }
    Ok(())
}

fn plays(group: &str) {
    let recording = format!("golden/{group}.json");
    all_pass(&recording, list(&load(&recording)["cases"]), check);
}

#[test]
fn a_ping_is_answered_as_recorded() {
    plays("ping");
}

#[test]
fn a_join_is_answered_as_recorded() {
    plays("join");
}

#[test]
fn a_find_node_is_answered_as_recorded() {
    plays("find_node");
}

#[test]
fn a_find_value_is_answered_as_recorded() {
    plays("find_value");
}

#[test]
fn a_get_value_is_answered_as_recorded() {
    plays("get_value");
}

#[test]
fn a_store_value_is_answered_as_recorded() {
    plays("store_value");
}

#[test]
fn any_message_is_taken_or_dropped_as_recorded() {
    plays("envelope");
}

/// Every key of the fixtures, asked for with every number from none to more than there are: the recordings
/// hold only some of these.
#[test]
fn every_stored_key_can_be_read_with_any_number() {
    let mut fixture = Fixture::new("table+values");
    let keys = load("golden/fixtures.json")["keys"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(!keys.is_empty());
    for name in keys {
        let stored = fixture.values(&key(&name)).len();
        for num in [0, 1, 2, stored, stored + 1] {
            let outcome = read(&mut fixture, &name, num);
            let is_refused = outcome == Ok("error 206".into());
            let fits =
                fixture.values(&key(&name)).iter().any(|value| !value.is_empty() && value.len() <= 1391);
            assert!(outcome == Ok("normal".into()) || (is_refused && !fits), "{name}, {num}: {outcome:?}");
        }
    }
}

/// Whoever asks for fewer values than there are is not served with those that no datagram can carry.
#[test]
fn a_value_that_fits_is_chosen_before_one_that_does_not() {
    for name in ["big and small", "small and big"] {
        let mut fixture = Fixture::new("values");
        for _ in 0..20 {
            assert_eq!(read(&mut fixture, name, 1), Ok("normal".into()), "{name}");
        }
    }
}

/// An empty value is refused today; one that is in the store all the same is sent as the original sends it.
#[test]
fn an_empty_value_in_the_store_is_sent() {
    let mut fixture = Fixture::new("values");
    let Handled { answer, .. } = handle(&mut fixture, client(), &get_query("empty value", 0)).unwrap();
    let answer = Bencode::parse(&answer.unwrap()).unwrap();
    let values = answer.at("r").unwrap().at("values").unwrap().list().unwrap();
    let sent: BTreeSet<_> = values.iter().map(|value| value.bytes().unwrap().to_vec()).collect();
    assert_eq!(sent, fixture.values(&key("empty value")));
}

/// A contact of a former life that has not answered yet is not named to others; the recordings have no such case.
#[test]
fn only_contacts_that_have_answered_are_named() {
    let mut fixture = Fixture::new("stale");
    assert!(fixture.proven.len() < fixture.contacts().len());
    for contact in fixture.contacts() {
        let own = super::bencode::bytes(contact.id);
        let request = query("find_node", &[9; 20], &[("id", own.clone()), ("target", own)]);
        let Handled { answer, .. } = handle(&mut fixture, client(), &request).unwrap();
        let exchange =
            Exchange { fixture: &fixture, from: client(), request: &request, answer: answer.as_deref() };
        assert_eq!(exchange.outcome(), Ok("normal".into()), "{contact}");
    }
}

#[test]
fn every_query_is_counted_under_its_own_method() {
    let mut fixture = Fixture::new("values");
    handle(&mut fixture, client(), &get_query("one", 0)).unwrap();
    let statistics = fixture.rig.engine.statistics(fixture.rig.now);
    assert_eq!(statistics.traffic.of(Method::GetValue).received, 1);
}

fn get_query(name: &str, num: usize) -> Vec<u8> {
    let arguments = [
        ("id", super::bencode::bytes(Id::MAX)),
        ("key", super::bencode::bytes(key(name))),
        ("num", Bencode::Int(num.try_into().unwrap())),
    ];
    query("get_value", &[9; 20], &arguments)
}

fn read(fixture: &mut Fixture, name: &str, num: usize) -> Result<String, String> {
    let request = get_query(name, num);
    let Handled { answer, .. } = handle(fixture, client(), &request)?;
    Exchange { fixture, from: client(), request: &request, answer: answer.as_deref() }.outcome()
}
