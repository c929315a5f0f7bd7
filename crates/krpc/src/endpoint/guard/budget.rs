//! `Budget`: how many datagrams each sender may send in a second. Knows senders as numbers only.

use std::time::Duration;

use khashmir_types::Time;

/// So many datagrams a second for each sender, and so many for all of them together.
///
/// Senders share a fixed number of cells by their hash (a count-min sketch of depth one; Cormode and Muthukrishnan, 2005):
/// two of them may share one, and then share its budget; however many there are, no memory is added. While all together send
/// less than half of what one may, nobody can be over, and there are no cells; when there are, all are taken to have sent that half.
#[derive(Debug)]
pub(super) struct Budget {
    each: u32,
    all: u32,
    since: Time,
    admitted: u32,
    cells: Option<Box<[u32; CELLS]>>,
}

/// Takes 8 KiB, under load. So many that a few hundred honest senders seldom share a cell.
const CELLS: usize = 2048;

const SECOND: Duration = Duration::from_secs(1);

/// Who is over a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// This sender.
    Each,
    /// All of them together.
    All,
}

impl Budget {
    pub(super) const fn new(each: u32, all: u32) -> Self {
        Self { each, all, since: Time::EPOCH, admitted: 0, cells: None }
    }

    /// May the sender with this hash send one more now? If so, it counts.
    pub(super) fn admit(&mut self, hash: u64, now: Time) -> Result<(), Over> {
        if now.since(self.since) >= SECOND {
            self.begin_second(now);
        }
        if self.admitted >= self.all {
            return Err(Over::All);
        }
        if self.cells.is_none() && self.admitted >= self.each / 2 {
            self.cells = Some(Box::new([self.admitted; CELLS]));
        }
        if let Some(cell) = self.cells.as_mut().and_then(|cells| cells.get_mut(hash as usize % CELLS)) {
            if *cell >= self.each {
                return Err(Over::Each);
            }
            *cell = cell.saturating_add(1);
        }
        self.admitted = self.admitted.saturating_add(1);
        Ok(())
    }

    fn begin_second(&mut self, now: Time) {
        let was_busy = self.admitted >= self.each / 2;
        self.since = now;
        self.admitted = 0;
        match &mut self.cells {
            Some(cells) if was_busy => cells.fill(0),
            cells => *cells = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_secs(1000);

    fn admitted(budget: &mut Budget, hash: u64, times: u32, now: Time) -> usize {
        (0..times).filter(|_| budget.admit(hash, now).is_ok()).count()
    }

    #[test]
    fn who_sends_too_much_is_limited_and_others_are_not() {
        let mut budget = Budget::new(10, 10_000);
        assert_eq!(admitted(&mut budget, 1, 1000, START), 10);
        assert_eq!(admitted(&mut budget, 2, 1000, START), 5);
        assert_eq!(budget.admit(2, START), Err(Over::Each));
        assert_eq!(admitted(&mut budget, 2, 1000, START + SECOND), 10);
    }

    #[test]
    fn all_together_are_limited_too() {
        let mut budget = Budget::new(10, 100);
        assert_eq!((0..1000).filter(|hash| budget.admit(*hash, START).is_ok()).count(), 100);
        assert_eq!(budget.admit(5000, START), Err(Over::All));
        assert_eq!(budget.admit(5000, START + SECOND), Ok(()));
    }

    #[test]
    fn without_load_there_are_no_cells() {
        let mut budget = Budget::new(10, 100);
        admitted(&mut budget, 1, 5, START);
        assert!(budget.cells.is_none());
        admitted(&mut budget, 1, 1, START);
        assert!(budget.cells.is_some());
        for second in 1..3 {
            admitted(&mut budget, 1, 1, START + SECOND * second);
        }
        assert!(budget.cells.is_none());
    }
}
