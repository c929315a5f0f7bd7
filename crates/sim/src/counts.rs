//! `Counts`: what has happened in a world, counted.

use std::ops::AddAssign;

/// What has happened in a world so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Things that happened to hosts: datagrams that reached an engine, timeouts, commits, requests.
    pub events: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Copies of them that reached an engine or another occupant.
    pub delivered: u64,
    /// Datagrams lost on the way.
    pub lost: u64,
    /// Datagrams that arrived twice.
    pub duplicated: u64,
    /// Copies that were corrupted.
    pub corrupted: u64,
    /// Copies that were held back.
    pub held: u64,
    /// Datagrams to addresses where nobody is, or to hosts that are off.
    pub to_nobody: u64,
    /// Hosts switched on, the first time included.
    pub starts: u64,
    /// Hosts switched off.
    pub stops: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.corrupted += other.corrupted;
        self.held += other.held;
        self.to_nobody += other.to_nobody;
        self.starts += other.starts;
        self.stops += other.stops;
    }
}
