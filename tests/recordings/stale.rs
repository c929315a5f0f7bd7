//! Scenarios of `golden/client.json` in which a newcomer meets a full bucket whose oldest node may be gone.
//!
//! By design other than the first revision: the newcomer is asked first, and the oldest node only when that
//! has answered; a ping at a time for each of them.

use std::net::SocketAddr;
use std::time::Duration;

use khashmir::{Contact, Id};
use khashmir_recordings::Value;

use super::bencode::bytes;
use super::client::Stage;
use super::wire::{Query, query, reply};
use super::{ensure, list, text};
use crate::support::engine::original_settings;

/// A node of the other half of the ids: with it the full bucket does not hold the own id.
fn near() -> Contact {
    Contact::new(Id::new([0x10; 20]), ([127, 3, 2, 1], 8100).into())
}

pub fn check(recording: &Value, scenario: &Value) -> Result<(), String> {
    let mut settings = original_settings();
    settings.calls.timeout = Duration::from_secs(9);
    settings.calls.initial_delay = Duration::from_secs(2);
    let oldest = contact(&scenario["peers"], "S0");
    // Never heard, or heard once and not for long.
    let is_old = text(&scenario["name"]).contains("15 minutes");
    let unproven = [oldest];
    let mut stage = Stage::new(recording, scenario, settings, if is_old { &[] } else { &unproven });
    let others: Vec<_> =
        stage.peers.iter().filter(|(name, _)| name.starts_with('S')).map(|(_, c)| *c).collect();
    for contact in others.into_iter().filter(|contact| is_old || *contact != oldest) {
        stage.meet(contact);
    }
    stage.meet(near());
    // Its first ping remains without an answer.
    stage.rig.run_for(Duration::from_secs(if is_old { 910 } else { 30 }));
    stage.rig.take_sent();
    welcome_newcomers(&mut stage, oldest)
}

fn contact(peers: &Value, name: &str) -> Contact {
    let peer = list(peers).iter().find(|peer| peer["name"] == name).unwrap();
    let addr = SocketAddr::new(text(&peer["host"]).parse().unwrap(), peer["port"].as_u64().unwrap() as u16);
    Contact::new(text(&peer["id"]).parse().unwrap(), addr)
}

/// The newcomers ask; one answers in its turn, and then the oldest node answers or does not.
fn welcome_newcomers(stage: &mut Stage<'_>, oldest: Contact) -> Result<(), String> {
    let name = text(&stage.scenario["name"]);
    let newcomer = stage.peers["N"];
    let mut newcomers = vec![newcomer];
    if name.contains("many") {
        newcomers.extend(
            (0..50).map(|n| Contact::new(id_near(newcomer.id, n), ([127, 3, 9, 10 + n], 9000).into())),
        );
    }
    for contact in &newcomers {
        stage.rig.deliver(contact.addr, &query("ping", &[7; 20], &[("id", bytes(contact.id))]));
    }
    let pings = pings(stage);
    let of = |addr| pings.iter().filter(|ping| ping.sent.to == addr).collect::<Vec<_>>();
    ensure(of(oldest.addr).is_empty(), || "the oldest node was asked for a stranger's word".into())?;
    for contact in &newcomers {
        ensure(of(contact.addr).len() <= 1, || format!("{contact} was asked twice"))?;
    }
    let [ping] = of(newcomer.addr)[..] else { return Err("the newcomer was not asked".into()) };
    stage.rig.deliver(newcomer.addr, &reply(&ping.transaction, newcomer.id, &[]));
    challenge_oldest(stage, oldest, newcomer)
}

fn challenge_oldest(stage: &mut Stage<'_>, oldest: Contact, newcomer: Contact) -> Result<(), String> {
    let name = text(&stage.scenario["name"]);
    let pings = pings(stage);
    let [ping] = &pings[..] else { return Err(format!("{} pings, not one", pings.len())) };
    ensure(ping.sent.to == oldest.addr, || format!("{} was asked, not the oldest", ping.sent.to))?;
    let answers = list(&stage.scenario["events"]).iter().filter(|event| event["dir"] == "in");
    let stays = name.contains("it answers") || (name.contains("15 minutes") && answers.count() > 0);
    if stays {
        stage.rig.deliver(oldest.addr, &reply(&ping.transaction, oldest.id, &[]));
    } else if name.contains("error") {
        let error = super::bencode::Bencode::List(vec![super::bencode::Bencode::Int(201), bytes("")]);
        let entries = [("e", error), ("t", bytes(&ping.transaction)), ("y", bytes("e"))];
        stage.rig.deliver(oldest.addr, &super::bencode::dict(&entries).to_bytes());
    } else {
        stage.rig.run_for(Duration::from_secs(10));
    }
    let table = stage.rig.engine.table();
    let (has_oldest, has_newcomer) = (table.node(&oldest.id).is_some(), table.node(&newcomer.id).is_some());
    ensure((has_oldest, has_newcomer) == (stays, !stays), || {
        format!("oldest there: {has_oldest}, newcomer there: {has_newcomer}")
    })?;
    ensure(table.len() == 9, || format!("{} nodes", table.len()))
}

/// The pings sent meanwhile.
fn pings(stage: &mut Stage<'_>) -> Vec<Query> {
    stage.rig.take_sent().iter().filter_map(Query::read).filter(|query| query.method == "ping").collect()
}

/// Another id in the same bucket.
fn id_near(id: Id, number: u8) -> Id {
    let mut bytes = *id.as_bytes();
    bytes[19] ^= number + 1;
    Id::new(bytes)
}
