//! What goes wrong is said clearly, with advice, and ends in the promised exit code.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::io::ErrorKind;
use std::process::Stdio;

use serde_json::Value;
use support::{Node, Running, khashmir, run, silence};

#[test]
fn a_bad_key_exits_with_2_and_a_suggestion() {
    let get = run(&["get", "hello"]);
    assert_eq!((get.code, get.stdout.as_str()), (Some(2), ""));
    assert_eq!(
        get.stderr,
        "error: \"hello\" is not a key: 'h' at position 1 is not a hex digit\n  help: for a text write text:hello\n"
    );
}

#[test]
fn under_json_errors_are_json_and_the_summary_is_still_last() {
    for (args, code) in [
        (&["get", "hello", "--json"][..], "E_KEY"),
        (&["get", "--json"], "E_USAGE"),
        (&["frob", "--json"], "E_USAGE"),
        (&["get", "text:k", "--json"], "E_NO_BOOTSTRAP"),
        (&["get", "text:k", "--json", "-t", "soon"], "E_USAGE"),
    ] {
        let ended = run(args);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let error: Value = serde_json::from_str(ended.stderr.trim()).expect(&ended.stderr);
        assert_eq!((&error["type"], &error["code"]), (&"error".into(), &code.into()));
        assert!(error["message"].is_string() && error["help"].is_string(), "{error}");
        assert_eq!((&ended.summary()["result"], &ended.summary()["code"]), (&"error".into(), &code.into()));
    }
}

#[test]
fn without_a_network_the_way_to_name_one_is_told() {
    let get = run(&["get", "text:hello"]);
    assert_eq!(get.code, Some(2));
    assert!(get.stderr.contains("--bootstrap boot.example.org:9977"), "{get:?}");
}

#[test]
fn a_bootstrap_node_that_does_not_answer_exits_with_3_and_its_name() {
    let (_socket, addr) = silence();
    for command in [&["get"][..], &["put"], &["lookup"]] {
        let value: &[&str] = if command == ["put"] { &["v"] } else { &[] };
        let ended = run(&[command, &["text:k"], value, &["-t", "300ms", "-B", &addr]].concat());
        assert_eq!(ended.code, Some(3), "{ended:?}");
        let reason = format!("error: no bootstrap node answered ({addr}: no answer within ");
        assert!(ended.stderr.starts_with(&reason), "{ended:?}");
        assert!(ended.stderr.contains(&format!("khashmir ping {addr}")), "{ended:?}");
    }
}

#[test]
fn a_value_that_is_too_long_is_refused_before_anything_is_sent() {
    let (socket, addr) = silence();
    let put = run(&["put", "-B", &addr, "text:k", &"x".repeat(2000)]);
    assert_eq!(put.code, Some(2));
    assert!(put.stderr.starts_with("error: a value has 1 to "), "{put:?}");
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_ping_without_an_answer_exits_with_4() {
    let (_socket, addr) = silence();
    let ping = run(&["ping", &addr, "-t", "300ms"]);
    assert_eq!(ping.code, Some(4), "{ping:?}");
    assert!(ping.stdout.starts_with(&format!("{addr}  no answer after ")), "{ping:?}");
}

#[test]
fn a_port_in_use_exits_with_78_and_advice() {
    let (_socket, addr) = silence();
    let node = run(&["node", "-b", &addr]);
    assert_eq!((node.code, node.stdout.as_str()), (Some(78), ""));
    assert!(node.stderr.starts_with(&format!("error: cannot bind {addr}: ")), "{node:?}");
    assert!(node.stderr.contains("help: choose another address with --bind"), "{node:?}");
}

#[test]
fn a_state_directory_that_cannot_be_used_exits_with_78() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().to_str().unwrap();
    let node = Node::with_state(directory.path());
    let second = run(&["node", "-b", "127.0.0.1:0", "-d", state]);
    assert_eq!(second.code, Some(78));
    assert!(second.stderr.contains("is in use"), "{second:?}");
    drop(node);

    let file = directory.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    let ended = run(&["node", "-b", "127.0.0.1:0", "-d", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("help: choose another directory with --state"), "{ended:?}");
}

#[test]
fn a_node_does_not_take_a_timeout() {
    let node = run(&["node", "-b", "127.0.0.1:0", "-t", "9s"]);
    assert_eq!(node.code, Some(2), "{node:?}");
}

#[test]
fn sigint_ends_a_command_with_130() {
    let (_socket, addr) = silence();
    let get = Running::start(khashmir(&["get", "-v", "-B", &addr, "text:k"]));
    assert!(get.error_line().contains("has started"));
    get.signal("INT");
    let ended = get.wait();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("error: interrupted"), "{ended:?}");
}

#[test]
fn an_empty_variable_counts_as_unset_and_a_bad_one_is_named() {
    let get = |bootstrap: &str, bind: &str| {
        let mut command = khashmir(&["node", "-t", "1s"]);
        command.env("KHASHMIR_BOOTSTRAP", bootstrap).env("KHASHMIR_BIND", bind).env("KHASHMIR_STATE", "");
        Running::start(command).wait().stderr
    };
    // What is left is what is wrong with the command itself.
    assert!(get("", " ").contains("--timeout makes no sense"));
    assert!(get(" 127.0.0.1:9 , ,127.0.0.1:10,", "").contains("--timeout makes no sense"));
    assert!(get("localhost", "").contains("KHASHMIR_BOOTSTRAP: \"localhost\" is not a HOST:PORT"));
    assert!(get("", "here").contains("KHASHMIR_BIND: \"here\" is not an ADDR:PORT"));

    let mut command = khashmir(&["get", "text:k"]);
    command.env("KHASHMIR_BOOTSTRAP", "").env("KHASHMIR_STATE", "").env("KHASHMIR_ALLOW_PRIVATE", "");
    assert!(Running::start(command).wait().stderr.contains("no network is named"));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_exits_with_74() {
    for args in [&["help", "keys"][..], &["--help"], &["demo", "--nodes", "8"]] {
        let mut command = khashmir(args);
        command.stdout(Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap()));
        let ended = Running::start(command).wait();
        assert_eq!(ended.code, Some(74), "{ended:?}");
        assert!(ended.stderr.starts_with("error: cannot write the output: "), "{ended:?}");
        assert!(!ended.stderr.contains("bug"), "{ended:?}");
    }
}

#[test]
fn a_demo_without_a_temporary_directory_exits_with_78() {
    let mut command = khashmir(&["demo"]);
    command.env("TMPDIR", "/nonexistent");
    let demo = Running::start(command).wait();
    assert_eq!(demo.code, Some(78), "{demo:?}");
    assert!(
        demo.stderr.contains("directory in /nonexistent: ") && demo.stderr.contains("TMPDIR"),
        "{demo:?}"
    );
}

#[test]
fn a_demo_that_ends_early_names_its_step_and_removes_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let is_empty = || fs::read_dir(directory.path()).unwrap().next().is_none();
    let demo = |args: &[&str]| {
        let mut command = khashmir(&[&["demo", "--json"], args].concat());
        command.env("TMPDIR", directory.path());
        Running::start(command)
    };
    let late = demo(&["-t", "1ms"]).wait();
    let error: Value = serde_json::from_str(late.stderr.trim()).expect(&late.stderr);
    assert_eq!((late.code, &error["code"]), (Some(4), &"E_DEADLINE".into()));
    assert!(error["message"].as_str().unwrap().contains("during the step \"start\""), "{error}");
    assert_eq!((&late.summary()["result"], &late.summary()["step"]), (&"deadline".into(), &"start".into()));
    assert!(is_empty());

    for signal in ["TERM", "HUP"] {
        let running = demo(&[]);
        assert_eq!(running.record()["step"], "start");
        running.signal(signal);
        let ended = running.wait();
        assert_eq!(ended.code, Some(130), "{signal}: {ended:?}");
        assert!(ended.stderr.contains("E_INTERRUPTED"), "{ended:?}");
        assert_eq!(ended.summary()["result"], "interrupted");
        assert!(is_empty(), "{signal}");
    }
}

#[test]
fn an_address_where_nobody_can_be_exits_with_2() {
    for addr in ["[::1]:9", "0.0.0.0:9", "224.0.0.1:9", "127.0.0.1:0"] {
        assert_eq!(run(&["ping", addr]).code, Some(2), "{addr}");
    }
}

#[test]
fn the_deadline_holds_for_standard_input_too() {
    let mut command = khashmir(&["put", "-t", "300ms", "-B", "127.0.0.1:9", "text:k", "-"]);
    let (reader, _writer) = std::io::pipe().unwrap();
    command.stdin(Stdio::from(reader));
    let put = Running::start(command).wait();
    assert_eq!(put.code, Some(4), "{put:?}");
    assert!(put.stderr.contains("while reading the value"), "{put:?}");
}

#[test]
fn the_topics_of_the_help_are_there() {
    for (topic, content) in [
        ("exit-codes", "78  cannot start"),
        ("keys", "text:hello"),
        ("json", "\"type\":\"value\""),
        ("get", "Usage: khashmir get"),
    ] {
        let help = run(&["help", topic]);
        assert!(help.code == Some(0) && help.stdout.contains(content), "{help:?}");
    }
    let help = run(&["help", "nothing"]);
    assert!(help.code == Some(2) && help.stderr.contains("exit-codes"), "{help:?}");
}
