//! `khashmir put`: stores one value under a key.

use std::io;

use khashmir::{Error, Id, StoreOutcome};

use crate::args::{General, PutArgs};
use crate::client::{Client, Ended};
use crate::commands::tally;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::human;
use crate::output::Output;
use crate::record::{Record, millis};
use crate::stop::Stop;
use crate::value;

pub(crate) async fn run(args: PutArgs, general: &General, output: &Output) -> anyhow::Result<Exit> {
    let stop = Stop::after(general.timeout)?;
    let key = stop.bound("the key", move || args.key.resolve()).await?;
    let value = stop.bound("the value", move || value::read(args.value, args.file.as_deref())).await?;
    let client = Client::join(&args.client, args.client.network.settings(), stop, output).await?;
    let what = || format!("storing {}", human::short(&key));
    let stored = client.conclude(output, what, client.node().store(key, value)).await;
    client.leave().await;
    let outcome = match stored.outcome {
        // Ended before it began: there is nothing to tell.
        Err(Error::Closed) => StoreOutcome::default(),
        outcome => outcome?,
    };
    Ok(summarise(key, args.min_stored, &Ended { outcome, early: stored.early }, output)?)
}

fn summarise(key: Id, min_stored: usize, put: &Ended<StoreOutcome>, output: &Output) -> io::Result<Exit> {
    let Ended { outcome, early } = put;
    let stored = outcome.stored.len();
    let asked = stored + outcome.refused + outcome.timed_out;
    let (exit, result) = match early {
        Some(reason) => tally::early(*reason),
        None if stored < min_stored => (Exit::UnderStored, "under_stored"),
        None => (Exit::Done, "stored"),
    };
    let expires = khashmir::Settings::default().key_expire;
    if stored > 0 {
        output.text(format_args!(
            "stored  {}  on {stored} of {} in {}  (expires in {})",
            human::short(&key),
            human::count(asked, "node"),
            human::duration(outcome.progress.elapsed),
            human::duration(expires)
        ))?;
    }
    if exit != Exit::Done {
        output.failure(&failure(exit, min_stored, outcome));
    }
    let nodes: Vec<String> = outcome.stored.iter().map(|contact| contact.addr.to_string()).collect();
    let record = Record::summary(result)
        .text("key", key)
        .with("stored", stored)
        .with("asked", asked)
        .with("nodes", nodes)
        .with("expires_ms", millis(expires));
    output.json(&tally::record(record, &outcome.progress))?;
    Ok(exit)
}

fn failure(exit: Exit, min_stored: usize, outcome: &StoreOutcome) -> Failure {
    let StoreOutcome { stored, refused, timed_out, .. } = outcome;
    let acknowledged = human::count(stored.len(), "node");
    let reason =
        format!("{acknowledged} acknowledged the value, {refused} refused it, {timed_out} did not answer");
    match exit {
        Exit::Interrupted => Failure::new(exit, "E_INTERRUPTED", format!("interrupted: so far {reason}")),
        Exit::Deadline => Failure::new(exit, "E_DEADLINE", format!("the deadline passed: so far {reason}"))
            .help("allow more time with --timeout"),
        _ if stored.is_empty() && refused + timed_out == 0 => {
            Failure::new(exit, "E_UNDER_STORED", "no node was found that could store the value")
                .help("the network may have no node that stores for others; see  khashmir lookup")
        }
        _ => Failure::new(exit, "E_UNDER_STORED", format!("{reason}; wanted were {min_stored}")).help(
            if *refused > 0 {
                "a node refuses what it has no room for, until older values expire; storing again later does no harm"
            } else {
                "try again in a moment: storing twice does no harm"
            },
        ),
    }
}
