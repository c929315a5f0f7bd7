//! The target `decode`: whatever a datagram holds, what is made of it keeps to the limits that are promised.

use khashmir::krpc::{
    self, ErrorCode, MAX_INCOMING, MAX_NODES_PER_REPLY, MAX_VALUE, MAX_VALUES, Message, Method, Query,
    Refusal, Reply, ReplyBody, Token, TransactionId,
};

/// Decodes `input`, and if it is a reply, reads it as one to each method.
pub fn decode(input: &[u8]) {
    let Ok(message) = krpc::decode(input) else { return };
    assert!(input.len() <= MAX_INCOMING);
    let transaction = match message {
        Message::Query { transaction, sender, query, level: _ } => {
            assert!(!sender.is_null());
            check_query(&query);
            transaction
        }
        Message::Refused { transaction, method, refusal } => {
            check_refusal(method, &refusal);
            transaction
        }
        Message::Reply { transaction, body } => {
            Method::ALL.into_iter().for_each(|method| check_reply(body, method, input.len()));
            transaction
        }
        Message::Error { transaction, code: _, text } => {
            // The start of the text, in which a byte that is no text may have become three.
            assert!(text.len() <= 3 * 128 && !text.chars().any(char::is_control));
            transaction
        }
        Message::UnknownType { transaction } => transaction,
    };
    assert!(transaction.as_bytes().len() <= TransactionId::MAX_LEN);
}

fn check_query(query: &Query) {
    match query {
        Query::StoreValue { value, token, .. } => {
            assert!((1..=MAX_VALUE).contains(&value.len()) && token.as_bytes().len() <= MAX_INCOMING);
        }
        Query::GetValue { num, .. } => assert!(i64::try_from(*num).is_ok()),
        _ => {}
    }
}

fn check_refusal(method: Option<Method>, refusal: &Refusal) {
    let expected = if method.is_some() { ErrorCode::MalformedRequest } else { ErrorCode::UnknownMethod };
    assert_eq!(refusal.code(), expected);
    assert!(refusal.text().len() <= Refusal::MAX_NAME + ErrorCode::UnknownMethod.text().len() + 1);
}

fn check_reply(body: ReplyBody<'_>, method: Method, datagram_len: usize) {
    let Ok((_, reply)) = body.read(method) else { return };
    assert_eq!(reply.method(), method);
    match reply {
        Reply::FindNode { nodes, token } => {
            assert!(nodes.len() <= MAX_NODES_PER_REPLY);
            assert!(token.is_none_or(|token| (1..=Token::MAX_LEN).contains(&token.as_bytes().len())));
        }
        Reply::FindValue { nodes, num, values } => {
            assert!(nodes.len() <= MAX_NODES_PER_REPLY && i64::try_from(num).is_ok());
            check_values(&values, datagram_len);
        }
        Reply::GetValue { values } => check_values(&values, datagram_len),
        Reply::Join { addr } => assert!(addr.is_none_or(|addr| addr.port() > 0)),
        Reply::Ping | Reply::StoreValue => {}
    }
}

fn check_values(values: &[bytes::Bytes], datagram_len: usize) {
    assert!(values.len() < MAX_VALUES && values.iter().all(|value| !value.is_empty()));
    assert!(values.iter().map(bytes::Bytes::len).sum::<usize>() < datagram_len);
}
