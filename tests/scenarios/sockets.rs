//! Nodes over real sockets, through the handle.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use khashmir::{
    Contact, Error, Id, Khashmir, MemoryStorage, Method, RedbStorage, Scope, Settings, StartError, Storage,
};
use khashmir_krpc::{MemoryNetwork, UdpTransport};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// What a test may take. One that needs longer hangs.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Runs `test` on a runtime of its own, and fails if it does not end.
pub(super) fn within<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONGEST, test).await }).expect("the test ends in time")
}

pub(super) async fn node() -> Khashmir {
    Khashmir::builder().bind(any_port()).start().await.unwrap()
}

/// Nodes that have joined through the first.
async fn nodes(count: usize) -> Vec<Khashmir> {
    let mut nodes = vec![node().await];
    while nodes.len() < count {
        let newcomer = node().await;
        newcomer.join([nodes[0].local_addr().to_string()]).await.unwrap();
        nodes.push(newcomer);
    }
    nodes
}

pub(super) async fn get(node: &Khashmir, key: Id) -> BTreeSet<Bytes> {
    let (values, outcome) = node.get(key).collect().await.unwrap();
    assert_eq!(values.len(), outcome.values);
    values.into_iter().map(|value| value.data).collect()
}

#[test]
fn two_nodes_meet_and_serve_each_other() {
    within(async {
        let (first, second) = (node().await, node().await);
        let joined = second.join([first.local_addr().to_string()]).await.unwrap();
        assert_eq!(joined.answered, [Contact::new(first.id(), first.local_addr())]);
        assert_eq!(joined.seen_as.map(SocketAddr::from), Some(second.local_addr()));
        let pong = first.ping(second.local_addr()).await.unwrap();
        assert_eq!(pong.contact, Contact::new(second.id(), second.local_addr()));
        let key = Id::sha1(b"key");
        assert_eq!(second.store(key, "one").await.unwrap().stored.len(), 1);
        assert_eq!(first.store(key, "two").await.unwrap().stored.len(), 1);
        for node in [&first, &second] {
            assert_eq!(get(node, key).await, BTreeSet::from(["one".into(), "two".into()]));
            let holders = node.find_value(key).await.unwrap();
            assert_eq!((holders.holders.len(), holders.local), (1, 2));
        }
        assert_eq!(second.find_node(first.id()).await.unwrap().closest[0].id, first.id());
        let statistics = first.stats().await.unwrap();
        assert!(statistics.is_joined && statistics.is_reachable && statistics.stored.values == 2);
        assert_eq!(statistics.of(Method::StoreValue).started, 1);
        assert_eq!(first.contacts().await.unwrap(), [Contact::new(second.id(), second.local_addr())]);
        first.shutdown().await;
        second.shutdown().await;
    });
}

#[test]
fn twenty_nodes_find_each_other_and_every_value() {
    within(async {
        let nodes = nodes(20).await;
        for n in 0..10_usize {
            for copy in 0..3 {
                let publisher = &nodes[(n * 3 + copy) % 20];
                let outcome = publisher.store(Id::sha1(&[n as u8]), format!("{n} {copy}")).await.unwrap();
                assert!(outcome.stored.len() == 6 && outcome.progress.complete, "{outcome:?}");
            }
        }
        for node in &nodes {
            for n in 0..10_u8 {
                let stored = (0..3).map(|copy| Bytes::from(format!("{n} {copy}"))).collect();
                assert_eq!(get(node, Id::sha1(&[n])).await, stored);
            }
        }
        for target in &nodes[1..] {
            assert_eq!(nodes[0].find_node(target.id()).await.unwrap().closest[0].id, target.id());
        }
        for node in nodes {
            node.shutdown().await;
        }
    });
}

#[test]
fn a_node_restarted_from_its_directory_is_the_same_and_needs_no_bootstrap_node() {
    within(async {
        let (directory, key) = (tempfile::tempdir().unwrap(), Id::sha1(b"key"));
        let others = nodes(3).await;
        let start = || Khashmir::builder().bind(any_port()).state(directory.path()).start();
        let node = start().await.unwrap();
        node.join([others[0].local_addr().to_string()]).await.unwrap();
        assert!(node.store(key, "value").await.unwrap().stored_here);
        let (id, known) = (node.id(), node.contacts().await.unwrap().len());
        assert_eq!(known, 3);
        node.shutdown().await;

        let node = start().await.unwrap();
        assert_eq!(node.id(), id);
        assert_eq!(node.find_value(key).await.unwrap().local, 1);
        let joined = node.join(Vec::<String>::new()).await.unwrap();
        assert_eq!((joined.nearby, joined.answered.len()), (3, 0));
        assert_eq!(get(&node, key).await, BTreeSet::from(["value".into()]));
        node.shutdown().await;
    });
}

#[test]
fn a_directory_in_use_is_refused_with_advice() {
    within(async {
        let directory = tempfile::tempdir().unwrap();
        let start = || Khashmir::builder().bind(any_port()).state(directory.path()).start();
        let node = start().await.unwrap();
        let error = start().await.unwrap_err();
        assert!(matches!(error, StartError::Storage(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("in use") && text.contains(&*directory.path().to_string_lossy()), "{text}");
        assert_eq!(node.find_node(Id::MAX).await.unwrap().closest, [], "the first goes on");
        node.shutdown().await;
        start().await.unwrap().shutdown().await;
    });
}

#[test]
fn a_port_in_use_is_refused_with_advice() {
    within(async {
        let node = node().await;
        let error = Khashmir::builder().bind(node.local_addr()).start().await.unwrap_err();
        assert!(matches!(error, StartError::Bind { addr, .. } if addr == node.local_addr()), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(&node.local_addr().to_string()) && text.contains("choose another port"),
            "{text}"
        );
    });
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    within(async {
        let six = Khashmir::builder().bind("[::1]:0".parse().unwrap()).start().await.unwrap_err();
        assert!(matches!(six, StartError::NotIpv4 { .. }));
        let mut settings = Settings::default();
        settings.store_redundancy = 0;
        let error = Khashmir::builder().bind(any_port()).settings(settings).start().await.unwrap_err();
        assert!(error.to_string().contains("store_redundancy"), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Khashmir::builder().bind(any_port()).state(file.path()).start().await.unwrap_err();
        assert!(matches!(error, StartError::State { .. }), "{error:?}");
    });
}

#[test]
fn any_limit_of_an_endpoint_that_cannot_work_is_an_error_and_no_panic() {
    within(async {
        let mut settings = Settings::default();
        settings.calls.burst = 0;
        assert!(Khashmir::builder().bind(any_port()).settings(settings).start().await.is_err());
        let mut settings = Settings::default();
        settings.calls.calls_per_second = u32::MAX;
        assert!(Khashmir::builder().bind(any_port()).settings(settings).start().await.is_err());
    });
}

#[test]
fn dropping_the_last_handle_ends_the_node() {
    within(async {
        let directory = tempfile::tempdir().unwrap();
        let start = |addr| Khashmir::builder().bind(addr).state(directory.path()).start();
        let node = start(any_port()).await.unwrap();
        let (addr, id, clone) = (node.local_addr(), node.id(), node.clone());
        drop(node);
        assert!(clone.stats().await.is_ok(), "a clone keeps it running");
        assert!(clone.store(Id::sha1(b"key"), "value").await.unwrap().stored_here);
        drop(clone);
        // It ends in the background: socket and store become free when it has.
        let again = loop {
            match start(addr).await {
                Ok(again) => break again,
                Err(StartError::Bind { .. } | StartError::Storage(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(again.id(), id);
        assert_eq!(again.find_value(Id::sha1(b"key")).await.unwrap().local, 1);
        again.shutdown().await;
    });
}

#[test]
fn a_node_that_was_shut_down_says_so_to_every_clone() {
    within(async {
        let node = node().await;
        let clone = node.clone();
        tokio::join!(node.clone().shutdown(), node.shutdown());
        assert!(matches!(clone.store(Id::MAX, "value").await, Err(Error::Closed)));
        assert!(matches!(clone.stats().await, Err(Error::Closed)));
        assert!(matches!(clone.get(Id::MAX).collect().await, Err(Error::Closed)));
        assert!(matches!(clone.join(["127.0.0.1:9"]).await, Err(Error::Closed)));
        clone.shutdown().await;
    });
}

#[test]
fn address_and_store_are_free_when_a_shutdown_returns() {
    within(async {
        let (directory, network) = (tempfile::tempdir().unwrap(), MemoryNetwork::default());
        let (file, addr) = (directory.path().join("store"), "127.0.0.1:9977".parse().unwrap());
        for _ in 0..20 {
            let (storage, transport) = (RedbStorage::open(&file).unwrap(), network.bind(addr).unwrap());
            let node = Khashmir::builder().start_with(storage, Arc::new(transport)).unwrap();
            drop(node.store(Id::MAX, "value").now_or_never());
            tokio::join!(node.clone().shutdown(), node.shutdown());
        }
    });
}

#[test]
fn operations_under_way_at_a_shutdown_have_an_outcome() {
    within(async {
        let node = with_a_dead_contact(patient()).await;
        let get = node.get(Id::MAX);
        let (find, store, ping) = (node.clone(), node.clone(), node.clone());
        let find = tokio::spawn(async move { find.find_node(Id::MAX).await });
        let store = tokio::spawn(async move { store.store(Id::MAX, "value").await });
        let ping = tokio::spawn(async move { ping.ping(SocketAddr::from(([127, 0, 0, 1], 9))).await });
        while node.stats().await.unwrap().operations < 4 {
            tokio::task::yield_now().await;
        }
        node.shutdown().await;
        assert!(!get.outcome().await.unwrap().progress.complete);
        assert!(!find.await.unwrap().unwrap().progress.complete);
        assert!(!store.await.unwrap().unwrap().progress.complete);
        assert!(ping.await.unwrap().is_err());
    });
}

#[test]
fn a_refused_datagram_does_not_hold_up_the_next() {
    within(async {
        let (dead, living) = (Id::sha1(b"dead"), node().await);
        // Nobody can send there from a loopback address.
        let unreachable = Contact::new(dead, "10.1.2.3:9977".parse().unwrap());
        let mut storage = MemoryStorage::new();
        storage.set_contacts(&[unreachable, Contact::new(living.id(), living.local_addr())]).unwrap();
        let mut settings = Settings::default();
        (settings.scope, settings.lookup.concurrency) = (Scope::ANY, 1);
        let transport = Arc::new(UdpTransport::bind(any_port()).await.unwrap());
        let node = Khashmir::builder().settings(settings).start_with(storage, transport).unwrap();
        node.ping(living.local_addr()).await.unwrap();
        let found = node.find_node(dead).await.unwrap();
        assert_eq!((found.closest.len(), found.progress.tally.unsent), (1, 1));
        assert!(found.progress.elapsed < Duration::from_secs(1), "{:?}", found.progress.elapsed);
    });
}

#[test]
fn a_dropped_get_is_cancelled() {
    within(async {
        let node = with_a_dead_contact(patient()).await;
        let get = node.get(Id::MAX);
        while node.stats().await.unwrap().operations == 0 {
            tokio::task::yield_now().await;
        }
        drop(get);
        while node.stats().await.unwrap().operations > 0 {
            tokio::task::yield_now().await;
        }
        node.shutdown().await;
    });
}

#[test]
fn a_dropped_future_harms_nobody() {
    within(async {
        let nodes = nodes(3).await;
        let key = Id::sha1(b"key");
        for n in 0..300 {
            // Begun, never waited for.
            assert!(nodes[0].store(key, format!("{n}")).now_or_never().is_none());
            drop(nodes[1].find_node(Id::sha1(&[n as u8])).now_or_never());
            drop(nodes[2].get(key));
        }
        nodes[0].store(key, "last").await.unwrap();
        assert!(get(&nodes[1], key).await.contains(&Bytes::from("last")));
        for node in &nodes {
            node.join([nodes[0].local_addr().to_string()]).now_or_never();
        }
        for node in nodes {
            node.shutdown().await;
        }
    });
}

#[test]
fn dropping_next_loses_no_value() {
    within(async {
        let nodes = nodes(3).await;
        let key = Id::sha1(b"key");
        let stored: BTreeSet<_> = (0..40).map(|n| Bytes::from(format!("value {n}"))).collect();
        for value in &stored {
            nodes[0].store(key, value.clone()).await.unwrap();
        }
        let (mut get, mut values) = (nodes[1].get(key), BTreeSet::new());
        loop {
            match get.next().now_or_never() {
                Some(Some(value)) => assert!(values.insert(value.data)),
                Some(None) => break,
                None => tokio::task::yield_now().await,
            }
        }
        assert_eq!(values, stored);
        assert_eq!(get.outcome().await.unwrap().values, 40);
    });
}

#[test]
fn a_get_that_nobody_reads_holds_up_nobody() {
    within(async {
        let nodes = nodes(2).await;
        let key = Id::sha1(b"key");
        nodes[0].store(key, "value").await.unwrap();
        let unread: Vec<_> = (0..50).map(|_| nodes[1].get(key)).collect();
        assert_eq!(get(&nodes[1], key).await.len(), 1);
        for get in unread {
            assert_eq!(get.outcome().await.unwrap().values, 1);
        }
    });
}

#[test]
fn more_operations_than_allowed_are_refused_and_can_be_tried_again() {
    within(async {
        let mut settings = patient();
        settings.max_operations = 2;
        let node = with_a_dead_contact(settings).await;
        let gets = [node.get(Id::MAX), node.get(Id::NULL)];
        while node.stats().await.unwrap().operations < 2 {
            tokio::task::yield_now().await;
        }
        let error = node.find_node(Id::MAX).await.unwrap_err();
        assert!(matches!(error, Error::Busy { limit: 2 }) && error.is_retryable());
        assert!(matches!(node.get(Id::MAX).outcome().await, Err(Error::Busy { .. })));
        drop(gets);
    });
}

#[test]
fn a_value_of_the_wrong_length_is_refused_before_anything_is_sent() {
    within(async {
        let node = node().await;
        for length in [0, khashmir::MAX_STORABLE + 1] {
            let error = node.store(Id::MAX, vec![7; length]).await.unwrap_err();
            assert!(matches!(error, Error::ValueLength { found } if found == length));
        }
        assert!(node.store(Id::MAX, vec![7; khashmir::MAX_STORABLE]).await.unwrap().stored_here);
    });
}

#[test]
fn a_join_that_finds_nobody_says_why() {
    within(async {
        let mut settings = Settings::default();
        (settings.calls.timeout, settings.calls.initial_delay) =
            (Duration::from_millis(300), Duration::from_millis(100));
        let node = Khashmir::builder().bind(any_port()).settings(settings).start().await.unwrap();
        let silent = UdpSocket::bind(any_port()).await.unwrap();
        let silent_addr = silent.local_addr().unwrap().to_string();
        let hosts = [silent_addr.as_str(), "no such host:1", "10.1.2.3:9977"];
        let error = node.join(hosts).await.unwrap_err();
        let text = error.to_string();
        assert!(hosts.iter().all(|host| text.contains(host)), "{text}");
        assert!(text.contains("no answer") && text.contains("private"), "{text}");
        let error = node.join(Vec::<String>::new()).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    });
}

#[test]
fn the_bound_address_decides_which_contacts_count() {
    within(async {
        let node = node().await;
        assert!(Scope::of(node.local_addr().ip()).admits("127.0.0.1:9".parse().unwrap()));
        let error = node.join(["10.1.2.3:9977"]).await.unwrap_err().to_string();
        assert!(error.contains("private"), "{error}");
        let wide = Khashmir::builder().bind("0.0.0.0:0".parse().unwrap()).start().await.unwrap();
        let error = wide.join([node.local_addr().to_string()]).await.unwrap_err().to_string();
        assert!(error.contains("loopback"), "{error}");
    });
}

/// Calls that wait for an answer longer than any test runs.
fn patient() -> Settings {
    let mut settings = Settings::default();
    settings.calls.timeout = 10 * LONGEST;
    settings.calls.initial_delay = 10 * LONGEST - Duration::from_secs(1);
    settings.lookup.deadline = 10 * LONGEST;
    settings
}

/// A node that knows one other, which answers no more.
async fn with_a_dead_contact(settings: Settings) -> Khashmir {
    // Over a real socket the system would say that nobody is there any more.
    let network = MemoryNetwork::default();
    let start = |settings| {
        let transport = Arc::new(network.bind(any_port()).unwrap());
        Khashmir::builder().settings(settings).start_with(MemoryStorage::new(), transport).unwrap()
    };
    let (other, node) = (start(Settings::default()), start(settings));
    node.join([other.local_addr().to_string()]).await.unwrap();
    // The refreshes after a join must not be taken for operations of the test.
    while node.stats().await.unwrap().operations > 0 {
        tokio::task::yield_now().await;
    }
    other.shutdown().await;
    node
}
