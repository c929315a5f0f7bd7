//! `Queue`: what will happen in virtual time, in order; what is due at one moment, in the order of planning.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use khashmir::Time;

#[derive(Debug)]
pub(super) struct Queue<T> {
    dues: BinaryHeap<Due<T>>,
    planned: u64,
}

/// The earliest is the greatest, as the heap wants it.
#[derive(Debug)]
struct Due<T> {
    at: Time,
    sequence: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(super) fn push(&mut self, at: Time, what: T) {
        self.planned += 1;
        self.dues.push(Due { at, sequence: self.planned, what });
    }

    /// Takes out the next thing, if it is due by `until`.
    pub(super) fn pop(&mut self, until: Time) -> Option<(Time, T)> {
        self.dues.peek().filter(|due| due.at <= until)?;
        self.dues.pop().map(|due| (due.at, due.what))
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { dues: BinaryHeap::new(), planned: 0 }
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Due<T> {}
