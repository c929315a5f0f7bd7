//! `Asked`: a query as an adversary sees it, and how to answer it. The one place here that knows the codec.

use std::net::SocketAddr;

use khashmir::Id;
use khashmir::krpc::{Level, Message, Query, Reply, TransactionId, Transmit, decode, encode_reply_with};

/// A query that has reached an adversary.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// Who asks, and gets the answer.
    pub from: SocketAddr,
    /// The id that the asker claims.
    pub sender: Id,
    /// What is asked.
    pub query: Query,
    transaction: TransactionId,
    level: Level,
}

/// What an adversary says to a query, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id that answers. The asker takes no other than the one it asked.
    pub id: Id,
    /// What it says. Of the method that was asked for.
    pub reply: Reply,
}

impl Asked {
    /// The query in a datagram; `None` if there is none that an honest node would serve.
    #[must_use]
    pub fn read(from: SocketAddr, datagram: &[u8]) -> Option<Self> {
        match decode(datagram).ok()? {
            Message::Query { transaction, sender, query, level } => {
                Some(Self { from, sender, query, transaction, level })
            }
            _ => None,
        }
    }

    /// The id or key that is asked about, if the method has one.
    #[must_use]
    pub const fn target(&self) -> Option<Id> {
        match self.query {
            Query::Ping | Query::Join => None,
            Query::FindNode { target } => Some(target),
            Query::FindValue { key } | Query::GetValue { key, .. } | Query::StoreValue { key, .. } => {
                Some(key)
            }
        }
    }

    /// The datagram that answers; `None` if what must be said does not fit into one.
    #[must_use]
    pub fn answer(&self, answer: &Answer) -> Option<Transmit> {
        let payload = encode_reply_with(&self.transaction, &answer.id, &answer.reply, self.level).ok()?;
        Some(Transmit { to: self.from, payload })
    }

    /// What `transmit` says, if it is the reply to this.
    pub(super) fn read_answer(&self, transmit: &Transmit) -> Option<Answer> {
        if transmit.to != self.from {
            return None;
        }
        match decode(&transmit.payload).ok()? {
            Message::Reply { transaction, body } if transaction == self.transaction => {
                let (id, reply) = body.read(self.query.method()).ok()?;
                Some(Answer { id, reply })
            }
            _ => None,
        }
    }
}
