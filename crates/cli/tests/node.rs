//! The life of a node: it says when it serves, ends cleanly, and remembers.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use support::{Node, Running, khashmir, run, silence};

#[test]
fn the_first_line_says_who_serves_where() {
    let node = Running::start(khashmir(&["node", "-b", "127.0.0.1:0"]));
    let line = node.line();
    let words: Vec<_> = line.split(' ').collect();
    assert_eq!(words[..2], ["khashmir", "node"], "{line}");
    assert_eq!(words[3..5], ["listening", "on"], "{line}");
    assert!(words[2].len() == 40 && words[2].chars().all(|digit| digit.is_ascii_hexdigit()), "{line}");
    let addr = words[5];
    assert!(addr.starts_with("127.0.0.1:") && !addr.ends_with(":0"), "{line}");
    assert!(
        node.error_line().contains(&format!("this is a first node; others join it with  --bootstrap {addr}"))
    );
}

#[test]
fn a_signal_ends_a_node_with_0_and_a_summary() {
    for signal in ["TERM", "INT", "HUP"] {
        let node = Node::start(&[]);
        node.running.signal(signal);
        let ended = node.running.wait();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{signal}");
        assert_eq!(
            (&ended.summary()["result"], &ended.summary()["id"]),
            (&"stopped".into(), &node.id.into())
        );
    }
}

#[test]
fn what_a_node_holds_survives_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::with_state(directory.path());
    assert_eq!((&node.ready["values"], &node.ready["contacts"]), (&0.into(), &0.into()));
    let id = node.id.clone();
    let put = run(&["put", "-B", &node.addr, "text:hello", "a value"]);
    assert_eq!(put.code, Some(0), "{put:?}");
    assert_eq!(node.terminate().code, Some(0));

    let node = Node::with_state(directory.path());
    assert_eq!((&node.id, &node.ready["values"]), (&id, &1.into()));
    let get = run(&["get", "-B", &node.addr, "text:hello"]);
    assert_eq!((get.code, get.stdout.as_str()), (Some(0), "a value\n"), "{get:?}");
}

#[test]
fn a_killed_node_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::with_state(directory.path());
    assert_eq!(run(&["put", "-B", &node.addr, "text:hello", "a value"]).code, Some(0));
    node.running.signal("KILL");
    assert_eq!(node.running.wait().code, None);
    assert_eq!(Node::with_state(directory.path()).ready["values"], 1);
}

#[test]
fn a_node_joins_again_through_those_it_remembers() {
    let directory = tempfile::tempdir().unwrap();
    let first = Node::start(&[]);
    let node = Node::start(&["-d", directory.path().to_str().unwrap(), "-B", &first.addr]);
    assert_eq!(node.running.record()["type"], "joined");
    assert_eq!(node.terminate().code, Some(0));

    let node = Node::with_state(directory.path());
    assert_eq!(node.ready["contacts"], 1);
    assert_eq!(node.running.record()["type"], "joined");
}

#[test]
fn a_client_finds_the_network_through_a_state_directory() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().to_str().unwrap();
    let node = Node::start(&[]);
    let put = run(&["put", "-B", &node.addr, "-d", state, "text:hello", "a value"]);
    assert_eq!(put.code, Some(0), "{put:?}");
    let get = run(&["get", "-b", "127.0.0.1:0", "-d", state, "text:hello"]);
    assert_eq!((get.code, get.stdout.as_str()), (Some(0), "a value\n"), "{get:?}");
}

#[test]
fn the_environment_names_the_network_and_a_flag_wins() {
    let node = Node::start(&[]);
    let (_socket, silent) = silence();
    let mut command = khashmir(&["lookup", "text:hello"]);
    command.env("KHASHMIR_BOOTSTRAP", format!("{silent},{}", node.addr));
    assert_eq!(Running::start(command).wait().code, Some(0));
    let mut command = khashmir(&["lookup", "text:hello", "-t", "300ms", "-B", &silent]);
    command.env("KHASHMIR_BOOTSTRAP", &node.addr);
    assert_eq!(Running::start(command).wait().code, Some(3));
}

#[test]
fn a_node_on_the_public_network_says_why_it_does_not_join_a_private_one() {
    let (_socket, addr) = silence();
    let node = Running::start(khashmir(&["node", "-b", "0.0.0.0:0", "-B", &addr, "--json"]));
    assert_eq!(node.record()["type"], "ready");
    let event = node.record();
    assert_eq!(event["type"], "not_joined");
    assert!(event["message"].as_str().unwrap().contains("private or loopback"), "{event}");
    let help = event["help"].as_str().unwrap();
    assert!(help.contains("--bind 127.0.0.1:9977") && help.contains("--allow-private"), "{event}");
}
