//! A network in one process: nodes that know of one another only over their sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use khashmir::{Id, Khashmir};
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::control;
use crate::clock;
use crate::role::{Hello, Order};

/// Nodes that join at the same time.
const JOINING: usize = 16;

/// One lookup in so many is compared with the truth.
const COMPARED: usize = 8;

pub(super) fn play(nodes: usize, directory: Option<&Path>) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("cannot start tokio")?.block_on(async {
        let network = Network::build(nodes, directory).await?;
        let hello = Hello { addr: network.nodes[0].local_addr(), contacts: 0, pinned: false };
        let (orders, mut inbox) = mpsc::channel::<(Order, std::sync::mpsc::Sender<Vec<f64>>)>(1);
        let end = control::begin(&hello, move |order| {
            let (reply, answer) = std::sync::mpsc::channel();
            let sent = orders.blocking_send((order, reply));
            sent.ok().and_then(|()| answer.recv().ok()).unwrap_or_default()
        })?;
        let work = async {
            while let Some((order, reply)) = inbox.recv().await {
                // Whoever asked and is not there any more needs no answer.
                let _ = reply.send(network.obey(order).await);
            }
        };
        tokio::select! {
            () = work => {}
            _ = end => {}
        }
        for node in network.nodes {
            node.shutdown().await;
        }
        Ok(())
    })
}

struct Network {
    nodes: Vec<Khashmir>,
    ids: Vec<Id>,
    built_in: Duration,
}

impl Network {
    /// Starts `count` nodes and joins them, each through one that has joined before.
    async fn build(count: usize, directory: Option<&Path>) -> Result<Self> {
        let start = clock::now();
        let mut nodes = Vec::with_capacity(count);
        for number in 0..count {
            let mut builder = Khashmir::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            if let Some(directory) = directory {
                builder = builder.state(directory.join(number.to_string()));
            }
            nodes.push(builder.start().await?);
        }
        let first = nodes[0].local_addr().to_string();
        let joins = stream::iter(&nodes[1..]).map(|node| node.join([first.clone()]));
        let outcomes: Vec<_> = joins.buffer_unordered(JOINING).try_collect().await?;
        drop(outcomes);
        let ids = nodes.iter().map(Khashmir::id).collect();
        Ok(Self { nodes, ids, built_in: start.elapsed() })
    }

    async fn obey(&self, order: Order) -> Vec<f64> {
        match order {
            Order::BuiltIn => vec![self.built_in.as_secs_f64()],
            Order::Lookups { at_once, millis } => self.look_up(at_once, Duration::from_millis(millis)).await,
            _ => Vec::new(),
        }
    }

    /// Lookups of random ids by random nodes, for a while: how many, in how many seconds, the median and the 99th percentile of
    /// their times in milliseconds, which part found all of the closest, and questions for each.
    async fn look_up(&self, at_once: u64, span: Duration) -> Vec<f64> {
        let start = clock::now();
        let workers = (0..at_once).map(|seed| self.work(ChaCha12Rng::seed_from_u64(seed), start + span));
        let lookups: Vec<Lookup> = stream::iter(workers).buffer_unordered(at_once as usize).concat().await;
        let span = start.elapsed().as_secs_f64();
        let mut times: Vec<f64> = lookups.iter().map(|lookup| lookup.took.as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get((share * times.len() as f64) as usize).copied().unwrap_or(f64::NAN);
        let compared = lookups.iter().filter_map(|lookup| lookup.is_right);
        let (right, all) =
            compared.fold((0, 0), |(right, all), is_right| (right + usize::from(is_right), all + 1));
        let questions: f64 = lookups.iter().map(|lookup| f64::from(lookup.questions)).sum();
        let count = lookups.len() as f64;
        vec![count, span, at(0.5), at(0.99), f64::from(right as u32) / f64::from(all), questions / count]
    }

    async fn work(&self, mut rng: ChaCha12Rng, end: Instant) -> Vec<Lookup> {
        let mut lookups = Vec::new();
        while clock::now() < end {
            let node = &self.nodes[rng.random_range(0..self.nodes.len())];
            let target = Id::random(&mut rng);
            let start = clock::now();
            let Ok(found) = node.find_node(target).await else { continue };
            let took = start.elapsed();
            let closest: Vec<Id> = found.closest.iter().map(|contact| contact.id).collect();
            let is_compared = lookups.len().is_multiple_of(COMPARED);
            let is_right = is_compared.then(|| closest == self.closest(&target, node.id(), closest.len()));
            lookups.push(Lookup { took, is_right, questions: found.progress.tally.asked as u32 });
        }
        lookups
    }

    /// The truth.
    fn closest(&self, target: &Id, asker: Id, count: usize) -> Vec<Id> {
        let mut ids: Vec<Id> = self.ids.iter().copied().filter(|id| *id != asker).collect();
        ids.sort_by_cached_key(|id| id.distance(target));
        ids.truncate(count.max(khashmir::LookupConfig::default().k));
        ids
    }
}

struct Lookup {
    took: Duration,
    /// Did it find all of the closest?
    is_right: Option<bool>,
    questions: u32,
}
