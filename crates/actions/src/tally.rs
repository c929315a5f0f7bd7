//! `Tally`: the questions of an action and what came back, counted.

use crate::Failure;

/// How many questions an action asked, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions asked.
    pub asked: usize,
    /// Answers.
    pub answered: usize,
    /// Questions that nothing came back to in time.
    pub timed_out: usize,
    /// Questions answered with an error.
    pub refused: usize,
    /// Questions answered under another id, or with what is no answer.
    pub invalid: usize,
    /// Questions that could not be sent.
    pub unsent: usize,
    /// The longest chain of nodes, each the first to name the next, that ends in an answer; a node known
    /// at the start is a chain of 1.
    pub hops: usize,
}

impl Tally {
    /// Questions still open; at the end, those that no longer mattered.
    #[must_use]
    pub fn pending(&self) -> usize {
        let settled = [self.answered, self.timed_out, self.refused, self.invalid, self.unsent];
        settled.into_iter().fold(self.asked, usize::saturating_sub)
    }

    /// This action's tally and that of one that came after it, taken together. `hops` is the larger.
    #[must_use]
    pub fn followed_by(self, next: Self) -> Self {
        Self {
            asked: self.asked.saturating_add(next.asked),
            answered: self.answered.saturating_add(next.answered),
            timed_out: self.timed_out.saturating_add(next.timed_out),
            refused: self.refused.saturating_add(next.refused),
            invalid: self.invalid.saturating_add(next.invalid),
            unsent: self.unsent.saturating_add(next.unsent),
            hops: self.hops.max(next.hops),
        }
    }

    pub(crate) fn on_answer(&mut self, hop: usize) {
        self.answered = self.answered.saturating_add(1);
        self.hops = self.hops.max(hop);
    }

    pub(crate) fn on_failure(&mut self, failure: Failure) {
        let count = match failure {
            Failure::TimedOut => &mut self.timed_out,
            Failure::Refused => &mut self.refused,
            Failure::Invalid => &mut self.invalid,
            Failure::Unsent => &mut self.unsent,
        };
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_settled_is_pending() {
        let mut tally = Tally { asked: 5, ..Tally::default() };
        tally.on_answer(3);
        for failure in [Failure::TimedOut, Failure::Refused, Failure::Unsent] {
            tally.on_failure(failure);
        }
        assert_eq!((tally.pending(), tally.hops), (1, 3));
    }

    #[test]
    fn two_tallies_add_up_but_for_the_hops() {
        let first = Tally { asked: 5, answered: 4, hops: 3, ..Tally::default() };
        let next = Tally { asked: 2, answered: 1, refused: 1, hops: 1, ..Tally::default() };
        assert_eq!(
            first.followed_by(next),
            Tally { asked: 7, answered: 5, refused: 1, hops: 3, ..Tally::default() }
        );
    }
}
