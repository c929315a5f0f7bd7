//! What a datagram deserves, by the rules alone: read by `serde_bencode` into a tree, judged in plain words.
//! Knows no codec of ours, to be compared with it.

use serde_bencode::value::Value;

/// Containers within one another beyond which nothing is handed to `serde_bencode`, which recurses.
const MAX_DEPTH: usize = 32;
/// Values beyond which a datagram is not worth reading.
const MAX_VALUES: usize = 1024;
const MAX_INCOMING: usize = 8192;
const MAX_TRANSACTION: usize = 64;
const MAX_VALUE: usize = 1391;

/// What a datagram deserves from a node that has asked nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is no message, and meets silence.
    Silence,
    /// It is a reply, an error or of an unknown type: no call of ours waits for it, and it meets silence.
    NotAsked,
    /// It is a query that names no method there is: error 203.
    UnknownMethod,
    /// It is a query with other arguments than its method has: error 204.
    Malformed,
    /// It is a query as it should be, of this method: a reply, or an error other than those above.
    Query(&'static str),
}

/// What `datagram` deserves.
#[must_use]
pub fn verdict(datagram: &[u8]) -> Verdict {
    let message = (datagram.len() <= MAX_INCOMING).then(|| parse(datagram)).flatten();
    message.and_then(|message| judge(&message)).unwrap_or(Verdict::Silence)
}

/// Reads strict bencode within the limits: what `serde_bencode` reads, and writes again with the same bytes.
pub(crate) fn parse(input: &[u8]) -> Option<Value> {
    if depth(input) > MAX_DEPTH {
        return None;
    }
    let value: Value = serde_bencode::from_bytes(input).ok()?;
    (values(&value) <= MAX_VALUES && serde_bencode::to_bytes(&value).ok()? == input).then_some(value)
}

/// How deep the containers in these bytes are nested, as far as they are bencode.
fn depth(input: &[u8]) -> usize {
    let (mut at, mut depth, mut deepest) = (0, 0_usize, 0);
    while let Some(byte) = input.get(at) {
        let until = |end: u8| input[at..].iter().position(|byte| *byte == end);
        let length = match byte {
            b'l' | b'd' => Some(1),
            b'e' => Some(1).filter(|_| depth > 0),
            b'i' => until(b'e').map(|end| end + 1),
            _ => until(b':').and_then(|colon| {
                let length: usize = std::str::from_utf8(&input[at..at + colon]).ok()?.parse().ok()?;
                length.checked_add(colon + 1)
            }),
        };
        match byte {
            b'l' | b'd' => depth += 1,
            b'e' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        match length.and_then(|length| at.checked_add(length)) {
            Some(next) => at = next,
            None => break,
        }
    }
    deepest
}

/// How many values there are, containers included, keys not.
fn values(value: &Value) -> usize {
    match value {
        Value::Int(_) | Value::Bytes(_) => 1,
        Value::List(elements) => 1 + elements.iter().map(values).sum::<usize>(),
        Value::Dict(dict) => 1 + dict.values().map(values).sum::<usize>(),
    }
}

fn judge(message: &Value) -> Option<Verdict> {
    let kind = string(field(message, "y")?)?;
    let verdict = match kind {
        b"q" => {
            let (name, arguments) = (string(field(message, "q")?)?, field(message, "a")?);
            judge_query(name, dict(arguments)?)
        }
        b"r" => dict(field(message, "r")?).map(|_| Verdict::NotAsked)?,
        b"e" => match field(message, "e")? {
            Value::List(error) => match &error[..] {
                [Value::Int(_), Value::Bytes(_)] => Verdict::NotAsked,
                _ => return None,
            },
            _ => return None,
        },
        _ => Verdict::NotAsked,
    };
    let transaction = string(field(message, "t")?)?;
    (transaction.len() <= MAX_TRANSACTION).then_some(verdict)
}

fn judge_query(name: &[u8], arguments: &Dict) -> Verdict {
    let Some((name, names)) = METHODS.into_iter().find(|(known, _)| known.as_bytes() == name) else {
        return Verdict::UnknownMethod;
    };
    let is_exact = arguments.len() == names.len();
    let holds = |name: &&str| arguments.get(name.as_bytes()).is_some_and(|value| is_good(name, value));
    if is_exact && names.iter().all(holds) { Verdict::Query(name) } else { Verdict::Malformed }
}

/// Is this what the argument `name` must be?
fn is_good(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("id", Value::Bytes(id)) => id.len() == 20 && id.iter().any(|byte| *byte != 0),
        ("target" | "key", Value::Bytes(id)) => id.len() == 20,
        ("num", Value::Int(num)) => *num >= 0,
        ("token", Value::Bytes(_)) => true,
        ("value", Value::Bytes(value)) => (1..=MAX_VALUE).contains(&value.len()),
        _ => false,
    }
}

/// Every method with its arguments.
const METHODS: [(&str, &[&str]); 6] = [
    ("ping", &["id"]),
    ("join", &["id"]),
    ("find_node", &["id", "target"]),
    ("find_value", &["id", "key"]),
    ("get_value", &["id", "key", "num"]),
    ("store_value", &["id", "key", "token", "value"]),
];

type Dict = std::collections::HashMap<Vec<u8>, Value>;

fn field<'a>(message: &'a Value, name: &str) -> Option<&'a Value> {
    dict(message)?.get(name.as_bytes())
}

fn dict(value: &Value) -> Option<&Dict> {
    match value {
        Value::Dict(dict) => Some(dict),
        _ => None,
    }
}

fn string(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}
