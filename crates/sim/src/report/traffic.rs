//! `Traffic`: how much was sent, and how much that is for each node and minute.

use std::time::Duration;

use serde::Serialize;

use crate::Counts;

/// What was sent in a stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Traffic {
    /// What the stretch is.
    pub name: String,
    /// How long it is, in seconds of virtual time.
    pub seconds: f64,
    /// Nodes that ran in it, on average; adversaries apart.
    pub nodes: f64,
    /// Datagrams sent, by adversaries too.
    pub datagrams: u64,
    /// Bytes in them, without headers of UDP and IP.
    pub bytes: u64,
    /// Datagrams for each node and minute.
    pub datagrams_per_node_minute: f64,
    /// Bytes for each node and minute.
    pub bytes_per_node_minute: f64,
}

/// How things stand at a moment: what two of them differ in is the traffic between.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Account {
    time: Duration,
    /// Seconds that nodes have run, all taken together.
    node_seconds: f64,
    datagrams: u64,
    bytes: u64,
}

impl Account {
    /// Lets time pass in which so many nodes ran, and takes note of what was sent by now.
    pub(crate) fn pass(&mut self, time: Duration, nodes: usize, counts: &Counts) {
        self.time += time;
        self.node_seconds += time.as_secs_f64() * nodes as f64;
        (self.datagrams, self.bytes) = (counts.sent, counts.bytes);
    }

    /// What was sent from `before` on.
    pub(crate) fn since(&self, before: &Self, name: &str) -> Traffic {
        let seconds = self.time.saturating_sub(before.time).as_secs_f64();
        let node_seconds = self.node_seconds - before.node_seconds;
        let (datagrams, bytes) = (self.datagrams - before.datagrams, self.bytes - before.bytes);
        let over = |sum: f64, parts: f64| if parts > 0.0 { sum / parts } else { 0.0 };
        Traffic {
            name: name.to_owned(),
            seconds,
            nodes: over(node_seconds, seconds),
            datagrams,
            bytes,
            datagrams_per_node_minute: over(datagrams as f64 * 60.0, node_seconds),
            bytes_per_node_minute: over(bytes as f64 * 60.0, node_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_counted_for_each_node_and_minute() {
        let mut account = Account::default();
        let counts = |sent| Counts { sent, bytes: 100 * sent, ..Counts::default() };
        account.pass(Duration::from_secs(10), 5, &counts(7));
        let before = account;
        account.pass(Duration::from_secs(60), 10, &counts(107));
        account.pass(Duration::from_secs(60), 20, &counts(607));
        let traffic = account.since(&before, "two minutes");
        assert_eq!((traffic.seconds, traffic.nodes, traffic.datagrams), (120.0, 15.0, 600));
        assert_eq!((traffic.datagrams_per_node_minute, traffic.bytes_per_node_minute), (20.0, 2000.0));
    }
}
