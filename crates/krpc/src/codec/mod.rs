//! Datagrams to messages and back.
//!
//! Knows the wire and nothing of calls, addresses or time. Every check of a message is made here, before
//! anything can have an effect. First the scan looks at every byte, strictly; then the few fields that a message
//! has are read where they lie.

mod encode;
mod fields;
mod query;
mod reply;
mod sink;

use khashmir_types::Id;

pub use encode::{
    MAX_STORABLE, ReplyTooLong, encode_error, encode_query, encode_query_with, encode_reply,
    encode_reply_with, max_storable, write_reply,
};
pub(crate) use encode::{PING_LEN, answer_len, encode_query_padded, fits};
pub use reply::{MalformedReply, ReplyBody};

use crate::cursor::Cursor;
use crate::message::{Query, Refusal};
use crate::scan::scan_with;
use crate::{Level, Method, ScanError, TransactionId};
use fields::{Fields, Value};

/// Bytes in the longest datagram we send: what an Ethernet frame carries unfragmented (1500 less 20 for
/// IPv4, 8 for UDP). A query that is longer is not sent; a reply is cut or becomes an error.
pub const MAX_DATAGRAM: usize = 1472;

/// Bytes in the longest datagram that is read: as many as the original's receive buffer takes. The largest
/// sensible one, a `store_value` of [`MAX_VALUE`](crate::MAX_VALUE) bytes, has 1544, but a peer that sends too much
/// is better told so than left to send it again. Longer ones are dropped unread.
pub const MAX_INCOMING: usize = 8192;

/// Bytes kept of the text in a received error.
const MAX_ERROR_TEXT: usize = 128;

/// A received message. A reply borrows from the datagram, all else is its own.
#[derive(Debug)]
pub enum Message<'a> {
    /// A query in which everything is as it must be.
    Query {
        /// To be echoed in the answer.
        transaction: TransactionId,
        /// The id that the sender claims; never null.
        sender: Id,
        /// The question.
        query: Query,
        /// What the sender says it understands.
        level: Level,
    },
    /// A query that can only be answered with an error.
    Refused {
        /// To be echoed in the answer.
        transaction: TransactionId,
        /// What was asked for, if there is such a method.
        method: Option<Method>,
        /// The answer.
        refusal: Refusal,
    },
    /// An answer to a query of ours. What it holds depends on the method we asked for.
    Reply {
        /// The query's.
        transaction: TransactionId,
        /// To be read once the query is known.
        body: ReplyBody<'a>,
    },
    /// An error in answer to a query of ours.
    Error {
        /// The query's.
        transaction: TransactionId,
        /// The number; any is possible.
        code: i64,
        /// The start of the peer's text, made printable.
        text: String,
    },
    /// A message of a type that does not exist.
    UnknownType {
        /// A query's of ours, perhaps.
        transaction: TransactionId,
    },
}

/// Why a datagram is no message. The right answer is silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than [`MAX_INCOMING`]; not read.
    #[error("datagram too long")]
    TooLong,
    /// Not strict bencode.
    #[error("not bencode: {0}")]
    Bencode(#[from] ScanError),
    /// Bencode, but without the keys and types of a message.
    #[error("not a message")]
    Envelope,
    /// A transaction id longer than [`TransactionId::MAX_LEN`].
    #[error("transaction id too long")]
    TransactionId,
}

/// Reads a datagram.
///
/// Allocates only what the message owns: the value and the token of a `store_value`, the text of an error.
///
/// # Errors
/// Whatever cannot be answered at all. A query with a known shape but wrong contents is
/// [`Message::Refused`] instead.
pub fn decode(datagram: &[u8]) -> Result<Message<'_>, DecodeError> {
    if datagram.len() > MAX_INCOMING {
        return Err(DecodeError::TooLong);
    }
    let envelope = Envelope::read(datagram)?;
    let content = envelope.content().ok_or(DecodeError::Envelope)?;
    let transaction = string(envelope.t).ok_or(DecodeError::Envelope)?;
    let transaction = TransactionId::from_slice(transaction).ok_or(DecodeError::TransactionId)?;
    Ok(content.into_message(transaction))
}

/// Where the fields of a message begin. Other fields are ignored.
#[derive(Default)]
struct Envelope<'a> {
    a: Option<Cursor<'a>>,
    e: Option<Cursor<'a>>,
    q: Option<Cursor<'a>>,
    r: Option<Cursor<'a>>,
    t: Option<Cursor<'a>>,
    v: Option<Cursor<'a>>,
    y: Option<Cursor<'a>>,
}

impl<'a> Envelope<'a> {
    fn read(datagram: &'a [u8]) -> Result<Self, ScanError> {
        let mut envelope = Self::default();
        scan_with(datagram, |key, value| {
            match key {
                b"a" => envelope.a = Some(value),
                b"e" => envelope.e = Some(value),
                b"q" => envelope.q = Some(value),
                b"r" => envelope.r = Some(value),
                b"t" => envelope.t = Some(value),
                b"v" => envelope.v = Some(value),
                b"y" => envelope.y = Some(value),
                _ => {}
            };
        })?;
        Ok(envelope)
    }

    /// What the message says; `None` if it lacks what its type must have, or has it in another type.
    fn content(&self) -> Option<Content<'a>> {
        match string(self.y)? {
            b"q" => {
                let level = string(self.v).map(Level::of_mark).unwrap_or_default();
                Some(Content::Query { name: string(self.q)?, arguments: dict(self.a)?, level })
            }
            b"r" => Some(Content::Reply { results: dict(self.r)? }),
            b"e" => error(self.e).map(|(code, text)| Content::Error { code, text }),
            _ => Some(Content::UnknownType),
        }
    }
}

fn string(field: Option<Cursor<'_>>) -> Option<&[u8]> {
    Value::at(field?)?.string()
}

fn dict(field: Option<Cursor<'_>>) -> Option<Fields<'_>> {
    Value::at(field?)?.dict()
}

/// A list of exactly an integer and a string.
fn error(field: Option<Cursor<'_>>) -> Option<(i64, &[u8])> {
    let mut elements = Value::at(field?)?.list()?;
    let error = (elements.next()?.integer()?, elements.next()?.string()?);
    elements.next().is_none().then_some(error)
}

/// A message without its transaction id, its types checked but not yet its meaning.
enum Content<'a> {
    Query { name: &'a [u8], arguments: Fields<'a>, level: Level },
    Reply { results: Fields<'a> },
    Error { code: i64, text: &'a [u8] },
    UnknownType,
}

impl<'a> Content<'a> {
    fn into_message(self, transaction: TransactionId) -> Message<'a> {
        match self {
            Self::Query { name, arguments, level } => match query::read(name, arguments) {
                Ok((sender, query)) => Message::Query { transaction, sender, query, level },
                Err((method, refusal)) => Message::Refused { transaction, method, refusal },
            },
            Self::Reply { results } => Message::Reply { transaction, body: ReplyBody::new(results) },
            Self::Error { code, text } => Message::Error { transaction, code, text: printable(text) },
            Self::UnknownType => Message::UnknownType { transaction },
        }
    }
}

/// The first bytes of a peer's text, safe to log and to show.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..MAX_ERROR_TEXT).unwrap_or(text));
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests;
