//! `Visitor`: a transport that hears answers and no questions, for a node that will be gone in a moment.
//!
//! A node that others ask in vain never enters their tables: they do not wait for it when it has left.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use khashmir::krpc::{Datagram, Message, SendFailure, Transmit, Transport, UdpTransport, decode};

/// UDP without the queries of others.
#[derive(Debug)]
pub(crate) struct Visitor(pub(crate) UdpTransport);

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Transport for Visitor {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn receive<'a, 'b, 'c>(&'a self, batch: &'b mut Vec<Datagram>) -> Later<'c, io::Result<()>>
    where
        'a: 'c,
        'b: 'c,
    {
        Box::pin(async move {
            let known = batch.len();
            while batch.len() == known {
                self.0.receive(batch).await?;
                batch.retain(|datagram| !is_query(&datagram.payload));
            }
            Ok(())
        })
    }

    fn send<'a, 'b, 'c>(&'a self, batch: &'b [Transmit]) -> Later<'c, Vec<SendFailure>>
    where
        'a: 'c,
        'b: 'c,
    {
        self.0.send(batch)
    }
}

fn is_query(payload: &[u8]) -> bool {
    matches!(decode(payload), Ok(Message::Query { .. } | Message::Refused { .. }))
}

#[cfg(test)]
mod tests {
    use khashmir::Id;
    use khashmir::krpc::{Query, Reply, TransactionId, encode_query, encode_reply};

    use super::*;

    #[test]
    fn queries_are_told_from_answers() {
        let transaction = TransactionId::from_slice(b"01234567890123456789").unwrap();
        assert!(is_query(&encode_query(&transaction, &Id::MAX, &Query::Ping)));
        assert!(!is_query(&encode_reply(&transaction, &Id::MAX, &Reply::Ping).unwrap()));
        assert!(!is_query(b"not bencode"));
    }
}
