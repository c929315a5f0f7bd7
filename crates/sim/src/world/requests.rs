//! What is asked of a world most: each request with its own outcome.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::krpc::{Message, Query, Reply, TransactionId, decode, encode_query, encode_reply};
use khashmir::{Found, GetOutcome, Id, JoinOutcome, Outcome, Request, StoreOutcome, Value};

use super::World;
use crate::host::Ended;
use crate::{Chance, HostId};

/// These let time pass until the operation has ended.
///
/// # Panics
/// They panic if no engine runs at the host, or if it refuses, as it does when it has too much to do.
impl World {
    /// Lets a node carry out a request to its end.
    pub fn run(&mut self, host: HostId, request: Request) -> Ended {
        let operation = self.start(host, request).expect("an engine runs there and takes the request");
        self.finish(host, operation)
    }

    /// Has a node join through others, or through those on its disk alone.
    pub fn join(&mut self, host: HostId, bootstrap: &[HostId]) -> JoinOutcome {
        let bootstrap = bootstrap.iter().map(|other| self.addr(*other)).collect();
        match self.run(host, Request::Join { bootstrap }).outcome {
            Outcome::Joined(outcome) => outcome,
            other => unreachable!("a join ended in {other:?}"),
        }
    }

    /// Has a node look for the nodes closest to a target.
    pub fn find_node(&mut self, host: HostId, target: Id) -> Found {
        match self.run(host, Request::FindNode { target }).outcome {
            Outcome::Found(outcome) => outcome,
            other => unreachable!("a find_node ended in {other:?}"),
        }
    }

    /// Has a node store a value.
    pub fn store(&mut self, host: HostId, key: Id, value: impl Into<Bytes>) -> StoreOutcome {
        match self.run(host, Request::Store { key, value: value.into() }).outcome {
            Outcome::Stored(outcome) => outcome,
            other => unreachable!("a store ended in {other:?}"),
        }
    }

    /// Has a node get the values of a key, in the order of arrival.
    pub fn get(&mut self, host: HostId, key: Id) -> (Vec<Value>, GetOutcome) {
        match self.run(host, Request::Get { key }) {
            Ended { values, outcome: Outcome::Got(outcome), .. } => (values, outcome),
            other => unreachable!("a get ended in {other:?}"),
        }
    }

    /// Has an outsider ask a node, and returns the reply or the error's code, if one comes within a second. If the node pings
    /// it meanwhile, as it does before it says much to somebody unknown, it answers.
    pub fn ask(&mut self, outsider: HostId, host: HostId, query: &Query) -> Option<Result<Reply, i64>> {
        const PURPOSE: u64 = 0xa5c;
        const STEPS: u32 = 20;
        let already = self.received(outsider).len();
        let mut chance = Chance::of(self.seed(), &[PURPOSE, already as u64, self.now().as_micros()]);
        let (transaction, id) =
            (TransactionId::random(&mut chance), Id::sha1(self.addr(outsider).to_string().as_bytes()));
        let to = self.addr(host);
        self.send(outsider, to, encode_query(&transaction, &id, query));
        for _ in 0..STEPS {
            let heard = self.received(outsider).len();
            self.run_for(Duration::from_secs(1) / STEPS);
            for ping in self.pings(outsider, heard, to) {
                self.send(outsider, to, encode_reply(&ping, &id, &Reply::Ping).expect("it is short"));
            }
        }
        let answers = self.received(outsider)[already..].iter();
        answers.filter(|answer| answer.from == to).find_map(|answer| match decode(&answer.payload).ok()? {
            Message::Reply { transaction: t, body } if t == transaction => {
                Some(Ok(body.read(query.method()).ok()?.1))
            }
            Message::Error { transaction: t, code, .. } if t == transaction => Some(Err(code)),
            _ => None,
        })
    }

    /// The pings that an outsider has got from an address, but for those among the first `heard` datagrams.
    fn pings(&self, outsider: HostId, heard: usize, from: SocketAddr) -> Vec<TransactionId> {
        let new = self.received(outsider).iter().skip(heard).filter(|received| received.from == from);
        let ping = |payload: &Bytes| match decode(payload) {
            Ok(Message::Query { transaction, query: Query::Ping, .. }) => Some(transaction),
            _ => None,
        };
        new.filter_map(|received| ping(&received.payload)).collect()
    }
}
