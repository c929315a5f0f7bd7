//! The bare operations of the table against recordings of the original.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use khashmir_recordings::{Value, bytes, load};
use khashmir_routing::{Among, Insertion, KNode, KTable, Standing, TableConfig};
use khashmir_types::{Contact, Id, Time};

#[test]
fn operations_leave_the_recorded_state() {
    let recording = load("ktable.json");
    for sequence in recording["sequences"].as_array().unwrap() {
        play(sequence);
    }
}

/// These recordings carry no labels: what the last revision did differs by its policy. Its operations must leave
/// a sound table all the same, and a search must find what a look at every node finds.
#[test]
fn the_final_revisions_operations_leave_a_sound_table() {
    let recording = load("ktable_final_revision.json");
    let sequences = recording["sequences"].as_array().unwrap();
    assert!(!sequences.is_empty());
    for sequence in sequences {
        let k = usize::try_from(sequence["K"].as_u64().unwrap()).unwrap();
        let mut table = table_of(sequence);
        for op in sequence["ops"].as_array().unwrap() {
            replay(&mut table, op);
            assert!(table.buckets().all(|(_, bucket)| bucket.nodes().len() <= k), "{}", sequence["name"]);
            for target in [table.own_id(), Id::NULL, Id::MAX] {
                let mut all: Vec<_> = table.contacts().collect();
                all.sort_by_key(|contact| contact.id.distance(&target));
                all.truncate(k);
                assert_eq!(table.closest(&target, k, Among::All), all, "{}", sequence["name"]);
            }
        }
    }
}

fn replay(table: &mut KTable, op: &Value) {
    let now = Time::from_secs(op["time"].as_u64().unwrap());
    let op_id = |name: &str| op.get(name).and_then(id);
    match (op["op"].as_str().unwrap(), op_id("id")) {
        ("insert", Some(id)) => {
            let standing = if op["contacted"] == true { Standing::Proven } else { Standing::Unproven };
            table.insert(Contact::new(id, addr(op)), standing, now);
        }
        ("just_seen", Some(id)) => drop(table.mark_seen(&id, now)),
        ("failed", Some(id)) => drop(table.mark_failed(&id)),
        ("invalidate", Some(id)) => drop(table.remove(&id)),
        ("replace_stale", _) => {
            if let Some(stale) = op_id("stale") {
                table.replace_stale(&stale, None, now);
            }
        }
        _ => {}
    }
}

fn table_of(sequence: &Value) -> KTable {
    let config = TableConfig {
        k: usize::try_from(sequence["K"].as_u64().unwrap()).unwrap(),
        max_failures: u8::try_from(sequence["MAX_FAILURES"].as_u64().unwrap()).unwrap(),
        ..TableConfig::default()
    };
    KTable::new(id(&sequence["own_id"]).unwrap(), config, Time::EPOCH)
}

fn play(sequence: &Value) {
    let mut table = table_of(sequence);
    let (addresses, is_bug) = (addresses(sequence), sequence["expect"] == "improve");
    let mut heard = Vec::new();
    for op in sequence["ops"].as_array().unwrap() {
        let at = format!("{} at {}", sequence["name"], op["time"]);
        heard.extend(answered(op));
        apply(&mut table, op, &addresses, &at);
        if let Some(buckets) = op["buckets"].as_array() {
            if is_bug {
                assert_eq!(nodes(&state(&table)), repaired(buckets, &heard, table.own_id()), "{at}");
            } else {
                assert_eq!(state(&table), *buckets, "{at}");
            }
        }
    }
}

fn apply(table: &mut KTable, op: &Value, addresses: &BTreeMap<Id, SocketAddr>, at: &str) {
    let now = Time::from_secs(op["time"].as_u64().unwrap());
    let returned = &op["result"]["returned"];
    match op["op"].as_str().unwrap() {
        "insert" => {
            let standing = if op["contacted"] == true { Standing::Proven } else { Standing::Unproven };
            let full = match table.insert(Contact::new(id(&op["id"]).unwrap(), addr(op)), standing, now) {
                Insertion::Full { oldest } => Value::from(oldest.id.to_string()),
                _ => Value::Null,
            };
            assert_eq!(full, *returned, "{at}");
        }
        "just_seen" => {
            let before = table.mark_seen(&id(&op["id"]).unwrap(), now);
            assert_eq!(
                before.map_or(Value::Null, |node| last_seen(&node)),
                returned["old_last_seen"],
                "{at}"
            );
        }
        "failed" => drop(table.mark_failed(&id(&op["id"]).unwrap())),
        "invalidate" => drop(table.remove(&id(&op["id"]).unwrap())),
        "replace_stale" => {
            let new = id(&op["new"]).map(|id| Contact::new(id, addresses[&id]));
            table.replace_stale(&id(&op["stale"]).unwrap(), new, now);
        }
        "find" => check_find(table, op, at),
        "dump" => {}
        other => panic!("unknown operation {other}"),
    }
}

/// Ours is exact: it equals `true_closest` wherever the original's differs from that.
fn check_find(table: &KTable, op: &Value, at: &str) {
    let Some(target) = id(&op["target"]).or_else(|| number(&op["target_number"])) else { return };
    let recorded = &op["result"]["returned"];
    let expected = op["result"].get("true_closest").unwrap_or(recorded);
    let found = table.closest(&target, table.config().k, Among::All);
    let found = found.iter().map(|contact| contact.id.to_string()).collect::<Vec<_>>();
    assert_eq!(Value::from(found), *expected, "{at}");
}

/// The recorded nodes without the marks of the original's bugs: known twice, our own id, and seen without having
/// answered. Buckets are left aside, as a node too many keeps the original from merging them.
fn repaired(buckets: &[Value], heard: &[Id], own_id: Id) -> BTreeMap<Id, Value> {
    let mut nodes = nodes(buckets);
    nodes.remove(&own_id);
    nodes
        .iter_mut()
        .filter(|(id, _)| !heard.contains(id))
        .for_each(|(_, node)| node["last_seen"] = Value::Null);
    nodes
}

/// The nodes of these buckets; of one id the first.
fn nodes(buckets: &[Value]) -> BTreeMap<Id, Value> {
    let nodes = buckets.iter().flat_map(|bucket| bucket["nodes"].as_array().unwrap());
    nodes.rev().map(|node| (id(&node["id"]).unwrap(), node.clone())).collect()
}

/// The id that this operation reports to have answered.
fn answered(op: &Value) -> Option<Id> {
    let answers = op["op"] == "just_seen" || op["contacted"] == true;
    id(&op["id"]).filter(|_| answers)
}

fn state(table: &KTable) -> Vec<Value> {
    let node = |node: &KNode| {
        serde_json::json!({
            "id": node.id().to_string(),
            "host": node.contact().addr.ip().to_string(),
            "port": node.contact().addr.port(),
            "fails": node.fails(),
            "last_seen": last_seen(node),
        })
    };
    let buckets = table.buckets().map(|(range, bucket)| {
        serde_json::json!({
            "min": range.first().to_string(),
            "max_inclusive": range.last().to_string(),
            "touched_at": bucket.touched().as_micros() / 1_000_000,
            "nodes": bucket.nodes().iter().map(node).collect::<Vec<_>>(),
        })
    });
    buckets.collect()
}

fn last_seen(node: &KNode) -> Value {
    node.last_seen().map_or(Value::Null, |time| Value::from(time.as_micros() / 1_000_000))
}

/// Where each node is that an insertion or a state names; `replace_stale` names ids only.
fn addresses(sequence: &Value) -> BTreeMap<Id, SocketAddr> {
    let ops = sequence["ops"].as_array().unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let dumped = ops.iter().flat_map(|op| list(&op["buckets"])).flat_map(|bucket| list(&bucket["nodes"]));
    let inserted = ops.iter().filter(|op| op["op"] == "insert").cloned();
    let named = ops.iter().filter_map(|op| Some((id(&op["new"])?, ([10, 0, 0, 1], 9).into())));
    named.chain(dumped.chain(inserted).map(|node| (id(&node["id"]).unwrap(), addr(&node)))).collect()
}

fn addr(node: &Value) -> SocketAddr {
    let port = u16::try_from(node["port"].as_u64().unwrap()).unwrap();
    SocketAddr::new(node["host"].as_str().unwrap().parse().unwrap(), port)
}

/// The id, or `None` if there is none or it has not 20 bytes: an [`Id`] has no other length.
fn id(value: &Value) -> Option<Id> {
    value.is_string().then(|| Id::from_slice(&bytes(value)))?
}

/// A target given as a number; those that are no id cannot be asked for.
fn number(value: &Value) -> Option<Id> {
    format!("{:0>40}", value.as_str()?).parse().ok()
}
