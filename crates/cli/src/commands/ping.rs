//! `khashmir ping`: asks nodes for a sign of life.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use khashmir::{Error, Failure, Khashmir, Pong};

use crate::args::{General, PingArgs};
use crate::client::{Client, Ended};
use crate::commands::tally;
use crate::exit::Exit;
use crate::failure::Failure as CommandFailure;
use crate::host::Host;
use crate::human;
use crate::output::Output;
use crate::record::Record;
use crate::stop::Stop;
use crate::stopwatch::Stopwatch;

pub(crate) async fn run(args: PingArgs, general: &General, output: &Output) -> anyhow::Result<Exit> {
    let client = Client::start(args.bind, Stop::after(general.timeout)?).await?;
    let pings = async {
        let pings = args.hosts.iter().map(|host| ping(client.node(), host, args.count, output));
        let mut pings: FuturesUnordered<_> = pings.collect();
        let mut pinged = Vec::with_capacity(args.hosts.len());
        while let Some(host) = pings.next().await {
            pinged.push(host?);
        }
        io::Result::Ok(pinged)
    };
    let ended = client.conclude(output, || "pinging".to_owned(), pings).await;
    client.leave().await;
    Ok(summarise(&Ended { outcome: ended.outcome?, early: ended.early }, output)?)
}

/// What came of the pings to one host.
#[derive(Debug, Default)]
struct Pinged {
    sent: usize,
    rtts: Vec<Duration>,
}

async fn ping(node: &Khashmir, host: &Host, count: usize, output: &Output) -> io::Result<Pinged> {
    let mut pinged = Pinged::default();
    let addr = match host.resolve().await.map(|addrs| addrs.first().copied()) {
        Ok(Some(addr)) => addr,
        Ok(None) => return Ok(pinged),
        Err(reason) => {
            output.failure(
                &CommandFailure::new(Exit::Deadline, "E_RESOLVE", format!("cannot resolve {host}: {reason}"))
                    .help("check the name, and whether this machine is online"),
            );
            output.json(&silence(host, None, &reason))?;
            return Ok(pinged);
        }
    };
    for _ in 0..count {
        let stopwatch = Stopwatch::start();
        pinged.sent += 1;
        match node.ping(addr).await {
            Ok(pong) => {
                print_pong(host, &pong, output)?;
                pinged.rtts.push(pong.rtt);
            }
            Err(Error::NoAnswer { failure, .. }) => {
                let failure = if failure == Failure::Stopped { Failure::Timeout } else { failure };
                let reason = format!("{failure} after {}", human::duration(stopwatch.elapsed()));
                print_silence(host, addr, &reason, output)?;
            }
            // The command is over: this one was never sent.
            Err(_) => {
                pinged.sent -= 1;
                break;
            }
        }
    }
    Ok(pinged)
}

fn print_pong(host: &Host, pong: &Pong, output: &Output) -> io::Result<()> {
    let Pong { contact, rtt } = pong;
    let text = format!("{}  {}  {}", named(host, contact.addr), contact.id, human::duration(*rtt));
    let record = Record::new("pong").text("host", host).text("addr", contact.addr).text("id", contact.id);
    output.data(text, &record.with("rtt_ms", fine_millis(*rtt)))
}

fn print_silence(host: &Host, addr: SocketAddr, reason: &str, output: &Output) -> io::Result<()> {
    output.data(format!("{}  {reason}", named(host, addr)), &silence(host, Some(addr), reason))
}

fn silence(host: &Host, addr: Option<SocketAddr>, reason: &str) -> Record {
    let record = Record::new("no_pong").text("host", host).with("addr", addr.map(|addr| addr.to_string()));
    record.with("reason", reason)
}

/// The host as the user wrote it, and its address if that says more.
fn named(host: &Host, addr: SocketAddr) -> String {
    let (host, addr) = (host.to_string(), addr.to_string());
    if addr == host { host } else { format!("{host} ({addr})") }
}

/// Milliseconds to the microsecond: on a local network a round trip takes less than one.
fn fine_millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn summarise(pinged: &Ended<Vec<Pinged>>, output: &Output) -> io::Result<Exit> {
    let hosts = &pinged.outcome;
    let silent = hosts.iter().filter(|host| host.rtts.is_empty()).count();
    let (exit, result) = match pinged.early {
        Some(reason) => tally::early(reason),
        None if silent > 0 => (Exit::Deadline, "no_answer"),
        None => (Exit::Done, "answered"),
    };
    let sent: usize = hosts.iter().map(|host| host.sent).sum();
    let rtts: Vec<Duration> = hosts.iter().flat_map(|host| host.rtts.iter().copied()).collect();
    let mean = rtts.iter().sum::<Duration>().checked_div(u32::try_from(rtts.len()).unwrap_or(u32::MAX));
    let (least, most) = (rtts.iter().min().copied(), rtts.iter().max().copied());
    if sent > 1 || exit != Exit::Done {
        let spread = match (least, mean, most) {
            (Some(least), Some(mean), Some(most)) => {
                let [least, mean, most] = [least, mean, most].map(human::duration);
                format!("; round trip {least} at least, {mean} on average, {most} at most")
            }
            _ => String::new(),
        };
        output.note(format_args!("{}, {} answered{spread}", human::count(sent, "ping"), rtts.len()));
    }
    let record = Record::summary(result)
        .with("sent", sent)
        .with("answered", rtts.len())
        .with("silent_hosts", silent)
        .with("min_ms", least.map(fine_millis))
        .with("mean_ms", mean.map(fine_millis))
        .with("max_ms", most.map(fine_millis));
    output.json(&record)?;
    Ok(exit)
}
