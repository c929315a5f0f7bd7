//! The codec written once more over `serde_bencode`, slowly and plainly. What it says is right; the tests at the
//! end hold the codec against it.

use std::collections::HashMap;

use serde_bencode::value::Value;

use super::*;

type Dict = HashMap<Vec<u8>, Value>;

/// A message as both codecs can tell it: a reply is read as an answer to every method.
#[derive(Debug, PartialEq)]
enum Told {
    Query(TransactionId, Id, Query, Level),
    Refused(TransactionId, Option<Method>, Refusal),
    Reply(TransactionId, Vec<Result<(Id, Reply), MalformedReply>>),
    Error(TransactionId, i64, String),
    UnknownType(TransactionId),
}

impl From<Message<'_>> for Told {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Query { transaction, sender, query, level } => {
                Self::Query(transaction, sender, query, level)
            }
            Message::Refused { transaction, method, refusal } => Self::Refused(transaction, method, refusal),
            Message::Reply { transaction, body } => {
                Self::Reply(transaction, Method::ALL.map(|method| body.read(method)).into())
            }
            Message::Error { transaction, code, text } => Self::Error(transaction, code, text),
            Message::UnknownType { transaction } => Self::UnknownType(transaction),
        }
    }
}

fn string(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bytes(bytes.as_ref().to_vec())
}

fn number(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn strings(strings: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Value {
    Value::List(strings.into_iter().map(string).collect())
}

fn dict<const N: usize>(entries: [(&str, Value); N]) -> Dict {
    entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

fn written(message: Dict) -> Vec<u8> {
    serde_bencode::to_bytes(&Value::Dict(message)).unwrap()
}

fn written_query(t: &TransactionId, sender: &Id, query: &Query, level: Level) -> Vec<u8> {
    let mut a = dict([("id", string(sender))]);
    a.extend(match query {
        Query::Ping | Query::Join => dict([]),
        Query::FindNode { target } => dict([("target", string(target))]),
        Query::FindValue { key } => dict([("key", string(key))]),
        Query::GetValue { key, num } => dict([("key", string(key)), ("num", number(*num))]),
        Query::StoreValue { key, value, token } => {
            dict([("key", string(key)), ("token", string(token.as_bytes())), ("value", string(value))])
        }
    });
    let q = string(query.method().name());
    let plain = dict([("a", Value::Dict(a)), ("q", q), ("t", string(t.as_bytes())), ("y", string("q"))]);
    let mut marked = plain.clone();
    marked.extend(level.mark().map(|mark| ("v".into(), string(mark))));
    let marked = written(marked);
    if marked.len() <= MAX_DATAGRAM { marked } else { written(plain) }
}

fn written_reply(t: &TransactionId, sender: &Id, reply: &Reply, level: Level) -> Option<Vec<u8>> {
    let nodes = |nodes: &[Contact]| strings(nodes.iter().filter_map(Contact::to_compact));
    let written = |results: Dict| {
        let mut r = dict([("id", string(sender))]);
        r.extend(results);
        let datagram =
            written(dict([("r", Value::Dict(r)), ("t", string(t.as_bytes())), ("y", string("r"))]));
        (datagram.len() <= MAX_DATAGRAM).then_some(datagram)
    };
    match reply {
        Reply::Ping | Reply::StoreValue | Reply::Join { addr: None } => written(dict([])),
        Reply::Join { addr: Some(addr) } => {
            let (ip, port) = (string(addr.ip().to_string()), number(addr.port().into()));
            written(dict([("ip_addr", ip), ("port", port)]))
        }
        Reply::FindNode { nodes: closest, token } => {
            let mut results = dict([("nodes", nodes(closest))]);
            results.extend(token.as_ref().map(|token| ("token".into(), string(token.as_bytes()))));
            written(results)
        }
        Reply::FindValue { nodes: closest, num, values } => {
            let plain = dict([("nodes", nodes(closest)), ("num", number(*num))]);
            let mut full = plain.clone();
            full.insert("values".into(), strings(values));
            let is_full = level >= Level::new(1) && !values.is_empty();
            is_full.then(|| written(full)).flatten().or_else(|| written(plain))
        }
        Reply::GetValue { values } => {
            let mut sent = Vec::new();
            for value in values {
                sent.push(value);
                if written(dict([("values", strings(&sent))])).is_none() {
                    sent.pop();
                }
            }
            let hides_all = sent.is_empty() && !values.is_empty();
            if hides_all { None } else { written(dict([("values", strings(&sent))])) }
        }
    }
}

fn written_error(t: &TransactionId, refusal: &Refusal) -> Vec<u8> {
    let e = Value::List(vec![Value::Int(refusal.code().number()), string(refusal.text())]);
    written(dict([("e", e), ("t", string(t.as_bytes())), ("y", string("e"))]))
}

fn read(datagram: &[u8]) -> Result<Told, DecodeError> {
    if datagram.len() > MAX_INCOMING {
        return Err(DecodeError::TooLong);
    }
    crate::scan(datagram)?;
    let Ok(Value::Dict(message)) = serde_bencode::from_bytes(datagram) else {
        return Err(DecodeError::Envelope);
    };
    let t = bytes_of(message.get(&b"t"[..]));
    let tell = content_of(&message).ok_or(DecodeError::Envelope)?;
    let t = TransactionId::from_slice(t.ok_or(DecodeError::Envelope)?).ok_or(DecodeError::TransactionId)?;
    Ok(tell(t))
}

fn content_of(message: &Dict) -> Option<Box<dyn FnOnce(TransactionId) -> Told + '_>> {
    let field = |name: &str| message.get(name.as_bytes());
    match bytes_of(field("y"))? {
        b"q" => {
            let (name, arguments) = (bytes_of(field("q"))?, dict_of(field("a"))?);
            let level = match bytes_of(field("v")) {
                Some(mark) if mark.len() == 4 && mark.starts_with(b"KM") => {
                    Level::new(u16::from(mark[2]) << 8 | u16::from(mark[3]))
                }
                _ => Level::ORIGINAL,
            };
            Some(Box::new(move |t| {
                let Some(method) = Method::ALL.into_iter().find(|method| method.name().as_bytes() == name)
                else {
                    return Told::Refused(t, None, Refusal::unknown_method(name));
                };
                match query_of(method, arguments) {
                    Some((sender, query)) => Told::Query(t, sender, query, level),
                    None => Told::Refused(t, Some(method), ErrorCode::MalformedRequest.into()),
                }
            }))
        }
        b"r" => {
            let results = dict_of(field("r"))?;
            Some(Box::new(move |t| {
                let id = id_of(results.get(&b"id"[..])).ok_or(MalformedReply);
                Told::Reply(t, Method::ALL.map(|method| Ok((id?, reply_of(method, results)))).into())
            }))
        }
        b"e" => match field("e")? {
            Value::List(elements) => match &elements[..] {
                [Value::Int(code), Value::Bytes(text)] => {
                    Some(Box::new(move |t| Told::Error(t, *code, printable(text))))
                }
                _ => None,
            },
            _ => None,
        },
        _ => Some(Box::new(Told::UnknownType)),
    }
}

fn query_of(method: Method, arguments: &Dict) -> Option<(Id, Query)> {
    let names: &[&str] = match method {
        Method::Ping | Method::Join => &["id"],
        Method::FindNode => &["id", "target"],
        Method::FindValue => &["id", "key"],
        Method::GetValue => &["id", "key", "num"],
        Method::StoreValue => &["id", "key", "token", "value"],
    };
    let argument = |name: &str| arguments.get(name.as_bytes());
    if arguments.len() != names.len() || !names.iter().all(|name| argument(name).is_some()) {
        return None;
    }
    let sender = id_of(argument("id")).filter(|id| !id.is_null())?;
    let key = || id_of(argument("key"));
    let query = match method {
        Method::Ping => Query::Ping,
        Method::Join => Query::Join,
        Method::FindNode => Query::FindNode { target: id_of(argument("target"))? },
        Method::FindValue => Query::FindValue { key: key()? },
        Method::GetValue => Query::GetValue { key: key()?, num: count_of(argument("num"))? },
        Method::StoreValue => {
            let value = bytes_of(argument("value")).filter(|value| (1..=MAX_VALUE).contains(&value.len()))?;
            let token = Token::new(bytes_of(argument("token"))?.to_vec());
            Query::StoreValue { key: key()?, value: value.to_vec().into(), token }
        }
    };
    Some((sender, query))
}

fn reply_of(method: Method, results: &Dict) -> Reply {
    let result = |name: &str| results.get(name.as_bytes());
    let nodes = || {
        let strings = strings_of(result("nodes"));
        let nodes = strings.into_iter().filter_map(|node| Contact::try_from(node).ok());
        nodes.take(MAX_NODES_PER_REPLY).collect()
    };
    let values = || {
        let strings = strings_of(result("values")).into_iter().filter(|value| !value.is_empty());
        strings.map(Bytes::copy_from_slice).collect()
    };
    match method {
        Method::Ping => Reply::Ping,
        Method::StoreValue => Reply::StoreValue,
        Method::Join => {
            let ip = bytes_of(result("ip_addr")).and_then(|ip| std::str::from_utf8(ip).ok()?.parse().ok());
            let port = count_of(result("port")).and_then(|port| u16::try_from(port).ok()).filter(|p| *p > 0);
            Reply::Join { addr: ip.zip(port).map(|(ip, port)| std::net::SocketAddrV4::new(ip, port)) }
        }
        Method::FindNode => {
            let token = bytes_of(result("token")).filter(|token| (1..=64).contains(&token.len()));
            Reply::FindNode { nodes: nodes(), token: token.map(|token| Token::new(token.to_vec())) }
        }
        Method::FindValue => {
            Reply::FindValue { nodes: nodes(), num: count_of(result("num")).unwrap_or(0), values: values() }
        }
        Method::GetValue => Reply::GetValue { values: values() },
    }
}

fn bytes_of(value: Option<&Value>) -> Option<&[u8]> {
    match value? {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn dict_of(value: Option<&Value>) -> Option<&Dict> {
    match value? {
        Value::Dict(dict) => Some(dict),
        _ => None,
    }
}

fn id_of(value: Option<&Value>) -> Option<Id> {
    Id::from_slice(bytes_of(value)?)
}

fn count_of(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn strings_of(value: Option<&Value>) -> Vec<&[u8]> {
    match value {
        Some(Value::List(elements)) => {
            elements.iter().filter_map(|element| bytes_of(Some(element))).collect()
        }
        _ => Vec::new(),
    }
}

/// Anything that might stand where something else should, or where it should.
fn anything() -> impl Strategy<Value = Value> {
    let string = prop_oneof![
        Just(vec![0; Id::LEN]),
        vec(any::<u8>(), Id::LEN),
        vec(any::<u8>(), Contact::COMPACT_LEN),
        vec(any::<u8>(), 0..70),
        Just(vec![b'v'; MAX_VALUE + 1]),
        prop::sample::select(&[
            "q",
            "r",
            "e",
            "x",
            "ping",
            "get_value",
            "KM\0\u{1}",
            "192.0.2.1",
            "01.2.3.4"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let leaf = prop_oneof![
        string.prop_map(Value::Bytes),
        any::<i64>().prop_map(Value::Int),
        (-1_i64..99).prop_map(Value::Int)
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::List),
            proptest::collection::hash_map(prop::sample::select(NAMES), inner, 0..4).prop_map(|dict| {
                Value::Dict(dict.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

const NAMES: &[&str] = &[
    "", "a", "e", "id", "ip_addr", "key", "nodes", "num", "port", "q", "r", "t", "target", "token", "v",
    "value", "values", "y", "\u{ff}",
];

/// Sets a field of a message to another value, or removes it; one of its arguments or results if `is_inner`.
#[derive(Clone, Debug)]
struct Edit {
    is_inner: bool,
    name: &'static str,
    value: Option<Value>,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (any::<bool>(), prop::sample::select(NAMES), proptest::option::of(anything()));
    vec(edit.prop_map(|(is_inner, name, value)| Edit { is_inner, name, value }), 0..4)
}

fn edited(datagram: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut message: Dict = match serde_bencode::from_bytes(datagram) {
        Ok(Value::Dict(message)) => message,
        other => panic!("{other:?}"),
    };
    for Edit { is_inner, name, value } in edits {
        let inner = if message.contains_key(&b"a"[..]) { &b"a"[..] } else { b"r" };
        let target = match message.get_mut(inner) {
            Some(Value::Dict(dict)) if *is_inner => dict,
            _ => &mut message,
        };
        match value {
            Some(value) => target.insert(name.as_bytes().to_vec(), value.clone()),
            None => target.remove(name.as_bytes()),
        };
    }
    written(message)
}

/// A message of any kind as the codec writes it.
fn datagrams() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => (transaction(), id(), queries(), levels())
            .prop_map(|(t, sender, query, level)| encode_query_with(&t, &sender, &query, level)),
        4 => (transaction(), id(), replies(), levels())
            .prop_map(|(t, sender, reply, level)| encode_reply_with(&t, &sender, &reply, level).unwrap()),
        1 => (transaction(), vec(any::<u8>(), 0..200))
            .prop_map(|(t, name)| encode_error(&t, &Refusal::unknown_method(&name))),
    ]
}

proptest! {
    #[test]
    fn queries_are_written_as_by_the_reference(
        t in transaction(), sender in id(), query in queries(), level in levels(),
    ) {
        let datagram = encode_query_with(&t, &sender, &query, level);
        prop_assert_eq!(&datagram[..], written_query(&t, &sender, &query, level));
    }

    #[test]
    fn replies_are_written_as_by_the_reference(
        t in transaction(), sender in id(), reply in replies(), level in levels(),
    ) {
        let datagram = encode_reply_with(&t, &sender, &reply, level).ok().map(Vec::from);
        prop_assert_eq!(datagram, written_reply(&t, &sender, &reply, level));
    }

    #[test]
    fn many_values_are_written_as_by_the_reference(
        t in transaction(), closest in nodes(), sizes in vec(0_usize..1500, 0..8), level in levels(),
    ) {
        let values: Vec<Bytes> = sizes.iter().map(|size| vec![b'v'; *size].into()).collect();
        for reply in [find_value(closest, values.clone()), Reply::GetValue { values }] {
            let datagram = encode_reply_with(&t, &SENDER, &reply, level).ok().map(Vec::from);
            prop_assert_eq!(datagram, written_reply(&t, &SENDER, &reply, level));
        }
    }

    #[test]
    fn errors_are_written_as_by_the_reference(t in transaction(), name in vec(any::<u8>(), 0..200)) {
        for refusal in [Refusal::unknown_method(&name), ErrorCode::InvalidToken.into()] {
            prop_assert_eq!(&encode_error(&t, &refusal)[..], written_error(&t, &refusal));
        }
    }

    #[test]
    fn messages_are_read_as_by_the_reference(datagram in datagrams()) {
        prop_assert_eq!(decode(&datagram).map(Told::from), read(&datagram));
    }

    #[test]
    fn messages_with_other_fields_are_read_as_by_the_reference(datagram in datagrams(), edits in edits()) {
        let datagram = edited(&datagram, &edits);
        prop_assert_eq!(decode(&datagram).map(Told::from), read(&datagram));
    }

    #[test]
    fn damaged_messages_are_read_as_by_the_reference(
        datagram in datagrams(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..3), cut: prop::sample::Index,
    ) {
        let mut datagram = datagram.to_vec();
        for (at, byte) in damage {
            let at = at.index(datagram.len());
            datagram[at] = byte;
        }
        prop_assert_eq!(decode(&datagram).map(Told::from), read(&datagram));
        datagram.truncate(cut.index(datagram.len()));
        prop_assert_eq!(decode(&datagram).map(Told::from), read(&datagram));
    }
}
