//! Datagrams to messages and back, over `serde_bencode`.
//!
//! Knows the wire and nothing of calls, addresses or time. Every check of a message is made here, before
//! anything can have an effect.

mod encode;
mod fields;
mod query;
mod reply;

use khashmir_types::Id;

pub(crate) use encode::fits;
pub use encode::{MAX_STORABLE, ReplyTooLong, encode_error, encode_query, encode_reply, max_storable};
pub use reply::{MalformedReply, ReplyBody};

use crate::message::{Query, Refusal};
use crate::{Method, ScanError, TransactionId, scan};
use fields::Fields;

/// Bytes in the longest datagram we send: what an Ethernet frame carries unfragmented (1500 less 20 for
/// IPv4, 8 for UDP). A query that is longer is not sent; a reply is cut or becomes an error.
pub const MAX_DATAGRAM: usize = 1472;

/// Bytes in the longest datagram that is read: as many as the original's receive buffer takes. The largest
/// sensible one, a `store_value` of [`MAX_VALUE`](crate::MAX_VALUE) bytes, has 1544, but a peer that sends too much
/// is better told so than left to send it again. Longer ones are dropped unread.
pub const MAX_INCOMING: usize = 8192;

/// Bytes kept of the text in a received error.
const MAX_ERROR_TEXT: usize = 128;

/// A received message.
#[derive(Debug)]
pub enum Message {
    /// A query in which everything is as it must be.
    Query {
        /// To be echoed in the answer.
        transaction: TransactionId,
        /// The id that the sender claims; never null.
        sender: Id,
        /// The question.
        query: Query,
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
        body: ReplyBody,
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
/// Allocates at most a small multiple of the datagram, and never recurses deeper than
/// [`MAX_DEPTH`](crate::MAX_DEPTH).
///
/// # Errors
/// Whatever cannot be answered at all. A query with a known shape but wrong contents is
/// [`Message::Refused`] instead.
pub fn decode(datagram: &[u8]) -> Result<Message, DecodeError> {
    if datagram.len() > MAX_INCOMING {
        return Err(DecodeError::TooLong);
    }
    scan(datagram)?;
    let mut fields = Fields::of_message(datagram).ok_or(DecodeError::Envelope)?;
    let content = Content::take(&mut fields).ok_or(DecodeError::Envelope)?;
    let transaction = fields.take_bytes("t").ok_or(DecodeError::Envelope)?;
    let transaction = TransactionId::from_slice(&transaction).ok_or(DecodeError::TransactionId)?;
    Ok(content.into_message(transaction))
}

/// A message without its transaction id, its types checked but not yet its meaning.
enum Content {
    Query { name: Vec<u8>, arguments: Fields },
    Reply { results: Fields },
    Error { code: i64, text: Vec<u8> },
    UnknownType,
}

impl Content {
    fn take(fields: &mut Fields) -> Option<Self> {
        match fields.take_bytes("y")?.as_slice() {
            b"q" => Some(Self::Query { name: fields.take_bytes("q")?, arguments: fields.take_dict("a")? }),
            b"r" => Some(Self::Reply { results: fields.take_dict("r")? }),
            b"e" => {
                let (code, text) = fields.take_error("e")?;
                Some(Self::Error { code, text })
            }
            _ => Some(Self::UnknownType),
        }
    }

    fn into_message(self, transaction: TransactionId) -> Message {
        match self {
            Self::Query { name, arguments } => match query::read(&name, arguments) {
                Ok((sender, query)) => Message::Query { transaction, sender, query },
                Err((method, refusal)) => Message::Refused { transaction, method, refusal },
            },
            Self::Reply { results } => Message::Reply { transaction, body: ReplyBody::new(results) },
            Self::Error { code, text } => Message::Error { transaction, code, text: printable(&text) },
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
