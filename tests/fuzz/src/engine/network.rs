//! An honest network: whoever is at an address has an id of its own, knows others and has some values.
//! Without it an engine would hardly ever learn of anybody.

use std::net::SocketAddr;

use khashmir::krpc::{Level, Method, Reply, Token, encode_reply_with};
use khashmir::{Contact, Id};

use super::cast;
use super::world::Asked;

/// Nodes that one names in a reply.
const NAMED: u8 = 8;

/// Who is at `addr`.
pub(super) fn id_at(addr: SocketAddr) -> Id {
    Id::sha1(addr.to_string().as_bytes())
}

/// What the node that was asked says; `shape` decides whom it knows and what it has.
pub(super) fn answer(asked: &Asked, shape: u8) -> Vec<u8> {
    let known = (0..NAMED).map(|n| cast::addr(shape.wrapping_mul(7).wrapping_add(n.wrapping_mul(31)) % 240));
    let nodes = known.map(|addr| Contact::new(id_at(addr), addr)).collect();
    let values = (0..shape % 4).map(|n| vec![n; 3].into()).collect::<Vec<_>>();
    let reply = match asked.method {
        Method::Ping => Reply::Ping,
        Method::Join => Reply::Join { addr: None },
        Method::FindNode => Reply::FindNode { nodes, token: Some(Token::new(vec![shape; 20])) },
        Method::FindValue => Reply::FindValue { nodes, num: values.len() as u64, values },
        Method::GetValue => Reply::GetValue { values },
        Method::StoreValue => Reply::StoreValue,
    };
    // Some know no more than the original.
    let level = if shape < 128 { Level::OURS } else { Level::ORIGINAL };
    encode_reply_with(&asked.transaction, &id_at(asked.to), &reply, level)
        .map(Vec::from)
        .expect("it is short")
}
