//! A strict bencode reader of the tests' own, to look at what the engine sends with other eyes than its codec's.

use std::collections::BTreeMap;

/// As deep as a node may read.
const MAX_DEPTH: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bencode {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Bencode>),
    Dict(BTreeMap<Vec<u8>, Bencode>),
}

impl Bencode {
    /// Reads exactly one value; `None` for anything that is not canonical.
    pub fn parse(input: &[u8]) -> Option<Self> {
        let (value, rest) = read(input, MAX_DEPTH)?;
        rest.is_empty().then_some(value)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Int(number) => format!("i{number}e").into_bytes(),
            Self::Bytes(bytes) => [format!("{}:", bytes.len()).as_bytes(), bytes].concat(),
            Self::List(items) => {
                [&b"l"[..], &items.iter().flat_map(Self::to_bytes).collect::<Vec<_>>(), b"e"].concat()
            }
            Self::Dict(entries) => {
                let entry = |(key, value): (&Vec<u8>, &Self)| {
                    [Self::Bytes(key.clone()).to_bytes(), value.to_bytes()].concat()
                };
                [&b"d"[..], &entries.iter().flat_map(entry).collect::<Vec<_>>(), b"e"].concat()
            }
        }
    }

    /// The value under `key`, if this is a dictionary that has it.
    pub fn at(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dict(entries) => entries.get(key.as_bytes()),
            _ => None,
        }
    }

    pub fn at_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Dict(entries) => entries.get_mut(key.as_bytes()),
            _ => None,
        }
    }

    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The keys of a dictionary with the kinds of their values, as the recordings write them.
    pub fn kinds(&self) -> Vec<(String, &'static str)> {
        let Self::Dict(entries) = self else { return Vec::new() };
        let kind = |value: &Self| match value {
            Self::Int(_) => "int",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
        };
        entries.iter().map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), kind(value))).collect()
    }
}

/// A dictionary of these entries.
pub fn dict(entries: &[(&str, Bencode)]) -> Bencode {
    Bencode::Dict(entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone())).collect())
}

pub fn bytes(content: impl AsRef<[u8]>) -> Bencode {
    Bencode::Bytes(content.as_ref().to_vec())
}

fn read(input: &[u8], depth: usize) -> Option<(Bencode, &[u8])> {
    match input.first()? {
        b'i' => {
            let end = input.iter().position(|byte| *byte == b'e')?;
            let text = std::str::from_utf8(&input[1..end]).ok()?;
            let number: i64 = text.parse().ok()?;
            (number.to_string() == text).then_some((Bencode::Int(number), &input[end + 1..]))
        }
        b'l' => read_list(&input[1..], depth.checked_sub(1)?),
        b'd' => read_dict(&input[1..], depth.checked_sub(1)?),
        _ => read_string(input).map(|(string, rest)| (Bencode::Bytes(string.to_vec()), rest)),
    }
}

fn read_list(mut rest: &[u8], depth: usize) -> Option<(Bencode, &[u8])> {
    let mut items = Vec::new();
    while *rest.first()? != b'e' {
        let (item, after) = read(rest, depth)?;
        items.push(item);
        rest = after;
    }
    Some((Bencode::List(items), &rest[1..]))
}

fn read_dict(mut rest: &[u8], depth: usize) -> Option<(Bencode, &[u8])> {
    let mut entries = BTreeMap::<Vec<u8>, Bencode>::new();
    while *rest.first()? != b'e' {
        let (key, after) = read_string(rest)?;
        if entries.last_key_value().is_some_and(|(last, _)| last.as_slice() >= key) {
            return None;
        }
        let (value, after) = read(after, depth)?;
        entries.insert(key.to_vec(), value);
        rest = after;
    }
    Some((Bencode::Dict(entries), &rest[1..]))
}

fn read_string(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = input.iter().position(|byte| *byte == b':')?;
    let text = std::str::from_utf8(&input[..colon]).ok()?;
    let length: usize = text.parse().ok()?;
    let end = (colon + 1).checked_add(length)?;
    (length.to_string() == text && end <= input.len()).then(|| (&input[colon + 1..end], &input[end..]))
}
