//! From the results of a reply to its meaning: lenient, as a reply half understood is still of use.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use khashmir_types::{Contact, Id};

use super::fields::Fields;
use crate::Method;
use crate::message::{MAX_NODES_PER_REPLY, Reply, Token};

/// The results in a reply, not yet read.
#[derive(Debug)]
pub struct ReplyBody(Fields);

/// A reply without a usable id. Nothing else in it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply has no id of 20 bytes")]
pub struct MalformedReply;

impl ReplyBody {
    pub(super) fn new(results: Fields) -> Self {
        Self(results)
    }

    /// The answering node's id and what it says, read as a reply to `method`.
    ///
    /// The id is unchecked: whether it is null, ours or the one expected is for the caller to see. What else
    /// is missing or malformed counts as not said: contacts and values that are no strings (contacts: of 26
    /// bytes) are passed over, a token is dropped, a number is 0, an address is `None`. Extra results are
    /// ignored.
    ///
    /// # Errors
    /// If `id` is not a string of 20 bytes.
    pub fn read(mut self, method: Method) -> Result<(Id, Reply), MalformedReply> {
        let sender = self.0.take_id("id").ok_or(MalformedReply)?;
        let reply = match method {
            Method::Ping => Reply::Ping,
            Method::Join => Reply::Join { addr: self.addr() },
            Method::FindNode => Reply::FindNode { nodes: self.nodes(), token: self.token() },
            Method::FindValue => {
                Reply::FindValue { nodes: self.nodes(), num: self.0.take_count("num").unwrap_or(0) }
            }
            Method::GetValue => Reply::GetValue { values: self.values() },
            Method::StoreValue => Reply::StoreValue,
        };
        Ok((sender, reply))
    }

    fn addr(&mut self) -> Option<SocketAddrV4> {
        let ip: Ipv4Addr = std::str::from_utf8(&self.0.take_bytes("ip_addr")?).ok()?.parse().ok()?;
        let port = u16::try_from(self.0.take_count("port")?).ok().filter(|port| *port > 0)?;
        Some(SocketAddrV4::new(ip, port))
    }

    fn nodes(&mut self) -> Vec<Contact> {
        let strings = self.0.take_strings("nodes").into_iter().flatten();
        strings.filter_map(|node| Contact::try_from(&node[..]).ok()).take(MAX_NODES_PER_REPLY).collect()
    }

    fn token(&mut self) -> Option<Token> {
        let token = self.0.take_bytes("token")?;
        (1..=Token::MAX_LEN).contains(&token.len()).then(|| Token::new(token))
    }

    fn values(&mut self) -> Vec<Bytes> {
        let strings = self.0.take_strings("values").into_iter().flatten();
        strings.filter(|value| !value.is_empty()).map(Bytes::from).collect()
    }
}
