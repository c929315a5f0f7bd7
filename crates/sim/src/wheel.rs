//! `Wheel`: what will happen, by time. Knows nothing of what it is.
//!
//! A hierarchical timing wheel (Varghese and Lauck, SOSP 1987): planning costs the same however much is planned, where
//! a heap of ten million costs a cache miss at each of its 23 levels.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use khashmir::Time;

/// Something planned: ordered by time first, and totally.
pub(crate) trait Planned: Ord {
    fn at(&self) -> Time;
}

/// Everything planned, to be taken out in its order.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    /// What is left of the tick reached last, the next thing at the end: a tick is sorted once, which is quicker than a heap.
    near: Vec<T>,
    /// What was planned for ticks that were reached by then: little, unless it happens at once.
    late: BinaryHeap<Reverse<T>>,
    /// Everything planned for ticks before this one is in `near` or `late`.
    reached: u64,
    levels: [Level<T>; LEVELS],
    /// What is too far away for the levels.
    far: BinaryHeap<Reverse<T>>,
    len: usize,
}

/// A ring of slots. A slot of level `n` spans `SLOTS` to the power of `n` ticks.
#[derive(Debug)]
struct Level<T> {
    slots: Vec<Vec<T>>,
    /// A bit for each slot that is not empty.
    occupied: [u64; SLOTS / 64],
}

/// Microseconds in a tick: as many things as happen in a millisecond of a large network fit the cache.
const TICK_BITS: u32 = 10;

const SLOT_BITS: u32 = 10;
const SLOTS: usize = 1 << SLOT_BITS;

/// Three levels span a second, 18 minutes and 12 days.
const LEVELS: usize = 3;

impl<T: Planned> Wheel<T> {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            near: Vec::new(),
            late: BinaryHeap::new(),
            reached: tick(now),
            levels: std::array::from_fn(|_| Level::new()),
            far: BinaryHeap::new(),
            len: 0,
        }
    }

    /// Plans `thing`. In the past means at once.
    pub(crate) fn push(&mut self, thing: T) {
        self.len += 1;
        self.place(thing);
    }

    /// Takes out the next thing, if it is planned for before `end`.
    pub(crate) fn pop(&mut self, end: Time) -> Option<T> {
        while self.nearest().is_none() {
            if self.len == 0 || !self.advance(tick(end)) {
                return None;
            }
        }
        let (next, is_late) = self.nearest()?;
        if next.at() >= end {
            return None;
        }
        self.len -= 1;
        if is_late { self.late.pop().map(|Reverse(thing)| thing) } else { self.near.pop() }
    }

    /// When the next thing happens. `None` if nothing is planned.
    pub(crate) fn next_at(&mut self) -> Option<Time> {
        while self.nearest().is_none() && self.len > 0 {
            self.advance(u64::MAX);
        }
        self.nearest().map(|(next, _)| next.at())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What is likely to come out `places` after the next thing, if that is within its tick.
    pub(crate) fn ahead(&self, places: usize) -> Option<&T> {
        self.near.iter().rev().nth(places)
    }

    /// The next of the things whose tick was reached, and whether it is one of the late.
    fn nearest(&self) -> Option<(&T, bool)> {
        match (self.near.last(), self.late.peek()) {
            (Some(near), Some(Reverse(late))) if late < near => Some((late, true)),
            (Some(near), _) => Some((near, false)),
            (None, late) => late.map(|Reverse(late)| (late, true)),
        }
    }

    fn place(&mut self, thing: T) {
        let due = tick(thing.at());
        if due < self.reached {
            return self.late.push(Reverse(thing));
        }
        for (level, ring) in self.levels.iter_mut().enumerate() {
            let shift = SLOT_BITS * level as u32;
            if (due >> shift) - (self.reached >> shift) < SLOTS as u64 {
                return ring.push((due >> shift) as usize % SLOTS, thing);
            }
        }
        self.far.push(Reverse(thing));
    }

    /// Moves the next occupied tick into `near`, which is empty, unless it lies after the tick `last`; returns whether it
    /// moved on.
    fn advance(&mut self, last: u64) -> bool {
        let Some(next) = self.next_tick() else { return false };
        if next > last {
            return false;
        }
        self.reached = next;
        self.cascade();
        self.levels[0].swap((next as usize) % SLOTS, &mut self.near);
        self.reached = next + 1;
        self.near.sort_unstable_by(|a, b| b.cmp(a));
        // A new turn of a coarser slot begins: what it holds becomes reachable by the finer ones.
        self.cascade();
        true
    }

    /// The first tick at which something may be planned: exact within the finest level, else a slot's beginning.
    fn next_tick(&self) -> Option<u64> {
        let in_levels = self.levels.iter().enumerate().filter_map(|(level, ring)| {
            let shift = SLOT_BITS * level as u32;
            let at = self.reached >> shift;
            let slot = ring.next_occupied(at as usize % SLOTS)?;
            let turn = at + ((slot + SLOTS - at as usize % SLOTS) % SLOTS) as u64;
            Some((turn << shift).max(self.reached))
        });
        let far = self.far.peek().map(|Reverse(thing)| tick(thing.at()).max(self.reached));
        in_levels.chain(far).min()
    }

    /// Moves what has come near enough from the coarser levels to the finer ones.
    fn cascade(&mut self) {
        for level in (1..LEVELS).rev() {
            let slot = (self.reached >> (SLOT_BITS * level as u32)) as usize % SLOTS;
            for thing in self.levels[level].take(slot) {
                self.place_below(level, thing);
            }
        }
        let horizon = (self.reached >> (SLOT_BITS * (LEVELS as u32 - 1))) + SLOTS as u64;
        while let Some(Reverse(thing)) = self.far.peek()
            && tick(thing.at()) >> (SLOT_BITS * (LEVELS as u32 - 1)) < horizon
            && let Some(Reverse(thing)) = self.far.pop()
        {
            self.place(thing);
        }
    }

    /// Places what was in the current slot of `level`: its tick is within reach of a finer level now.
    fn place_below(&mut self, level: usize, thing: T) {
        let due = tick(thing.at()).max(self.reached);
        for finer in (0..level).rev() {
            let shift = SLOT_BITS * finer as u32;
            if finer == 0 || due >> shift != self.reached >> shift {
                return self.levels[finer].push((due >> shift) as usize % SLOTS, thing);
            }
        }
    }
}

impl<T> Level<T> {
    fn new() -> Self {
        Self { slots: std::iter::repeat_with(Vec::new).take(SLOTS).collect(), occupied: [0; SLOTS / 64] }
    }

    fn push(&mut self, slot: usize, thing: T) {
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.slots[slot].push(thing);
    }

    /// Empties a slot into `empty`, and gives it the room that `empty` had: the finest slots turn over too quickly to
    /// allocate anew each time.
    fn swap(&mut self, slot: usize, empty: &mut Vec<T>) {
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        std::mem::swap(&mut self.slots[slot], empty);
    }

    fn take(&mut self, slot: usize) -> Vec<T> {
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        std::mem::take(&mut self.slots[slot])
    }

    /// The first slot in use from `slot` on, round the ring.
    fn next_occupied(&self, slot: usize) -> Option<usize> {
        let words = self.occupied.len();
        let (first, offset) = (slot / 64, slot % 64);
        (0..=words).find_map(|step| {
            let index = (first + step) % words;
            let mask = match step {
                0 => u64::MAX << offset,
                _ if step == words => !(u64::MAX << offset),
                _ => u64::MAX,
            };
            let bits = self.occupied[index] & mask;
            (bits != 0).then(|| index * 64 + bits.trailing_zeros() as usize)
        })
    }
}

const fn tick(at: Time) -> u64 {
    at.as_micros() >> TICK_BITS
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    impl Planned for (Time, u32) {
        fn at(&self) -> Time {
            self.0
        }
    }

    const START: Time = Time::from_secs(1_000_000_000);

    proptest! {
        #[test]
        fn things_come_out_in_order_whenever_they_were_planned(
            steps in prop::collection::vec((0_u32..40, 0_u64..1000, any::<bool>()), 1..300)
        ) {
            let (mut wheel, mut heap, mut now) = (Wheel::new(START), BinaryHeap::new(), START);
            for (number, (exponent, mantissa, is_pop)) in steps.into_iter().enumerate() {
                let span = Duration::from_micros((mantissa << exponent) / 1000);
                if is_pop {
                    let end = now + span;
                    loop {
                        let expected = heap.peek().filter(|Reverse((at, _))| *at < end).copied();
                        let popped = wheel.pop(end);
                        prop_assert_eq!(popped, expected.map(|Reverse(thing)| thing));
                        if expected.is_none() {
                            break;
                        }
                        heap.pop();
                    }
                    now = now.max(end);
                } else {
                    let thing = (now + span, number as u32);
                    wheel.push(thing);
                    heap.push(Reverse(thing));
                }
                prop_assert_eq!(wheel.len(), heap.len());
            }
            while let Some(Reverse(thing)) = heap.pop() {
                prop_assert_eq!(wheel.next_at(), Some(thing.0));
                prop_assert_eq!(wheel.pop(Time::FAR_FUTURE), Some(thing));
            }
            prop_assert_eq!(wheel.next_at(), None);
        }
    }
}
