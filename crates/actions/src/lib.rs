//! The actions of the Khashmir DHT, as state machines without I/O: [`FindNode`], [`FindValue`],
//! [`GetValue`] and [`StoreValue`].
//!
//! An [`Action`] says whom to ask what, and is told what came back. It knows neither the wire nor the
//! table: whoever drives it sends the questions, and brings in the nodes to start from. It ends exactly
//! once, in bounded time and with bounded questions, whatever the others do, and its outcome holds only
//! nodes that answered.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use khashmir_actions::{Action, Answer, Failure, FindNode, LookupConfig, Step};
//! use khashmir_types::{Contact, Id, Time};
//!
//! // A network of twenty nodes, each of which knows the four before it; the last is down.
//! let contact = |n: u8| Contact::new(Id::sha1(&[n]), ([192, 0, 2, n], 9977).into());
//! let known_by = |n: u8| (1..=4).filter_map(|back| n.checked_sub(back)).map(contact).collect();
//! let network: BTreeMap<Id, Vec<Contact>> = (0..19).map(|n| (contact(n).id, known_by(n))).collect();
//!
//! let (own, target, now) = (Id::sha1(b"own"), Id::sha1(b"target"), Time::from_secs(1));
//! let start = [contact(19), contact(18)];
//! let mut search = FindNode::new(target, start, own, LookupConfig::default(), now);
//! while let Step::Ask(ask) = search.poll(now) {
//!     match network.get(&ask.contact.id) {
//!         Some(nodes) => {
//!             let answer = Answer::Nodes { nodes: nodes.clone(), token: None };
//!             search.on_answer(&ask.contact, answer, now);
//!         }
//!         None => search.on_failure(&ask.contact, Failure::TimedOut, now),
//!     }
//! }
//! assert_eq!(search.poll(now), Step::Done);
//!
//! let outcome = search.outcome();
//! assert!(outcome.complete);
//! assert_eq!(outcome.closest.len(), 8);
//! assert_eq!(outcome.tally.timed_out, 1);
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod action;
mod config;
mod find_node;
mod find_value;
#[cfg(test)]
mod fixtures;
mod get;
mod get_value;
mod lookup;
mod run;
mod shortlist;
mod store_value;
mod tally;

pub use action::{Action, Answer, Ask, Failure, Question, Step};
pub use config::{Caution, LookupConfig};
pub use find_node::{ClosestNode, FindNode, FindNodeOutcome};
pub use find_value::{FindValue, FindValueOutcome, Holder};
pub use get::{Get, GetOutcome};
pub use get_value::{Delivery, GetValue, GetValueOutcome, Wanted};
pub use shortlist::Lead;
pub use store_value::{StoreValue, StoreValueOutcome};
pub use tally::Tally;
