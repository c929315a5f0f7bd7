//! A store that is filled, and then goes on committing until somebody kills it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Context, Result};
use khashmir::storage::Publisher;
use khashmir::{RedbStorage, Storage};

use super::control;
use crate::role::{Hello, Order};
use crate::{clock, corpus};

/// Values in a commit: what gathers under load.
const BATCH: u64 = 16_384;

/// Fills the store in `directory` with the values of the first keys of the corpus.
pub(super) fn play(directory: &Path, keys: u64) -> Result<()> {
    let mut store = RedbStorage::open(directory.join(super::STORE)).context("cannot open the store")?;
    store.set_own_id(corpus::node())?;
    let mut next = 0;
    while next < keys {
        put(&mut store, &mut next, keys)?;
        if let Some(commit) = store.begin_commit() {
            store.on_committed(commit.run())?;
        }
    }
    let (begun, beginning) = sync_channel(0);
    let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let hello = Hello { addr, contacts: 0, pinned: false };
    let _end = control::begin(&hello, move |order| match order {
        // Answers as soon as the next commit begins.
        Order::AwaitCommit => beginning.recv().map(|()| 1.0).into_iter().collect(),
        _ => Vec::new(),
    })?;
    loop {
        put(&mut store, &mut next, u64::MAX)?;
        commit(&mut store, &begun)?;
    }
}

/// Stages the values of some more keys.
fn put(store: &mut RedbStorage, next: &mut u64, keys: u64) -> Result<()> {
    let now = clock::wall();
    let end = keys.min(*next + BATCH / corpus::VALUES);
    for key in *next..end {
        for value in 0..corpus::VALUES {
            store.put(&corpus::key(key), &corpus::value(key, value), Publisher::Ourselves, now)?;
        }
    }
    *next = end;
    Ok(())
}

fn commit(store: &mut RedbStorage, begun: &SyncSender<()>) -> Result<()> {
    if let Some(commit) = store.begin_commit() {
        // Nobody waits for it, usually.
        let _ = begun.try_send(());
        store.on_committed(commit.run())?;
    }
    Ok(())
}
