//! The target `round-trip`: the codec agrees with `serde_bencode`, and what it has read it writes and reads again.

use khashmir::Id;
use khashmir::krpc::{
    self, Level, MAX_DATAGRAM, Message, Method, Query, Reply, ReplyBody, TransactionId, encode_query_with,
    encode_reply_with,
};

use crate::reference::{self, Verdict, verdict};

/// Compares with the reference what the codec makes of `input`, then writes that and reads it again.
pub fn round_trip(input: &[u8]) {
    assert_eq!(krpc::scan(input).is_ok(), reference::parse(input).is_some(), "strict bencode or not");
    let expected = verdict(input);
    let found = match krpc::decode(input) {
        Err(_) => Verdict::Silence,
        Ok(Message::Refused { method: None, .. }) => Verdict::UnknownMethod,
        Ok(Message::Refused { method: Some(_), .. }) => Verdict::Malformed,
        Ok(Message::Error { .. } | Message::UnknownType { .. }) => Verdict::NotAsked,
        Ok(Message::Query { transaction, sender, query, level }) => {
            query_returns(input, &transaction, &sender, &query, level);
            Verdict::Query(query.method().name())
        }
        Ok(Message::Reply { transaction, body }) => {
            Method::ALL.into_iter().for_each(|method| reply_returns(&transaction, body, method));
            Verdict::NotAsked
        }
    };
    assert_eq!(found, expected);
}

fn query_returns(input: &[u8], transaction: &TransactionId, sender: &Id, query: &Query, level: Level) {
    let written = encode_query_with(transaction, sender, query, level);
    // Nothing is longer for having been read, but by the mark of a level that some other mark may stand for.
    assert!(written.len() <= input.len());
    match krpc::decode(&written) {
        Ok(Message::Query { transaction: t, sender: s, query: q, level: l }) => {
            assert_eq!((&t, &s, &q), (transaction, sender, query));
            assert!(l == level || (l == Level::ORIGINAL && written.len() + 10 > MAX_DATAGRAM));
        }
        other => panic!("written as {}, and read as {other:?}", written.escape_ascii()),
    }
}

fn reply_returns(transaction: &TransactionId, body: ReplyBody<'_>, method: Method) {
    let Ok((sender, reply)) = body.read(method) else { return };
    // One that came in a longer datagram than ours may be may not fit.
    let Ok(written) = encode_reply_with(transaction, &sender, &reply, Level::OURS) else { return };
    assert!(written.len() <= MAX_DATAGRAM);
    let Ok(Message::Reply { transaction: t, body }) = krpc::decode(&written) else {
        panic!("written as {}", written.escape_ascii());
    };
    assert_eq!(&t, transaction);
    let (s, read) = body.read(method).expect("it has an id");
    assert_eq!((s, without_values(&read)), (sender, without_values(&reply)));
    assert!(values(&read).iter().all(|value| values(&reply).contains(value)));
}

/// The reply, but for its values: those that do not fit are not written.
fn without_values(reply: &Reply) -> Reply {
    let mut reply = reply.clone();
    if let Reply::GetValue { values } | Reply::FindValue { values, .. } = &mut reply {
        values.clear();
    }
    reply
}

fn values(reply: &Reply) -> &[bytes::Bytes] {
    match reply {
        Reply::GetValue { values } | Reply::FindValue { values, .. } => values,
        _ => &[],
    }
}
