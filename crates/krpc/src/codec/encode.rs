//! Messages to datagrams: byte for byte what the original sends.

use bytes::Bytes;
use khashmir_types::{Contact, Id};
use serde::Serialize;
use serde_bytes::{ByteArray, Bytes as AsString};

use super::MAX_DATAGRAM;
use crate::TransactionId;
use crate::message::{Query, Refusal, Reply};

/// Bytes in the largest value that a `store_value` query of ours can carry with a token of 20 bytes, which is
/// what the original hands out. Larger ones, up to [`MAX_VALUE`](crate::MAX_VALUE), are accepted from others.
pub const MAX_STORABLE: usize = max_storable(20);

/// Bytes in the largest value that a `store_value` query of ours can carry beside a token of `token_len` bytes,
/// without exceeding [`MAX_DATAGRAM`]; 0 if there is no room.
#[must_use]
pub const fn max_storable(token_len: usize) -> usize {
    let room = MAX_DATAGRAM.saturating_sub(STORE_VALUE_FRAME + string_len(token_len));
    // The length prefix grows with the value: at most four digits and the colon.
    let mut value = room.saturating_sub(2);
    while value > 0 && string_len(value) > room {
        value -= 1;
    }
    value
}

/// Do all of `values` fit one `get_value` reply beside this transaction id?
pub(crate) fn fits(transaction: &TransactionId, values: &[Bytes]) -> bool {
    let frame = GET_VALUE_FRAME + string_len(transaction.as_bytes().len());
    let list: usize = values.iter().map(|value| string_len(value.len())).sum();
    frame + list <= MAX_DATAGRAM
}

/// Bytes of a `get_value` reply, besides transaction id and values.
const GET_VALUE_FRAME: usize = b"d1:rd2:id20:6:valueslee1:t1:y1:re".len() + Id::LEN;

/// Bytes of a `store_value` query with a transaction id of 20 bytes, besides token and value.
const STORE_VALUE_FRAME: usize = b"d1:ad2:id20:3:key20:5:token5:valuee1:q11:store_value1:t20:1:y1:qe".len()
    + 2 * Id::LEN
    + TransactionId::LEN;

/// A reply that fits no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply exceeds {MAX_DATAGRAM} bytes")]
pub struct ReplyTooLong;

/// The datagram that asks `query` as the node `sender`.
///
/// May exceed [`MAX_DATAGRAM`] (only a `store_value` can): whoever sends it must look.
#[must_use]
pub fn encode_query(transaction: &TransactionId, sender: &Id, query: &Query) -> Bytes {
    let a = Arguments::new(sender, query);
    to_bytes(&QueryMessage { a, q: query.method().name(), t: AsString::new(transaction.as_bytes()), y: "q" })
}

/// The datagram that answers with `reply` as the node `sender`; never longer than [`MAX_DATAGRAM`].
///
/// Of values, those go out that still fit when their turn comes, in the order given; empty ones, which nobody
/// would report, are left out. Contacts without a compact form (IPv6) are left out too.
///
/// # Errors
/// If it fits no datagram: for values, if there are some and not one of them fits.
pub fn encode_reply(transaction: &TransactionId, sender: &Id, reply: &Reply) -> Result<Bytes, ReplyTooLong> {
    let t = AsString::new(transaction.as_bytes());
    let mut r = Results::new(sender, reply);
    if let Reply::GetValue { values } = reply {
        let frame = to_bytes(&ReplyMessage { r: &r, t, y: "r" }).len();
        let fitting = fitting(values, MAX_DATAGRAM.saturating_sub(frame));
        if fitting.is_empty() && !values.is_empty() {
            return Err(ReplyTooLong);
        }
        r.values = Some(fitting);
    }
    let datagram = to_bytes(&ReplyMessage { r: &r, t, y: "r" });
    if datagram.len() <= MAX_DATAGRAM { Ok(datagram) } else { Err(ReplyTooLong) }
}

/// The datagram that answers with an error. It always fits, since transaction ids and texts are short.
#[must_use]
pub fn encode_error(transaction: &TransactionId, refusal: &Refusal) -> Bytes {
    let e = (refusal.code().number(), AsString::new(refusal.text()));
    to_bytes(&ErrorMessage { e, t: AsString::new(transaction.as_bytes()), y: "e" })
}

/// The values that fit `room` bytes of a list, first come first served.
fn fitting(values: &[Bytes], mut room: usize) -> Vec<&AsString> {
    let mut fitting = Vec::new();
    for value in values {
        if let Some(rest) = room.checked_sub(string_len(value.len())) {
            fitting.push(AsString::new(value));
            room = rest;
        }
    }
    fitting
}

/// Bytes that a string of `len` bytes takes in bencode.
const fn string_len(len: usize) -> usize {
    let digits = match len.checked_ilog10() {
        Some(exponent) => exponent as usize + 1,
        None => 1,
    };
    digits + 1 + len
}

fn to_bytes(message: &impl Serialize) -> Bytes {
    serde_bencode::to_bytes(message).expect("our messages hold only what bencode can express").into()
}

#[derive(Serialize)]
struct QueryMessage<'a> {
    a: Arguments<'a>,
    q: &'static str,
    t: &'a AsString,
    y: &'static str,
}

#[derive(Serialize)]
struct ReplyMessage<'a> {
    r: &'a Results<'a>,
    t: &'a AsString,
    y: &'static str,
}

#[derive(Serialize)]
struct ErrorMessage<'a> {
    e: (i64, &'a AsString),
    t: &'a AsString,
    y: &'static str,
}

#[derive(Default, Serialize)]
struct Arguments<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a AsString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a AsString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a AsString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a AsString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a AsString>,
}

impl<'a> Arguments<'a> {
    fn new(sender: &'a Id, query: &'a Query) -> Self {
        let mut arguments = Self { id: Some(id(sender)), ..Self::default() };
        match query {
            Query::Ping | Query::Join => {}
            Query::FindNode { target } => arguments.target = Some(id(target)),
            Query::FindValue { key } => arguments.key = Some(id(key)),
            Query::GetValue { key, num } => {
                arguments.key = Some(id(key));
                arguments.num = Some(number(*num));
            }
            Query::StoreValue { key, value, token } => {
                arguments.key = Some(id(key));
                arguments.token = Some(AsString::new(token.as_bytes()));
                arguments.value = Some(AsString::new(value));
            }
        }
        arguments
    }
}

#[derive(Default, Serialize)]
struct Results<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a AsString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_addr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<ByteArray<{ Contact::COMPACT_LEN }>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a AsString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<&'a AsString>>,
}

impl<'a> Results<'a> {
    /// The results of `reply`; values are left for the caller, who knows the room.
    fn new(sender: &'a Id, reply: &'a Reply) -> Self {
        let mut results = Self { id: Some(id(sender)), ..Self::default() };
        match reply {
            Reply::Ping | Reply::StoreValue => {}
            Reply::Join { addr } => {
                results.ip_addr = addr.map(|addr| addr.ip().to_string());
                results.port = addr.map(|addr| addr.port());
            }
            Reply::FindNode { nodes, token } => {
                results.nodes = Some(compact(nodes));
                results.token = token.as_ref().map(|token| AsString::new(token.as_bytes()));
            }
            Reply::FindValue { nodes, num } => {
                results.nodes = Some(compact(nodes));
                results.num = Some(number(*num));
            }
            Reply::GetValue { .. } => results.values = Some(Vec::new()),
        }
        results
    }
}

fn id(id: &Id) -> &AsString {
    AsString::new(id.as_bytes())
}

fn compact(nodes: &[Contact]) -> Vec<ByteArray<{ Contact::COMPACT_LEN }>> {
    nodes.iter().filter_map(Contact::to_compact).map(ByteArray::new).collect()
}

/// A count as an integer that every strict decoder takes.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
