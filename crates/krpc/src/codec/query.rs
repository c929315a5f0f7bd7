//! From the arguments of a query to its meaning: strict, since we answer for it.

use bytes::Bytes;
use khashmir_types::Id;

use super::fields::Fields;
use crate::Method;
use crate::message::{ErrorCode, MAX_VALUE, Query, Refusal, Token};

/// The sender's id and the question, or the refusal with the method if that was known.
pub(super) fn read(name: &[u8], arguments: Fields) -> Result<(Id, Query), (Option<Method>, Refusal)> {
    let method = Method::from_name(name).ok_or_else(|| (None, Refusal::unknown_method(name)))?;
    read_arguments(method, arguments).ok_or_else(|| (Some(method), ErrorCode::MalformedRequest.into()))
}

fn read_arguments(method: Method, mut arguments: Fields) -> Option<(Id, Query)> {
    if !arguments.has_exactly(method.arguments()) {
        return None;
    }
    let sender = arguments.take_id("id").filter(|id| !id.is_null())?;
    let query = match method {
        Method::Ping => Query::Ping,
        Method::Join => Query::Join,
        Method::FindNode => Query::FindNode { target: arguments.take_id("target")? },
        Method::FindValue => Query::FindValue { key: arguments.take_id("key")? },
        Method::GetValue => {
            Query::GetValue { key: arguments.take_id("key")?, num: arguments.take_count("num")? }
        }
        Method::StoreValue => Query::StoreValue {
            key: arguments.take_id("key")?,
            value: arguments.take_bytes("value").filter(|value| is_acceptable(value)).map(Bytes::from)?,
            token: arguments.take_bytes("token").map(Token::new)?,
        },
    };
    Some((sender, query))
}

/// Could this value be given back? An empty one could, but is reported by nobody.
fn is_acceptable(value: &[u8]) -> bool {
    (1..=MAX_VALUE).contains(&value.len())
}
