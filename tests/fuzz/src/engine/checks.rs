//! What must hold of an engine at any time, and of what it sends.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use khashmir::krpc::{self, MAX_DATAGRAM, Message, Transmit};
use khashmir::{Contact, Engine, MemoryStorage, Storage, Time};

use crate::reference::{Verdict, verdict};

/// A datagram that the engine sends is short, and a message.
pub(super) fn sent(payload: &[u8]) -> Message<'_> {
    assert!(payload.len() <= MAX_DATAGRAM, "{} bytes in one datagram", payload.len());
    krpc::decode(payload).unwrap_or_else(|error| panic!("it sends {}: {error}", payload.escape_ascii()))
}

/// A datagram from `from` is answered as it deserves: what was sent because of it shows.
pub(super) fn answers(from: SocketAddr, datagram: &[u8], sent: &[Transmit]) {
    let answers = sent.iter().filter_map(|transmit| match krpc::decode(&transmit.payload) {
        Ok(Message::Reply { .. }) => Some((transmit.to, None)),
        Ok(Message::Error { code, .. }) => Some((transmit.to, Some(code))),
        _ => None,
    });
    // Others may get their answers now too, whose stores a commit has just covered.
    let codes: Vec<_> = answers.filter(|(to, _)| *to == from).map(|(_, code)| code).collect();
    let is_right = |code: &Option<i64>| match verdict(datagram) {
        Verdict::Silence => false,
        Verdict::UnknownMethod => *code == Some(203),
        Verdict::Malformed => *code == Some(204),
        Verdict::Query("store_value") => matches!(code, None | Some(201 | 203 | 205)),
        Verdict::Query("get_value") => matches!(code, None | Some(203 | 206)),
        Verdict::Query("find_value") => matches!(code, None | Some(203)),
        // What is no query may prove an address for which replies were kept back.
        Verdict::Query(_) | Verdict::NotAsked => code.is_none(),
    };
    assert!(codes.iter().all(is_right), "{:?} is answered with {codes:?}", verdict(datagram));
}

/// Could this datagram be the answer to a call?
pub(super) fn may_be_an_answer(datagram: &[u8]) -> bool {
    verdict(datagram) == Verdict::NotAsked
}

/// Whom the table knew.
pub(super) struct Known(BTreeSet<Contact>);

impl Known {
    pub(super) fn of(engine: &Engine<MemoryStorage>) -> Self {
        Self(engine.table().contacts().collect())
    }

    /// Nobody has come into the table, or changed an address there.
    pub(super) fn check(&self, engine: &Engine<MemoryStorage>) {
        assert!(
            engine.table().contacts().all(|contact| self.0.contains(&contact)),
            "a query has changed the table"
        );
    }
}

/// Everything keeps to its limits.
pub(super) fn bounds(engine: &Engine<MemoryStorage>, now: Time, own_stores: u64) {
    let (settings, table, statistics) = (engine.settings(), engine.table(), engine.statistics(now));
    let largest =
        table.config().first_buckets.into_iter().map(usize::from).fold(table.config().k, usize::max);
    for (_, bucket) in table.buckets() {
        assert!(
            bucket.nodes().len() <= largest && bucket.replacements().count() <= table.config().replacements
        );
    }
    for contact in table.contacts() {
        assert!(!contact.id.is_null() && contact.id != engine.id() && settings.scope.admits(contact.addr));
    }
    // Upkeep and joins of the engine's own come on top.
    assert!(statistics.operations <= settings.max_operations + 4, "{} operations", statistics.operations);
    let (limits, stored) = (&settings.limits, engine.storage().totals());
    // What the user stores here is not refused.
    assert!(stored.values <= limits.max_values + own_stores, "{stored:?}");
    assert!(stored.bytes <= limits.max_bytes + own_stores * 1400, "{stored:?}");
    assert!(
        statistics.parked as u64 <= settings.max_parked as u64 + own_stores,
        "{} parked",
        statistics.parked
    );
}
