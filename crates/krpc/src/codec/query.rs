//! From the arguments of a query to its meaning: strict, since we answer for it.

use bytes::Bytes;
use khashmir_types::Id;

use super::fields::Fields;
use crate::Method;
use crate::message::{ErrorCode, MAX_VALUE, Query, Refusal, Token};

/// The sender's id and the question, or the refusal with the method if that was known.
pub(super) fn read(name: &[u8], arguments: Fields<'_>) -> Result<(Id, Query), (Option<Method>, Refusal)> {
    let method = Method::from_name(name).ok_or_else(|| (None, Refusal::unknown_method(name)))?;
    read_arguments(method, arguments).ok_or_else(|| (Some(method), ErrorCode::MalformedRequest.into()))
}

/// A query must have exactly the arguments of its method.
fn read_arguments(method: Method, arguments: Fields<'_>) -> Option<(Id, Query)> {
    let (sender, query) = match method {
        Method::Ping => (arguments.exactly(["id"])?[0], Query::Ping),
        Method::Join => (arguments.exactly(["id"])?[0], Query::Join),
        Method::FindNode => {
            let [sender, target] = arguments.exactly(["id", "target"])?;
            (sender, Query::FindNode { target: target.id()? })
        }
        Method::FindValue => {
            let [sender, key] = arguments.exactly(["id", "key"])?;
            (sender, Query::FindValue { key: key.id()? })
        }
        Method::GetValue => {
            let [sender, key, num] = arguments.exactly(["id", "key", "num"])?;
            (sender, Query::GetValue { key: key.id()?, num: num.count()? })
        }
        Method::StoreValue => {
            let [sender, key, token, value] = arguments.exactly(["id", "key", "token", "value"])?;
            let value = value.string().filter(|value| is_acceptable(value))?;
            let (token, value) = (Token::from_slice(token.string()?), Bytes::copy_from_slice(value));
            (sender, Query::StoreValue { key: key.id()?, value, token })
        }
    };
    Some((sender.id().filter(|id| !id.is_null())?, query))
}

/// Could this value be given back? An empty one could, but is reported by nobody.
fn is_acceptable(value: &[u8]) -> bool {
    (1..=MAX_VALUE).contains(&value.len())
}
