//! `Client`: a node that visits a network for one question and leaves. It stores nothing for others.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use khashmir::{Error, JoinFailure, JoinOutcome, Khashmir, Role, Settings};
use tokio::time::interval;

use crate::args::ClientArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::Hosts;
use crate::human;
use crate::output::Output;
use crate::stop::{Reason, Stop};
use crate::stopwatch::Stopwatch;

/// Between two drawings of the progress line: quick enough to look alive.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// A node of ours in a network, for as long as one command needs.
#[derive(Debug)]
pub(crate) struct Client {
    node: Khashmir,
    stop: Stop,
}

/// What an operation brought, and why it was ended early, if it was.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    pub(crate) outcome: T,
    pub(crate) early: Option<Reason>,
}

impl Client {
    /// Starts a node that speaks to others, but knows nobody.
    pub(crate) async fn start(bind: SocketAddr, stop: Stop) -> anyhow::Result<Self> {
        Ok(Self { node: start(bind, None, Settings::default()).await?, stop })
    }

    /// Starts a node and joins the network that the user names.
    pub(crate) async fn join(
        args: &ClientArgs,
        mut settings: Settings,
        stop: Stop,
        output: &Output,
    ) -> anyhow::Result<Self> {
        if args.network.bootstrap.is_empty() && args.network.state.is_none() {
            return Err(no_network().into());
        }
        let hosts = tokio::select! {
            hosts = Hosts::resolve(&args.network.bootstrap) => hosts,
            reason = stop.reached() => return Err(too_late(reason, "no bootstrap name could be resolved in time").into()),
        };
        // Whom the user names may be spoken to, wherever that is.
        settings.scope = settings.scope.or(hosts.scope());
        let ip = if hosts.are_local() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        let bind = args.bind.unwrap_or_else(|| SocketAddr::from((ip, 0)));
        let client = Self { node: start(bind, args.network.state.as_deref(), settings).await?, stop };
        match client.find_network(&hosts, output).await {
            Ok(()) => Ok(client),
            Err(error) => {
                client.leave().await;
                Err(error)
            }
        }
    }

    async fn find_network(&self, hosts: &Hosts, output: &Output) -> anyhow::Result<()> {
        let joining = self.node.join(hosts.0.iter().map(|(host, _)| host.to_string()));
        let joined = self.conclude(output, || "joining".to_owned(), joining).await;
        match (joined.early, joined.outcome) {
            (None, Ok(outcome)) => {
                tracing::info!(nearby = outcome.nearby, elapsed = ?outcome.elapsed, "joined");
                Ok(())
            }
            (Some(Reason::Deadline), Ok(_)) => Err(cut_short().into()),
            (early @ (None | Some(Reason::Deadline)), Err(Error::NotJoined { outcome, .. })) => {
                Err(unjoined(early.is_some(), hosts, &outcome).into())
            }
            (Some(reason), _) => {
                Err(too_late(reason, "the deadline passed before a network was found").into())
            }
            (None, Err(error)) => Err(error.into()),
        }
    }

    /// The node.
    pub(crate) fn node(&self) -> &Khashmir {
        &self.node
    }

    /// Waits for an operation. At the deadline or on a signal the node ends, and with it every operation, each with
    /// what it has. Meanwhile `what` is said on the progress line.
    pub(crate) async fn conclude<T>(
        &self,
        output: &Output,
        what: impl Fn() -> String,
        operation: impl Future<Output = T>,
    ) -> Ended<T> {
        let mut operation = pin!(operation);
        let mut ticks = interval(PROGRESS_INTERVAL);
        let stopwatch = Stopwatch::start();
        let early = loop {
            tokio::select! {
                biased;
                outcome = &mut operation => {
                    output.clear();
                    return Ended { outcome, early: None };
                }
                reason = self.stop.reached() => break reason,
                _ = ticks.tick(), if output.is_live() => self.draw(output, &what(), stopwatch).await,
            }
        };
        output.clear();
        let (outcome, ()) = tokio::join!(operation, self.node.clone().shutdown());
        Ended { outcome, early: Some(early) }
    }

    /// Leaves the network.
    pub(crate) async fn leave(self) {
        self.node.shutdown().await;
    }

    async fn draw(&self, output: &Output, what: &str, stopwatch: Stopwatch) {
        const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
        let Ok(statistics) = self.node.stats().await else { return };
        let calls = khashmir::Method::ALL.iter().map(|method| *statistics.traffic.of(*method));
        let (asked, answered) =
            calls.fold((0, 0), |(asked, answered), calls| (asked + calls.sent, answered + calls.answered));
        let elapsed = stopwatch.elapsed();
        let frame = FRAMES[(elapsed.as_millis() / PROGRESS_INTERVAL.as_millis()) as usize % FRAMES.len()];
        output.progress(format_args!(
            "{frame} {what}  asked {asked}, answered {answered}, {}",
            human::duration(elapsed)
        ));
    }
}

/// Starts a node that does nothing for others, as it will be gone in a moment.
async fn start(bind: SocketAddr, state: Option<&Path>, mut settings: Settings) -> Result<Khashmir, Failure> {
    settings.role = Role::Client;
    let mut builder = Khashmir::builder().bind(bind).settings(settings);
    if let Some(directory) = state {
        builder = builder.state(directory);
    }
    let node = builder.start().await.map_err(|error| Failure::cannot_start(&error))?;
    tracing::info!(id = %node.id(), addr = %node.local_addr(), "a node for this command only has started");
    Ok(node)
}

/// The command ended before there was a network to speak to.
fn too_late(reason: Reason, deadline: &str) -> Failure {
    match reason {
        Reason::Interrupted => Failure::new(Exit::Interrupted, "E_INTERRUPTED", "interrupted before joining"),
        Reason::Deadline => {
            Failure::new(Exit::NotJoined, "E_NOT_JOINED", deadline).help("allow more time with --timeout")
        }
    }
}

/// There is a network, but no time left to join it.
fn cut_short() -> Failure {
    Failure::new(Exit::Deadline, "E_DEADLINE", "the deadline passed while joining")
        .help("allow more time with --timeout")
}

/// Why there was no joining. Who has answered was not lost: there was no time to go on from there.
fn unjoined(is_late: bool, hosts: &Hosts, outcome: &JoinOutcome) -> Failure {
    if is_late && !outcome.answered.is_empty() { cut_short() } else { not_joined(hosts, outcome) }
}

/// No network is named.
fn no_network() -> Failure {
    Failure::new(
        Exit::Usage,
        "E_NO_BOOTSTRAP",
        "no network is named: neither --bootstrap nor --state is given",
    )
    .help("name a node of it, as in --bootstrap boot.example.org:9977, or set KHASHMIR_BOOTSTRAP")
}

/// Nobody has answered; for each host, why.
pub(crate) fn not_joined(hosts: &Hosts, outcome: &JoinOutcome) -> Failure {
    let failure = |reason: String| Failure::new(Exit::NotJoined, "E_NOT_JOINED", reason);
    if hosts.0.is_empty() {
        return failure("nobody that the state directory remembers answered".to_owned()).help(
            "name a node of the network with --bootstrap; for a network of your own add --allow-private",
        );
    }
    let waited = human::duration(outcome.elapsed);
    let reasons: Vec<String> = hosts
        .0
        .iter()
        .map(|(host, addrs)| match addrs {
            Err(error) => format!("{host}: {error}"),
            Ok(addrs) => format!("{host}: {}", reason(addrs, outcome, &waited)),
        })
        .collect();
    failure(format!("no bootstrap node answered ({})", reasons.join(", "))).help(advice(hosts, outcome))
}

/// Why the host behind `addrs` is of no use.
fn reason(addrs: &[SocketAddr], outcome: &JoinOutcome, waited: &str) -> String {
    let failed = outcome.failed.iter().find(|(addr, _)| addrs.contains(addr));
    match failed {
        Some((_, failure)) if !is_silence(failure) => failure.to_string(),
        _ if outcome.answered.iter().any(|contact| addrs.contains(&contact.addr)) => {
            "answered, but it was not found again".to_owned()
        }
        _ => format!("no answer within {waited}"),
    }
}

fn is_silence(failure: &JoinFailure) -> bool {
    use khashmir::Failure::{Stopped, Timeout};
    matches!(failure, JoinFailure::Call(Timeout | Stopped))
}

fn advice(hosts: &Hosts, outcome: &JoinOutcome) -> String {
    if outcome.failed.iter().any(|(_, failure)| *failure == JoinFailure::OutOfScope) {
        let bind = if hosts.are_local() { "127.0.0.1:9977" } else { "with this machine's address there" };
        return format!("for a network of your own, use --bind {bind}, or --allow-private");
    }
    match hosts.0.iter().find(|(_, addrs)| addrs.is_ok()) {
        Some((host, _)) => format!("is its UDP port open, here and there? try  khashmir ping {host}"),
        None => "check the name, and whether this machine is online".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use khashmir::{Contact, Id};

    use super::*;

    #[test]
    fn a_deadline_after_an_answer_is_a_deadline_and_nothing_else() {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let hosts = Hosts(vec![("127.0.0.1:9".parse().unwrap(), Ok(vec![addr]))]);
        let contact = Contact { id: Id::sha1(b"somebody"), addr };
        let answered = JoinOutcome { answered: vec![contact], ..JoinOutcome::default() };
        let code = |is_late, outcome| unjoined(is_late, &hosts, outcome).code;
        assert_eq!(code(true, &answered), "E_DEADLINE");
        assert_eq!(code(false, &answered), "E_NOT_JOINED");
        assert_eq!(code(true, &JoinOutcome::default()), "E_NOT_JOINED");
    }
}
