//! The demo's network: nodes on this machine, each on its own store in a temporary directory.

use std::env;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use khashmir::{Id, Khashmir, Settings, StartError};
use tempfile::TempDir;

use crate::exit::Exit;
use crate::failure::Failure;

/// How long a call waits for its answer: on one machine, who has not answered after a second is gone.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// All nodes by number, from 0; the stopped ones leave a gap. Removed from the disk when dropped.
#[derive(Debug)]
pub(super) struct Network {
    directory: TempDir,
    nodes: Vec<Option<Khashmir>>,
}

impl Network {
    /// Starts `count` nodes that do not know one another.
    pub(super) async fn start(count: usize) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("khashmir-demo-").tempdir();
        let directory = directory.map_err(|error| no_directory(&error))?;
        let mut network = Self { directory, nodes: Vec::with_capacity(count) };
        for number in 0..count {
            network.nodes.push(None);
            network.restart(number).await?;
        }
        Ok(network)
    }

    /// Starts a stopped node again, on what it left on the disk.
    pub(super) async fn restart(&mut self, number: usize) -> anyhow::Result<&Khashmir> {
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let started =
            Khashmir::builder().bind(bind).state(self.state(number)).settings(settings()).start().await;
        let node = started.map_err(|error| self.cannot_start(number, &error))?;
        Ok(self.nodes[number].insert(node))
    }

    /// Joins all nodes to the first. The number of nodes that found each other.
    pub(super) async fn join(&self) -> anyhow::Result<usize> {
        let first = self.node(0)?.local_addr().to_string();
        let mut joins: FuturesUnordered<_> =
            self.running().skip(1).map(|(_, node)| node.join([first.clone()])).collect();
        let mut joined = 1;
        while let Some(outcome) = joins.next().await {
            joined += usize::from(outcome.is_ok());
        }
        Ok(joined)
    }

    /// Ends a node gracefully; its files stay. It does not say goodbye to the others.
    pub(super) async fn stop(&mut self, number: usize) {
        if let Some(node) = self.nodes.get_mut(number).and_then(Option::take) {
            node.shutdown().await;
        }
    }

    /// Ends all nodes.
    pub(super) async fn shutdown(mut self) {
        for number in 0..self.nodes.len() {
            self.stop(number).await;
        }
    }

    /// The running node of this number.
    pub(super) fn node(&self, number: usize) -> anyhow::Result<&Khashmir> {
        self.nodes
            .get(number)
            .and_then(Option::as_ref)
            .with_context(|| format!("node {} does not run", number + 1))
    }

    /// The nodes that run, by number.
    pub(super) fn running(&self) -> impl Iterator<Item = (usize, &Khashmir)> {
        self.nodes.iter().enumerate().filter_map(|(number, node)| Some((number, node.as_ref()?)))
    }

    /// The number of the running node with this id.
    pub(super) fn number(&self, id: Id) -> Option<usize> {
        self.running().find(|(_, node)| node.id() == id).map(|(number, _)| number)
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Bytes on the disk, all nodes together.
    pub(super) fn size_on_disk(&self) -> u64 {
        let nodes = 0..self.nodes.len();
        nodes
            .filter_map(|number| fs::read_dir(self.state(number)).ok())
            .flatten()
            .flatten()
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum()
    }

    /// A node of the demo that cannot start: its address and its directory are not the user's choice.
    fn cannot_start(&self, number: usize, error: &StartError) -> Failure {
        let failure = Failure::cannot_start(error);
        let message = format!("cannot start node {} of the demo: {}", number + 1, failure.message);
        let help = match error {
            StartError::Storage(_) | StartError::State { .. } => {
                let directory = self.directory().display();
                format!("the files are in {directory}; set TMPDIR for another place, or try fewer --nodes")
            }
            _ => "try fewer --nodes".to_owned(),
        };
        Failure::new(failure.exit, failure.code, message).help(help)
    }

    fn state(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("node-{:02}", number + 1))
    }
}

fn no_directory(error: &io::Error) -> Failure {
    let parent = env::temp_dir();
    // The error may name the path itself; the reason is all that is new.
    let reason = error.kind();
    let message = format!("cannot make a temporary directory in {}: {reason}", parent.display());
    Failure::new(Exit::Configuration, "E_TEMPORARY", message)
        .help("set TMPDIR to a directory that can be written to")
}

/// The defaults, but for those that wait for nodes which may be far away.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.calls.timeout = CALL_TIMEOUT;
    settings.calls.initial_delay = CALL_TIMEOUT / 4;
    settings.lookup.slow_after = CALL_TIMEOUT / 4;
    settings.lookup.lost_after = CALL_TIMEOUT / 4;
    settings
}
