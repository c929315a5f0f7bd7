//! What the commands find, and how they say so, between real nodes on this machine.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::process::Stdio;

use support::{Node, Running, khashmir, run, run_with_input};

const HELLO: &str = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";

#[test]
fn a_value_put_through_one_node_is_got_through_another() {
    let first = Node::start(&[]);
    let second = first.neighbour();
    let put = run(&["put", "-B", &first.addr, "text:hello", "a value"]);
    assert_eq!(put.code, Some(0), "{put:?}");
    assert!(put.stdout.starts_with("stored  aaf4c61d…aea9434d  on 2 of 2 nodes in "), "{put:?}");

    let get = run(&["get", "-B", &second.addr, HELLO]);
    assert_eq!((get.code, get.stdout.as_str()), (Some(0), "a value\n"), "{get:?}");
    assert!(get.stderr.starts_with("1 value under aaf4c61d…aea9434d: "), "{get:?}");
}

#[test]
fn values_of_many_stay_side_by_side_until_there_are_enough() {
    let node = Node::start(&[]);
    for value in ["one", "two", "three"] {
        assert_eq!(run(&["put", "-B", &node.addr, "text:k", value]).code, Some(0));
    }
    let get = |more: &[&str]| {
        let get = run(&[&["get", "-q", "-B", &node.addr, "text:k"], more].concat());
        assert_eq!((get.code, get.stderr.as_str()), (Some(0), ""));
        let mut values: Vec<_> = get.stdout.lines().map(str::to_owned).collect();
        values.sort();
        values
    };
    assert_eq!(get(&[]), ["one", "three", "two"]);
    assert_eq!(get(&["-n", "2"]).len(), 2);
}

#[test]
fn bytes_from_standard_input_and_files_come_back_as_they_were() {
    let node = Node::start(&[]);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"\xff\x00\n").unwrap();
    let put = run(&["put", "-B", &node.addr, "text:bytes", "--file", file.path().to_str().unwrap()]);
    assert_eq!(put.code, Some(0), "{put:?}");
    let get = run(&["get", "-B", &node.addr, "text:bytes", "--json"]);
    let value = &get.records()[0];
    assert_eq!((&value["value_base64"], &value["text"]), (&"/wAK".into(), &serde_json::Value::Null));

    let put = run_with_input(&["put", "-B", &node.addr, "text:input", "-"], "Grüße".as_bytes());
    assert_eq!(put.code, Some(0), "{put:?}");
    let get = run(&["get", "-B", &node.addr, "text:input", "--json"]);
    assert_eq!(get.records()[0]["text"], "Grüße");
}

#[test]
fn a_value_names_its_key_its_source_and_its_time() {
    let node = Node::start(&[]);
    let put = run(&["put", "-B", &node.addr, "text:hello", "a value", "--json"]);
    let summary = put.summary();
    assert_eq!((&summary["result"], &summary["stored"]), (&"stored".into(), &1.into()), "{put:?}");
    assert_eq!(summary["nodes"], serde_json::json!([node.addr]));

    let get = run(&["get", "-B", &node.addr, "text:hello", "--json"]);
    let value = &get.records()[0];
    assert_eq!((&value["type"], &value["key"]), (&"value".into(), &HELLO.into()));
    assert_eq!((&value["text"], &value["value_base64"]), (&"a value".into(), &"YSB2YWx1ZQ==".into()));
    assert_eq!((&value["from"], &value["source"]), (&serde_json::json!([node.addr]), &"network".into()));
    assert!(value["elapsed_ms"].is_u64());
    let summary = get.summary();
    assert_eq!((&summary["result"], &summary["values"]), (&"found".into(), &1.into()));
    assert_eq!(summary["complete"], true);
    for count in ["queried", "answered", "timed_out", "pending", "errors", "invalid", "hops", "elapsed_ms"] {
        assert!(summary[count].is_u64(), "{count} in {summary}");
    }
}

#[test]
fn a_key_that_nobody_has_exits_with_1() {
    let node = Node::start(&[]);
    let get = run(&["get", "-B", &node.addr, "text:nothing"]);
    assert_eq!((get.code, get.stdout.as_str()), (Some(1), ""));
    assert!(get.stderr.starts_with("not found: 1 node asked, 1 answered, none has 0feca720…"), "{get:?}");
    let get = run(&["get", "-B", &node.addr, "text:nothing", "--json"]);
    assert_eq!((get.code, &get.summary()["result"]), (Some(1), &"not_found".into()));
}

#[test]
fn a_visit_leaves_no_trace_in_the_tables_of_others() {
    let node = Node::start(&[]);
    for value in ["one", "two", "three"] {
        assert_eq!(run(&["put", "-B", &node.addr, "text:k", value]).code, Some(0));
    }
    let ended = node.terminate();
    assert_eq!(ended.summary()["contacts"], 0, "{ended:?}");
}

#[test]
fn too_few_copies_exit_with_5() {
    let node = Node::start(&[]);
    let put = run(&["put", "-B", &node.addr, "text:k", "v", "--min-stored", "2"]);
    assert_eq!(put.code, Some(5));
    assert!(put.stderr.contains("error: 1 node acknowledged the value"), "{put:?}");
    assert!(put.stderr.contains("wanted were 2"), "{put:?}");
}

#[test]
fn a_network_that_stores_nothing_for_others_is_told_apart() {
    let node = Node::start(&["--read-only"]);
    assert_eq!(node.ready["role"], "read");
    let put = run(&["put", "-B", &node.addr, "text:k", "v", "--json"]);
    assert_eq!((put.code, &put.summary()["stored"]), (Some(5), &0.into()), "{put:?}");
    let error: serde_json::Value = serde_json::from_str(put.stderr.trim()).unwrap();
    assert_eq!((&error["type"], &error["code"]), (&"error".into(), &"E_UNDER_STORED".into()));
}

#[test]
fn a_lookup_lists_the_closest_nodes_in_order() {
    let first = Node::start(&[]);
    let second = first.neighbour();
    let lookup = run(&["lookup", "-B", &first.addr, "text:hello", "--json"]);
    assert_eq!(lookup.code, Some(0), "{lookup:?}");
    let records = lookup.records();
    let bits: Vec<u64> = records.iter().filter_map(|record| record["shared_bits"].as_u64()).collect();
    assert!(bits.len() == 2 && bits.is_sorted_by(|a, b| a >= b), "{lookup:?}");
    let ids: Vec<_> = records.iter().filter_map(|record| record["id"].as_str()).collect();
    assert!(ids.contains(&first.id.as_str()) && ids.contains(&second.id.as_str()), "{lookup:?}");
    assert_eq!(lookup.summary()["nodes"], 2);

    let lookup = run(&["lookup", "-B", &first.addr, "text:hello", "-k", "1"]);
    assert!(lookup.stdout.starts_with(&format!("target {HELLO}\n 1  127.0.0.1:")), "{lookup:?}");
    assert_eq!(lookup.stdout.lines().count(), 2);
}

#[test]
fn a_ping_tells_the_id_and_the_round_trip() {
    let node = Node::start(&[]);
    let ping = run(&["ping", &node.addr, "-n", "3", "--json"]);
    assert_eq!(ping.code, Some(0), "{ping:?}");
    let records = ping.records();
    assert_eq!(records.len(), 4);
    assert!(records[..3].iter().all(|pong| pong["id"] == node.id.as_str() && pong["rtt_ms"].is_f64()));
    assert_eq!((&ping.summary()["sent"], &ping.summary()["answered"]), (&3.into(), &3.into()));

    let ping = run(&["ping", &node.addr]);
    assert!(ping.stdout.starts_with(&format!("{}  {}  ", node.addr, node.id)), "{ping:?}");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let node = Node::start(&[]);
    let mut command = khashmir(&["get", "-v", "-B", &node.addr, "text:nothing", "--json"]);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(Stdio::from(writer));
    drop(reader);
    let running = Running::start(command);
    let ended = running.wait();
    assert_eq!(ended.code, Some(141), "{ended:?}");
    assert!(!ended.stderr.contains("panic") && !ended.stderr.contains("error"), "{ended:?}");
}

#[test]
fn a_quiet_demo_prints_its_verdict_alone() {
    let demo = run(&["demo", "-q", "--nodes", "8"]);
    assert_eq!((demo.code, demo.stdout.lines().count(), demo.stderr.as_str()), (Some(0), 1, ""), "{demo:?}");
    assert!(demo.stdout.starts_with("Every value was found: 210 of 210"), "{demo:?}");
}

#[test]
fn the_demo_finds_every_value() {
    let demo = run(&["demo", "--nodes", "8", "--json"]);
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let summary = demo.summary();
    assert_eq!(summary["result"], "found");
    // Ten keys of three values: read by three nodes, again by three, and by the one that was started again.
    assert_eq!((&summary["expected"], &summary["found"]), (&210.into(), &210.into()));
    let records = demo.records();
    let step = |name: &str| records.iter().find(|record| record["step"] == name).unwrap();
    assert_eq!(step("stop")["stopped"].as_array().unwrap().len(), 2);
    let restart = step("restart");
    assert_eq!(restart["same_id"], true);
    assert_eq!(restart["values"], restart["values_before"]);
    assert!(restart["contacts"].as_u64().unwrap() > 0);
    let directory = step("start")["directory"].as_str().unwrap();
    assert!(!fs::exists(directory).unwrap(), "{directory} is left behind");
}
