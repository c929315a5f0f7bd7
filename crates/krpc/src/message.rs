//! What nodes say to one another: queries, replies and errors, as values.
//!
//! Knows what a message means; must not know how it is written or who waits for it.

use std::fmt;
use std::net::SocketAddrV4;

use bytes::Bytes;
use khashmir_types::{Contact, Id};

use crate::Method;

/// Bytes in the largest value a node accepts or returns: what just fits a `get_value` reply of
/// [`MAX_DATAGRAM`](crate::MAX_DATAGRAM) bytes.
pub const MAX_VALUE: usize = 1391;

/// Contacts taken from one reply: twice Kademlia's k of 8. A peer that names more is heard out no further.
pub const MAX_NODES_PER_REPLY: usize = 16;

/// A question with its arguments. The asking node's id travels beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Are you there?
    Ping,
    /// Are you there, and from which address do you see me?
    Join,
    /// Which nodes do you know closest to `target`?
    FindNode {
        /// The id looked for.
        target: Id,
    },
    /// Which nodes do you know closest to `key`, and how many values have you under it?
    FindValue {
        /// The key looked for.
        key: Id,
    },
    /// Which values have you under `key`?
    GetValue {
        /// The key.
        key: Id,
        /// How many values are wanted, chosen at random; 0 for all, and so is any number above those stored.
        num: u64,
    },
    /// Keep `value` under `key`.
    StoreValue {
        /// The key.
        key: Id,
        /// The value. Received ones have 1 to [`MAX_VALUE`] bytes; for ours see
        /// [`max_storable`](crate::max_storable).
        value: Bytes,
        /// The token that the callee gave us in a reply to `find_node`.
        token: Token,
    },
}

impl Query {
    /// Which question this is.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Ping => Method::Ping,
            Self::Join => Method::Join,
            Self::FindNode { .. } => Method::FindNode,
            Self::FindValue { .. } => Method::FindValue,
            Self::GetValue { .. } => Method::GetValue,
            Self::StoreValue { .. } => Method::StoreValue,
        }
    }
}

/// An answer. The answering node's id travels beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// I am here.
    Ping,
    /// I am here and see you at `addr`.
    Join {
        /// The asker's address; `None` if the answerer gave none that could be used.
        addr: Option<SocketAddrV4>,
    },
    /// The nodes I know closest to the target.
    FindNode {
        /// Closest first. Received ones are at most [`MAX_NODES_PER_REPLY`] and unchecked: any id, any address.
        nodes: Vec<Contact>,
        /// What a `store_value` to me must show.
        token: Option<Token>,
    },
    /// The nodes I know closest to the key, and what I have myself.
    FindValue {
        /// As in [`Reply::FindNode`].
        nodes: Vec<Contact>,
        /// How many values I have under the key. A claim: a received one may be anything.
        num: u64,
        /// These values themselves, all of them, or none. Of those received as in [`Reply::GetValue`].
        ///
        /// They are sent to askers of a [`Level`](crate::Level) that takes them, which spares them a `get_value`, and only if
        /// they fit the datagram beside the rest. So nobody gets more bytes for a `find_value` than for a
        /// `get_value`: it is no better a weapon against a forged address.
        values: Vec<Bytes>,
    },
    /// The values I have under the key.
    GetValue {
        /// Never empty ones among those received. When sent, those that do not fit the datagram are left out.
        values: Vec<Bytes>,
    },
    /// I keep the value.
    StoreValue,
}

impl Reply {
    /// The question this answers.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Ping => Method::Ping,
            Self::Join { .. } => Method::Join,
            Self::FindNode { .. } => Method::FindNode,
            Self::FindValue { .. } => Method::FindValue,
            Self::GetValue { .. } => Method::GetValue,
            Self::StoreValue => Method::StoreValue,
        }
    }
}

/// A proof that its holder is reached at its address: handed out with `find_node`, shown with `store_value`.
///
/// Only the node that made it can judge it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Repr);

/// Tokens of the original's length, and shorter ones, need no memory elsewhere. A token has one of both forms only.
#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Short { len: u8, bytes: [u8; Token::LEN] },
    Long(Bytes),
}

impl Token {
    /// Bytes in the tokens of the original, and in ours.
    pub const LEN: usize = 20;
    /// Bytes in the longest token taken from a reply; whoever gives a longer one gave none.
    pub const MAX_LEN: usize = 64;

    /// The token with these bytes.
    pub fn new(token: impl Into<Bytes>) -> Self {
        let token = token.into();
        Self::short(&token).unwrap_or(Self(Repr::Long(token)))
    }

    /// The token with these bytes, which are copied.
    #[must_use]
    pub fn from_slice(token: &[u8]) -> Self {
        Self::short(token).unwrap_or_else(|| Self(Repr::Long(Bytes::copy_from_slice(token))))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Repr::Long(bytes) => bytes,
        }
    }

    fn short(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LEN];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        Some(Self(Repr::Short { len: u8::try_from(token.len()).ok()?, bytes }))
    }
}

impl From<[u8; Token::LEN]> for Token {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(Repr::Short { len: Self::LEN as u8, bytes })
    }
}

impl From<Token> for Bytes {
    fn from(token: Token) -> Self {
        match token.0 {
            Repr::Short { .. } => Self::copy_from_slice(token.as_bytes()),
            Repr::Long(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Why a query is refused; the number goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 200: something else.
    Generic,
    /// 201: a fault of the answering node.
    Server,
    /// 202: a malformed packet. The original never sends it, and neither do we.
    MalformedPacket,
    /// 203: no such method.
    UnknownMethod,
    /// 204: wrong arguments.
    MalformedRequest,
    /// 205: the token is not one of ours, or no longer.
    InvalidToken,
    /// 206: the reply fits no datagram.
    ReplyTooLong,
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Generic => 200,
            Self::Server => 201,
            Self::MalformedPacket => 202,
            Self::UnknownMethod => 203,
            Self::MalformedRequest => 204,
            Self::InvalidToken => 205,
            Self::ReplyTooLong => 206,
        }
    }

    /// The text that we send with it. Fixed, so that it can hold nothing internal; peers go by the number.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Generic => "query refused",
            Self::Server => "server error",
            Self::MalformedPacket => "malformed packet",
            Self::UnknownMethod => "unknown method",
            Self::MalformedRequest => "malformed request",
            Self::InvalidToken => "token is invalid, do a find_nodes to get a fresh one",
            Self::ReplyTooLong => "response was too long",
        }
    }
}

/// An error as we send it: a code and a short text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: ErrorCode,
    text: Bytes,
}

impl Refusal {
    /// Bytes of an unknown method's name that the refusal repeats: enough to recognise it, too few to be
    /// worth reflecting.
    pub const MAX_NAME: usize = 64;

    /// The refusal of a method with this `name`, of which at most [`Self::MAX_NAME`] bytes are repeated.
    #[must_use]
    pub fn unknown_method(name: &[u8]) -> Self {
        let code = ErrorCode::UnknownMethod;
        let name = name.get(..Self::MAX_NAME).unwrap_or(name);
        Self { code, text: [code.text().as_bytes(), b" ", name].concat().into() }
    }

    /// Why.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The text on the wire; not always UTF-8.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, text: Bytes::from_static(code.text().as_bytes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_its_bytes_are() {
        for len in [0, 1, 19, 20, 21, 64, 1000] {
            let bytes = vec![b't'; len];
            let token = Token::from_slice(&bytes);
            assert_eq!((token.as_bytes(), &Token::new(bytes.clone())), (&bytes[..], &token));
            assert_eq!(Bytes::from(token), bytes);
        }
        assert_ne!(Token::from_slice(b""), Token::from_slice(b"\0"));
        assert_eq!(format!("{:?}", Token::from([0xab; 20])), format!("Token({})", "ab".repeat(20)));
    }

    #[test]
    fn a_refusal_repeats_at_most_64_bytes_of_a_name() {
        assert_eq!(Refusal::unknown_method(b"get_peers").text(), b"unknown method get_peers");
        let long = Refusal::unknown_method(&[0xff; 65]);
        assert_eq!(long.text(), [b"unknown method ", &[0xff; 64][..]].concat());
    }
}
