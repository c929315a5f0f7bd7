//! What becomes of a node whose process or runtime ends under it. Acknowledged means durable.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use futures_util::FutureExt;
use khashmir::{Id, Khashmir, RedbStorage, Storage};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::sockets::{any_port, node, within};

/// Tells the test's own program, started once more, that it is the node to be killed, and where its store is.
const VICTIM: &str = "KHASHMIR_TEST_VICTIM_STATE";

/// What the victim says before its address; test programs print other lines too.
const READY: &str = "the victim is at ";

/// Stores under way when the victim is killed.
const PUBLISHERS: usize = 8;

/// Acknowledgements after which it is killed.
const ACKNOWLEDGED: usize = 150;

#[test]
fn what_a_killed_node_had_acknowledged_is_there_afterwards() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        return within(serve_until_killed(&directory));
    }
    within(async {
        let directory = tempfile::tempdir().unwrap();
        let (mut victim, addr) = start_victim(directory.path()).await;
        let acknowledged = store_until_killed(&mut victim, &addr).await;
        let storage = RedbStorage::open(directory.path().join("khashmir.redb")).unwrap();
        for n in &acknowledged {
            assert_eq!(
                storage.count(&key(*n)).unwrap(),
                1,
                "value {n}, one of {} acknowledged, is lost",
                acknowledged.len()
            );
        }
        assert!(storage.own_id().unwrap().is_some());
        drop(storage);
        let again = Khashmir::builder().bind(any_port()).state(directory.path()).start().await.unwrap();
        let (values, _) = again.get(key(acknowledged[0])).collect().await.unwrap();
        assert_eq!(values[0].data, acknowledged[0].to_string());
        again.shutdown().await;
    });
}

#[test]
fn a_runtime_that_ends_under_a_node_is_no_panic() {
    if std::env::var_os(VICTIM).is_some() {
        return (0..50).for_each(|_| drop_a_runtime_in_use());
    }
    // A panic of a task is seen only on the standard error of its process.
    let this_test = "scenarios::durability::a_runtime_that_ends_under_a_node_is_no_panic";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = command.args(["--exact", this_test, "--nocapture"]).env(VICTIM, "").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let panic = said.find("panicked").map(|start| said[start..].lines().take(2).collect::<String>());
    assert_eq!((ended.status.success(), panic), (true, None));
}

fn drop_a_runtime_in_use() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let nodes = [node().await, node().await];
        for n in 0..20 {
            drop(nodes[n % 2].store(key(n), n.to_string()).now_or_never());
        }
        tokio::task::yield_now().await;
    });
}

/// Stores values at the victim from many tasks, kills it in the middle, and returns those it had acknowledged.
async fn store_until_killed(victim: &mut Child, addr: &str) -> Vec<usize> {
    let publisher = node().await;
    publisher.join([addr]).await.unwrap();
    let (acknowledge, mut acknowledgements) = mpsc::channel(1);
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..PUBLISHERS {
        let (publisher, acknowledge) = (publisher.clone(), acknowledge.clone());
        tasks.spawn(async move {
            for n in (first..).step_by(PUBLISHERS) {
                let outcome = publisher.store(key(n), n.to_string()).await.unwrap();
                if outcome.stored.len() == 1 && acknowledge.send(n).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut acknowledged = Vec::new();
    while acknowledged.len() < ACKNOWLEDGED {
        acknowledged.push(acknowledgements.recv().await.unwrap());
    }
    victim.kill().await.unwrap();
    // Those that were acknowledged while it was being killed count as well.
    while let Ok(n) = acknowledgements.try_recv() {
        acknowledged.push(n);
    }
    acknowledged
}

/// Starts this program once more, as the node to be killed.
async fn start_victim(directory: &Path) -> (Child, String) {
    let this_test = "scenarios::durability::what_a_killed_node_had_acknowledged_is_there_afterwards";
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture"])
        .env(VICTIM, directory)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, addr)) = line.split_once(READY) {
            return (victim, addr.to_owned());
        }
    }
    panic!("the victim ended before it was ready");
}

async fn serve_until_killed(directory: &OsStr) {
    let node = Khashmir::builder().bind(any_port()).state(directory).start().await.unwrap();
    let line = format!("{READY}{}\n", node.local_addr());
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    std::future::pending::<()>().await;
}

fn key(n: usize) -> Id {
    Id::sha1(&n.to_be_bytes())
}
