//! Datagrams written and read by hand, and the ways in which the recordings write addresses and ids.

use std::net::SocketAddr;

use khashmir::Id;
use khashmir_recordings::Value;

use super::bencode::{Bencode, bytes, dict};
use super::text;
use crate::support::engine::Sent;

/// The datagram that asks `method` with these arguments.
pub fn query(method: &str, transaction: &[u8], arguments: &[(&str, Bencode)]) -> Vec<u8> {
    let entries =
        [("a", dict(arguments)), ("q", bytes(method)), ("t", bytes(transaction)), ("y", bytes("q"))];
    dict(&entries).to_bytes()
}

/// The datagram that answers as `sender`, with these results besides its id.
pub fn reply(transaction: &[u8], sender: Id, results: &[(&str, Bencode)]) -> Vec<u8> {
    let results = [&[("id", bytes(sender))], results].concat();
    dict(&[("r", dict(&results)), ("t", bytes(transaction)), ("y", bytes("r"))]).to_bytes()
}

/// The transaction id of a datagram that the engine sent.
pub fn transaction_of(datagram: &[u8]) -> Option<Vec<u8>> {
    Some(Bencode::parse(datagram)?.at("t")?.bytes()?.to_vec())
}

/// A query that the engine sent.
#[derive(Clone, Debug)]
pub struct Query {
    pub sent: Sent,
    pub method: String,
    pub arguments: Bencode,
    pub transaction: Vec<u8>,
}

impl Query {
    /// What was sent, read as a query; `None` if it is an answer.
    pub fn read(sent: &Sent) -> Option<Self> {
        let message = Bencode::parse(&sent.payload).expect("the engine sends bencode");
        if message.at("y")?.bytes()? != b"q" {
            return None;
        }
        let method = String::from_utf8(message.at("q")?.bytes()?.to_vec()).ok()?;
        let transaction = message.at("t")?.bytes()?.to_vec();
        assert_eq!(transaction.len(), 20, "transaction ids of our own have 20 bytes");
        Some(Self { sent: sent.clone(), method, arguments: message.at("a")?.clone(), transaction })
    }
}

/// `[address, port]` as the recordings write it.
pub fn address(recorded: &Value) -> SocketAddr {
    let port = recorded[1].as_u64().unwrap().try_into().unwrap();
    SocketAddr::new(text(&recorded[0]).parse().unwrap(), port)
}

/// An id in hex.
pub fn id(recorded: &Value) -> Id {
    text(recorded).parse().unwrap()
}
