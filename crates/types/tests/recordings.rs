//! Ids, distances and compact contacts against the recordings of the original (`ids.json`).

#![allow(clippy::unwrap_used, missing_docs)]

use khashmir_recordings::{Value, bytes, load};
use khashmir_types::{Contact, Id, IdRange};

fn cases<'a>(recording: &'a Value, name: &str) -> &'a Vec<Value> {
    let part = &recording[name];
    let list = part.as_array().or_else(|| part["vectors"].as_array()).expect(name);
    assert!(!list.is_empty(), "{name} is empty");
    list
}

fn id(value: &Value) -> Id {
    value.as_str().unwrap().parse().unwrap()
}

/// A number in hex without padding; 2^160 and more do not fit.
fn number(value: &Value) -> Option<Id> {
    let text = value.as_str().unwrap();
    (text.len() <= 40).then(|| format!("{text:0>40}").parse().unwrap())
}

#[test]
fn ids_are_big_endian_numbers() {
    let recording = load("ids.json");
    for case in cases(&recording, "intify") {
        let raw = bytes(&case["id"]);
        match case.get("number_hex") {
            Some(expected) => assert_eq!(Id::from_slice(&raw), number(expected), "{case}"),
            None => assert_eq!(Id::from_slice(&raw), None, "{case}"),
        }
    }
}

#[test]
fn distances_and_shared_prefixes_agree() {
    let recording = load("ids.json");
    for case in cases(&recording, "distance") {
        let distance = id(&case["a"]).distance(&id(&case["b"]));
        assert_eq!(distance.to_string(), case["distance_hex"], "{case}");
        assert_eq!(distance.shared_prefix_bits() as u64, case["shared_prefix_bits"], "{case}");
    }
    for case in cases(&recording, "distance_bad") {
        let both = (Id::from_slice(&bytes(&case["a"])), Id::from_slice(&bytes(&case["b"])));
        assert!(both.0.is_none() || both.1.is_none(), "{case}");
    }
}

#[test]
fn sorting_by_distance_agrees() {
    let recording = load("ids.json");
    for case in cases(&recording, "sorted_by_distance") {
        let sorted: Vec<Id> = case["sorted"].as_array().unwrap().iter().map(id).collect();
        let mut ids = sorted.clone();
        ids.sort();
        let target = id(&case["target"]);
        ids.sort_by_key(|id| id.distance(&target));
        assert_eq!(ids, sorted, "{case}");
    }
}

#[test]
fn new_ids_are_the_sha1_of_random_bytes() {
    let recording = load("ids.json");
    for case in cases(&recording, "new_id") {
        assert_eq!(Id::sha1(&bytes(&case["random_bytes"])), id(&case["id"]), "{case}");
    }
}

#[test]
fn ids_are_placed_in_a_range_as_the_original_does() {
    let recording = load("ids.json");
    for case in cases(&recording, "new_id_in_range") {
        let first = number(&case["min_hex"]).unwrap();
        let last = number(&case["max_hex_exclusive"]).map_or(Id::MAX, before);
        let range = IdRange::new(first, last).unwrap();
        assert_eq!(range.place(Id::sha1(&bytes(&case["random_bytes"]))), id(&case["id"]), "{case}");
    }
}

/// The id before `id`, which must not be zero.
fn before(id: Id) -> Id {
    let mut raw = *id.as_bytes();
    for byte in raw.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            break;
        }
    }
    Id::new(raw)
}

#[test]
fn compact_contacts_agree() {
    let recording = load("ids.json");
    for case in cases(&recording, "compact").iter().chain(cases(&recording, "round_trip")) {
        let compact = contact_of(case).and_then(|contact| contact.to_compact());
        if case.get("error").is_some() || case["robust"] == "reject" {
            assert_eq!(compact, None, "{case}");
        } else {
            assert_eq!(compact.unwrap()[..], bytes(&case["compact"]), "{case}");
            assert_eq!(Contact::try_from(&bytes(&case["compact"])[..]).ok(), contact_of(case), "{case}");
        }
    }
    for case in cases(&recording, "uncompact") {
        let contact = Contact::try_from(&bytes(&case["compact"])[..]).ok();
        assert_eq!(contact, contact_of(case), "{case}");
        assert_eq!(contact.is_none(), case.get("error").is_some(), "{case}");
    }
}

/// The contact a case describes, if our types can hold it at all.
fn contact_of(case: &Value) -> Option<Contact> {
    let port = u16::try_from(case.get("port")?.as_i64()?).ok()?;
    let ip = case["host"].as_str()?.parse().ok()?;
    Some(Contact::new(Id::from_slice(&bytes(&case["id"]))?, std::net::SocketAddr::new(ip, port)))
}
