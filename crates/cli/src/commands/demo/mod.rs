//! `khashmir demo`: a whole network in this process, and an account of what it does.

mod account;
mod dice;
mod network;
mod read;
mod restart;
mod store;

use std::cell::Cell;
use std::time::Duration;

use khashmir::Settings;

use crate::args::{DemoArgs, General};
use crate::commands::tally;
use crate::exit::Exit;
use crate::human;
use crate::output::Output;
use crate::record::Record;
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;

use self::account::Account;
use self::dice::Dice;
use self::network::Network;
use self::read::Tally;

/// How long the demo may take, if the user says nothing. It takes a few seconds; a slow disk may need longer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

pub(crate) async fn run(args: DemoArgs, general: &General, output: &Output) -> anyhow::Result<Exit> {
    let stop = Stop::after(Some(general.timeout.unwrap_or(DEFAULT_TIMEOUT)))?;
    let reached = Cell::new("start");
    tokio::select! {
        exit = show(&args, &reached, output) => exit,
        reason = stop.reached() => {
            let (exit, result) = tally::early(reason);
            let step = reached.get();
            output.failure(&reason.failure(&format!("during the step {step:?}")));
            output.json(&Record::summary(result).with("step", step))?;
            Ok(exit)
        }
    }
}

/// Runs every step, and says in `reached` which one it is at.
async fn show(args: &DemoArgs, reached: &Cell<&'static str>, output: &Output) -> anyhow::Result<Exit> {
    let (account, dice, stopwatch) = (Account::new(output), Dice { seed: args.seed }, Stopwatch::start());
    account
        .title(format_args!("A Khashmir network of {} nodes in this process, on 127.0.0.1", args.nodes))?;
    let mut network = start(args.nodes, account).await?;
    reached.set("join");
    join(&network, account).await?;
    reached.set("store");
    let entries = store::run(&network, dice, account).await?;
    reached.set("read");
    let mut tally = read::run(&network, &entries, dice, "read", account).await?;
    reached.set("stop");
    let stopped = restart::stop(&mut network, &entries, dice, account).await?;
    reached.set("read again");
    tally.add(read::run(&network, &entries, dice, "read again", account).await?);
    reached.set("restart");
    tally.add(restart::run(&mut network, &entries, &stopped, account).await?);
    network.shutdown().await;
    conclude(&tally, stopwatch.elapsed(), account)
}

async fn start(count: usize, account: Account<'_>) -> anyhow::Result<Network> {
    let stopwatch = Stopwatch::start();
    let network = Network::start(count).await?;
    let directory = network.directory().display().to_string();
    let record =
        Record::new("step").with("step", "start").with("nodes", count).with("directory", directory.as_str());
    account.step("start", &format!("{count} nodes, each on its own store"), stopwatch.elapsed(), record)?;
    account.detail(format_args!("in {directory}, which will be removed"))?;
    let (here, usual) = (network::CALL_TIMEOUT.as_secs(), Settings::default().calls.timeout.as_secs());
    account.detail(format_args!("a call gives up after {here} s here, not after {usual} s"))?;
    Ok(network)
}

async fn join(network: &Network, account: Account<'_>) -> anyhow::Result<()> {
    let stopwatch = Stopwatch::start();
    let joined = network.join().await?;
    let took = stopwatch.elapsed();
    let mut contacts = Vec::new();
    for (_, node) in network.running() {
        contacts.push(node.stats().await?.contacts);
    }
    let (least, most) = (contacts.iter().min().copied(), contacts.iter().max().copied());
    let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
    let record = Record::new("step").with("step", "join").with("joined", joined);
    let record = record.with("least_contacts", least).with("most_contacts", most);
    let text =
        format!("{joined} of {} nodes, through node 1; {least} to {most} contacts each", contacts.len());
    Ok(account.step("join", &text, took, record)?)
}

/// Every value found, or which were not.
fn conclude(tally: &Tally, took: Duration, account: Account<'_>) -> anyhow::Result<Exit> {
    let Tally { expected, found, missing } = tally;
    let is_good = missing.is_empty();
    let result = if is_good { "found" } else { "missing" };
    let record = Record::summary(result).with("expected", *expected).with("found", *found);
    let record = record.with("missing", missing.as_slice()).elapsed(took);
    for what in missing {
        account.detail(format_args!("missing: {what}"))?;
    }
    let verdict = if is_good { "Every value was found" } else { "NOT every value was found" };
    let text = format!("{verdict}: {found} of {expected}, in {}.", human::duration(took));
    account.verdict(&text, is_good, &record)?;
    Ok(if is_good { Exit::Done } else { Exit::NotFound })
}
