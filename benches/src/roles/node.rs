//! A node: the shipped engine, driver and transport, started as everybody starts them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use khashmir::krpc::UdpTransport;
use khashmir::storage::Publisher;
use khashmir::{Khashmir, MemoryStorage, RedbStorage, Storage};

use super::{control, pin, runtime};
use crate::role::{Hello, NodeRole, Order};
use crate::{Allocations, clock, corpus};

/// Bytes to stage before a commit, well below what a store takes.
const MAX_STAGED: usize = 4 << 20;

pub(super) fn play(role: &NodeRole, allocations: Allocations) -> Result<()> {
    let pinned = pin(role.core);
    runtime()?.block_on(async {
        let node = match &role.state {
            None => start(MemoryStorage::new(), role).await?,
            Some(directory) => {
                let store = RedbStorage::open(directory.join(super::STORE));
                start(store.context("cannot open the store")?, role).await?
            }
        };
        for addr in &role.neighbours {
            node.add_contact(*addr).await.context("a neighbour is not there")?;
        }
        let contacts = node.contacts().await?.len();
        let hello = Hello { addr: node.local_addr(), contacts, pinned };
        let end = control::begin(&hello, move |order| obey(order, allocations))?;
        // An error says that the other end has been dropped: that is what is waited for.
        let _ = end.await;
        node.shutdown().await;
        Ok(())
    })
}

fn obey(order: Order, allocations: Allocations) -> Vec<f64> {
    match order {
        Order::Allocations => allocations.map(|count| count() as f64).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Starts the node that everybody here asks, with what it is to have stored.
async fn start<S: Storage + 'static>(mut storage: S, role: &NodeRole) -> Result<Khashmir> {
    storage.set_own_id(corpus::node())?;
    let now = clock::wall();
    let small = (0..role.keys).map(|key| (key, corpus::VALUES));
    for (key, values) in small.chain(role.large.iter().copied()) {
        for value in 0..values {
            storage.put(&corpus::key(key), &corpus::value(key, value), Publisher::Ourselves, now)?;
            if storage.staged() > MAX_STAGED {
                commit(&mut storage)?;
            }
        }
    }
    commit(&mut storage)?;
    let transport = UdpTransport::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let transport = Arc::new(transport.context("cannot bind a port on loopback")?);
    let node = Khashmir::builder().start_with(storage, transport)?;
    ensure!(node.id() == corpus::node(), "the node has another id than its store");
    Ok(node)
}

fn commit(storage: &mut impl Storage) -> Result<()> {
    if let Some(commit) = storage.begin_commit() {
        storage.on_committed(commit.run())?;
    }
    Ok(())
}
