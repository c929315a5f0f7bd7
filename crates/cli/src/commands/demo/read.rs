//! The demo reads: each key from three nodes that did not store it, all at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use khashmir::{Khashmir, Source};

use super::account::{self, Account};
use super::dice::Dice;
use super::network::Network;
use super::store::Entry;
use crate::human;
use crate::record::Record;
use crate::stopwatch::Stopwatch;

const READERS_PER_KEY: usize = 3;

/// What was looked for, and what of it was found.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) expected: usize,
    pub(super) found: usize,
    /// What was not found, and by whom.
    pub(super) missing: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.expected += other.expected;
        self.found += other.found;
        self.missing.extend(other.missing);
    }

    /// Counts one reading of a key by a node.
    pub(super) fn count(&mut self, reading: &Reading, entry: &Entry, reader: usize) {
        self.expected += entry.values.len();
        self.found += entry.values.len() - reading.missing.len();
        self.missing
            .extend(reading.missing.iter().map(|value| format!("{value:?}, read by node {}", reader + 1)));
    }
}

/// What one node found under one key.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) missing: Vec<String>,
    /// Values from its own store.
    pub(super) local: usize,
    /// Until the last value was there.
    pub(super) last_value: Duration,
    /// Until it was clear that there are no more.
    pub(super) done: Duration,
}

/// Reads all values of a key.
pub(super) async fn read(node: &Khashmir, entry: &Entry) -> anyhow::Result<Reading> {
    let stopwatch = Stopwatch::start();
    let (mut values, mut local, mut last_value) = (BTreeSet::new(), 0, Duration::ZERO);
    let mut get = node.get(entry.key);
    while let Some(value) = get.next().await {
        last_value = stopwatch.elapsed();
        local += usize::from(value.source == Source::Local);
        values.insert(value.data.to_vec());
    }
    get.outcome().await?;
    let missing = entry.values.iter().filter(|stored| !values.contains(stored.value.as_bytes()));
    let missing = missing.map(|stored| stored.value.clone()).collect();
    Ok(Reading { missing, local, last_value, done: stopwatch.elapsed() })
}

pub(super) async fn run(
    network: &Network,
    entries: &[Entry],
    dice: Dice,
    step: &'static str,
    account: Account<'_>,
) -> anyhow::Result<Tally> {
    let stopwatch = Stopwatch::start();
    let mut readings = FuturesOrdered::new();
    for entry in entries {
        for reader in readers(network, entry, dice, step) {
            let node = network.node(reader)?;
            readings.push_back(async move { anyhow::Ok((reader, read(node, entry).await?)) });
        }
    }
    let mut all = Vec::new();
    while let Some(reading) = readings.next().await {
        all.push(reading?);
    }
    report(step, entries, &all, stopwatch.elapsed(), account)
}

/// Who reads a key: nodes that run and did not store anything under it.
fn readers(network: &Network, entry: &Entry, dice: Dice, step: &str) -> Vec<usize> {
    let authors = entry.authors();
    let others = network.running().map(|(number, _)| number).filter(|number| !authors.contains(number));
    dice.choose(&format!("{step}/{}", entry.name), others, READERS_PER_KEY)
}

fn report(
    step: &'static str,
    entries: &[Entry],
    readings: &[(usize, Reading)],
    took: Duration,
    account: Account<'_>,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let by_key = || entries.iter().zip(readings.chunks(READERS_PER_KEY));
    for (entry, readings) in by_key() {
        readings.iter().for_each(|(reader, reading)| tally.count(reading, entry, *reader));
    }
    let record =
        Record::new("step").with("step", step).with("expected", tally.expected).with("found", tally.found);
    let text =
        format!("each key from {READERS_PER_KEY} others: {} of {} values found", tally.found, tally.expected);
    account.step(step, &text, took, record)?;
    account.heads("key            read by       values     all there      done")?;
    for (entry, readings) in by_key() {
        row(entry, readings, account)?;
    }
    let median = |time: fn(&Reading) -> Duration| {
        human::duration(account::median(readings.iter().map(|(_, reading)| time(reading))))
    };
    let (last, done) = (median(|reading| reading.last_value), median(|reading| reading.done));
    account.detail(format_args!(
        "the last value was there after {last}, the search over after {done} (median)"
    ))?;
    Ok(tally)
}

fn row(entry: &Entry, readings: &[(usize, Reading)], account: Account<'_>) -> anyhow::Result<()> {
    let readers: Vec<usize> = readings.iter().map(|(reader, _)| *reader).collect();
    let found: Vec<usize> =
        readings.iter().map(|(_, reading)| entry.values.len() - reading.missing.len()).collect();
    let last_value = readings.iter().map(|(_, reading)| reading.last_value).max().unwrap_or_default();
    let done = readings.iter().map(|(_, reading)| reading.done).max().unwrap_or_default();
    let text = format!(
        "{:<14} {}   {}   {:>9} {:>9}",
        entry.name,
        account::numbers(&readers),
        account::counts(&found),
        human::duration(last_value),
        human::duration(done)
    );
    let readers: Vec<usize> = readers.iter().map(|number| number + 1).collect();
    let record =
        Record::new("read").with("name", entry.name.as_str()).text("key", entry.key).with("by", readers);
    let record = record.with("found", found).with("last_value_ms", crate::record::millis(last_value));
    Ok(account.row(text, &record.elapsed(done))?)
}
