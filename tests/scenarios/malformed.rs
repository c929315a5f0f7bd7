//! Datagrams that are wrong in every way that a rule can think of, as queries and as answers. Each meets silence, the
//! error it deserves or a reply, and leaves nothing behind.

use std::collections::BTreeSet;
use std::time::Duration;

use khashmir::{Contact, Method, Storage};
use khashmir_fuzz::{Verdict, hostile_answers, hostile_queries, verdict};
use khashmir_krpc::{MAX_DATAGRAM, Message, decode};

use crate::support::attacker::{ATTACKER, ambush, asked, rig, token};
use crate::support::engine::Sent;

/// The answers among what was sent: `None` for a reply, or the code of an error.
fn answers(sent: &[Sent]) -> Vec<Option<i64>> {
    assert!(sent.iter().all(|sent| sent.payload.len() <= MAX_DATAGRAM));
    let answer = |sent: &Sent| match decode(&sent.payload) {
        Ok(Message::Reply { .. }) => Some(None),
        Ok(Message::Error { code, .. }) => Some(Some(code)),
        _ => None,
    };
    sent.iter().filter_map(answer).collect()
}

#[test]
fn a_query_gets_just_what_it_deserves_whatever_is_wrong_with_it() {
    let mut rig = rig();
    let (own, token) = (rig.engine.id(), token(&mut rig));
    let mut met = BTreeSet::new();
    for datagram in hostile_queries(ATTACKER.id, own, &token) {
        let (known, stored) =
            (rig.engine.table().contacts().collect::<Vec<_>>(), rig.engine.storage().totals());
        rig.deliver(ATTACKER.addr, &datagram);
        rig.commit();
        let answers = answers(&rig.take_sent());
        let deserved = verdict(&datagram);
        let is_right = match (deserved, &answers[..]) {
            (Verdict::Silence | Verdict::NotAsked, []) => true,
            (Verdict::UnknownMethod, [code]) => *code == Some(203),
            (Verdict::Malformed, [code]) => *code == Some(204),
            (Verdict::Query("store_value"), [code]) => matches!(code, None | Some(205)),
            (Verdict::Query(_), [code]) => code.is_none(),
            _ => false,
        };
        let shown = datagram[..datagram.len().min(300)].escape_ascii();
        assert!(is_right, "{deserved:?} met {answers:?}: {shown}");
        assert_eq!(rig.engine.table().contacts().collect::<Vec<_>>(), known, "{shown}");
        let may_store = deserved == Verdict::Query("store_value") && answers == [None];
        assert!(may_store || rig.engine.storage().totals() == stored, "{shown}");
        met.insert(format!("{deserved:?} {answers:?}"));
        rig.run_for(Duration::from_millis(10));
        rig.take_sent();
    }
    // Silence for two reasons, two errors, replies to six methods, and a token that is none.
    assert_eq!(met.len(), 11, "{met:?}");
}

#[test]
fn an_answer_is_believed_no_further_than_it_is_right_and_the_operation_ends() {
    for method in Method::ALL {
        // Equal engines ask with equal transaction ids.
        let mut rig = ambush(method).0;
        let (transaction, own) = (asked(&mut rig, method), rig.engine.id());
        for datagram in hostile_answers(method, &transaction, ATTACKER.id, own) {
            let (mut rig, operation) = ambush(method);
            assert_eq!(asked(&mut rig, method), transaction);
            let shown = datagram[..datagram.len().min(300)].escape_ascii();
            rig.deliver(ATTACKER.addr, &datagram);
            rig.run_for(Duration::from_secs(100));
            let sent = rig.take_sent();
            assert_eq!(answers(&sent), [], "an answer to an answer: {shown}");
            let scope = rig.engine.settings().scope;
            assert!(sent.iter().all(|sent| scope.admits(sent.to)), "{shown}");
            // Where the attacker was asked by its address alone, it may choose its id, but not ours.
            let is_attacker = |contact: &Contact| contact.addr == ATTACKER.addr && !contact.id.is_null();
            let mut known = rig.engine.table().contacts();
            assert!(known.all(|contact| is_attacker(&contact) && contact.id != own), "{shown}");
            rig.outcome_of(operation).unwrap_or_else(|why| panic!("{why}: {shown}"));
        }
    }
}
