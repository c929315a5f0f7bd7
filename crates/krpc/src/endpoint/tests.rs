//! Calls end once and in time, answers count only from the one asked, and limits hold.

use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use super::*;
use crate::codec::{encode_error, encode_query, encode_query_with, encode_reply};
use crate::message::{ErrorCode, Reply};
use crate::{Method, Token};

const OWN: Id = Id::new([0xaa; Id::LEN]);
const PEER: Id = Id::new([0xbb; Id::LEN]);
const START: Time = Time::from_secs(1_000_000);

fn addr(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 9977))
}

fn peer() -> Contact {
    Contact::new(PEER, addr(1))
}

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(7)
}

fn endpoint() -> Endpoint {
    Endpoint::new(OWN, config(), &mut rng())
}

/// Without what `tests/guard.rs` is about.
fn config() -> EndpointConfig {
    EndpointConfig { demands_proof: false, ..EndpointConfig::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An endpoint with one ping in flight to [`peer`], and the datagram that left.
fn pinging() -> (Endpoint, CallId, Transmit) {
    let mut endpoint = endpoint();
    let call = endpoint.call(peer(), &Query::Ping, START, &mut rng()).unwrap();
    let transmit = endpoint.poll_transmit().unwrap();
    (endpoint, call, transmit)
}

fn transaction(datagram: &[u8]) -> TransactionId {
    match decode(datagram) {
        Ok(Message::Query { transaction, .. }) => transaction,
        other => panic!("{other:?}"),
    }
}

fn answer(to: &Transmit, id: Id, reply: &Reply) -> Bytes {
    encode_reply(&transaction(&to.payload), &id, reply).unwrap()
}

fn transmits(endpoint: &mut Endpoint) -> Vec<Transmit> {
    std::iter::from_fn(|| endpoint.poll_transmit()).collect()
}

fn events(endpoint: &mut Endpoint) -> Vec<Event> {
    std::iter::from_fn(|| endpoint.poll_event()).collect()
}

fn causes(endpoint: &mut Endpoint) -> Vec<Failure> {
    let cause = |event| match event {
        Event::Failed { cause, .. } => cause,
        other => panic!("{other:?}"),
    };
    events(endpoint).into_iter().map(cause).collect()
}

#[test]
fn a_silent_peer_is_asked_at_0_2_and_6_seconds_and_given_up_at_9() {
    let (mut endpoint, call, first) = pinging();
    let mut sent_at = vec![0];
    while let Some(now) = endpoint.poll_timeout() {
        endpoint.handle_timeout(now - Duration::from_micros(1));
        assert_eq!((transmits(&mut endpoint), events(&mut endpoint)), (vec![], vec![]), "too early");
        endpoint.handle_timeout(now);
        for transmit in transmits(&mut endpoint) {
            assert_eq!(transmit, first);
            sent_at.push(now.since(START).as_secs());
        }
    }
    assert_eq!(sent_at, [0, 2, 6]);
    let (callee, method) = (peer().into(), Method::Ping);
    assert_eq!(events(&mut endpoint), [Event::Failed { call, callee, method, cause: Failure::Timeout }]);
    let counted = MethodCounters { sent: 1, resent: 2, failed: 1, ..MethodCounters::default() };
    assert_eq!(endpoint.counters().of(Method::Ping), &counted);
    assert_eq!(endpoint.open_calls(), 0);
}

#[test]
fn a_long_delay_gives_up_at_once_and_sends_no_volley() {
    let (mut endpoint, ..) = pinging();
    endpoint.handle_timeout(START + secs(7));
    assert_eq!(transmits(&mut endpoint).len(), 1);
    assert_eq!(endpoint.poll_timeout(), Some(START + secs(9)));
    endpoint.handle_timeout(START + secs(1_000_000));
    assert_eq!((transmits(&mut endpoint).len(), causes(&mut endpoint)), (0, vec![Failure::Timeout]));
}

#[test]
fn an_answer_ends_the_call_and_tells_the_round_trip() {
    let (mut endpoint, call, query) = pinging();
    endpoint.handle_datagram(peer().addr, &answer(&query, PEER, &Reply::Ping), START + secs(1));
    let rtt = Some(secs(1));
    assert_eq!(events(&mut endpoint), [Event::Answered { call, from: peer(), reply: Reply::Ping, rtt }]);
    assert_eq!(endpoint.poll_timeout(), None);
}

#[test]
fn a_query_that_must_not_be_repeated_goes_out_once_and_times_out_like_any() {
    let mut endpoint = endpoint();
    endpoint.call_with(peer(), &Query::Ping, Repeat::Never, START, &mut rng()).unwrap();
    assert_eq!(transmits(&mut endpoint).len(), 1);
    assert_eq!(endpoint.poll_timeout(), Some(START + secs(9)));
    endpoint.handle_timeout(START + secs(9));
    assert_eq!((transmits(&mut endpoint), causes(&mut endpoint)), (vec![], vec![Failure::Timeout]));
}

#[test]
fn after_a_resend_the_round_trip_is_unknown() {
    let (mut endpoint, _, query) = pinging();
    endpoint.handle_timeout(START + secs(2));
    endpoint.handle_datagram(peer().addr, &answer(&query, PEER, &Reply::Ping), START + secs(3));
    assert!(matches!(events(&mut endpoint)[..], [Event::Answered { rtt: None, .. }]));
}

#[test]
fn only_the_first_answer_counts() {
    let (mut endpoint, _, query) = pinging();
    let answer = answer(&query, PEER, &Reply::Ping);
    (0..3).for_each(|_| endpoint.handle_datagram(peer().addr, &answer, START));
    assert_eq!(events(&mut endpoint).len(), 1);
    assert_eq!(endpoint.counters().dropped(DropReason::Unexpected), 2);
}

#[test]
fn an_answer_after_the_timeout_is_dropped() {
    let (mut endpoint, _, query) = pinging();
    endpoint.handle_timeout(START + secs(9));
    endpoint.handle_datagram(peer().addr, &answer(&query, PEER, &Reply::Ping), START + secs(10));
    assert_eq!(causes(&mut endpoint), [Failure::Timeout]);
}

#[test]
fn an_answer_from_another_address_or_port_does_not_count() {
    let (mut endpoint, _, query) = pinging();
    let answer = answer(&query, PEER, &Reply::Ping);
    endpoint.handle_datagram(addr(2), &answer, START);
    endpoint.handle_datagram(SocketAddr::new(peer().addr.ip(), 9978), &answer, START);
    assert_eq!((events(&mut endpoint), endpoint.open_calls()), (vec![], 1));
}

#[test]
fn an_answer_with_a_wrong_null_or_own_id_is_a_failure() {
    for found in [Id::MAX, Id::NULL, OWN] {
        let (mut endpoint, _, query) = pinging();
        endpoint.handle_datagram(peer().addr, &answer(&query, found, &Reply::Ping), START);
        assert_eq!(causes(&mut endpoint), [Failure::WrongId { found }]);
    }
}

#[test]
fn an_address_without_an_id_may_answer_with_any_but_null_and_ours() {
    for (found, is_answer) in [(PEER, true), (Id::MAX, true), (Id::NULL, false), (OWN, false)] {
        let mut endpoint = endpoint();
        endpoint.call(addr(1), &Query::Join, START, &mut rng()).unwrap();
        let query = endpoint.poll_transmit().unwrap();
        let reply = answer(&query, found, &Reply::Join { addr: None });
        endpoint.handle_datagram(addr(1), &reply, START);
        assert_eq!(matches!(events(&mut endpoint)[..], [Event::Answered { .. }]), is_answer, "{found}");
    }
}

#[test]
fn a_contact_with_the_null_id_is_called_by_its_address() {
    assert_eq!(Callee::from(Contact::new(Id::NULL, addr(1))), Callee::from(addr(1)));
}

#[test]
fn an_error_a_malformed_reply_and_an_unknown_type_end_the_call() {
    let t = |query: &Transmit| transaction(&query.payload).as_bytes().to_vec();
    let (mut endpoint, _, query) = pinging();
    let error = encode_error(&transaction(&query.payload), &ErrorCode::UnknownMethod.into());
    endpoint.handle_datagram(peer().addr, &error, START);
    assert_eq!(causes(&mut endpoint), [Failure::Error { code: 203, text: "unknown method".into() }]);

    let (mut endpoint, _, query) = pinging();
    endpoint.handle_datagram(peer().addr, &[b"d1:rde1:t20:", &t(&query)[..], b"1:y1:re"].concat(), START);
    assert_eq!(causes(&mut endpoint), [Failure::Malformed]);

    let (mut endpoint, _, query) = pinging();
    endpoint.handle_datagram(peer().addr, &[b"d1:t20:", &t(&query)[..], b"1:y1:xe"].concat(), START);
    assert_eq!(causes(&mut endpoint), [Failure::UnknownType]);
}

#[test]
fn a_query_with_our_transaction_id_is_served_and_ends_nothing() {
    let (mut endpoint, _, query) = pinging();
    endpoint.handle_datagram(
        peer().addr,
        &encode_query(&transaction(&query.payload), &PEER, &Query::Ping),
        START,
    );
    assert!(matches!(events(&mut endpoint)[..], [Event::Query { sender: PEER, .. }]));
    assert_eq!(endpoint.open_calls(), 1);
}

#[test]
fn a_query_is_answered_at_its_address_with_its_transaction() {
    let mut endpoint = endpoint();
    let t = TransactionId::from_slice(b"tt").unwrap();
    endpoint.handle_datagram(addr(1), &encode_query(&t, &PEER, &Query::Ping), START);
    let Some(Event::Query { reply_to, from, .. }) = endpoint.poll_event() else { panic!("no query") };
    assert_eq!((from, reply_to.addr(), reply_to.method()), (addr(1), addr(1), Method::Ping));
    let _ = endpoint.reply(&reply_to, &Reply::Ping, START);
    endpoint.reply_error(&reply_to, ErrorCode::Server, START);
    let expected =
        [encode_reply(&t, &OWN, &Reply::Ping).unwrap(), encode_error(&t, &ErrorCode::Server.into())];
    assert_eq!(transmits(&mut endpoint), expected.map(|payload| Transmit { to: addr(1), payload }));
}

#[test]
fn a_query_of_ours_tells_our_level() {
    let mut endpoint = endpoint();
    endpoint.call(peer(), &Query::FindValue { key: PEER }, START, &mut rng()).unwrap();
    let first = endpoint.poll_transmit().unwrap();
    assert!(matches!(decode(&first.payload), Ok(Message::Query { level: Level::OURS, .. })));
}

#[test]
fn values_are_sent_unasked_only_to_those_who_take_them() {
    let (t, asked) = (TransactionId::random(&mut rng()), Query::FindValue { key: PEER });
    let reply = Reply::FindValue { nodes: vec![peer()], num: 1, values: vec!["value".into()] };
    for level in [Level::ORIGINAL, Level::OURS] {
        let mut endpoint = endpoint();
        endpoint.handle_datagram(addr(1), &encode_query_with(&t, &PEER, &asked, level), START);
        let Some(Event::Query { reply_to, .. }) = endpoint.poll_event() else { panic!("no query") };
        assert_eq!(reply_to.level(), level);
        assert_eq!(endpoint.reply(&reply_to, &reply, START), Delivery::Sent);
        let sent = endpoint.poll_transmit().unwrap().payload;
        let has_values = sent.windows(6).any(|window| window == b"values");
        assert_eq!(has_values, level == Level::OURS, "to the original byte for byte as ever");
    }
}

#[test]
fn an_endpoint_at_rest_owns_no_queues() {
    let (mut endpoint, _, query) = pinging();
    endpoint.handle_datagram(peer().addr, &answer(&query, PEER, &Reply::Ping), START);
    assert_eq!((events(&mut endpoint).len(), transmits(&mut endpoint).len()), (1, 0));
    endpoint.release_memory();
    assert_eq!((endpoint.events.capacity(), endpoint.transmits.capacity()), (0, 0));
}

#[test]
fn an_answer_with_another_transaction_of_any_length_is_unexpected() {
    let (mut endpoint, _, query) = pinging();
    let ours = transaction(&query.payload);
    for t in [&ours.as_bytes()[..19], &[ours.as_bytes(), b"x"].concat(), &[0; 20], b""] {
        let t = TransactionId::from_slice(t).unwrap();
        endpoint.handle_datagram(peer().addr, &encode_reply(&t, &PEER, &Reply::Ping).unwrap(), START);
    }
    assert_eq!((events(&mut endpoint), endpoint.open_calls()), (vec![], 1));
    assert_eq!(endpoint.counters().dropped(DropReason::Unexpected), 4);
}

#[test]
fn a_bad_query_is_refused_without_an_event() {
    let mut endpoint = endpoint();
    endpoint.handle_datagram(addr(1), b"d1:ade1:q4:ping1:t1:T1:y1:qe", START);
    endpoint.handle_datagram(addr(1), b"d1:ade1:q9:get_peers1:t1:T1:y1:qe", START);
    let texts: Vec<_> = transmits(&mut endpoint).into_iter().map(|transmit| transmit.payload).collect();
    assert_eq!(texts[0], &b"d1:eli204e17:malformed requeste1:t1:T1:y1:ee"[..]);
    assert_eq!(texts[1], &b"d1:eli203e24:unknown method get_peerse1:t1:T1:y1:ee"[..]);
    assert_eq!(events(&mut endpoint), []);
    assert_eq!((endpoint.counters().of(Method::Ping).refused, endpoint.counters().unknown), (1, 1));
}

#[test]
fn replies_and_errors_nobody_asked_for_are_met_with_silence() {
    let mut endpoint = endpoint();
    let t = TransactionId::random(&mut rng());
    endpoint.handle_datagram(addr(1), &encode_reply(&t, &PEER, &Reply::Ping).unwrap(), START);
    endpoint.handle_datagram(addr(1), &encode_error(&t, &ErrorCode::Server.into()), START);
    endpoint.handle_datagram(addr(1), b"d1:t1:T1:y1:xe", START);
    endpoint.handle_datagram(addr(1), b"garbage", START);
    assert_eq!((transmits(&mut endpoint), events(&mut endpoint)), (vec![], vec![]));
    let dropped = |reason| endpoint.counters().dropped(reason);
    assert_eq!(dropped(DropReason::Unexpected), 2);
    assert_eq!((dropped(DropReason::UnknownType), dropped(DropReason::NotBencode)), (1, 1));
}

#[test]
fn one_prefix_gets_no_more_answers_than_its_share() {
    let mut endpoint = Endpoint::new(OWN, EndpointConfig { unproven_per_prefix: 3, ..config() }, &mut rng());
    let ping = encode_query(&TransactionId::from_slice(b"t").unwrap(), &PEER, &Query::Ping);
    for port in 1..=10 {
        endpoint.handle_datagram(SocketAddr::new(addr(1).ip(), port), &ping, START);
        endpoint.handle_datagram(addr(1), b"d1:ade1:q1:x1:t1:T1:y1:qe", START);
    }
    assert_eq!(events(&mut endpoint).len() + transmits(&mut endpoint).len(), 3);
    assert_eq!(endpoint.counters().dropped(DropReason::PrefixBudget), 17);
}

#[test]
fn calls_beyond_the_limit_wait_for_a_free_place_in_order() {
    let config = EndpointConfig { max_outstanding: 2, max_queued: 3, ..config() };
    let (mut endpoint, mut rng) = (Endpoint::new(OWN, config, &mut rng()), rng());
    for host in 1..=5 {
        endpoint.call(addr(host), &Query::Ping, START, &mut rng).unwrap();
    }
    assert_eq!(endpoint.call(addr(6), &Query::Ping, START, &mut rng), Err(CallRefused::QueueFull));
    let sent = transmits(&mut endpoint);
    assert_eq!(sent.iter().map(|transmit| transmit.to).collect::<Vec<_>>(), [addr(1), addr(2)]);

    endpoint.handle_datagram(addr(2), &answer(&sent[1], PEER, &Reply::Ping), START + secs(1));
    assert_eq!(transmits(&mut endpoint).iter().map(|transmit| transmit.to).collect::<Vec<_>>(), [addr(3)]);
    endpoint.handle_send_error(addr(1), START + secs(1));
    assert_eq!(transmits(&mut endpoint).iter().map(|transmit| transmit.to).collect::<Vec<_>>(), [addr(4)]);
    assert_eq!(endpoint.open_calls(), 3);
}

#[test]
fn the_timeout_of_a_queued_call_counts_from_its_sending() {
    let config = EndpointConfig { max_outstanding: 1, ..config() };
    let (mut endpoint, mut rng) = (Endpoint::new(OWN, config, &mut rng()), rng());
    endpoint.call(addr(1), &Query::Ping, START, &mut rng).unwrap();
    endpoint.call(addr(2), &Query::Ping, START, &mut rng).unwrap();
    endpoint.handle_timeout(START + secs(9));
    assert_eq!(causes(&mut endpoint), [Failure::Timeout]);
    endpoint.handle_timeout(START + secs(17));
    assert_eq!(causes(&mut endpoint), []);
    endpoint.handle_timeout(START + secs(18));
    assert_eq!(causes(&mut endpoint), [Failure::Timeout]);
}

#[test]
fn calls_beyond_the_pace_wait_for_their_turn() {
    let config = EndpointConfig { calls_per_second: 10, burst: 2, ..config() };
    let (mut endpoint, mut rng) = (Endpoint::new(OWN, config, &mut rng()), rng());
    (1..=5).for_each(|host| assert!(endpoint.call(addr(host), &Query::Ping, START, &mut rng).is_ok()));
    assert_eq!(transmits(&mut endpoint).len(), 2);
    assert_eq!(endpoint.poll_timeout(), Some(START + Duration::from_millis(100)));
    endpoint.handle_timeout(START + Duration::from_millis(100));
    assert_eq!(transmits(&mut endpoint).len(), 1);
    endpoint.handle_timeout(START + Duration::from_millis(300));
    assert_eq!(transmits(&mut endpoint).len(), 2);
}

#[test]
fn a_cancelled_call_leaves_no_trace_and_frees_its_place() {
    let config = EndpointConfig { max_outstanding: 1, ..config() };
    let (mut endpoint, mut rng) = (Endpoint::new(OWN, config, &mut rng()), rng());
    let calls = [1, 2, 3].map(|host| endpoint.call(addr(host), &Query::Ping, START, &mut rng).unwrap());
    let first = endpoint.poll_transmit().unwrap();
    endpoint.cancel(calls[1]);
    endpoint.cancel(calls[0]);
    assert!(endpoint.poll_timeout().is_some_and(|timeout| timeout <= START), "the place is free at once");
    endpoint.handle_timeout(START);
    assert_eq!(transmits(&mut endpoint).iter().map(|transmit| transmit.to).collect::<Vec<_>>(), [addr(3)]);
    endpoint.handle_datagram(addr(1), &answer(&first, PEER, &Reply::Ping), START);
    assert_eq!((events(&mut endpoint), endpoint.open_calls()), (vec![], 1));
}

#[test]
fn a_send_error_fails_the_calls_to_that_address_only() {
    let (mut endpoint, mut rng) = (endpoint(), rng());
    for host in [1, 2, 1] {
        endpoint.call(addr(host), &Query::Ping, START, &mut rng).unwrap();
    }
    endpoint.handle_send_error(addr(1), START);
    assert_eq!(causes(&mut endpoint), [Failure::SendError, Failure::SendError]);
    assert_eq!(endpoint.open_calls(), 1);
}

#[test]
fn after_the_stop_all_calls_have_failed_and_nothing_is_said() {
    let config = EndpointConfig { max_outstanding: 2, ..config() };
    let (mut endpoint, mut rng) = (Endpoint::new(OWN, config, &mut rng()), rng());
    let ping = encode_query(&TransactionId::from_slice(b"t").unwrap(), &PEER, &Query::Ping);
    endpoint.handle_datagram(addr(1), &ping, START);
    let Some(Event::Query { reply_to, .. }) = endpoint.poll_event() else { panic!("no query") };
    (1..=3).for_each(|host| assert!(endpoint.call(addr(host), &Query::Ping, START, &mut rng).is_ok()));
    let _ = transmits(&mut endpoint);

    endpoint.stop();
    assert_eq!(causes(&mut endpoint), vec![Failure::Stopped; 3]);
    endpoint.handle_datagram(addr(1), &ping, START);
    let _ = endpoint.reply(&reply_to, &Reply::Ping, START);
    endpoint.reply_error(&reply_to, ErrorCode::Server, START);
    endpoint.handle_timeout(START + secs(100));
    assert_eq!(endpoint.call(addr(1), &Query::Ping, START, &mut rng), Err(CallRefused::Stopped));
    assert_eq!(
        (transmits(&mut endpoint), events(&mut endpoint), endpoint.poll_timeout()),
        (vec![], vec![], None)
    );
    assert_eq!(endpoint.counters().dropped(DropReason::Stopped), 1);
}

#[test]
fn a_value_too_large_to_store_is_refused_before_anything_is_sent() {
    let mut endpoint = endpoint();
    let mut store = |len: usize| {
        let (value, token) = (vec![b'v'; len].into(), Token::new(vec![b't'; 20]));
        endpoint.call(peer(), &Query::StoreValue { key: PEER, value, token }, START, &mut rng())
    };
    assert!(store(crate::MAX_STORABLE).is_ok());
    let (found, limit) = (MAX_DATAGRAM + 1, MAX_DATAGRAM);
    assert_eq!(store(crate::MAX_STORABLE + 1), Err(CallRefused::TooLong { found, limit }));
}

#[test]
fn a_reply_that_fits_no_datagram_becomes_error_206() {
    let mut endpoint = endpoint();
    let to = ReplyTo {
        addr: addr(1),
        transaction: TransactionId::from_slice(&[b'T'; 64]).unwrap(),
        method: Method::FindValue,
        level: Level::OURS,
    };
    let _ = endpoint.reply(&to, &Reply::FindValue { nodes: vec![peer(); 60], num: 0, values: vec![] }, START);
    let payload = endpoint.poll_transmit().unwrap().payload;
    assert!(matches!(decode(&payload), Ok(Message::Error { code: 206, .. })));
}

/// What may happen to an endpoint.
#[derive(Clone, Debug)]
enum Input {
    Call { host: u8, value: Option<usize> },
    Wait { millis: u64 },
    Datagram { host: u8, bytes: Vec<u8> },
    Answer { index: usize, id: u8, values: Vec<usize> },
    Query { host: u8, values: Vec<usize> },
    SendError { host: u8 },
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let sizes = || proptest::collection::vec(0_usize..1500, 0..20);
    let input = prop_oneof![
        (1_u8..5, proptest::option::of(0_usize..2000)).prop_map(|(host, value)| Input::Call { host, value }),
        (0_u64..5000).prop_map(|millis| Input::Wait { millis }),
        (1_u8..5, any::<Vec<u8>>()).prop_map(|(host, bytes)| Input::Datagram { host, bytes }),
        (0_usize..8, 0_u8..4, sizes()).prop_map(|(index, id, values)| Input::Answer { index, id, values }),
        (1_u8..5, sizes()).prop_map(|(host, values)| Input::Query { host, values }),
        (1_u8..5).prop_map(|host| Input::SendError { host }),
    ];
    proptest::collection::vec(input, 0..60)
}

fn values(sizes: &[usize]) -> Reply {
    Reply::GetValue { values: sizes.iter().map(|size| vec![b'v'; *size].into()).collect() }
}

/// Plays the inputs, then waits for the end of all calls. Gives everything sent, everything that happened,
/// and the calls that were made.
fn played(inputs: &[Input]) -> (Vec<Transmit>, Vec<Event>, Vec<CallId>) {
    let config = EndpointConfig { max_outstanding: 3, calls_per_second: 5, burst: 2, ..config() };
    let (mut endpoint, mut rng, mut now) = (Endpoint::new(OWN, config, &mut rng()), rng(), START);
    let (mut sent, mut happened, mut calls) = (Vec::<Transmit>::new(), Vec::new(), Vec::new());
    for input in inputs {
        match input {
            Input::Call { host, value: None } => {
                let get = Query::GetValue { key: PEER, num: 0 };
                calls.extend(endpoint.call(addr(*host), &get, now, &mut rng));
            }
            Input::Call { host, value: Some(len) } => {
                let (value, token) = (vec![b'v'; *len].into(), Token::new(&b"token"[..]));
                let store = Query::StoreValue { key: PEER, value, token };
                calls.extend(endpoint.call(addr(*host), &store, now, &mut rng));
            }
            Input::Wait { millis } => now += Duration::from_millis(*millis),
            Input::Datagram { host, bytes } => endpoint.handle_datagram(addr(*host), bytes, now),
            Input::Answer { index, id, values: sizes } => {
                if let Some(query) = sent.iter().rev().nth(*index)
                    && let Ok(Message::Query { transaction, .. }) = decode(&query.payload)
                    && let Ok(reply) = encode_reply(&transaction, &Id::new([*id; 20]), &values(sizes))
                {
                    endpoint.handle_datagram(query.to, &reply, now);
                }
            }
            Input::Query { host, values: sizes } => {
                let (transaction, method, level) =
                    (TransactionId::random(&mut rng), Method::GetValue, Level::OURS);
                let to = ReplyTo { addr: addr(*host), transaction, method, level };
                let _ = endpoint.reply(&to, &values(sizes), now);
            }
            Input::SendError { host } => endpoint.handle_send_error(addr(*host), now),
        }
        endpoint.handle_timeout(now);
        sent.extend(transmits(&mut endpoint));
        happened.extend(events(&mut endpoint));
        assert!(endpoint.calls.in_flight() <= 3);
    }
    while let Some(timeout) = endpoint.poll_timeout() {
        now = now.max(timeout);
        endpoint.handle_timeout(now);
        sent.extend(transmits(&mut endpoint));
        happened.extend(events(&mut endpoint));
    }
    assert_eq!(endpoint.open_calls(), 0);
    (sent, happened, calls)
}

proptest! {
    #[test]
    fn whatever_happens_every_call_ends_once_and_nothing_is_too_long(inputs in inputs()) {
        let (sent, happened, calls) = played(&inputs);
        prop_assert!(sent.iter().all(|transmit| transmit.payload.len() <= MAX_DATAGRAM));
        let mut ended: Vec<_> = happened.iter().filter_map(|event| match event {
            Event::Answered { call, .. } | Event::Failed { call, .. } => Some(*call),
            Event::Query { .. } => None,
        }).collect();
        ended.sort();
        prop_assert_eq!(ended, calls);
    }

    #[test]
    fn equal_inputs_give_equal_outputs(inputs in inputs()) {
        prop_assert_eq!(played(&inputs), played(&inputs));
    }
}
