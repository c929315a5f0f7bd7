//! The passing of time: shards run side by side for as long as none can reach another, then exchange what they sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use khashmir::{OperationId, Time};

use super::turnstile::Turnstile;
use super::{LONGEST_OPERATION, World};
use crate::HostId;
use crate::event::Due;
use crate::host::Ended;
use crate::shard::Shard;
use crate::terrain::Terrain;

impl World {
    /// Lets `duration` pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Lets time pass until `until`; what is planned for that moment happens too. Does nothing if it is past.
    pub fn run_until(&mut self, until: Time) {
        let end = until + Duration::from_micros(1);
        self.exchange();
        if let [shard] = self.shards.as_mut_slice() {
            shard.run(end, &self.terrain);
        } else {
            run_side_by_side(&mut self.shards, &self.terrain, end);
        }
        self.now = self.now.max(until);
    }

    /// Lets time pass until an operation has ended, and a little longer: up to the shortest delay of a datagram.
    ///
    /// # Panics
    /// If it does not end within three minutes, which is longer than any operation takes.
    pub fn finish(&mut self, host: HostId, operation: OperationId) -> Ended {
        let latest = self.now + LONGEST_OPERATION;
        loop {
            let (shard, _) = self.shard_mut(host);
            let is_it = |ended: &Ended| ended.host == host && ended.operation == operation;
            if let Some(place) = shard.ended.iter().position(is_it) {
                return shard.ended.remove(place);
            }
            let next = self.shards.iter_mut().filter_map(Shard::next_at).min();
            let next = next.expect("who waits for something has planned something").max(self.now);
            assert!(next <= latest, "{operation:?} of {host:?} does not end");
            self.run_until(next + self.terrain.lookahead() - Duration::from_micros(1));
        }
    }

    /// Hands over what hosts have sent while no time passed.
    fn exchange(&mut self) {
        for from in 0..self.shards.len() {
            for to in 0..self.shards.len() {
                let dues = std::mem::take(&mut self.shards[from].out.outboxes[to]);
                self.shards[to].receive(dues);
            }
        }
    }
}

/// Runs every shard in a thread of its own up to `end`.
fn run_side_by_side(shards: &mut [Shard], terrain: &Terrain, end: Time) {
    let meeting = Meeting::new(shards.len());
    std::thread::scope(|scope| {
        for (index, shard) in shards.iter_mut().enumerate() {
            let meeting = &meeting;
            scope.spawn(move || meeting.run(index, shard, terrain, end));
        }
    });
}

/// Where shards that run side by side meet.
struct Meeting {
    turnstile: Turnstile,
    /// The next thing of each shard, in microseconds.
    next: Vec<AtomicU64>,
    /// What was sent to each shard since the last meeting.
    inboxes: Vec<Mutex<Vec<Due>>>,
}

impl Meeting {
    fn new(shards: usize) -> Self {
        Self {
            turnstile: Turnstile::new(shards),
            next: std::iter::repeat_with(|| AtomicU64::new(0)).take(shards).collect(),
            inboxes: std::iter::repeat_with(Mutex::default).take(shards).collect(),
        }
    }

    fn run(&self, index: usize, shard: &mut Shard, terrain: &Terrain, end: Time) {
        let _ticket = self.turnstile.enter();
        loop {
            let next = shard.next_at().unwrap_or(Time::FAR_FUTURE);
            self.next[index].store(next.as_micros(), Ordering::Release);
            self.turnstile.wait();
            let first = self.next.iter().map(|next| next.load(Ordering::Acquire)).min().unwrap_or(u64::MAX);
            let first = Time::from_micros(first);
            if first >= end {
                return;
            }
            shard.run((first + terrain.lookahead()).min(end), terrain);
            for (to, outbox) in
                shard.out.outboxes.iter_mut().enumerate().filter(|(_, outbox)| !outbox.is_empty())
            {
                self.inboxes[to].lock().unwrap_or_else(PoisonError::into_inner).append(outbox);
            }
            self.turnstile.wait();
            let received =
                std::mem::take(&mut *self.inboxes[index].lock().unwrap_or_else(PoisonError::into_inner));
            shard.receive(received);
        }
    }
}
