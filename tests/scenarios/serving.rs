//! What a node does for those who ask it: tokens, roles, durable acknowledgements, failing disks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Engine, Id, MemoryStorage, Outcome, Request, Role, Settings, Time};
use khashmir_krpc::{Message, Query, Reply, Token, TransactionId, decode, encode_query};
use khashmir_sim::{HostId, Links, World};
use khashmir_storage::Operation;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use crate::support::world::{get, settled};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_token_lives_through_two_checkpoints_and_dies_at_the_third() {
    let mut served = Served::new(201, Settings::default());
    let token = served.token();
    // Checkpoints come after 60 s, and then every 270 to 330 s.
    served.world.run_for(590 * Duration::from_secs(1));
    assert_eq!(served.store(&token), Some(Ok(Reply::StoreValue)));
    served.world.run_for(135 * Duration::from_secs(1));
    assert_eq!(served.store(&token), Some(Err(205)));
}

#[test]
fn whoever_is_refused_for_an_old_token_stores_with_a_fresh_one() {
    let mut served = Served::new(202, Settings::default());
    let old = served.token();
    served.world.run_for(30 * MINUTE);
    assert_eq!(served.store(&old), Some(Err(205)));
    let fresh = served.token();
    assert_eq!(served.store(&fresh), Some(Ok(Reply::StoreValue)));
}

#[test]
fn a_token_is_good_for_one_address_at_any_port_and_any_key() {
    let mut served = Served::new(203, Settings::default());
    let token = served.token();
    for (from, answer) in [
        ("11.9.9.9:5", Ok(Reply::StoreValue)),
        ("11.9.9.8:9977", Err(205)),
        ("11.9.9.9:6", Ok(Reply::StoreValue)),
    ] {
        let query = store_query(Id::sha1(from.as_bytes()), &token);
        served.peer = served.world.add_outsider(from.parse().unwrap());
        assert_eq!(served.ask(&query), Some(answer), "{from}");
    }
}

#[test]
fn a_key_with_more_values_than_a_reply_holds_shows_them_all_in_time() {
    let mut served = Served::new(210, Settings::default());
    let key = Id::sha1(b"popular");
    let stored: BTreeSet<_> = (0..50).map(|n| Bytes::from(format!("{n:0200}"))).collect();
    for value in &stored {
        served.world.store(served.node, key, value.clone());
    }
    let mut seen = BTreeSet::new();
    // A reply has room for 6 of the 50; that one of them is never among 100 such replies is 1 chance in 7,000.
    for _ in 0..100 {
        match served.ask(&Query::GetValue { key, num: 0 }) {
            Some(Ok(Reply::GetValue { values })) => seen.extend(values),
            other => panic!("get_value is answered with {other:?}"),
        }
    }
    assert_eq!(seen.len(), stored.len(), "the others are hidden for good");
}

#[test]
fn a_role_decides_which_methods_exist() {
    for (role, reads, stores) in
        [(Role::Base, false, false), (Role::Read, true, false), (Role::Write, true, true)]
    {
        let mut settings = Settings::default();
        settings.role = role;
        let mut served = Served::new(204, settings);
        let key = Id::sha1(b"key");
        let token = if stores { served.token() } else { Token::new(vec![0; 20]) };
        let mut exists = |query: &Query| match served.ask(query) {
            Some(Ok(_)) => true,
            Some(Err(203)) => false,
            other => panic!("{role:?} answers {query:?} with {other:?}"),
        };
        assert!(exists(&Query::Ping) && exists(&Query::Join), "{role:?}");
        assert_eq!(exists(&Query::FindValue { key }), reads, "{role:?}");
        assert_eq!(exists(&Query::GetValue { key, num: 0 }), reads, "{role:?}");
        assert_eq!(exists(&store_query(key, &token)), stores, "{role:?}");
    }
}

#[test]
fn a_node_that_only_routes_is_a_member_all_the_same() {
    let (mut world, nodes) = settled(205, 3, Links::default());
    let mut settings = Settings::default();
    settings.role = Role::Base;
    let router = world.add_with(settings);
    assert!(world.join(router, &nodes[..1]).is_joined());
    world.run_for(MINUTE);
    let key = Id::sha1(b"key");
    let outcome = world.store(router, key, "from the router");
    assert_eq!((outcome.stored.len(), outcome.stored_here), (3, false));
    for _ in 0..5 {
        let outcome = world.store(nodes[1], key, "from a member");
        assert_eq!(outcome.refused, 0, "the router gives no token, so nobody tries");
        assert_eq!(get(&mut world, nodes[2], key).0.len(), 2);
    }
    let known = world.engine(nodes[1]).unwrap().table().node(&world.contact(router).unwrap().id);
    assert!(known.is_some(), "who refuses one method still routes");
}

#[test]
fn a_store_is_acknowledged_only_when_its_commit_is_reported() {
    let mut node = Lone::new();
    node.commit();
    let token = node.token();
    let transaction = node.ask(&store_query(Id::sha1(b"key"), &token));
    assert_eq!(node.answers(), [], "not when it has arrived");
    let commit = node.engine.poll_commit(node.now).expect("something is staged");
    node.pass(Duration::from_secs(5));
    assert_eq!(node.answers(), [], "not while the commit runs");
    let committed = commit.run();
    assert_eq!(node.answers(), [], "not when it has run and nobody has said so");
    node.engine.handle_committed(committed, node.now);
    assert_eq!(node.answers(), [(transaction, Ok(()))]);
}

#[test]
fn a_store_that_arrives_during_a_commit_waits_for_the_next() {
    let mut node = Lone::new();
    node.commit();
    let token = node.token();
    let first = node.ask(&store_query(Id::sha1(b"first"), &token));
    let commit = node.engine.poll_commit(node.now).unwrap();
    let second = node.ask(&store_query(Id::sha1(b"second"), &token));
    assert!(node.engine.poll_commit(node.now).is_none(), "one commit at a time");
    node.engine.handle_committed(commit.run(), node.now);
    assert_eq!(node.answers(), [(first, Ok(()))]);
    node.commit();
    assert_eq!(node.answers(), [(second, Ok(()))]);
}

#[test]
fn a_value_stored_again_is_acknowledged_by_a_commit_too() {
    let mut node = Lone::new();
    node.commit();
    let token = node.token();
    for _ in 0..2 {
        let transaction = node.ask(&store_query(Id::sha1(b"key"), &token));
        assert_eq!(node.answers(), []);
        node.commit();
        assert_eq!(node.answers(), [(transaction, Ok(()))]);
    }
}

#[test]
fn a_stopping_node_acknowledges_what_it_has_parked() {
    let mut node = Lone::new();
    node.commit();
    let token = node.token();
    let first = node.ask(&store_query(Id::sha1(b"first"), &token));
    let commit = node.engine.poll_commit(node.now).unwrap();
    let second = node.ask(&store_query(Id::sha1(b"second"), &token));
    node.engine.stop(node.now);
    assert!(!node.engine.is_stopped());
    let late = node.ask(&store_query(Id::sha1(b"late"), &token));
    assert_eq!(node.answers(), [(late, Err(201))], "nothing new is taken in");
    node.engine.handle_committed(commit.run(), node.now);
    node.commit();
    assert!(node.engine.is_stopped());
    node.engine.close(node.now);
    assert_eq!(node.answers(), [(first, Ok(())), (second, Ok(()))]);
    node.ask(&Query::Ping);
    assert_eq!(node.answers(), [], "a closed node is silent");
}

#[test]
fn operations_of_a_stopping_node_end_with_what_they_have() {
    let (mut world, nodes) = settled(206, 4, Links::default());
    let key = Id::sha1(b"key");
    world.store(nodes[0], key, "value");
    nodes[1..].iter().for_each(|node| world.cut_power(*node));
    let requests = [
        Request::Get { key },
        Request::Store { key, value: Bytes::from("another") },
        Request::FindNode { target: key },
        Request::FindValue { key },
        Request::Join { bootstrap: vec![world.addr(nodes[1])] },
        Request::Ping { addr: world.addr(nodes[1]) },
    ];
    let running = requests.map(|request| world.start(nodes[0], request).unwrap());
    world.input(nodes[0], Engine::stop).unwrap();
    world.run_for(Duration::from_secs(1));
    assert!(world.engine(nodes[0]).unwrap().is_stopped());
    world.input(nodes[0], Engine::close).unwrap();
    for operation in running {
        let ended = world.finish(nodes[0], operation);
        match ended.outcome {
            Outcome::Got(outcome) => {
                assert_eq!((ended.values.len(), outcome.progress.complete), (1, false));
            }
            Outcome::Stored(outcome) => assert!(!outcome.progress.complete),
            Outcome::Found(outcome) => assert!(!outcome.progress.complete),
            Outcome::Holders(outcome) => {
                assert_eq!((outcome.local, outcome.progress.complete), (1, false));
            }
            Outcome::Joined(outcome) => assert!(!outcome.is_joined()),
            Outcome::Pong(pong) => assert!(pong.is_err()),
        }
    }
}

#[test]
fn a_failing_disk_refuses_stores_serves_reads_and_recovers() {
    let mut served = Served::new(207, Settings::default());
    let (node, key) = (served.node, Id::sha1(b"before"));
    served.world.store(node, key, "value");
    let token = served.token();
    for operation in [Operation::Commit, Operation::Write] {
        served.world.disk(node).fail_next(operation, u32::MAX);
        for _ in 0..3 {
            assert_eq!(served.store(&token), Some(Err(201)), "{operation:?}");
        }
        let values = vec![Bytes::from("value")];
        assert_eq!(served.ask(&Query::GetValue { key, num: 0 }), Some(Ok(Reply::GetValue { values })));
        let outcome = served.world.store(node, Id::sha1(b"own"), "value");
        assert!(!outcome.stored_here && !outcome.progress.complete, "{operation:?}");
        served.world.disk(node).fail_next(operation, 0);
        served.world.run_for(Duration::from_secs(3));
        assert_eq!(served.store(&token), Some(Ok(Reply::StoreValue)), "{operation:?}");
        assert_eq!(served.world.engine(node).unwrap().storage_error(), None);
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_a_server_error_for_reads_alone() {
    let mut served = Served::new(208, Settings::default());
    let (node, key) = (served.node, Id::sha1(b"key"));
    served.world.store(node, key, "value");
    served.world.disk(node).fail_next(Operation::Read, u32::MAX);
    assert_eq!(served.ask(&Query::GetValue { key, num: 0 }), Some(Err(201)));
    assert_eq!(served.ask(&Query::FindValue { key }), Some(Err(201)));
    assert_eq!(served.ask(&Query::Ping), Some(Ok(Reply::Ping)));
    assert!(get(&mut served.world, node, key).0.is_empty());
    served.world.disk(node).fail_next(Operation::Read, 0);
    assert_eq!(get(&mut served.world, node, key).0.len(), 1);
}

#[test]
fn expiry_goes_on_after_a_disk_failed() {
    let mut world = World::new(209);
    let (node, key) = (world.add(), Id::sha1(b"key"));
    world.store(node, key, "value");
    world.disk(node).fail_next(Operation::Sweep, u32::MAX);
    world.run_for(4 * 60 * MINUTE);
    world.disk(node).fail_next(Operation::Sweep, 0);
    world.run_for(6 * MINUTE);
    assert!(get(&mut world, node, key).0.is_empty());
}

/// A node of a world, and somebody who asks it and is no node.
struct Served {
    world: World,
    node: HostId,
    peer: HostId,
}

impl Served {
    fn new(seed: u64, settings: Settings) -> Self {
        let mut world = World::new(seed);
        let (node, peer) = (world.add_with(settings), world.add_outsider(peer()));
        Self { world, node, peer }
    }

    /// The reply, or the error's code, if one comes within a second.
    fn ask(&mut self, query: &Query) -> Option<Result<Reply, i64>> {
        self.world.ask(self.peer, self.node, query)
    }

    fn token(&mut self) -> Token {
        match self.ask(&Query::FindNode { target: Id::MAX }) {
            Some(Ok(Reply::FindNode { token: Some(token), .. })) => token,
            other => panic!("find_node brings a token, not {other:?}"),
        }
    }

    fn store(&mut self, token: &Token) -> Option<Result<Reply, i64>> {
        self.ask(&store_query(Id::sha1(b"stored"), token))
    }
}

/// One engine whose commits wait for the test, and somebody who asks it.
struct Lone {
    engine: Engine<MemoryStorage>,
    now: Time,
    rng: ChaCha12Rng,
}

impl Lone {
    fn new() -> Self {
        let now = Time::from_secs(1_000_000);
        let engine = Engine::new(MemoryStorage::new(), Settings::default(), [1; 32], now).unwrap();
        Self { engine, now, rng: ChaCha12Rng::seed_from_u64(1) }
    }

    fn ask(&mut self, query: &Query) -> TransactionId {
        let transaction = TransactionId::random(&mut self.rng);
        let datagram = encode_query(&transaction, &Id::sha1(b"peer"), query);
        self.engine.handle_datagram(peer(), &datagram, self.now);
        transaction
    }

    fn token(&mut self) -> Token {
        self.ask(&Query::FindNode { target: Id::MAX });
        let datagrams: Vec<_> = std::iter::from_fn(|| self.engine.poll_transmit()).collect();
        datagrams.iter().find_map(|transmit| token_in(&transmit.payload)).expect("find_node brings a token")
    }

    /// Runs a commit, if one is wanted.
    fn commit(&mut self) {
        if let Some(commit) = self.engine.poll_commit(self.now) {
            self.engine.handle_committed(commit.run(), self.now);
        }
    }

    /// Lets time pass, timers included.
    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.engine.handle_timeout(self.now);
    }

    /// The answers that leave the node now: acknowledged, or the error's code. Its own queries do not matter.
    fn answers(&mut self) -> Vec<(TransactionId, Result<(), i64>)> {
        let datagrams = std::iter::from_fn(|| self.engine.poll_transmit());
        let answer = |message: Message<'_>| match message {
            Message::Reply { transaction, .. } => Some((transaction, Ok(()))),
            Message::Error { transaction, code, .. } => Some((transaction, Err(code))),
            _ => None,
        };
        datagrams.filter_map(|transmit| answer(decode(&transmit.payload).unwrap())).collect()
    }
}

fn token_in(datagram: &[u8]) -> Option<Token> {
    let Ok(Message::Reply { body, .. }) = decode(datagram) else { return None };
    match body.read(khashmir::Method::FindNode) {
        Ok((_, Reply::FindNode { token, .. })) => token,
        _ => None,
    }
}

/// Somebody who asks and is no node.
fn peer() -> SocketAddr {
    "11.9.9.9:9977".parse().unwrap()
}

fn store_query(key: Id, token: &Token) -> Query {
    Query::StoreValue { key, value: Bytes::from("value"), token: token.clone() }
}
