//! `khashmir get`: the values under a key, printed as they arrive.

use std::cell::Cell;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use khashmir::{Error, Get, GetOutcome, Id, Source, Value};

use crate::args::{General, GetArgs};
use crate::client::{Client, Ended};
use crate::commands::tally;
use crate::exit::Exit;
use crate::human;
use crate::output::Output;
use crate::record::Record;
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;

pub(crate) async fn run(args: GetArgs, general: &General, output: &Output) -> anyhow::Result<Exit> {
    let stop = Stop::after(general.timeout)?;
    let key = stop.bound("the key", move || args.key.resolve()).await?;
    let mut settings = args.client.network.settings();
    if let Some(values) = args.values {
        settings.retrieve_values = khashmir::Wanted { values: Some(values), nodes: None };
    }
    let client = Client::join(&args.client, settings, stop, output).await?;
    let printer = Printer { key, output, limit: args.values.unwrap_or(usize::MAX), printed: Cell::new(0) };
    let what = || format!("{}  {}", human::short(&key), human::count(printer.printed.get(), "value"));
    let got = client.conclude(output, what, printer.print(client.node().get(key))).await;
    client.leave().await;
    let outcome = match got.outcome? {
        // Ended before it began: there is nothing to tell.
        Err(Error::Closed) => GetOutcome::default(),
        outcome => outcome?,
    };
    Ok(summarise(&printer, &Ended { outcome, early: got.early })?)
}

/// Prints values, up to a limit.
struct Printer<'a> {
    key: Id,
    output: &'a Output,
    limit: usize,
    printed: Cell<usize>,
}

impl Printer<'_> {
    /// Prints what arrives, then says how it went.
    async fn print(&self, mut get: Get) -> io::Result<Result<GetOutcome, Error>> {
        let stopwatch = Stopwatch::start();
        while let Some(value) = get.next().await {
            // The last node may send more than was asked for.
            if self.printed.get() < self.limit {
                self.value(&value, stopwatch)?;
                self.printed.update(|printed| printed + 1);
            }
        }
        Ok(get.outcome().await)
    }

    fn value(&self, value: &Value, stopwatch: Stopwatch) -> io::Result<()> {
        if !self.output.is_json() {
            let is_seen = self.output.is_terminal();
            return if is_seen {
                self.output.text(human::printable(&value.data))
            } else {
                self.output.raw(&value.data)
            };
        }
        let (source, from) = match value.source {
            Source::Local => ("local", vec![]),
            Source::Node(contact) => ("network", vec![contact.addr.to_string()]),
        };
        let record = Record::new("value")
            .text("key", self.key)
            .with("value_base64", STANDARD.encode(&value.data))
            .with("text", std::str::from_utf8(&value.data).ok())
            .with("from", from)
            .with("source", source)
            .elapsed(stopwatch.elapsed());
        self.output.json(&record)
    }
}

fn summarise(printer: &Printer<'_>, got: &Ended<GetOutcome>) -> io::Result<Exit> {
    let Printer { key, output, printed, .. } = printer;
    let (printed, progress) = (printed.get(), &got.outcome.progress);
    let answered = progress.tally.answered;
    let (exit, result) = match got.early {
        Some(reason) => tally::early(reason),
        None if printed > 0 => (Exit::Done, "found"),
        None if answered > 0 => (Exit::NotFound, "not_found"),
        None => (Exit::Deadline, "no_answer"),
    };
    let (id, asked) = (human::short(key), tally::text(progress));
    let text = match result {
        "found" => format!("{} under {id}: {asked}", human::count(printed, "value")),
        "not_found" => {
            let nodes = human::count(progress.tally.asked, "node");
            format!("not found: {nodes} asked, {answered} answered, none has {id}")
        }
        "no_answer" => format!("no answer: {asked}"),
        early => format!("{early}: {} under {id} so far: {asked}", human::count(printed, "value")),
    };
    let record = Record::summary(result).text("key", key).with("values", printed);
    output.summary(text, &tally::record(record, progress))?;
    Ok(exit)
}
