//! The engine alone, with datagrams by hand: no socket, no clock.

use std::time::Duration;

use bytes::Bytes;
use khashmir_krpc::{
    ErrorCode, Message, Query, Reply, Token, TransactionId, decode, encode_query, encode_reply,
};
use khashmir_storage::{FaultyStorage, MemoryStorage, Operation as StorageOperation};

use super::*;
use crate::outcome::Request;
use crate::{Preset, Role, StoreLimits};

const START: Time = Time::from_secs(1_000_000);

fn settings() -> Settings {
    Settings::of(Preset::Lan)
}

fn engine(settings: Settings) -> Engine<MemoryStorage> {
    Engine::new(MemoryStorage::new(), settings, [7; 32], START).unwrap()
}

fn peer() -> Contact {
    Contact::new(Id::sha1(b"peer"), "127.0.0.9:9".parse().unwrap())
}

/// Sends a query of the peer's and returns what comes back to it at once.
fn ask<S: Storage>(engine: &mut Engine<S>, query: &Query, now: Time) -> Vec<Message<'static>> {
    let datagram =
        encode_query(&TransactionId::from_slice(b"12345678901234567890").unwrap(), &peer().id, query);
    engine.handle_datagram(peer().addr, &datagram, now);
    answers(engine)
}

/// What waits to go to the peer, its pings aside.
fn answers<S: Storage>(engine: &mut Engine<S>) -> Vec<Message<'static>> {
    std::iter::from_fn(|| engine.poll_transmit())
        .filter(|transmit| transmit.to == peer().addr)
        .map(|transmit| decode(transmit.payload.to_vec().leak()).unwrap())
        .filter(|message| !matches!(message, Message::Query { .. }))
        .collect()
}

fn token<S: Storage>(engine: &mut Engine<S>, now: Time) -> Token {
    offered_token(engine, now).expect("the node takes stores")
}

fn offered_token<S: Storage>(engine: &mut Engine<S>, now: Time) -> Option<Token> {
    let answer = ask(engine, &Query::FindNode { target: Id::MAX }, now).pop();
    let Some(Message::Reply { body, .. }) = answer else { panic!("{answer:?}") };
    match body.read(khashmir_krpc::Method::FindNode).unwrap().1 {
        Reply::FindNode { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

fn store(token: Token) -> Query {
    Query::StoreValue { key: Id::sha1(b"key"), value: Bytes::from_static(b"value"), token }
}

fn is_error(messages: &[Message<'_>], expected: ErrorCode) -> bool {
    matches!(messages, [Message::Error { code, .. }] if *code == expected.number())
}

fn commit<S: Storage>(engine: &mut Engine<S>, now: Time) {
    let committed = engine.poll_commit(now).expect("something is staged").run();
    engine.handle_committed(committed, now);
}

#[test]
fn a_new_id_is_saved_at_once() {
    let mut engine = engine(settings());
    assert_eq!(engine.storage().own_id().unwrap(), Some(engine.id()));
    commit(&mut engine, START);
}

#[test]
fn an_acknowledgement_waits_for_the_commit() {
    let mut engine = engine(settings());
    commit(&mut engine, START);
    let token = token(&mut engine, START);
    assert!(ask(&mut engine, &store(token), START).is_empty());
    commit(&mut engine, START);
    assert!(matches!(&answers(&mut engine)[..], [Message::Reply { .. }]));
}

#[test]
fn a_failed_commit_refuses_those_who_wait_and_is_tried_again_later() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let mut engine = Engine::new(storage, settings(), [7; 32], START).unwrap();
    commit(&mut engine, START);
    let token = token(&mut engine, START);
    engine.storage.fail_next(StorageOperation::Commit, 1);
    assert!(ask(&mut engine, &store(token.clone()), START).is_empty());
    commit(&mut engine, START);
    assert!(is_error(&answers(&mut engine), ErrorCode::Server));
    assert!(engine.storage_error().is_some());

    assert!(engine.poll_commit(START).is_none(), "no attempt without a pause");
    let later = START + Duration::from_secs(1);
    engine.handle_timeout(later);
    commit(&mut engine, later);
    assert_eq!(engine.storage_error(), None);
    assert!(ask(&mut engine, &store(token), later).is_empty());
    commit(&mut engine, later);
    assert!(matches!(&answers(&mut engine)[..], [Message::Reply { .. }]));
}

#[test]
fn a_role_answers_other_methods_as_unknown() {
    let base = &mut engine(Settings { role: Role::Base, ..settings() });
    let read = &mut engine(Settings { role: Role::Read, ..settings() });
    let (key, num) = (Id::sha1(b"key"), 0);
    assert!(is_error(&ask(base, &Query::FindValue { key }, START), ErrorCode::UnknownMethod));
    assert!(is_error(&ask(base, &Query::GetValue { key, num }, START), ErrorCode::UnknownMethod));
    assert!(matches!(&ask(read, &Query::GetValue { key, num }, START)[..], [Message::Reply { .. }]));
    let token = Token::new(vec![0; 20]);
    assert!(is_error(&ask(read, &store(token), START), ErrorCode::UnknownMethod));
}

#[test]
fn a_client_is_silent_to_others_and_stays_out_of_their_tables() {
    let mut engine = engine(Settings { role: Role::Client, ..settings() });
    assert!(ask(&mut engine, &Query::Ping, START).is_empty());
    assert!(ask(&mut engine, &Query::FindNode { target: Id::MAX }, START).is_empty());
    engine.handle_datagram(peer().addr, b"d1:ade1:q3:foo1:t20:123456789012345678901:y1:qe", START);
    assert!(answers(&mut engine).is_empty());
    assert_eq!(engine.statistics(START).traffic.of(khashmir_krpc::Method::Ping).received, 1);
}

#[test]
fn a_bad_token_is_refused_and_nothing_is_stored() {
    let mut engine = engine(settings());
    let refused = ask(&mut engine, &store(Token::new(vec![0; 20])), START);
    assert!(is_error(&refused, ErrorCode::InvalidToken));
    assert_eq!(engine.storage().totals().values, 0);
}

#[test]
fn stores_beyond_the_limit_of_parked_ones_are_refused() {
    let mut engine = engine(Settings { max_parked: 1, ..settings() });
    let token = token(&mut engine, START);
    assert!(ask(&mut engine, &store(token.clone()), START).is_empty());
    assert!(is_error(&ask(&mut engine, &store(token), START), ErrorCode::Server));
}

#[test]
fn a_full_store_displaces_the_values_of_others_but_not_our_own() {
    let limits = StoreLimits { max_values: 1, ..StoreLimits::default() };
    for (is_loopback_exempt, displaces) in [(false, true), (true, false)] {
        let mut settings = Settings { limits, ..settings() };
        settings.calls.is_loopback_exempt = is_loopback_exempt;
        let mut engine = engine(settings);
        let token = token(&mut engine, START);
        let (key, value) = (Id::sha1(b"key"), Bytes::from_static(b"another"));
        assert!(ask(&mut engine, &store(token.clone()), START).is_empty());
        let another = Query::StoreValue { key, value: value.clone(), token: token.clone() };
        assert_eq!(is_error(&ask(&mut engine, &another, START), ErrorCode::Server), !displaces);
        assert_eq!(engine.storage().contains(&key, &value).unwrap(), displaces);
        assert!(displaces || ask(&mut engine, &store(token), START).is_empty(), "a renewal");
        assert_eq!(engine.storage().totals().values, 1);
    }
}

#[test]
fn a_role_that_does_not_store_gives_no_token() {
    let read = &mut engine(Settings { role: Role::Read, ..settings() });
    assert_eq!(offered_token(read, START), None);
}

#[test]
fn while_the_disk_fails_reads_go_on_and_stores_are_refused() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let mut engine = Engine::new(storage, settings(), [7; 32], START).unwrap();
    let token = token(&mut engine, START);
    assert!(ask(&mut engine, &store(token.clone()), START).is_empty());
    commit(&mut engine, START);
    assert_eq!(answers(&mut engine).len(), 1);

    assert!(ask(&mut engine, &store(token.clone()), START).is_empty());
    engine.storage.fail_next(StorageOperation::Commit, 1);
    commit(&mut engine, START);
    assert!(is_error(&answers(&mut engine), ErrorCode::Server));
    assert!(engine.storage_error().is_some());
    assert!(is_error(&ask(&mut engine, &store(token.clone()), START), ErrorCode::Server), "at once");
    assert_eq!(offered_token(&mut engine, START), None);
    let get = Query::GetValue { key: Id::sha1(b"key"), num: 0 };
    assert!(matches!(&ask(&mut engine, &get, START)[..], [Message::Reply { .. }]));

    let later = START + Duration::from_secs(1);
    engine.handle_timeout(later);
    commit(&mut engine, later);
    assert!(offered_token(&mut engine, later).is_some());
    assert!(ask(&mut engine, &store(token), later).is_empty());
}

#[test]
fn a_suspended_node_does_not_lose_everything_when_it_wakes() {
    let mut engine = engine(settings());
    let token = token(&mut engine, START);
    assert!(ask(&mut engine, &store(token), START).is_empty());
    pass(&mut engine, START + Duration::from_secs(600));
    let woken = START + Duration::from_secs(8 * 3600);
    engine.handle_timeout(woken);
    pass(&mut engine, woken + Duration::from_secs(3600));
    assert_eq!(engine.storage().totals().values, 1);
    pass(&mut engine, woken + Duration::from_secs(2 * 3600));
    assert_eq!(engine.storage().totals().values, 0);
}

#[test]
fn a_clock_set_back_between_two_runs_neither_loses_values_nor_keeps_them_for_ever() {
    let mut storage = MemoryStorage::new();
    storage.put(&Id::MAX, b"value", khashmir_storage::Publisher::Ourselves, START).unwrap();
    let earlier = START - Duration::from_secs(900_000);
    let mut engine = Engine::new(storage, settings(), [7; 32], earlier).unwrap();
    pass(&mut engine, earlier + Duration::from_secs(2 * 3600));
    assert_eq!(engine.storage().totals().values, 1);
    pass(&mut engine, earlier + Duration::from_secs(4 * 3600));
    assert_eq!(engine.storage().totals().values, 0);
}

#[test]
fn a_querier_enters_the_table_only_once_it_answers_a_ping() {
    let mut engine = engine(settings());
    engine.handle_datagram(
        peer().addr,
        &encode_query(&TransactionId::from_slice(b"12345678901234567890").unwrap(), &peer().id, &Query::Ping),
        START,
    );
    assert!(engine.table().is_empty());
    let ping = std::iter::from_fn(|| engine.poll_transmit())
        .find_map(|transmit| match decode(&transmit.payload).unwrap() {
            Message::Query { transaction, query: Query::Ping, .. } => Some(transaction),
            _ => None,
        })
        .expect("a newcomer is pinged");
    engine.handle_datagram(peer().addr, &encode_reply(&ping, &peer().id, &Reply::Ping).unwrap(), START);
    assert_eq!(engine.table().contacts().collect::<Vec<_>>(), [peer()]);
}

#[test]
fn whoever_may_be_forged_gets_a_large_reply_only_once_it_answers_a_ping() {
    let mut engine = engine(Settings::default());
    let asker = Contact::new(Id::sha1(b"asker"), "198.51.100.1:9977".parse().unwrap());
    let transaction = TransactionId::from_slice(b"12345678901234567890").unwrap();
    let query = Query::FindNode { target: Id::sha1(b"target") };
    let query = encode_query(&transaction, &asker.id, &query);
    for n in 0..8 {
        let contact = Contact::new(Id::sha1(&[n]), SocketAddr::from(([203, 0, n, 1], 9977)));
        engine.table.on_answer(contact, START);
    }
    engine.handle_datagram(asker.addr, &query[..], START);
    let sent: Vec<_> = std::iter::from_fn(|| engine.poll_transmit()).collect();
    let [ping] = &sent[..] else { panic!("one ping") };
    let Message::Query { transaction, query: Query::Ping, .. } = decode(&ping.payload).unwrap() else {
        panic!("no ping")
    };
    assert!(ping.payload.len() <= query.len(), "no more goes out than came in");
    let pong = encode_reply(&transaction, &asker.id, &Reply::Ping).unwrap();
    engine.handle_datagram(asker.addr, &pong, START);
    let reply = std::iter::from_fn(|| engine.poll_transmit()).next().expect("the reply was kept");
    assert!(reply.payload.len() > query.len());
    assert!(engine.table().node(&asker.id).is_none(), "it may be a client");
}

#[test]
fn operations_are_bounded_and_end_once() {
    let mut engine = engine(Settings { max_operations: 1, ..settings() });
    let ping = engine.start(Request::Ping { addr: peer().addr }, START).unwrap();
    assert_eq!(
        engine.start(Request::Ping { addr: peer().addr }, START),
        Err(crate::Refused::Busy { limit: 1 })
    );
    let mut now = START;
    let mut finished = Vec::new();
    while now < START + Duration::from_secs(60) {
        now = engine.poll_timeout();
        engine.handle_timeout(now);
        finished.extend(std::iter::from_fn(|| engine.poll_event()));
    }
    let expected = Outcome::Pong(Err(khashmir_krpc::Failure::Timeout));
    assert_eq!(finished, [Event::Finished { operation: ping, outcome: expected }]);
}

/// Lets time pass until `end`, with nobody answering anything.
fn pass(engine: &mut Engine<MemoryStorage>, end: Time) -> Vec<Event> {
    let mut events = Vec::new();
    while engine.poll_timeout() <= end {
        let now = engine.poll_timeout();
        engine.handle_timeout(now);
        while let Some(commit) = engine.poll_commit(now) {
            engine.handle_committed(commit.run(), now);
        }
        while engine.poll_transmit().is_some() {}
        events.extend(std::iter::from_fn(|| engine.poll_event()));
    }
    events
}

#[test]
fn operations_wait_for_room_among_the_calls() {
    let mut storage = MemoryStorage::new();
    storage.set_contacts(&[peer()]).unwrap();
    let mut settings = settings();
    (settings.calls.max_outstanding, settings.calls.max_queued) = (1, 2);
    let mut engine = Engine::new(storage, settings, [7; 32], START).unwrap();
    for n in 0..20_u8 {
        engine.start(Request::FindNode { target: Id::sha1(&[n]) }, START).unwrap();
    }
    let events = pass(&mut engine, START + Duration::from_secs(55));
    let timed_out = |event: &Event| match event {
        Event::Finished { outcome: Outcome::Found(found), .. } => {
            assert_eq!(found.progress.tally.unsent, 0);
            found.progress.tally.timed_out == 1
        }
        other => panic!("{other:?}"),
    };
    // One after the other, nine seconds each, a ping of the table's among them; the rest still waits.
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(timed_out));
}

#[test]
fn a_stranger_that_answers_pings_with_an_error_frees_its_place() {
    let mut table = settings();
    table.table.max_newcomers = 1;
    let mut engine = engine(table);
    let ping = |host: u8| (SocketAddr::from(([127, 0, 0, host], 9)), Id::sha1(&[host]));
    let transaction = TransactionId::from_slice(b"12345678901234567890").unwrap();
    let pinged = |engine: &mut Engine<MemoryStorage>, host, now| {
        let (addr, id) = ping(host);
        engine.handle_datagram(addr, &encode_query(&transaction, &id, &Query::Ping), now);
        std::iter::from_fn(|| engine.poll_transmit()).find_map(|sent| match decode(&sent.payload).unwrap() {
            Message::Query { transaction, .. } => Some((addr, transaction)),
            _ => None,
        })
    };
    let (addr, asked) = pinged(&mut engine, 1, START).expect("the first stranger is pinged");
    let refusal = khashmir_krpc::encode_error(&asked, &khashmir_krpc::Refusal::unknown_method(b"ping"));
    engine.handle_datagram(addr, &refusal, START);
    let later = START + Duration::from_secs(3600);
    pass(&mut engine, later);
    assert!(pinged(&mut engine, 2, later).is_some(), "the place is free again");
}

#[test]
fn whoever_waits_at_the_end_is_told_and_nothing_is_due_any_more() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let mut engine = Engine::new(storage, settings(), [7; 32], START).unwrap();
    commit(&mut engine, START);
    let token = token(&mut engine, START);
    assert!(ask(&mut engine, &store(token), START).is_empty());
    let (key, value) = (Id::sha1(b"key"), Bytes::from_static(b"ours"));
    let ours = engine.start(Request::Store { key, value }, START).unwrap();
    engine.stop(START);
    let unfinished = engine.poll_commit(START).expect("what is parked is committed");
    assert!(!engine.is_stopped());
    engine.close(START);
    assert!(is_error(&answers(&mut engine), ErrorCode::Server));
    let finished = std::iter::from_fn(|| engine.poll_event()).collect::<Vec<_>>();
    assert!(matches!(&finished[..], [Event::Finished { operation, .. }] if *operation == ours));
    assert_eq!(engine.poll_timeout(), Time::FAR_FUTURE);
    drop(unfinished);
}

#[test]
fn a_value_that_nobody_could_keep_is_not_stored_here_either() {
    let mut engine = engine(settings());
    for len in [0, khashmir_krpc::MAX_STORABLE + 1] {
        let request = Request::Store { key: Id::MAX, value: vec![0; len].into() };
        assert_eq!(engine.start(request, START), Err(crate::Refused::ValueLength { found: len }));
    }
}
