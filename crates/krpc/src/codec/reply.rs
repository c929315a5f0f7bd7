//! From the results of a reply to its meaning: lenient, as a reply half understood is still of use.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use khashmir_types::{Contact, Id};

use super::fields::{Elements, Fields};
use crate::Method;
use crate::message::{MAX_NODES_PER_REPLY, Reply, Token};

/// The results in a reply, not yet read. Borrows from the datagram.
#[derive(Clone, Copy, Debug)]
pub struct ReplyBody<'a>(Fields<'a>);

/// A reply without a usable id. Nothing else in it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply has no id of 20 bytes")]
pub struct MalformedReply;

impl<'a> ReplyBody<'a> {
    pub(super) const fn new(results: Fields<'a>) -> Self {
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
    pub fn read(self, method: Method) -> Result<(Id, Reply), MalformedReply> {
        let results = Results::read(self.0);
        let sender = results.id.ok_or(MalformedReply)?;
        let reply = match method {
            Method::Ping => Reply::Ping,
            Method::Join => Reply::Join { addr: results.addr() },
            Method::FindNode => Reply::FindNode { nodes: results.nodes(), token: results.token() },
            Method::FindValue => Reply::FindValue {
                nodes: results.nodes(),
                num: results.num.unwrap_or(0),
                values: results.values(),
            },
            Method::GetValue => Reply::GetValue { values: results.values() },
            Method::StoreValue => Reply::StoreValue,
        };
        Ok((sender, reply))
    }
}

/// Contacts in a reply of an honest node that knows enough: Kademlia's k.
const USUAL_NODES: usize = 8;

/// The results that some reply has. One of another type than it should have counts as absent.
#[derive(Default)]
struct Results<'a> {
    id: Option<Id>,
    ip_addr: Option<&'a [u8]>,
    nodes: Option<Elements<'a>>,
    num: Option<u64>,
    port: Option<u64>,
    token: Option<&'a [u8]>,
    values: Option<Elements<'a>>,
}

impl<'a> Results<'a> {
    fn read(fields: Fields<'a>) -> Self {
        let mut results = Self::default();
        for (key, value) in fields {
            match key {
                b"id" => results.id = value.id(),
                b"ip_addr" => results.ip_addr = value.string(),
                b"nodes" => results.nodes = value.list(),
                b"num" => results.num = value.count(),
                b"port" => results.port = value.count(),
                b"token" => results.token = value.string(),
                b"values" => results.values = value.list(),
                _ => {}
            }
        }
        results
    }

    fn addr(&self) -> Option<SocketAddrV4> {
        let ip: Ipv4Addr = std::str::from_utf8(self.ip_addr?).ok()?.parse().ok()?;
        let port = u16::try_from(self.port?).ok().filter(|port| *port > 0)?;
        Some(SocketAddrV4::new(ip, port))
    }

    fn nodes(&self) -> Vec<Contact> {
        let mut nodes = Vec::with_capacity(USUAL_NODES);
        let strings = self.nodes.into_iter().flat_map(Elements::strings);
        let compact = strings.filter_map(|node| <&[u8; Contact::COMPACT_LEN]>::try_from(node).ok());
        nodes.extend(compact.take(MAX_NODES_PER_REPLY).map(Contact::from_compact));
        nodes
    }

    fn token(&self) -> Option<Token> {
        let token = self.token.filter(|token| (1..=Token::MAX_LEN).contains(&token.len()))?;
        Some(Token::from_slice(token))
    }

    fn values(&self) -> Vec<Bytes> {
        let strings = self.values.into_iter().flat_map(Elements::strings);
        strings.filter(|value| !value.is_empty()).map(Bytes::copy_from_slice).collect()
    }
}
