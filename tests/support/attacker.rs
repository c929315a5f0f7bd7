//! An attacker, and engines that know it alone: it sends queries, or answers what it was asked.
//! Knows no attack.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use khashmir::{Contact, Id, MemoryStorage, Method, OperationId, Request, Settings};
use khashmir_krpc::{
    Level, Message, Query, Reply, Token, TransactionId, decode, encode_query, encode_reply_with,
};

use super::engine::Rig;

/// Whoever sends them. From loopback, so that no limit on answers is met.
pub(crate) const ATTACKER: Contact =
    Contact::new(Id::new([0x84; 20]), SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6066));

pub(crate) fn rig() -> Rig {
    let mut settings = Settings::default();
    settings.calls.is_loopback_exempt = true;
    settings.scope.loopback = true;
    Rig::new(MemoryStorage::new(), settings)
}

/// A token that holds for the attacker.
pub(crate) fn token(rig: &mut Rig) -> Bytes {
    let find_node = Query::FindNode { target: Id::MAX };
    let asked = encode_query(&[9; 20].into(), &ATTACKER.id, &find_node);
    rig.deliver(ATTACKER.addr, &asked);
    let sent = rig.take_sent();
    let Ok(Message::Reply { body, .. }) = decode(&sent[0].payload) else { panic!("{sent:?}") };
    match body.read(Method::FindNode) {
        Ok((_, Reply::FindNode { token: Some(token), .. })) => token.into(),
        other => panic!("{other:?}"),
    }
}

/// The transaction id of the latest question to the attacker, which must be of `method`.
pub(crate) fn asked(rig: &mut Rig, method: Method) -> TransactionId {
    let sent = rig.take_sent();
    let to_attacker = sent.iter().filter(|sent| sent.to == ATTACKER.addr);
    let question = to_attacker.filter_map(|sent| match decode(&sent.payload) {
        Ok(Message::Query { transaction, query, .. }) if query.method() == method => Some(transaction),
        _ => None,
    });
    question.last().unwrap_or_else(|| panic!("the attacker is not asked {method}"))
}

/// The attacker answers as it should.
fn answer(rig: &mut Rig, reply: &Reply) {
    let transaction = asked(rig, reply.method());
    let datagram = encode_reply_with(&transaction, &ATTACKER.id, reply, Level::OURS).unwrap();
    rig.deliver(ATTACKER.addr, &datagram);
}

/// An engine that knows the attacker alone and has just asked it `method`, on behalf of the operation returned.
pub(crate) fn ambush(method: Method) -> (Rig, OperationId) {
    let (mut rig, key, value) = (rig(), Id::MAX, Bytes::from_static(b"value"));
    let nodes = Vec::new();
    if method == Method::Ping {
        let ping = rig.start(Request::Ping { addr: ATTACKER.addr });
        return (rig, ping);
    }
    let join = rig.start(Request::AddContact { addr: ATTACKER.addr });
    if method == Method::Join {
        return (rig, join);
    }
    answer(&mut rig, &Reply::Join { addr: None });
    let operation = match method {
        Method::Ping | Method::Join => unreachable!("that was before"),
        Method::FindNode => rig.start(Request::FindNode { target: key }),
        Method::FindValue => rig.start(Request::FindValue { key }),
        Method::GetValue => {
            let get = rig.start(Request::Get { key });
            answer(&mut rig, &Reply::FindValue { nodes, num: 3, values: Vec::new() });
            get
        }
        Method::StoreValue => {
            let store = rig.start(Request::Store { key, value });
            answer(&mut rig, &Reply::FindNode { nodes, token: Some(Token::new(vec![7; 20])) });
            store
        }
    };
    (rig, operation)
}
