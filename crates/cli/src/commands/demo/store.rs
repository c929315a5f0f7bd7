//! The demo stores: ten keys, three values each, every value of a key from another node.

use std::collections::BTreeSet;
use std::time::Duration;

use khashmir::Id;

use super::account::{self, Account};
use super::dice::Dice;
use super::network::Network;
use crate::human;
use crate::record::Record;
use crate::stopwatch::Stopwatch;

const KEYS: usize = 10;
const VALUES_PER_KEY: usize = 3;

/// A key with the values that were stored under it.
#[derive(Debug)]
pub(super) struct Entry {
    /// As it is written on the command line.
    pub(super) name: String,
    pub(super) key: Id,
    pub(super) values: Vec<Stored>,
}

/// A value, and who has it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) value: String,
    /// The node that stored it.
    pub(super) author: usize,
    /// The nodes that acknowledged it, its author included if that kept a copy.
    pub(super) holders: BTreeSet<usize>,
    took: Duration,
}

impl Entry {
    pub(super) fn authors(&self) -> Vec<usize> {
        self.values.iter().map(|stored| stored.author).collect()
    }
}

pub(super) async fn run(network: &Network, dice: Dice, account: Account<'_>) -> anyhow::Result<Vec<Entry>> {
    let stopwatch = Stopwatch::start();
    let mut entries = Vec::with_capacity(KEYS);
    for number in 1..=KEYS {
        let text = format!("demo-{number:02}");
        let mut entry =
            Entry { key: Id::sha1(text.as_bytes()), name: format!("text:{text}"), values: Vec::new() };
        for author in dice.choose(&entry.name, network.running().map(|(number, _)| number), VALUES_PER_KEY) {
            entry.values.push(store(network, &entry, author).await?);
        }
        entries.push(entry);
    }
    report(network, &entries, stopwatch.elapsed(), account)?;
    Ok(entries)
}

async fn store(network: &Network, entry: &Entry, author: usize) -> anyhow::Result<Stored> {
    let value = format!("a value of {} from node {}", entry.name, author + 1);
    let outcome = network.node(author)?.store(entry.key, value.clone()).await?;
    let own = outcome.stored_here.then_some(author);
    let holders = outcome.stored.iter().filter_map(|contact| network.number(contact.id)).chain(own).collect();
    Ok(Stored { value, author, holders, took: outcome.progress.elapsed })
}

fn report(network: &Network, entries: &[Entry], took: Duration, account: Account<'_>) -> anyhow::Result<()> {
    let values = || entries.iter().flat_map(|entry| &entry.values);
    let (count, copies) = (values().count(), values().map(|stored| stored.holders.len()).sum::<usize>());
    let record = Record::new("step").with("step", "store").with("keys", entries.len()).with("values", count);
    let record = record.with("copies", copies).with("bytes_on_disk", network.size_on_disk());
    let text = format!("{count} values under {} keys, each value from another node", entries.len());
    account.step("store", &text, took, record)?;
    account.heads("key            id                   from nodes    copies      slowest")?;
    for entry in entries {
        let holders: Vec<usize> = entry.values.iter().map(|stored| stored.holders.len()).collect();
        let slowest = entry.values.iter().map(|stored| stored.took).max().unwrap_or_default();
        let text = format!(
            "{:<14} {}   {}   {}   {:>9}",
            entry.name,
            human::short(&entry.key),
            account::numbers(&entry.authors()),
            account::counts(&holders),
            human::duration(slowest)
        );
        let authors: Vec<usize> = entry.authors().iter().map(|number| number + 1).collect();
        let record = Record::new("stored").with("name", entry.name.as_str()).text("key", entry.key);
        account.row(text, &record.with("from", authors).with("copies", holders).elapsed(slowest))?;
    }
    let median = human::duration(account::median(values().map(|stored| stored.took)));
    let size = human::bytes(network.size_on_disk());
    account.detail(format_args!(
        "{copies} copies, acknowledged when on the disk ({size}); {median} a value (median)"
    ))?;
    Ok(())
}
