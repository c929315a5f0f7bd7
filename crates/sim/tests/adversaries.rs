//! What adversaries do to a network, and what they cannot do.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::krpc::{Query, Reply};
use khashmir::{Contact, Id, Method, Settings, Storage};
use khashmir_sim::{AdversaryKind, Answer, Asked, Claim, Flood, HostId, Sent, Swallower, Tamper, World};

const COLLUDER: AdversaryKind = AdversaryKind::Colluder { claim: Claim::Nothing };

fn key() -> Id {
    Id::sha1(b"key")
}

/// A network in which every `step`-th host will be such an adversary: the world, the honest, the others.
fn network(hosts: usize, step: usize, kind: &AdversaryKind) -> (World, Vec<HostId>, Vec<HostId>) {
    network_of(World::new(7), hosts, step, kind)
}

fn network_of(
    mut world: World,
    hosts: usize,
    step: usize,
    kind: &AdversaryKind,
) -> (World, Vec<HostId>, Vec<HostId>) {
    kind.place(&mut world, (0..hosts).step_by(step));
    let all = world.grow(hosts);
    let (bad, honest) = all.iter().partition(|host| host.index() % step == 0);
    (world, honest, bad)
}

/// Settings that believe whatever is said.
fn trusting() -> Settings {
    let mut settings = Settings::default();
    (settings.lookup.per_prefix, settings.lookup.caution) = (0, None);
    settings
}

/// How many of forty values are found in a settled network of 300 nodes, of which so many in ten are such adversaries.
fn found_of_forty(kind: &AdversaryKind, in_ten: usize, settings: Settings) -> usize {
    let is_bad = |number: &usize| number % 10 < in_ten;
    let mut world = World::new(7).with_settings(settings);
    kind.place(&mut world, (0..300).filter(is_bad));
    let hosts = world.quick_start(300);
    let (bad, honest): (Vec<_>, Vec<_>) = hosts.iter().partition(|host| is_bad(&host.index()));
    kind.possess(&mut world, &bad);
    let keys = (0..40_u8).map(|n| Id::sha1(&[n]));
    let found = keys.zip(honest.chunks(2)).filter(|(key, pair)| {
        world.store(pair[0], *key, "a value");
        !world.get(pair[1], *key).0.is_empty()
    });
    found.count()
}

fn contacts(world: &World, hosts: &[HostId]) -> BTreeSet<Contact> {
    hosts.iter().map(|host| world.contact(*host).unwrap()).collect()
}

fn outsider(world: &mut World) -> HostId {
    world.add_outsider("200.0.0.1:1000".parse().unwrap())
}

fn ask(world: &mut World, outsider: HostId, host: HostId, query: &Query) -> Reply {
    world.ask(outsider, host, query).unwrap().unwrap()
}

fn named(reply: Reply) -> Vec<Contact> {
    match reply {
        Reply::FindNode { nodes, .. } | Reply::FindValue { nodes, .. } => nodes,
        other => panic!("{other:?} names nobody"),
    }
}

fn values(world: &mut World, host: HostId) -> Vec<Bytes> {
    world.get(host, key()).0.into_iter().map(|value| value.data).collect()
}

#[test]
fn colluders_name_the_closest_of_their_own_and_nobody_else() {
    let (mut world, _, bad) = network(60, 4, &COLLUDER);
    let ids = contacts(&world, &bad);
    COLLUDER.possess(&mut world, &bad);
    assert_eq!(contacts(&world, &bad), ids, "they keep their ids");
    let outsider = outsider(&mut world);
    let (own, mut closest) = (world.contact(bad[0]).unwrap(), ids.into_iter().collect::<Vec<_>>());
    closest.retain(|contact| *contact != own);
    closest.sort_by_key(|contact| contact.id.distance(&key()));
    closest.truncate(8);
    for query in [Query::FindNode { target: key() }, Query::FindValue { key: key() }] {
        assert_eq!(named(ask(&mut world, outsider, bad[0], &query)), closest, "{query:?}");
    }
}

#[test]
fn colluders_acknowledge_values_and_forget_them() {
    let (mut world, _, bad) = network(40, 4, &COLLUDER);
    COLLUDER.possess(&mut world, &bad);
    let outsider = outsider(&mut world);
    let Reply::FindNode { token, .. } = ask(&mut world, outsider, bad[0], &Query::FindNode { target: key() })
    else {
        panic!("another method");
    };
    let store = Query::StoreValue { key: key(), value: "a".into(), token: token.unwrap() };
    assert_eq!(ask(&mut world, outsider, bad[0], &store), Reply::StoreValue);
    let get = Query::GetValue { key: key(), num: 0 };
    assert_eq!(ask(&mut world, outsider, bad[0], &get), Reply::GetValue { values: vec![] });
    let count = ask(&mut world, outsider, bad[0], &Query::FindValue { key: key() });
    assert!(matches!(count, Reply::FindValue { num: 0, .. }), "{count:?}");
}

#[test]
fn colluders_stay_in_the_tables_of_honest_nodes_and_are_asked() {
    let (mut world, honest, bad) = network(60, 4, &COLLUDER);
    let ids: BTreeSet<_> = contacts(&world, &bad).into_iter().map(|contact| contact.id).collect();
    COLLUDER.possess(&mut world, &bad);
    let known = |world: &World| -> usize {
        let tables = honest.iter().map(|host| world.engine(*host).unwrap().table());
        tables.map(|table| ids.iter().filter(|id| table.node(id).is_some()).count()).sum()
    };
    let before = known(&world);
    world.run_for(Duration::from_secs(3 * 3600));
    let after = known(&world);
    assert!(before > 100 && after * 10 >= before * 9, "{before} entries, three hours later {after}");
    world.find_node(honest[0], key());
    let deeds = world.deeds();
    assert!(deeds.asked > deeds.misdeeds && deeds.misdeeds > 0, "{deeds:?}");
}

#[test]
fn invented_nodes_are_closer_than_all_others_and_answer_under_their_ids() {
    let kind = AdversaryKind::Inventor { prefixes: 16, claim: Claim::Nothing };
    // Half of them: so one is met wherever a lookup ends.
    let world = World::new(7).with_settings(trusting());
    let (mut world, honest, bad) = network_of(world, 96, 2, &kind);
    kind.possess(&mut world, &bad);
    let addrs: BTreeSet<SocketAddr> = bad.iter().map(|host| world.addr(*host)).collect();
    let targets = (0_u8..5).map(|number| Id::sha1(&[number]));
    for (target, from) in targets.zip(&honest) {
        let found = world.find_node(*from, target);
        assert_eq!(found.closest.len(), 8);
        // Those that a store goes to. In so small a network some decoys were asked under their own ids before.
        for contact in &found.closest[..6] {
            assert!(contact.id.distance(&target).shared_prefix_bits() >= 96, "{contact} for {target}");
            assert!(addrs.contains(&contact.addr), "{contact}");
        }
    }
    let stored = world.store(honest[0], key(), "a value");
    assert_eq!(stored.stored.len(), 6, "inventors take values in any name");
    assert_eq!(values(&mut world, honest[9]), [""; 0], "and return none");
}

#[test]
fn who_invents_nodes_next_to_a_key_does_not_own_it() {
    for prefixes in [16, 64] {
        let kind = AdversaryKind::Inventor { prefixes, claim: Claim::Nothing };
        let found = [trusting(), Settings::default()].map(|settings| found_of_forty(&kind, 2, settings));
        assert!(found[0] < 10 && found[1] >= 39, "{found:?} with {prefixes} prefixes");
    }
}

#[test]
fn who_names_none_but_accomplices_hides_hardly_any_value() {
    let found = found_of_forty(&COLLUDER, 3, Settings::default());
    assert!(found >= 39, "{found}");
}

#[test]
fn a_quick_start_knows_adversaries_as_it_knows_honest_nodes() {
    let kind = AdversaryKind::Inventor { prefixes: 16, claim: Claim::Forgeries };
    let mut world = World::new(7);
    kind.place(&mut world, (0..300).step_by(5));
    let hosts = world.quick_start(300);
    let bad: Vec<_> = hosts.iter().copied().step_by(5).collect();
    kind.possess(&mut world, &bad);
    let got = values(&mut world, hosts[1]);
    assert!(!got.is_empty() && got.iter().all(|value| value.len() == 20), "{got:?}");
}

#[test]
fn an_inventor_has_an_address_in_one_of_its_networks_and_its_own_id_for_pings() {
    let kind = AdversaryKind::Inventor { prefixes: 4, claim: Claim::Nothing };
    let (mut world, honest, bad) = network(48, 3, &kind);
    let before = contacts(&world, &bad);
    kind.possess(&mut world, &bad);
    let network = |contact: &Contact| contact.to_compact().unwrap()[20..23].to_vec();
    assert_eq!(before.iter().map(network).collect::<BTreeSet<_>>().len(), 4);
    assert!(
        !contacts(&world, &honest)
            .iter()
            .any(|contact| before.iter().map(network).any(|n| n == network(contact)))
    );
    let answered = world.join(honest[0], &bad[..1]).answered;
    assert_eq!(answered, [world.contact(bad[0]).unwrap()]);
}

#[test]
fn values_of_liars_arrive_beside_honest_ones() {
    let kind = AdversaryKind::Liar { claim: Claim::Forgeries };
    let (mut world, honest, bad) = network(48, 4, &kind);
    let holders: BTreeSet<_> = world.store(honest[0], key(), "true").stored.into_iter().collect();
    assert!(!contacts(&world, &bad).is_superset(&holders), "some honest node has it");
    kind.possess(&mut world, &bad);
    let got = values(&mut world, honest[20]);
    assert!(got.contains(&Bytes::from("true")), "{got:?}");
    assert!(got.iter().any(|value| value.len() == 20), "{got:?}");
    assert!(world.deeds().misdeeds > 0);
}

#[test]
fn swallowers_cost_time_but_no_value() {
    let kind = AdversaryKind::Swallower { methods: Swallower::USEFUL.to_vec() };
    let (mut world, honest, bad) = network(60, 5, &kind);
    world.store(honest[0], key(), "a value");
    let quick = world.get(honest[30], key()).1.progress;
    kind.possess(&mut world, &bad);
    let (values, slow) = world.get(honest[30], key());
    assert_eq!(values[0].data, "a value");
    assert!(
        slow.progress.complete && slow.progress.elapsed > quick.elapsed,
        "{quick:?}, then {:?}",
        slow.progress
    );
    assert!(world.deeds().misdeeds > 0);
    let outsider = outsider(&mut world);
    assert_eq!(ask(&mut world, outsider, bad[0], &Query::Ping), Reply::Ping);
}

#[test]
fn a_swallower_answers_what_it_was_not_told_to_swallow() {
    let kind = AdversaryKind::Swallower { methods: vec![Method::FindNode] };
    let (mut world, _, bad) = network(8, 4, &kind);
    kind.possess(&mut world, &bad);
    let outsider = outsider(&mut world);
    assert_eq!(world.ask(outsider, bad[0], &Query::FindNode { target: key() }), None);
    assert!(world.ask(outsider, bad[0], &Query::FindValue { key: key() }).is_some());
}

#[test]
fn a_flood_stops_no_lookup_and_fills_no_table() {
    for flood in [Flood::Queries, Flood::Garbage] {
        let kind = AdversaryKind::Flooder { per_second: 500.0, flood, aim: 1.0, forged: 0.0 };
        let (mut world, honest, bad) = network(40, 20, &kind);
        world.store(honest[0], key(), "a value");
        kind.possess(&mut world, &bad);
        world.run_for(Duration::from_secs(10));
        assert_eq!(values(&mut world, honest[30]), ["a value"], "{flood:?}");
        let sent = world.deeds().misdeeds;
        assert!((10_000..20_000).contains(&sent), "{sent} datagrams");
        let flooders: Vec<_> = bad.iter().map(|host| world.addr(*host)).collect();
        let entries = |host: &HostId| -> usize {
            let table = world.engine(*host).unwrap().table();
            table.contacts().filter(|contact| flooders.contains(&contact.addr)).count()
        };
        assert!(honest.iter().all(|host| entries(host) <= 2), "each address has one entry, its own of old");
    }
}

#[test]
fn forged_datagrams_come_from_elsewhere_and_are_not_answered_to_who_sent_them() {
    let kind = AdversaryKind::Flooder { per_second: 50.0, flood: Flood::Queries, aim: 1.0, forged: 0.9 };
    let (mut world, _, bad) = network(20, 20, &kind);
    kind.possess(&mut world, &bad);
    world.keep_sent();
    world.run_for(Duration::from_secs(20));
    let (flooder, sent) = (world.addr(bad[0]), world.deeds().misdeeds);
    let forged = world.counts().forged;
    assert!((sent * 8 / 10..sent).contains(&forged), "{forged} of {sent}");
    let nodes: BTreeSet<_> = world.hosts().map(|host| world.addr(host)).collect();
    let all = world.sent();
    let names: BTreeSet<_> = all.iter().map(|sent| sent.from).collect();
    assert!(names.len() as u64 > forged * 9 / 10, "{} names", names.len());
    let is_answer = |sent: &&Sent| nodes.contains(&sent.from) && !nodes.contains(&sent.to);
    assert!(all.iter().any(|sent| is_answer(&sent)), "who sends nothing is pinged or answered");
    assert!(all.iter().filter(|sent| sent.from == flooder).count() as u64 <= sent - forged);
}

/// Sends nothing but pings and the answers to them, and says so to nobody.
#[derive(Debug)]
struct Hermit;

impl Tamper for Hermit {
    fn alter_answer(&mut self, asked: &Asked, answer: Answer) -> Option<Answer> {
        (asked.query == Query::Ping).then_some(answer)
    }

    fn alter_datagram(&mut self, _: SocketAddr, payload: Bytes) -> Option<Bytes> {
        (payload.len() < 100).then_some(payload)
    }
}

#[test]
fn anybody_can_change_answers_and_datagrams() {
    let mut world = World::new(7);
    let hosts = world.grow(20);
    world.tamper(hosts[0], Hermit);
    let outsider = outsider(&mut world);
    assert_eq!(ask(&mut world, outsider, hosts[0], &Query::Ping), Reply::Ping);
    assert_eq!(world.ask(outsider, hosts[0], &Query::FindNode { target: key() }), None);
    world.keep_sent();
    world.run_for(Duration::from_secs(2 * 3600));
    let (own, sent) = (world.addr(hosts[0]), world.sent());
    assert!(sent.iter().any(|sent| sent.from == own));
    assert!(sent.iter().all(|sent| sent.from != own || sent.payload.len() < 100));
}

#[test]
fn what_was_stored_at_a_node_before_it_was_turned_is_still_committed() {
    let mut world = World::new(7);
    let hosts = world.grow(7);
    let operation =
        world.start(hosts[0], khashmir::Request::Store { key: key(), value: "a".into() }).unwrap();
    // Everybody else is turned as soon as it has the value, which is while its disk is still busy with it.
    let mut honest = hosts[1..].to_vec();
    for _ in 0..5000 {
        world.run_for(Duration::from_millis(1));
        let has_it = |world: &World, host: HostId| world.disk(host).count(&key()).unwrap() > 0;
        let turned: Vec<_> = honest.extract_if(.., |host| has_it(&world, *host)).collect();
        turned.into_iter().for_each(|host| world.tamper(host, Swallower::new([])));
    }
    assert_eq!(honest, []);
    let khashmir::Outcome::Stored(outcome) = world.finish(hosts[0], operation).outcome else {
        panic!("a store")
    };
    assert_eq!(outcome.stored.len(), 6, "{outcome:?}");
}

#[test]
fn equal_seeds_give_equal_attacks_whatever_the_number_of_threads() {
    let digest = |seed, threads| {
        let mut world = World::new(seed).with_threads(threads);
        let kinds = [
            COLLUDER,
            AdversaryKind::Inventor { prefixes: 4, claim: Claim::Forgeries },
            AdversaryKind::Liar { claim: Claim::Forgeries },
            AdversaryKind::Swallower { methods: Swallower::USEFUL.to_vec() },
            AdversaryKind::Flooder { per_second: 20.0, flood: Flood::Garbage, aim: 0.5, forged: 0.5 },
        ];
        let of = |number: usize| (0..40).filter(move |host| host % 10 == number);
        kinds.iter().enumerate().for_each(|(number, kind)| kind.place(&mut world, of(number)));
        let hosts = world.grow(40);
        for (number, kind) in kinds.iter().enumerate() {
            let chosen: Vec<_> = of(number).map(|host| hosts[host]).collect();
            kind.possess(&mut world, &chosen);
        }
        world.store(hosts[9], key(), "a value");
        world.get(hosts[8], key());
        world.run_for(Duration::from_secs(60));
        (world.digest(), world.deeds())
    };
    let once = digest(7, 1);
    assert_eq!(once, digest(7, 3));
    assert_ne!(once.0, digest(8, 1).0);
    assert!(once.1.misdeeds > 0);
}
