//! The demo stops a quarter of the nodes, and starts one of them again on what it left on the disk.

use khashmir::{Id, Totals};

use super::account::{self, Account};
use super::dice::Dice;
use super::network::Network;
use super::read::{self, Tally};
use super::store::Entry;
use crate::human;
use crate::record::Record;
use crate::stopwatch::Stopwatch;

/// How often to choose anew if a choice would take a value's last copy.
const MAX_CHOICES: usize = 100;

/// A node as it was when it stopped.
#[derive(Debug)]
pub(super) struct Stopped {
    number: usize,
    id: Id,
    stored: Totals,
    contacts: usize,
}

/// Stops a quarter of the nodes. Gives the one of them to start again.
pub(super) async fn stop(
    network: &mut Network,
    entries: &[Entry],
    dice: Dice,
    account: Account<'_>,
) -> anyhow::Result<Stopped> {
    let stopwatch = Stopwatch::start();
    let count = network.running().count();
    let mut chosen = victims(count, entries, dice);
    chosen.sort_unstable();
    let mut stopped = Vec::with_capacity(chosen.len());
    for &number in &chosen {
        let node = network.node(number)?;
        let statistics = node.stats().await?;
        stopped.push(Stopped {
            number,
            id: node.id(),
            stored: statistics.stored,
            contacts: statistics.contacts,
        });
        network.stop(number).await;
    }
    let numbers: Vec<String> = chosen.iter().map(|number| (number + 1).to_string()).collect();
    let text = format!("{} of {count} nodes, without a goodbye: {}", chosen.len(), numbers.join(", "));
    let record = Record::new("step")
        .with("step", "stop")
        .with("stopped", chosen.iter().map(|n| n + 1).collect::<Vec<_>>());
    account.step("stop", &text, stopwatch.elapsed(), record)?;
    let again = dice.choose("restart", chosen, 1);
    let again = stopped.into_iter().find(|stopped| again.contains(&stopped.number));
    Ok(again.expect("a quarter of eight nodes or more is at least two"))
}

/// A quarter of the nodes, but never all that hold a value.
fn victims(count: usize, entries: &[Entry], dice: Dice) -> Vec<usize> {
    let choose = |attempt| dice.choose(&format!("stop/{attempt}"), 0..count, count / 4);
    let spares_a_copy = |victims: &Vec<usize>| {
        let mut values = entries.iter().flat_map(|entry| &entry.values);
        values.all(|stored| stored.holders.iter().any(|holder| !victims.contains(holder)))
    };
    (0..MAX_CHOICES).map(choose).find(spares_a_copy).unwrap_or_else(|| choose(0))
}

/// Starts the stopped node again and shows what it remembers.
pub(super) async fn run(
    network: &mut Network,
    entries: &[Entry],
    before: &Stopped,
    account: Account<'_>,
) -> anyhow::Result<Tally> {
    let stopwatch = Stopwatch::start();
    let node = network.restart(before.number).await?;
    let statistics = node.stats().await?;
    let contacts = statistics.contacts + statistics.unproven_contacts;
    let started = stopwatch.elapsed();
    // Nobody is named: whom it remembers must do.
    let joined = node.join(Vec::<String>::new()).await?;

    let (mut tally, mut local, mut times) = (Tally::default(), 0, Vec::new());
    for entry in entries {
        let reading = read::read(node, entry).await?;
        tally.count(&reading, entry, before.number);
        local += reading.local;
        times.push(reading.done);
    }

    let (is_same_id, stored) = (node.id() == before.id, statistics.stored);
    for (holds, what) in
        [(is_same_id, "its id"), (stored == before.stored && local as u64 == stored.values, "its values")]
    {
        if !holds {
            tally.missing.push(format!("{what}, as node {} was before it stopped", before.number + 1));
        }
    }
    let record = Record::new("step")
        .with("step", "restart")
        .with("node", before.number + 1)
        .text("id", node.id())
        .with("same_id", is_same_id)
        .with("values", stored.values)
        .with("values_before", before.stored.values)
        .with("contacts", contacts)
        .with("contacts_before", before.contacts)
        .with("join_ms", crate::record::millis(joined.elapsed))
        .with("expected", tally.expected)
        .with("found", tally.found)
        .with("local", local);
    account.step(
        "restart",
        &format!("node {} on what it left on the disk", before.number + 1),
        started,
        record,
    )?;
    let yes = |holds| if holds { "as before" } else { "NOT as before" };
    account.detail(format_args!("id        {}, {}", human::short(&node.id()), yes(is_same_id)))?;
    account.detail(format_args!("store     {}, {}", human::totals(&stored), yes(stored == before.stored)))?;
    account.detail(format_args!("contacts  {contacts} of {}", before.contacts))?;
    let took = human::duration(joined.elapsed);
    account.detail(format_args!("join      through those it remembers, in {took}"))?;
    let (found, expected) = (tally.found, tally.expected);
    let median = human::duration(account::median(times));
    account.detail(format_args!(
        "read      {found} of {expected} values, {local} of them from its own store, {median} a key (median)"
    ))?;
    Ok(tally)
}
