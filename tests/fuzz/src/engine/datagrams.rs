//! Datagrams made with knowledge: queries with tokens that hold, answers to what the engine has asked; whole, or with
//! one byte changed.

use std::net::SocketAddr;

use bytes::Bytes;
use khashmir::krpc::{
    ErrorCode, Level, Method, Query, Refusal, Reply, Token, TransactionId, encode_error, encode_query_with,
    encode_reply_with,
};
use khashmir::{Contact, Id};

use super::world::{Asked, World};
use super::{cast, network};
use crate::script::Script;

/// A query from `from`.
pub(super) fn query(script: &mut Script<'_>, world: &World, from: SocketAddr) -> Vec<u8> {
    let transaction = transaction(script.byte());
    let sender = cast::id(script.byte(), world.own_id());
    let key = cast::key(script.byte());
    let query = match script.byte() % 8 {
        0 => Query::Ping,
        1 => Query::Join,
        2 => Query::FindNode { target: cast::id(script.byte(), world.own_id()) },
        3 => Query::FindValue { key },
        4 => Query::GetValue { key, num: count(script.byte()) },
        5 | 6 => {
            let value = cast::value(script.byte()).into();
            Query::StoreValue { key, value, token: world.token(from.ip(), script.byte()) }
        }
        _ => return damaged(script, foreign_query(transaction, sender)),
    };
    let level = Level::new(u16::from(script.byte() % 3));
    damaged(script, encode_query_with(&transaction, &sender, &query, level).to_vec())
}

/// A query of BitTorrent's dialect.
fn foreign_query(transaction: TransactionId, sender: Id) -> Vec<u8> {
    let ping = encode_query_with(&transaction, &sender, &Query::Ping, Level::ORIGINAL);
    let at = ping.windows(7).position(|window| window == b"1:q4:pi").expect("it is a ping");
    [&ping[..at], b"1:q9:get_peers", &ping[at + 9..]].concat()
}

/// An answer to what the engine has asked, from whom it has asked, or from another.
pub(super) fn answer(script: &mut Script<'_>, world: &World, asked: &Asked) -> (SocketAddr, Vec<u8>) {
    let shape = script.byte();
    let from = if shape & 0xf0 == 0xf0 { cast::addr(script.byte()) } else { asked.to };
    let sender = match shape & 0x0c {
        0x0c => cast::id(script.byte(), world.own_id()),
        _ => world.known_at(asked.to).unwrap_or_else(|| network::id_at(asked.to)),
    };
    let method = match shape & 3 {
        3 => Method::ALL[script.index() % Method::ALL.len()],
        2 => {
            let code = [ErrorCode::Server, ErrorCode::UnknownMethod, ErrorCode::InvalidToken];
            let code = code[script.index() % code.len()];
            return (from, damaged(script, encode_error(&asked.transaction, &Refusal::from(code)).to_vec()));
        }
        _ => asked.method,
    };
    let reply = reply(script, world, method);
    let written = encode_reply_with(&asked.transaction, &sender, &reply, Level::OURS);
    (from, damaged(script, written.map(Vec::from).unwrap_or_default()))
}

fn reply(script: &mut Script<'_>, world: &World, method: Method) -> Reply {
    match method {
        Method::Ping => Reply::Ping,
        Method::StoreValue => Reply::StoreValue,
        Method::Join => Reply::Join {
            addr: match cast::addr(script.byte()) {
                SocketAddr::V4(addr) if addr.port() > 0 => Some(addr),
                _ => None,
            },
        },
        Method::FindNode => {
            let token = vec![7; script.index() % 66];
            Reply::FindNode { nodes: nodes(script, world), token: Some(Token::new(token)) }
        }
        Method::FindValue => {
            let num = count(script.byte());
            Reply::FindValue { num, values: values(script), nodes: nodes(script, world) }
        }
        Method::GetValue => Reply::GetValue { values: values(script) },
    }
}

fn nodes(script: &mut Script<'_>, world: &World) -> Vec<Contact> {
    let count = script.byte() % 20;
    (0..count).map(|_| cast::contact(script, world.own_id())).collect()
}

fn values(script: &mut Script<'_>) -> Vec<Bytes> {
    let count = script.byte() % 6;
    (0..count).map(|_| cast::value(script.byte()).into()).collect()
}

fn count(n: u8) -> u64 {
    if n == 255 { i64::MAX.unsigned_abs() } else { u64::from(n) }
}

fn transaction(n: u8) -> TransactionId {
    let len = match n {
        0..=9 => usize::from(n) * 7,
        _ => TransactionId::LEN,
    };
    TransactionId::from_slice(&[n; TransactionId::MAX_LEN][..len]).expect("it is no longer than the longest")
}

/// Changes a byte, cuts something off, or, mostly, neither.
fn damaged(script: &mut Script<'_>, mut datagram: Vec<u8>) -> Vec<u8> {
    match script.byte() {
        n @ 240..=247 => {
            let at = script.length() % datagram.len().max(1);
            let byte = if n < 244 { b"0123456789deilx:"[script.index() % 16] } else { script.byte() };
            datagram.iter_mut().skip(at).take(1).for_each(|old| *old = byte);
        }
        248..=255 => datagram.truncate(script.length() % (datagram.len() + 1)),
        _ => {}
    }
    datagram
}
