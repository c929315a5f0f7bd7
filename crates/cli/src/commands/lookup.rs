//! `khashmir lookup`: the nodes closest to a key.

use std::io;

use khashmir::{Contact, Error, Found, Id};

use crate::args::{General, LookupArgs};
use crate::client::{Client, Ended};
use crate::commands::tally;
use crate::exit::Exit;
use crate::human;
use crate::output::Output;
use crate::record::Record;
use crate::stop::Stop;

pub(crate) async fn run(args: LookupArgs, general: &General, output: &Output) -> anyhow::Result<Exit> {
    let stop = Stop::after(general.timeout)?;
    let key = stop.bound("the key", move || args.key.resolve()).await?;
    let mut settings = args.client.network.settings();
    settings.lookup.k = args.k;
    let client = Client::join(&args.client, settings, stop, output).await?;
    let what = || format!("looking up {}", human::short(&key));
    let found = client.conclude(output, what, client.node().find_node(key)).await;
    client.leave().await;
    let outcome = match found.outcome {
        // Ended before it began: there is nothing to tell.
        Err(Error::Closed) => Found::default(),
        outcome => outcome?,
    };
    Ok(summarise(key, &Ended { outcome, early: found.early }, output)?)
}

fn summarise(key: Id, found: &Ended<Found>, output: &Output) -> io::Result<Exit> {
    let Found { closest, progress, .. } = &found.outcome;
    output.text(format_args!("target {key}"))?;
    let width = closest.iter().map(|contact| contact.addr.to_string().len()).max().unwrap_or(0);
    for (rank, contact) in (1..).zip(closest) {
        let shared = key.distance(&contact.id).shared_prefix_bits();
        output.data(line(rank, contact, width, shared), &record(rank, contact, shared))?;
    }
    let (exit, result) = match found.early {
        Some(reason) => tally::early(reason),
        None if closest.is_empty() => (Exit::Deadline, "no_answer"),
        None => (Exit::Done, "found"),
    };
    let hops = human::count(progress.tally.hops, "hop");
    let text = format!("{result}: {} closest, {hops}, {}", closest.len(), tally::text(progress));
    let record = Record::summary(result).text("key", key).with("nodes", closest.len());
    output.summary(text, &tally::record(record, progress))?;
    Ok(exit)
}

fn line(rank: usize, contact: &Contact, width: usize, shared: usize) -> String {
    let (addr, bits) = (contact.addr.to_string(), human::count(shared, "bit"));
    format!("{rank:>2}  {addr:width$}  {}  shared {bits}", human::short(&contact.id))
}

fn record(rank: usize, contact: &Contact, shared: usize) -> Record {
    Record::new("node")
        .with("rank", rank)
        .text("id", contact.id)
        .text("addr", contact.addr)
        .with("shared_bits", shared)
}
