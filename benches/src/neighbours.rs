//! `Neighbours`: who fills a table as the nodes of a settled network do. They answer, and that is all.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use khashmir::krpc::{Message, Query, Reply, decode, encode_reply};
use khashmir::{Contact, Id, Settings};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use tokio::net::UdpSocket;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::corpus;

/// Nodes in the network of which these are the part that a node knows.
const NETWORK: usize = 1_000_000;

/// Nodes that answer until they are dropped, on a thread of their own, which sleeps unless it is asked.
#[derive(Debug)]
pub(crate) struct Neighbours {
    /// The nearest first.
    pub(crate) contacts: Vec<Contact>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbours {
    /// As many as the node that is measured has room for.
    pub(crate) fn start() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start tokio")?;
        let mut nodes = Vec::new();
        for id in settled_table(&corpus::node(), &Settings::default().table, NETWORK) {
            let bound = runtime.block_on(UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
            let socket = bound.context("cannot bind a port on loopback for each neighbour")?;
            nodes.push((Contact::new(id, socket.local_addr()?), socket));
        }
        let contacts = nodes.iter().map(|(contact, _)| *contact).collect();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("neighbours".to_owned()).spawn(move || {
            runtime.block_on(async {
                for (contact, socket) in nodes {
                    tokio::spawn(answer(contact.id, socket));
                }
                // Dropping the sender is what stops.
                let _ = stopped.await;
            });
        })?;
        Ok(Self { contacts, stop: Some(stop), thread: Some(thread) })
    }

    /// Where they are, the nearest first.
    pub(crate) fn addrs(&self) -> Vec<SocketAddr> {
        self.contacts.iter().map(|contact| contact.addr).collect()
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that panicked has said so.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Those of `contacts` that a node must name to whoever asks for `target`.
pub(crate) fn closest(contacts: &[Contact], target: &Id) -> Vec<Contact> {
    let mut closest = contacts.to_vec();
    closest.sort_by_cached_key(|contact| contact.id.distance(target));
    closest.truncate(Settings::default().table.k);
    closest
}

/// The ids in the table of the node `own` in a settled network of `network` nodes, the nearest first.
fn settled_table(own: &Id, table: &khashmir::TableConfig, network: usize) -> Vec<Id> {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let room = |bucket: usize| {
        table.first_buckets.get(bucket).map_or(table.k, |most| usize::from(*most).max(table.k))
    };
    let depth = network.ilog2() as usize;
    let mut ids = Vec::new();
    for bucket in (0..depth).rev() {
        let nodes = (network >> (bucket + 1)).min(room(bucket));
        let sibling = own.with_bit(bucket, !own.bit(bucket));
        ids.extend((0..nodes).map(|_| sibling.random_in_prefix(bucket + 1, &mut rng)));
    }
    ids
}

async fn answer(id: Id, socket: UdpSocket) {
    let mut buffer = [0; 2048];
    while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
        let Ok(Message::Query { transaction, query, .. }) = decode(&buffer[..len]) else { continue };
        let reply = match query {
            Query::Ping => Reply::Ping,
            Query::Join => Reply::Join { addr: None },
            Query::FindNode { .. } => Reply::FindNode { nodes: Vec::new(), token: None },
            Query::FindValue { .. } => Reply::FindValue { nodes: Vec::new(), num: 0, values: Vec::new() },
            Query::GetValue { .. } => Reply::GetValue { values: Vec::new() },
            Query::StoreValue { .. } => continue,
        };
        if let Ok(datagram) = encode_reply(&transaction, &id, &reply) {
            // Whoever asked and is not there any more needs no answer.
            let _ = socket.send_to(&datagram, from).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;

    #[test]
    fn a_settled_table_is_full_far_away_and_thins_out_nearby() {
        let own = corpus::node();
        let ids = settled_table(&own, &Settings::default().table, NETWORK);
        let at = |bits: usize| ids.iter().filter(|id| id.distance(&own).shared_prefix_bits() == bits).count();
        assert_eq!([0, 1, 2, 3, 4, 15].map(at), [128, 64, 32, 16, 8, 8]);
        assert_eq!([16, 17, 18, 19].map(at), [7, 3, 1, 0]);
        assert!(ids.is_sorted_by_key(|id| Reverse(id.distance(&own).shared_prefix_bits())));
    }
}
