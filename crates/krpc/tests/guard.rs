//! Whom an endpoint listens to in a flood, and that it is no weapon: what goes to who has proved nothing.
#![allow(missing_docs, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir_krpc::{
    Delivery, DropReason, Endpoint, EndpointConfig, Event, MAX_DATAGRAM, Message, Method, Query, Repeat,
    Reply, ReplyTo, Token, Transmit, decode, encode_query, encode_reply,
};
use khashmir_types::{Contact, Id, Time};
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

const OWN: Id = Id::new([0xaa; Id::LEN]);
const START: Time = Time::from_secs(6_000_000);

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(7)
}

fn endpoint() -> Endpoint {
    Endpoint::new(OWN, EndpointConfig::default(), &mut rng())
}

/// A public address, another for each number.
fn addr(n: u32) -> SocketAddr {
    SocketAddr::from(((0x2000_0000 + n).to_be_bytes(), 9977))
}

fn find_node() -> Bytes {
    encode_query(&[b't'; 20].into(), &Id::MAX, &Query::FindNode { target: Id::MAX })
}

fn reply(query: &Query) -> Reply {
    let contact = Contact::new(Id::MAX, addr(77));
    match query {
        Query::Ping => Reply::Ping,
        Query::Join => Reply::Join { addr: Some("255.255.255.255:65535".parse().unwrap()) },
        Query::FindNode { .. } => {
            Reply::FindNode { nodes: vec![contact; 8], token: Some(Token::new(vec![7; 20])) }
        }
        Query::FindValue { .. } => {
            Reply::FindValue { nodes: vec![contact; 8], num: 2, values: vec![Bytes::from(vec![7; 40]); 2] }
        }
        Query::GetValue { .. } => Reply::GetValue { values: vec![Bytes::from(vec![7; 300]); 4] },
        Query::StoreValue { .. } => Reply::StoreValue,
    }
}

fn query(endpoint: &mut Endpoint) -> Option<(Query, ReplyTo)> {
    std::iter::from_fn(|| endpoint.poll_event()).find_map(|event| match event {
        Event::Query { query, reply_to, .. } => Some((query, reply_to)),
        _ => None,
    })
}

fn transmits(endpoint: &mut Endpoint) -> Vec<Transmit> {
    std::iter::from_fn(|| endpoint.poll_transmit()).collect()
}

/// Serves a query, as a node does; asks for a proof with one ping where one is needed.
fn serve(endpoint: &mut Endpoint, from: SocketAddr, datagram: &[u8], now: Time) -> Option<Delivery> {
    endpoint.handle_datagram(from, datagram, now);
    let (query, reply_to) = query(endpoint)?;
    let delivery = endpoint.reply(&reply_to, &reply(&query), now);
    if delivery == Delivery::NeedsProof {
        let whom = Contact::new(Id::MAX, from);
        endpoint.call_with(whom, &Query::Ping, Repeat::Never, now, &mut rng()).unwrap();
    }
    Some(delivery)
}

/// Lets `addr` prove itself: it answers a ping.
fn prove(endpoint: &mut Endpoint, addr: SocketAddr, now: Time, rng: &mut ChaCha12Rng) {
    endpoint.call(addr, &Query::Ping, now, rng).unwrap();
    let ping = transmits(endpoint).pop().unwrap();
    endpoint.handle_datagram(addr, &pong(&ping), now);
    assert!(matches!(endpoint.poll_event(), Some(Event::Answered { .. })));
}

fn pong(ping: &Transmit) -> Bytes {
    let Ok(Message::Query { transaction, .. }) = decode(&ping.payload) else { panic!("no query") };
    encode_reply(&transaction, &Id::MAX, &Reply::Ping).unwrap()
}

#[test]
fn a_stranger_gets_its_full_reply_when_it_has_answered_a_ping() {
    let mut endpoint = endpoint();
    assert_eq!(serve(&mut endpoint, addr(1), &find_node(), START), Some(Delivery::NeedsProof));
    let sent = transmits(&mut endpoint);
    assert!(matches!(decode(&sent[0].payload), Ok(Message::Query { query: Query::Ping, .. })));
    assert!(sent.len() == 1 && sent[0].payload.len() <= find_node().len());
    // Asking again brings no second ping.
    assert_eq!(serve(&mut endpoint, addr(1), &find_node(), START), Some(Delivery::Waits));
    assert!(transmits(&mut endpoint).is_empty());

    endpoint.handle_datagram(addr(1), &pong(&sent[0]), START);
    let replies = transmits(&mut endpoint);
    assert_eq!(
        replies.iter().map(|reply| (reply.to, reply.payload.len())).collect::<Vec<_>>(),
        [(addr(1), 337); 2]
    );
    assert_eq!(serve(&mut endpoint, addr(1), &find_node(), START), Some(Delivery::Sent));
    assert_eq!(endpoint.counters().withheld, 2);
}

#[test]
fn an_answer_from_elsewhere_proves_nothing() {
    let mut endpoint = endpoint();
    let _ = serve(&mut endpoint, addr(1), &find_node(), START);
    let ping = transmits(&mut endpoint).pop().unwrap();
    endpoint.handle_datagram(addr(2), &pong(&ping), START);
    assert!(transmits(&mut endpoint).is_empty());
    assert_eq!(serve(&mut endpoint, addr(2), &find_node(), START), Some(Delivery::NeedsProof));
}

#[test]
fn queries_of_ours_are_answered_at_once_by_strangers() {
    let key = Id::MAX;
    for query in [Query::Ping, Query::Join, Query::FindNode { target: key }, Query::FindValue { key }] {
        let (mut asker, mut asked, mut rng) = (endpoint(), endpoint(), rng());
        asker.call(addr(2), &query, START, &mut rng).unwrap();
        let sent = asker.poll_transmit().unwrap().payload;
        assert_eq!(serve(&mut asked, addr(1), &sent, START), Some(Delivery::Sent), "{query:?}");
        let reply = asked.poll_transmit().unwrap().payload;
        assert!(reply.len() <= sent.len());
        // Even the ping is paid for with which a node learns whether it should remember the asker.
        assert_eq!(asked.affords_ping(addr(1), START), query != Query::Ping, "{query:?}");
        let values = reply.windows(6).filter(|window| window == b"values").count();
        assert_eq!(values, usize::from(query.method() == Method::FindValue), "few values come along");
    }
}

#[test]
fn less_goes_out_to_forged_addresses_than_came_in() {
    let (mut endpoint, mut rng) = (endpoint(), rng());
    let key = Id::MAX;
    let token = Token::new(vec![7; 20]);
    let queries = [
        Query::Ping,
        Query::Join,
        Query::FindNode { target: key },
        Query::FindValue { key },
        Query::GetValue { key, num: 0 },
        Query::StoreValue { key, value: Bytes::from_static(b"v"), token },
    ];
    let (mut bytes_in, mut bytes_out) = (0, 0);
    for n in 0..20_000_u32 {
        let now = START + Duration::from_millis(u64::from(n) * 3);
        let datagram = match n % 8 {
            6 => Bytes::from_static(b"d1:ade1:q1:x1:t0:1:y1:qe"),
            7 => Bytes::from_static(b"garbage"),
            kind => encode_query(&[b't'; 20].into(), &Id::MAX, &queries[kind as usize]),
        };
        let victim = addr(rng.random_range(0..50) << 8);
        bytes_in += datagram.len();
        let _ = serve(&mut endpoint, victim, &datagram, now);
        bytes_out += transmits(&mut endpoint).iter().map(|sent| sent.payload.len()).sum::<usize>();
        endpoint.handle_timeout(now);
    }
    assert!(bytes_out <= bytes_in, "{bytes_out} out, {bytes_in} in");
    assert!(bytes_out > bytes_in / 10, "it went on answering");
}

#[test]
fn a_flood_of_forged_addresses_starves_no_proven_peer() {
    let (mut endpoint, mut rng) = (endpoint(), rng());
    let peers: Vec<_> = (0..50).map(|n| addr(n << 8)).collect();
    peers.iter().for_each(|peer| prove(&mut endpoint, *peer, START, &mut rng));
    let (mut asked, mut served) = (0, 0);
    // Ten times what is looked at of strangers, for ten seconds.
    for n in 0..500_000_u32 {
        let now = START + Duration::from_micros(u64::from(n) * 20);
        let forged = SocketAddr::from((rng.random_range(0x4000_0000..0x5000_0000_u32).to_be_bytes(), 9));
        endpoint.handle_datagram(forged, &find_node(), now);
        if let Some((query, reply_to)) = query(&mut endpoint) {
            let _ = endpoint.reply(&reply_to, &reply(&query), now);
        }
        if n % 100 == 0 {
            asked += 1;
            let sent = serve(&mut endpoint, peers[n as usize / 100 % peers.len()], &find_node(), now);
            served += u32::from(sent == Some(Delivery::Sent));
        }
        let _ = transmits(&mut endpoint);
    }
    assert_eq!((asked, served), (5000, 5000));
    assert!(endpoint.counters().dropped(DropReason::TotalBudget) > 400_000);
}

#[test]
fn proofs_that_never_come_leave_room_for_calls_of_our_own() {
    let (mut endpoint, mut rng) = (endpoint(), rng());
    for n in 0..20_000_u32 {
        let now = START + Duration::from_millis(n.into());
        endpoint.handle_timeout(now);
        let _ = serve(&mut endpoint, addr(n << 8), &find_node(), now);
        let _ = transmits(&mut endpoint);
    }
    let now = START + Duration::from_secs(20);
    endpoint.call(addr(1), &Query::FindNode { target: Id::MAX }, now, &mut rng).unwrap();
    assert_eq!(transmits(&mut endpoint).len(), 1, "it goes out at once");
    let config = EndpointConfig::default();
    assert!(endpoint.open_calls() <= config.max_outstanding / 2, "{} calls are open", endpoint.open_calls());
}

#[test]
fn an_answer_to_a_call_comes_in_however_much_else_does() {
    let (mut endpoint, mut rng) = (endpoint(), rng());
    let call = endpoint.call(addr(1), &Query::Ping, START, &mut rng).unwrap();
    let ping = endpoint.poll_transmit().unwrap();
    for n in 0..100_000 {
        endpoint.handle_datagram(addr(if n % 2 == 0 { 2 } else { n }), b"garbage", START);
    }
    assert!(endpoint.counters().dropped(DropReason::PrefixBudget) > 0);
    endpoint.handle_datagram(addr(1), &pong(&ping), START);
    assert!(
        matches!(endpoint.poll_event(), Some(Event::Answered { call: answered, .. }) if answered == call)
    );
    // But whom we call may not ask more than others.
    endpoint.call(addr(1), &Query::Ping, START, &mut rng).unwrap();
    let queries = (0..10_000).filter(|_| {
        endpoint.handle_datagram(addr(1), &find_node(), START);
        query(&mut endpoint).is_some()
    });
    assert!(queries.count() <= 250);
}

#[test]
fn on_loopback_nobody_need_prove_anything_if_so_set() {
    let config = EndpointConfig { is_loopback_exempt: true, ..EndpointConfig::default() };
    let mut endpoint = Endpoint::new(OWN, config, &mut rng());
    let local = SocketAddr::from(([127, 0, 0, 1], 9));
    for _ in 0..10_000 {
        assert_eq!(serve(&mut endpoint, local, &find_node(), START), Some(Delivery::Sent));
    }
    endpoint.call(local, &Query::FindNode { target: Id::MAX }, START, &mut rng()).unwrap();
    assert!(transmits(&mut endpoint).pop().unwrap().payload.len() < 150, "nothing is filled up");
    assert!(transmits(&mut endpoint).iter().all(|sent| sent.payload.len() <= MAX_DATAGRAM));
}

#[test]
fn who_is_silent_answers_only_those_who_owe_it_values() {
    let config = EndpointConfig { answers_queries: false, ..EndpointConfig::default() };
    let (mut silent, mut rng) = (Endpoint::new(OWN, config, &mut rng()), rng());
    let ping = encode_query(&[b't'; 20].into(), &Id::MAX, &Query::Ping);
    for (query, answers) in
        [(Query::FindNode { target: Id::MAX }, false), (Query::GetValue { key: Id::MAX, num: 0 }, true)]
    {
        silent.call(addr(1), &query, START, &mut rng).unwrap();
        let _ = transmits(&mut silent);
        silent.handle_datagram(addr(2), &ping, START);
        assert!(silent.poll_event().is_none(), "somebody else");
        silent.handle_datagram(addr(1), &ping, START);
        assert_eq!(matches!(silent.poll_event(), Some(Event::Query { .. })), answers);
    }
}
