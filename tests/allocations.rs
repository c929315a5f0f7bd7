//! No datagram makes a node allocate more than a small multiple of its length. A test binary of its own, with one test:
//! its allocator counts what the whole process does.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]
#![allow(dead_code, reason = "the other tests use the rest of what is shared")]

mod support;

use std::alloc::System;
use std::time::Duration;

use khashmir::Method;
use khashmir_fuzz::{corpus, hostile_answers, hostile_queries};
use khashmir_krpc::{Message, TransactionId, decode};
use khashmir_recordings::{bytes, load};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::attacker::{ATTACKER, ambush, asked, rig, token};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that `work` allocates in all, whatever it gives back.
fn allocated(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.bytes_allocated + usize::try_from(change.bytes_reallocated).unwrap_or(0)
}

/// The most that a datagram of `len` bytes may cost: places for as many values as the scan lets pass, and what its
/// content is worth.
const fn limit(len: usize) -> usize {
    64 * 1024 + 16 * len
}

/// Decodes `datagram`; if it is a reply, reads it as one to each method.
fn decode_within_limits(datagram: &[u8]) {
    let decoding = allocated(|| drop(decode(datagram)));
    let Ok(Message::Reply { body, .. }) = decode(datagram) else { return check(decoding, datagram) };
    for method in Method::ALL {
        check(decoding + allocated(|| drop(body.read(method))), datagram);
    }
}

fn check(bytes: usize, datagram: &[u8]) {
    let shown = datagram[..datagram.len().min(300)].escape_ascii();
    assert!(bytes <= limit(datagram.len()), "{bytes} bytes for one of {}: {shown}", datagram.len());
}

/// A recorded answer to a query of `method`; the query's transaction id belongs at each of `placeholders`.
struct Answer {
    method: Method,
    datagram: Vec<u8>,
    placeholders: Vec<usize>,
}

impl Answer {
    fn to(&self, transaction: &TransactionId) -> Vec<u8> {
        let mut datagram = self.datagram.clone();
        for at in &self.placeholders {
            datagram[*at..*at + TransactionId::LEN].copy_from_slice(transaction.as_bytes());
        }
        datagram
    }
}

/// The recorded attacks: those that come out of the blue, and those that are answers.
fn recorded() -> (Vec<Vec<u8>>, Vec<Answer>) {
    let (mut queries, mut answers) = (Vec::new(), Vec::new());
    for class in load("attack/index.json")["classes"].as_object().unwrap().keys() {
        let recording = load(&format!("attack/{class}.json"));
        for entry in recording["entries"].as_array().into_iter().flatten() {
            let datagram = bytes(&entry["hex"]);
            let Some(method) = entry["context"].as_str().unwrap().strip_prefix("answer:") else {
                queries.push(datagram);
                continue;
            };
            let method = Method::from_name(method.as_bytes()).unwrap();
            let at = entry["tid_placeholder_at"].as_array().unwrap().iter();
            let placeholders = at.map(|at| usize::try_from(at.as_u64().unwrap()).unwrap()).collect();
            answers.push(Answer { method, datagram, placeholders });
        }
    }
    (queries, answers)
}

#[test]
fn a_datagram_makes_a_node_allocate_a_small_multiple_of_its_length() {
    let (mut queries, recorded_answers) = recorded();
    assert!(queries.len() > 400 && recorded_answers.len() > 100);
    ["scan", "decode", "round-trip"].into_iter().for_each(|target| queries.extend(corpus(target)));

    let mut rig = rig();
    let (own, token) = (rig.engine.id(), token(&mut rig));
    queries.extend(hostile_queries(ATTACKER.id, own, &token));
    for datagram in &queries {
        decode_within_limits(datagram);
        let bytes = allocated(|| rig.engine.handle_datagram(ATTACKER.addr, datagram, rig.now));
        check(bytes, datagram);
        rig.run_for(Duration::from_millis(10));
        rig.take_sent();
    }

    for method in Method::ALL {
        let mut rig = ambush(method).0;
        let transaction = asked(&mut rig, method);
        let mut answers = hostile_answers(method, &transaction, ATTACKER.id, own);
        let recorded = recorded_answers.iter().filter(|answer| answer.method == method);
        answers.extend(recorded.map(|answer| answer.to(&transaction)));
        for datagram in answers {
            decode_within_limits(&datagram);
            let mut rig = ambush(method).0;
            let bytes = allocated(|| rig.engine.handle_datagram(ATTACKER.addr, &datagram, rig.now));
            check(bytes, &datagram);
        }
    }
}
