//! Short names for the unit tests: small nodes, a small network, a moment.

use khashmir_types::{Contact, Id, Time};

use crate::{Action, LookupConfig, Step};

/// What the tests look for: so the id of a node is its distance.
pub(crate) const TARGET: Id = Id::NULL;
pub(crate) const OWN: Id = Id::MAX;
pub(crate) const START: Time = Time::from_secs(1_000);

/// The node at distance `n`.
pub(crate) fn node(n: u8) -> Contact {
    Contact::new(id(n), ([192, 0, 2, n], 9977).into())
}

/// The node at distance `n`, at an address of another.
pub(crate) fn node_at(n: u8, other: u8) -> Contact {
    Contact::new(id(n), node(other).addr)
}

pub(crate) fn nodes(distances: impl IntoIterator<Item = u8>) -> Vec<Contact> {
    distances.into_iter().map(node).collect()
}

/// No leap-frogging, at most `concurrency` at a time, among the closest three.
pub(crate) fn plain(concurrency: usize) -> LookupConfig {
    LookupConfig { k: 3, concurrency, max_in_flight: concurrency, ..LookupConfig::default() }
}

/// Whom the action asks now.
pub(crate) fn asked(action: &mut impl Action, now: Time) -> Vec<Contact> {
    let asks = std::iter::from_fn(|| match action.poll(now) {
        Step::Ask(ask) => Some(ask.contact),
        Step::Wait(_) | Step::Done => None,
    });
    asks.collect()
}

fn id(n: u8) -> Id {
    let mut bytes = [0; Id::LEN];
    bytes[Id::LEN - 1] = n;
    Id::new(bytes)
}
