//! `khashmir node`: runs a node in the foreground until it is stopped.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use khashmir::{Error, Khashmir, Role, Statistics};
use tokio::time::{MissedTickBehavior, interval};

use crate::args::{General, NodeArgs};
use crate::client::not_joined;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Hosts;
use crate::human;
use crate::output::Output;
use crate::record::Record;
use crate::stop::Stop;

/// Where a node listens, if the user says nothing: the original's port.
const DEFAULT_BIND: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 9977));

/// Between two looks whether the node is still in a network: soon enough for an operator.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: NodeArgs, general: &General, output: &Output) -> anyhow::Result<Exit> {
    if general.timeout.is_some() {
        let failure = Failure::usage("--timeout makes no sense for node, which runs until it is stopped");
        return Err(failure.help("leave it out").into());
    }
    let stop = Stop::on_signals()?;
    let node = start(&args).await?;
    let served = serve(&node, &args, output, stop.reached()).await;
    let statistics = node.stats().await;
    node.shutdown().await;
    served?;
    summarise(&statistics?, output)?;
    Ok(Exit::Done)
}

async fn start(args: &NodeArgs) -> Result<Khashmir, Failure> {
    let mut settings = args.network.settings();
    settings.role = if args.read_only { Role::Read } else { Role::Write };
    let mut builder = Khashmir::builder().bind(args.bind.unwrap_or(DEFAULT_BIND)).settings(settings);
    if let Some(directory) = &args.network.state {
        builder = builder.state(directory);
    }
    builder.start().await.map_err(|error| Failure::cannot_start(&error))
}

/// Says that the node serves, and then how it fares, until it is to stop.
async fn serve(node: &Khashmir, args: &NodeArgs, output: &Output, stop: impl Future) -> anyhow::Result<()> {
    let fares = async {
        let statistics = node.stats().await?;
        announce(node, args, &statistics, output)?;
        join(node, args, &statistics, output).await?;
        watch(node, output).await
    };
    tokio::select! {
        fared = fares => fared,
        _ = stop => Ok(()),
    }
}

fn announce(
    node: &Khashmir,
    args: &NodeArgs,
    statistics: &Statistics,
    output: &Output,
) -> anyhow::Result<()> {
    let (id, addr, stored) = (node.id(), node.local_addr(), statistics.stored);
    let remembered = statistics.contacts + statistics.unproven_contacts;
    let state = args.network.state.as_ref().map(|directory| directory.display().to_string());
    let record = Record::new("ready")
        .text("id", id)
        .text("addr", addr)
        .with("state", state)
        .with("role", if args.read_only { "read" } else { "write" })
        .with("keys", stored.keys)
        .with("values", stored.values)
        .with("contacts", remembered);
    output.data(format_args!("khashmir node {id} listening on {addr}"), &record)?;
    if stored.values > 0 || remembered > 0 {
        let contacts = human::count(remembered, "contact");
        output.note(format_args!("remembered: {}, {contacts}", human::totals(&stored)));
    }
    Ok(())
}

/// Joins through whom the user names, or through whom the node remembers; alone it is a first node.
async fn join(
    node: &Khashmir,
    args: &NodeArgs,
    statistics: &Statistics,
    output: &Output,
) -> anyhow::Result<()> {
    let hosts = Hosts::resolve(&args.network.bootstrap).await;
    if hosts.0.is_empty() && statistics.contacts + statistics.unproven_contacts == 0 {
        let addr = reachable_at(node.local_addr());
        output.note(format_args!(
            "no --bootstrap: this is a first node; others join it with  --bootstrap {addr}"
        ));
        return Ok(());
    }
    match node.join(args.network.bootstrap.iter().map(ToString::to_string)).await {
        Ok(joined) => {
            let (near, took) = (human::count(joined.nearby, "node"), human::duration(joined.elapsed));
            let seen_as = joined.seen_as.map(|addr| addr.to_string());
            let record = Record::new("joined").with("nearby", joined.nearby).with("seen_as", seen_as.clone());
            output.json(&record.elapsed(joined.elapsed))?;
            let seen = seen_as.map(|addr| format!(", seen as {addr}")).unwrap_or_default();
            output.note(format_args!("joined in {took}: {near} nearby{seen}"));
        }
        Err(Error::NotJoined { outcome, .. }) => {
            let Failure { message, help, .. } = not_joined(&hosts, &outcome);
            let record =
                Record::new("not_joined").with("message", message.as_str()).with("help", help.as_deref());
            output.json(&record.elapsed(outcome.elapsed))?;
            output.note(format_args!("not joined: {message}; trying again, less and less often"));
            if let Some(help) = help {
                output.note(format_args!("  help: {help}"));
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Tells whenever the node finds or loses the network. Ends only if the node does.
async fn watch(node: &Khashmir, output: &Output) -> anyhow::Result<()> {
    let mut is_joined = node.stats().await?.is_joined;
    let mut looks = interval(WATCH_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let statistics = node.stats().await?;
        if statistics.is_joined == is_joined {
            continue;
        }
        is_joined = statistics.is_joined;
        let (kind, text) = if is_joined {
            ("joined", "joined")
        } else {
            ("alone", "alone: no node that we know answers any more")
        };
        output.json(&Record::new(kind).with("contacts", statistics.contacts))?;
        output.note(text);
    }
}

/// How others may name us.
fn reachable_at(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() { format!("ADDRESS:{}", addr.port()) } else { addr.to_string() }
}

fn summarise(statistics: &Statistics, output: &Output) -> anyhow::Result<()> {
    let Statistics { id, uptime, contacts, stored, traffic, .. } = statistics;
    let text = format!(
        "stopped after {}: {}, {}; {} datagrams in ({}), {} out ({})",
        human::duration(*uptime),
        human::totals(stored),
        human::count(*contacts, "contact"),
        traffic.datagrams_in,
        human::bytes(traffic.bytes_in),
        traffic.datagrams_out,
        human::bytes(traffic.bytes_out),
    );
    let record = Record::summary("stopped")
        .text("id", id)
        .with("keys", stored.keys)
        .with("values", stored.values)
        .with("bytes", stored.bytes)
        .with("contacts", *contacts)
        .with("datagrams_in", traffic.datagrams_in)
        .with("bytes_in", traffic.bytes_in)
        .with("datagrams_out", traffic.datagrams_out)
        .with("bytes_out", traffic.bytes_out)
        .elapsed(*uptime);
    Ok(output.summary(text, &record)?)
}
