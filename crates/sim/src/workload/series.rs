//! `Series`: something asked again and again, evenly spaced. A workload is a few of them.

use std::time::Duration;

use khashmir::Time;

use crate::scenario::{Expectation, Work, WorkloadPlan};

/// From the last store of a get workload to the first get: stores have ended by then.
const REST: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Lookup,
    Store,
    StoreAgain,
    Get,
}

/// So many questions, so many a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) task: Task,
    /// Where it is counted.
    pub(super) row: usize,
    /// When the first is asked, from time 0 on.
    first: Duration,
    count: usize,
    rate: f64,
    /// How many have been asked.
    asked: usize,
}

impl Series {
    /// The next question, if it is to be asked before `until`: its number, and when. It counts as asked then.
    pub(super) fn next_before(&mut self, until: Time, zero: Time) -> Option<(usize, Time)> {
        let (number, at) = (self.asked, zero + self.offset(self.asked));
        let is_due = !self.is_done() && at < until;
        self.asked += usize::from(is_due);
        is_due.then_some((number, at))
    }

    /// Has everything been asked?
    pub(super) fn is_done(&self) -> bool {
        self.asked == self.count
    }

    /// When the last is asked, from time 0 on.
    pub(super) fn end(&self) -> Duration {
        self.offset(self.count.saturating_sub(1))
    }

    fn offset(&self, number: usize) -> Duration {
        self.first + Duration::from_secs_f64(number as f64 / self.rate)
    }
}

/// Something that is counted by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    /// What must come of it.
    pub(super) expect: Expectation,
}

impl WorkloadPlan {
    /// What it counts by itself. Expectations are about what the workload is for, not about stores before it.
    pub(super) fn rows(&self) -> Vec<Row> {
        let goal = |name: &str| Row { name: self.named(name), expect: self.expect };
        let means = |name: &str| Row { name: self.named(name), expect: Expectation::default() };
        match &self.work {
            Work::Lookup { .. } => vec![goal("lookup")],
            Work::Get { .. } => vec![means("store"), goal("get")],
            Work::Survival { at, refresh, .. } => {
                let gets = at.iter().map(|age| goal(&format!("get after {}", written(*age))));
                let again = refresh.map(|_| means("store again"));
                std::iter::once(means("store")).chain(gets).chain(again).collect()
            }
            Work::Quiet { .. } => Vec::new(),
        }
    }

    /// A name after the workload's own, if it has one.
    pub(super) fn named(&self, name: &str) -> String {
        self.name.as_ref().map_or_else(|| name.to_owned(), |own| format!("{own}: {name}"))
    }

    /// What it asks, and when.
    pub(super) fn series(&self) -> Vec<Series> {
        let (start, rate) = (self.start, self.rate);
        let series = |task, row, first, count| Series { task, row, first, count, rate, asked: 0 };
        match &self.work {
            Work::Lookup { count } => vec![series(Task::Lookup, 0, start, *count)],
            Work::Get { keys, count } => {
                let stores = series(Task::Store, 0, start, *keys);
                vec![stores, series(Task::Get, 1, stores.end() + REST, *count)]
            }
            Work::Survival { keys, at, refresh } => {
                let last = at.iter().max().copied().unwrap_or_default();
                let again = refresh.iter().flat_map(|every| (1..).map(|round: u32| *every * round));
                let again = again.take_while(|age| *age < last);
                let again = again.map(|age| series(Task::StoreAgain, 1 + at.len(), start + age, *keys));
                let gets = at.iter().zip(1..).map(|(age, row)| series(Task::Get, row, start + *age, *keys));
                std::iter::once(series(Task::Store, 0, start, *keys)).chain(again).chain(gets).collect()
            }
            Work::Quiet { .. } => Vec::new(),
        }
    }
}

/// A time in the largest unit that it is a whole number of.
fn written(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(3600, "h"), (60, "m"), (1, "s")];
    let unit = units
        .into_iter()
        .find(|(size, _)| time.subsec_nanos() == 0 && seconds > 0 && seconds.is_multiple_of(*size));
    unit.map_or_else(|| format!("{time:?}"), |(size, unit)| format!("{} {unit}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    fn series(workload: &str) -> Vec<Series> {
        Scenario::parse(&format!("[[workload]]\n{workload}")).unwrap().workload[0].series()
    }

    #[test]
    fn questions_are_evenly_spaced() {
        let mut lookups = series("kind = 'lookup'\ncount = 3\nrate = 2\nstart = '10s'")[0];
        let zero = Time::from_secs(1000);
        assert_eq!(lookups.next_before(zero + Duration::from_secs(10), zero), None);
        let moments = std::iter::from_fn(|| lookups.next_before(Time::FAR_FUTURE, zero));
        let expected = [0_u64, 500, 1000].map(|millis| zero + Duration::from_millis(10_000 + millis));
        assert_eq!(moments.map(|(_, at)| at).collect::<Vec<_>>(), expected);
        assert!(lookups.is_done());
    }

    #[test]
    fn a_survival_stores_again_until_the_last_age() {
        let rounds = series("kind = 'survival'\nkeys = 5\nat = ['1h', '3h']\nrefresh = '1h'");
        let hours: Vec<_> = rounds.iter().map(|round| (round.task, round.first.as_secs() / 3600)).collect();
        let again = [(Task::StoreAgain, 1), (Task::StoreAgain, 2)];
        assert_eq!(hours, [&[(Task::Store, 0)], &again[..], &[(Task::Get, 1), (Task::Get, 3)]].concat());
    }

    #[test]
    fn ages_are_written_in_the_largest_unit_that_fits() {
        for (seconds, text) in [(3600, "1 h"), (10_800, "3 h"), (5400, "90 m"), (61, "61 s")] {
            assert_eq!(written(Duration::from_secs(seconds)), text);
        }
    }
}
