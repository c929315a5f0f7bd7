//! `Fields`: a decoded dictionary, from which fields of an exact type are taken.
//!
//! Goes through a generic value: deriving `Deserialize` would refuse keys that are not UTF-8, and take a list
//! of small integers for a string.

use std::collections::HashMap;

use khashmir_types::Id;
use serde_bencode::value::Value;

/// The fields of a dictionary. A field of another type than the one asked for counts as absent.
#[derive(Debug)]
pub(super) struct Fields(HashMap<Vec<u8>, Value>);

impl Fields {
    /// The fields of a message that has passed the scan, or `None` if it is no dictionary.
    pub(super) fn of_message(datagram: &[u8]) -> Option<Self> {
        match serde_bencode::from_bytes(datagram) {
            Ok(Value::Dict(fields)) => Some(Self(fields)),
            _ => None,
        }
    }

    pub(super) fn has_exactly(&self, names: &[&str]) -> bool {
        self.0.len() == names.len() && names.iter().all(|name| self.0.contains_key(name.as_bytes()))
    }

    pub(super) fn take_bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        bytes(self.take(name)?)
    }

    pub(super) fn take_id(&mut self, name: &str) -> Option<Id> {
        Id::from_slice(&self.take_bytes(name)?)
    }

    /// An integer that is not negative.
    pub(super) fn take_count(&mut self, name: &str) -> Option<u64> {
        match self.take(name)? {
            Value::Int(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    pub(super) fn take_dict(&mut self, name: &str) -> Option<Self> {
        match self.take(name)? {
            Value::Dict(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    /// The strings in a list; elements of other types are passed over.
    pub(super) fn take_strings(&mut self, name: &str) -> Option<impl Iterator<Item = Vec<u8>>> {
        match self.take(name)? {
            Value::List(elements) => Some(elements.into_iter().filter_map(bytes)),
            _ => None,
        }
    }

    /// A list of exactly an integer and a string.
    pub(super) fn take_error(&mut self, name: &str) -> Option<(i64, Vec<u8>)> {
        let Value::List(elements) = self.take(name)? else { return None };
        match <[Value; 2]>::try_from(elements) {
            Ok([Value::Int(code), Value::Bytes(text)]) => Some((code, text)),
            _ => None,
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name.as_bytes())
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}
