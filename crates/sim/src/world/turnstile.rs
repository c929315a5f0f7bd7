//! `Turnstile`: where threads wait for one another thousands of times a second. Knows not why.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A barrier for threads that meet again within microseconds: to be put to sleep and woken up would take longer than what they
/// do in between. Whoever waits long gives way to other threads.
#[derive(Debug)]
pub(super) struct Turnstile {
    threads: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    /// Will somebody never come?
    is_broken: AtomicBool,
}

/// Held by who is to come: if its thread panics, nobody waits for it in vain.
pub(super) struct Ticket<'a>(&'a Turnstile);

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.is_broken.store(true, Ordering::Release);
        }
    }
}

/// How often to look before giving way: for less than a tenth of a millisecond.
const LOOKS: u32 = 2_000;

impl Turnstile {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            is_broken: AtomicBool::new(false),
        }
    }

    /// To be held while one takes part.
    pub(super) fn enter(&self) -> Ticket<'_> {
        Ticket(self)
    }

    /// Waits until all have come. What each did before, all see afterwards.
    ///
    /// # Panics
    /// If the thread of another has panicked.
    pub(super) fn wait(&self) {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            // Nobody else touches it before the round is over.
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut looks = 0;
        while self.round.load(Ordering::Acquire) == round {
            assert!(!self.is_broken.load(Ordering::Acquire), "another thread of the simulation has panicked");
            if looks < LOOKS {
                looks += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_one_that_panicked() {
        let turnstile = Turnstile::new(2);
        thread::scope(|scope| {
            let broken = scope.spawn(|| {
                let _ticket = turnstile.enter();
                panic!("on purpose");
            });
            let waiting = scope.spawn(|| turnstile.wait());
            assert!(broken.join().is_err() && waiting.join().is_err());
        });
    }

    #[test]
    fn nobody_is_a_round_ahead() {
        const THREADS: usize = 4;
        const ROUNDS: usize = 2_000;
        let (turnstile, steps) = (Turnstile::new(THREADS), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        steps.fetch_add(1, Ordering::Relaxed);
                        turnstile.wait();
                        assert_eq!(steps.load(Ordering::Relaxed), (round + 1) * THREADS);
                        turnstile.wait();
                    }
                });
            }
        });
        assert_eq!(steps.into_inner(), THREADS * ROUNDS);
    }
}
