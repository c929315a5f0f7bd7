//! `attack/floods.json`: one datagram many times, with a counter in it. What must stay bounded is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use khashmir::{Method, Settings, Storage, Totals};
use khashmir_recordings::{Value, bytes, load};

use super::fixture::{Fixture, client};
use super::wire::Query;
use super::{all_pass, ensure, list, text};
use crate::support::engine::{Sent, original_settings};

/// What a flood has brought about.
struct Aftermath {
    fixture: Fixture,
    before: Before,
    sources: BTreeSet<SocketAddr>,
    sent: Vec<Sent>,
}

struct Before {
    contacts: usize,
    stored: Totals,
    received: u64,
}

/// The settings that a node has by itself, where they limit what strangers get.
fn settings() -> Settings {
    let (mut settings, defaults) = (original_settings(), Settings::default());
    settings.calls = defaults.calls;
    settings.table = defaults.table;
    settings
}

/// The `number`-th datagram of a flood, and where it comes from.
fn datagram(flood: &Value, template: &[u8], number: u32) -> (SocketAddr, Vec<u8>) {
    let vary = &flood["vary"];
    assert_eq!(vary["length"], 4, "a counter of 4 bytes");
    let at = usize::try_from(vary["offset"].as_u64().unwrap()).unwrap();
    let mut datagram = template.to_vec();
    datagram[at..at + 4].copy_from_slice(&number.to_be_bytes());
    let first_of_many = Ipv4Addr::new(127, 10, 0, 1).to_bits();
    let from = match text(&flood["sources"]).starts_with("a new address") {
        true => (Ipv4Addr::from_bits(first_of_many + number), 7000).into(),
        false => client(),
    };
    (from, datagram)
}

/// Plays the flood within one moment, then lets everything that it brought about run its course.
fn play(flood: &Value) -> Aftermath {
    // The flood of newcomers is about full buckets whose contacts have not been heard for long.
    let is_stale = text(&flood["name"]).contains("full bucket");
    let mut fixture = Fixture::with_settings(if is_stale { "stale" } else { "table+values" }, settings());
    let template = fixture.translate(&bytes(&flood["template_hex"]));
    let before = Before {
        contacts: fixture.contacts().len(),
        stored: fixture.rig.engine.storage().totals(),
        received: received(&fixture),
    };
    let mut sources = BTreeSet::new();
    for number in 0..u32::try_from(flood["count"].as_u64().unwrap()).unwrap() {
        let (from, datagram) = datagram(flood, &template, number);
        sources.insert(from);
        fixture.rig.deliver(from, &datagram);
        fixture.rig.commit();
    }
    // Until all pings have failed, and before anything else is due.
    fixture.rig.run_for(Duration::from_secs(60));
    let sent = fixture.rig.take_sent();
    Aftermath { fixture, before, sources, sent }
}

fn received(fixture: &Fixture) -> u64 {
    let statistics = fixture.rig.engine.statistics(fixture.rig.now);
    statistics.traffic.unknown + Method::ALL.iter().map(|m| statistics.traffic.of(*m).received).sum::<u64>()
}

fn check(flood: &Value) -> Result<(), String> {
    let aftermath = play(flood);
    let Aftermath { fixture, before, sources, sent } = &aftermath;
    let settings = fixture.rig.engine.settings();
    let known = fixture.contacts().len();
    ensure(known <= before.contacts, || format!("{known} contacts, of {} before", before.contacts))?;
    check_answers(sources, sent, settings)?;
    check_pings(sent, settings)?;
    check_stored(&aftermath, settings)?;
    let statistics = fixture.rig.engine.statistics(fixture.rig.now);
    ensure(statistics.parked == 0, || format!("{} parked", statistics.parked))?;
    ensure(statistics.operations == 0, || format!("{} operations", statistics.operations))?;
    let must = text(&flood["must"]);
    if must.contains("silence") || must.contains("no state") {
        ensure(sent.is_empty(), || format!("{} datagrams sent", sent.len()))?;
        ensure(received(fixture) == before.received, || "counted as queries".into())?;
    }
    Ok(())
}

/// No address gets more answers in a second than the settings allow.
fn check_answers(sources: &BTreeSet<SocketAddr>, sent: &[Sent], settings: &Settings) -> Result<(), String> {
    let mut answers = BTreeMap::<SocketAddr, u32>::new();
    for sent in sent.iter().filter(|sent| Query::read(sent).is_none()) {
        ensure(sources.contains(&sent.to), || format!("an answer to {}, who never asked", sent.to))?;
        *answers.entry(sent.to).or_default() += 1;
    }
    // Who shows a token in the middle of it has two shares: an unproven address's and a proven one's.
    let limit = settings.calls.unproven_per_prefix + settings.calls.answers_per_second;
    let most = answers.values().copied().max().unwrap_or(0);
    ensure(most <= limit, || format!("{most} answers to one address"))
}

/// Few newcomers are pinged, each once and the resends, and the contacts of before hardly at all.
fn check_pings(sent: &[Sent], settings: &Settings) -> Result<(), String> {
    let queries: Vec<_> = sent.iter().filter_map(Query::read).collect();
    ensure(queries.iter().all(|query| query.method == "ping"), || "more than pings".into())?;
    let mut pings = BTreeMap::<SocketAddr, BTreeSet<Vec<u8>>>::new();
    for query in &queries {
        pings.entry(query.sent.to).or_default().insert(query.transaction.clone());
    }
    let (places, most) = (pings.len(), pings.values().map(BTreeSet::len).max().unwrap_or(0));
    ensure(places <= settings.table.max_newcomers, || format!("{places} addresses pinged"))?;
    // One address that claims many ids is tried again when it has not answered, and not for ever.
    ensure(most <= 8, || format!("{most} pings to one address"))?;
    ensure(queries.len() <= 3 * settings.table.max_newcomers, || format!("{} pings sent", queries.len()))
}

/// One address stores no more in a second than it gets answers.
fn check_stored(aftermath: &Aftermath, settings: &Settings) -> Result<(), String> {
    let stored = aftermath.fixture.rig.engine.storage().totals();
    let added = stored.values - aftermath.before.stored.values;
    let limit = u64::from(settings.calls.unproven_per_prefix + settings.calls.answers_per_second);
    ensure(added <= limit, || format!("{added} values stored, more than {limit}"))
}

#[test]
fn a_flood_leaves_little_behind() {
    let recording = "attack/floods.json";
    all_pass(recording, list(&load(recording)["entries"]), check);
}
