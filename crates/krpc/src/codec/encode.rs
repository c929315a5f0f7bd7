//! Messages to datagrams: byte for byte what the original sends, but for what goes only to nodes that know more.
//!
//! A message of its own is written twice: to a sink that only counts, and then into a buffer of just that size. Into a
//! buffer that is used again it is written once.

use bytes::{Bytes, BytesMut};
use khashmir_types::{Contact, Id};
use serde::Serialize;
use serde_bytes::Bytes as AsString;

use super::MAX_DATAGRAM;
use super::sink::{Length, Sink, string_len};
use crate::message::{Query, Refusal, Reply};
use crate::{Level, Method, TransactionId};

/// Bytes in the largest value that a `store_value` query of ours can carry with a token of 20 bytes, which is
/// what the original hands out. Larger ones, up to [`MAX_VALUE`](crate::MAX_VALUE), are accepted from others.
pub const MAX_STORABLE: usize = max_storable(20);

/// Bytes in the largest value that a `store_value` query of ours can carry beside a token of `token_len` bytes,
/// without exceeding [`MAX_DATAGRAM`]; 0 if there is no room.
#[must_use]
pub const fn max_storable(token_len: usize) -> usize {
    let room = MAX_DATAGRAM.saturating_sub(STORE_VALUE_FRAME).saturating_sub(string_len(token_len));
    // The length prefix grows with the value: at most four digits and the colon.
    let mut value = room.saturating_sub(2);
    while value > 0 && string_len(value) > room {
        value = value.saturating_sub(1);
    }
    value
}

/// Do all of `values` fit one `get_value` reply beside this transaction id?
pub(crate) fn fits(transaction: &TransactionId, values: &[Bytes]) -> bool {
    values.iter().map(|value| string_len(value.len())).sum::<usize>() <= room_for_values(transaction)
}

/// Bytes of values, as strings, in the longest `get_value` reply with this transaction id.
fn room_for_values(transaction: &TransactionId) -> usize {
    (MAX_DATAGRAM - GET_VALUE_FRAME).saturating_sub(string_len(transaction.as_bytes().len()))
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

/// The datagram that asks `query` as the node `sender`, byte for byte as the original's.
///
/// May exceed [`MAX_DATAGRAM`] (only a `store_value` can): whoever sends it must look.
#[must_use]
pub fn encode_query(transaction: &TransactionId, sender: &Id, query: &Query) -> Bytes {
    encode_query_with(transaction, sender, query, Level::ORIGINAL)
}

/// As [`encode_query`], and says that the sender is of `level`, unless that would make the datagram too long.
#[must_use]
pub fn encode_query_with(transaction: &TransactionId, sender: &Id, query: &Query, level: Level) -> Bytes {
    encode_query_padded(transaction, sender, query, level, 0)
}

/// As [`encode_query_with`], at least `length` bytes long: filled up, so that the answer is no longer than the query. The
/// original ignores what fills it.
pub(crate) fn encode_query_padded(
    transaction: &TransactionId,
    sender: &Id,
    query: &Query,
    level: Level,
    length: usize,
) -> Bytes {
    let mut message = QueryMessage { transaction, sender, query, mark: level.mark(), filling: 0 };
    if message.length() > MAX_DATAGRAM {
        message.mark = None;
    }
    message.filling = length.min(MAX_FILLED).saturating_sub(message.length());
    message.to_bytes()
}

/// Bytes in the shortest query that pays for the answer to it and for a ping of [`PING_LEN`] bytes, if `k` is the original's; 0
/// if any does. Values that are wanted along with other things are paid for as far as they are few and short.
pub(crate) const fn answer_len(method: Method) -> usize {
    match method {
        Method::Join => 106 + PING_LEN,
        Method::FindNode => 337 + PING_LEN,
        Method::FindValue => 315 + PING_LEN + 120,
        Method::Ping | Method::GetValue | Method::StoreValue => 0,
    }
}

/// Bytes in a ping of ours.
pub(crate) const PING_LEN: usize = 75;

/// No query is filled beyond this.
const MAX_FILLED: usize = 512;

/// As much of it as there can be.
static FILLING: [u8; MAX_FILLED] = [0; MAX_FILLED];

/// The datagram that answers with `reply` as the node `sender`, byte for byte as the original's; never longer
/// than [`MAX_DATAGRAM`].
///
/// Of the values in a reply to `get_value`, those go out that still fit when their turn comes, in the order given.
/// Contacts without a compact form (IPv6) are left out.
///
/// # Errors
/// If it fits no datagram: for values, if there are some and not one of them fits.
pub fn encode_reply(transaction: &TransactionId, sender: &Id, reply: &Reply) -> Result<Bytes, ReplyTooLong> {
    encode_reply_with(transaction, sender, reply, Level::ORIGINAL)
}

/// As [`encode_reply`], for an asker of `level`: values in a reply to `find_value` go out if it takes them and all of
/// them fit.
///
/// # Errors
/// As [`encode_reply`].
pub fn encode_reply_with(
    transaction: &TransactionId,
    sender: &Id,
    reply: &Reply,
    level: Level,
) -> Result<Bytes, ReplyTooLong> {
    let length = ReplyMessage::new(transaction, sender, reply, level).length();
    let mut buffer = BytesMut::with_capacity(length.min(MAX_DATAGRAM));
    write_reply(&mut buffer, transaction, sender, reply, level)?;
    Ok(buffer.freeze())
}

/// As [`encode_reply_with`], at the end of `buffer`, which is as before if the reply fits no datagram. Allocates only if
/// `buffer` has no room.
///
/// # Errors
/// As [`encode_reply`].
pub fn write_reply(
    buffer: &mut BytesMut,
    transaction: &TransactionId,
    sender: &Id,
    reply: &Reply,
    level: Level,
) -> Result<(), ReplyTooLong> {
    if let Reply::GetValue { values } = reply
        && !values.is_empty()
        && fitting(transaction, values).next().is_none()
    {
        return Err(ReplyTooLong);
    }
    let start = buffer.len();
    let is_too_long = |buffer: &BytesMut| buffer.len().saturating_sub(start) > MAX_DATAGRAM;
    let mut message = ReplyMessage::new(transaction, sender, reply, level);
    message.write(buffer);
    if message.has_extras && is_too_long(buffer) {
        message.has_extras = false;
        buffer.truncate(start);
        message.write(buffer);
    }
    if is_too_long(buffer) {
        buffer.truncate(start);
        return Err(ReplyTooLong);
    }
    Ok(())
}

/// The datagram that answers with an error. It always fits, since transaction ids and texts are short.
#[must_use]
#[expect(clippy::expect_used, reason = "an error holds only what bencode can express")]
pub fn encode_error(transaction: &TransactionId, refusal: &Refusal) -> Bytes {
    let e = (refusal.code().number(), AsString::new(refusal.text()));
    let message = ErrorMessage { e, t: AsString::new(transaction.as_bytes()), y: "e" };
    serde_bencode::to_bytes(&message).expect("an error holds only what bencode can express").into()
}

#[derive(Serialize)]
struct ErrorMessage<'a> {
    e: (i64, &'a AsString),
    t: &'a AsString,
    y: &'static str,
}

/// A message that can be written, always in the same way.
trait Written {
    fn write(&self, to: &mut impl Sink);

    fn length(&self) -> usize {
        let mut length = Length::default();
        self.write(&mut length);
        length.0
    }

    fn to_bytes(&self) -> Bytes {
        let length = self.length();
        let mut buffer = BytesMut::with_capacity(length);
        self.write(&mut buffer);
        debug_assert_eq!(buffer.len(), length, "counted otherwise than written");
        buffer.freeze()
    }
}

struct QueryMessage<'a> {
    transaction: &'a TransactionId,
    sender: &'a Id,
    query: &'a Query,
    mark: Option<[u8; 4]>,
    /// Bytes of filling, which mean nothing.
    filling: usize,
}

impl Written for QueryMessage<'_> {
    fn write(&self, to: &mut impl Sink) {
        to.put(b"d1:ad2:id20:");
        to.put(self.sender.as_bytes());
        self.write_arguments(to);
        to.put(b"e");
        if self.filling > 0 {
            to.put(b"1:p");
            to.string(FILLING.get(..self.filling).unwrap_or(&FILLING));
        }
        to.put(b"1:q");
        to.string(self.query.method().name().as_bytes());
        to.put(b"1:t");
        to.string(self.transaction.as_bytes());
        if let Some(mark) = self.mark {
            to.put(b"1:v4:");
            to.put(&mark);
        }
        to.put(b"1:y1:qe");
    }
}

impl QueryMessage<'_> {
    /// The arguments behind `id`, in the order of their names.
    fn write_arguments(&self, to: &mut impl Sink) {
        match self.query {
            Query::Ping | Query::Join => {}
            Query::FindNode { target } => {
                to.put(b"6:target20:");
                to.put(target.as_bytes());
            }
            Query::FindValue { key } => write_key(key, to),
            Query::GetValue { key, num } => {
                write_key(key, to);
                to.put(b"3:num");
                to.count(*num);
            }
            Query::StoreValue { key, value, token } => {
                write_key(key, to);
                to.put(b"5:token");
                to.string(token.as_bytes());
                to.put(b"5:value");
                to.string(value);
            }
        }
    }
}

struct ReplyMessage<'a> {
    transaction: &'a TransactionId,
    sender: &'a Id,
    reply: &'a Reply,
    /// Does what the original does not know go out too?
    has_extras: bool,
}

impl Written for ReplyMessage<'_> {
    fn write(&self, to: &mut impl Sink) {
        to.put(b"d1:rd2:id20:");
        to.put(self.sender.as_bytes());
        self.write_results(to);
        to.put(b"e1:t");
        to.string(self.transaction.as_bytes());
        to.put(b"1:y1:re");
    }
}

impl<'a> ReplyMessage<'a> {
    const fn new(transaction: &'a TransactionId, sender: &'a Id, reply: &'a Reply, level: Level) -> Self {
        Self { transaction, sender, reply, has_extras: level.takes_values() }
    }

    /// The results behind `id`, in the order of their names.
    fn write_results(&self, to: &mut impl Sink) {
        match self.reply {
            Reply::Ping | Reply::StoreValue | Reply::Join { addr: None } => {}
            Reply::Join { addr: Some(addr) } => {
                to.put(b"7:ip_addr");
                to.string(addr.ip().to_string().as_bytes());
                to.put(b"4:port");
                to.count(addr.port().into());
            }
            Reply::FindNode { nodes, token } => {
                write_nodes(nodes, to);
                if let Some(token) = token {
                    to.put(b"5:token");
                    to.string(token.as_bytes());
                }
            }
            Reply::FindValue { nodes, num, values } => {
                write_nodes(nodes, to);
                to.put(b"3:num");
                to.count(*num);
                if self.has_extras && !values.is_empty() {
                    write_values(values.iter(), to);
                }
            }
            Reply::GetValue { values } => write_values(fitting(self.transaction, values), to),
        }
    }
}

fn write_key(key: &Id, to: &mut impl Sink) {
    to.put(b"3:key20:");
    to.put(key.as_bytes());
}

fn write_nodes(nodes: &[Contact], to: &mut impl Sink) {
    to.put(b"5:nodesl");
    for compact in nodes.iter().filter_map(Contact::to_compact) {
        to.put(b"26:");
        to.put(&compact);
    }
    to.put(b"e");
}

fn write_values<'a>(values: impl Iterator<Item = &'a Bytes>, to: &mut impl Sink) {
    to.put(b"6:valuesl");
    values.for_each(|value| to.string(value));
    to.put(b"e");
}

/// The values that go into one `get_value` reply beside this transaction id: first come, first served.
fn fitting<'a>(transaction: &TransactionId, values: &'a [Bytes]) -> impl Iterator<Item = &'a Bytes> {
    let mut room = room_for_values(transaction);
    values.iter().filter(move |value| match room.checked_sub(string_len(value.len())) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    })
}
