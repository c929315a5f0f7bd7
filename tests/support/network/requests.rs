//! What tests ask of a [`Network`] most: each request with its own outcome, and questions from outside.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir::{Found, GetOutcome, Id, JoinOutcome, Outcome, Request, StoreOutcome};
use khashmir_krpc::{Message, Query, Reply, TransactionId, decode, encode_query};

use super::{Network, Node};

impl Network {
    /// Has a node join through others, or through those on its disk alone.
    pub(crate) fn join(&mut self, node: Node, bootstrap: &[Node]) -> JoinOutcome {
        let bootstrap = bootstrap.iter().map(|other| self.addr(*other)).collect();
        match self.run(node, Request::Join { bootstrap }) {
            (_, Outcome::Joined(outcome)) => outcome,
            other => panic!("a join ended in {other:?}"),
        }
    }

    pub(crate) fn find_node(&mut self, node: Node, target: Id) -> Found {
        match self.run(node, Request::FindNode { target }) {
            (_, Outcome::Found(outcome)) => outcome,
            other => panic!("a find_node ended in {other:?}"),
        }
    }

    pub(crate) fn store(&mut self, node: Node, key: Id, value: impl Into<Bytes>) -> StoreOutcome {
        match self.run(node, Request::Store { key, value: value.into() }) {
            (_, Outcome::Stored(outcome)) => outcome,
            other => panic!("a store ended in {other:?}"),
        }
    }

    /// Gets the values of a key, which must all be different and as many as the outcome says.
    pub(crate) fn get(&mut self, node: Node, key: Id) -> (BTreeSet<Bytes>, GetOutcome) {
        let (values, Outcome::Got(outcome)) = self.run(node, Request::Get { key }) else {
            panic!("a get ended in something else")
        };
        assert_eq!(values.len(), outcome.values);
        let values: BTreeSet<_> = values.into_iter().map(|value| value.data).collect();
        assert_eq!(values.len(), outcome.values, "no value comes twice");
        (values, outcome)
    }

    /// Has somebody who is no node, at `from`, ask a node, and returns the reply or the error's code, if one
    /// comes within a second.
    pub(crate) fn ask(&mut self, from: SocketAddr, node: Node, query: &Query) -> Option<Result<Reply, i64>> {
        let (transaction, id) = (TransactionId::random(&mut self.rng), Id::sha1(from.to_string().as_bytes()));
        let (already, to) = (self.sent.len(), self.addr(node));
        self.send(from, to, encode_query(&transaction, &id, query));
        self.run_for(Duration::from_secs(1));
        let answers = self.sent[already..].iter().filter(|sent| sent.to == from);
        answers.filter_map(|sent| decode(&sent.payload).ok()).find_map(|message| match message {
            Message::Reply { transaction: t, body } if t == transaction => {
                Some(Ok(body.read(query.method()).unwrap().1))
            }
            Message::Error { transaction: t, code, .. } if t == transaction => Some(Err(code)),
            _ => None,
        })
    }
}
