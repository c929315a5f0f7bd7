//! Serving: how many requests a node answers in a second, beside what a bare echo does over the same calls with
//! datagrams of the same lengths.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use khashmir::krpc::{Method, Query, Reply};
use khashmir::{Contact, Id};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use super::{Place, median};
use crate::asker::{Generator, Load, Tally};
use crate::corpus;
use crate::exchange::Exchange;
use crate::extent::Extent;
use crate::neighbours::{Neighbours, closest};
use crate::process::{Cpu, Program, Subject};
use crate::question::{Question, Truth};
use crate::report::{Goal, Report};
use crate::role::{NodeRole, Order, Role};
use crate::roles::pin;

const PART: &str = "serve";

/// Queries open at a time: as many as a default receive buffer surely holds.
pub(super) const WINDOW: usize = 128;

/// Sockets that ask: few, so that the generator has full batches too and is no slower than an echo.
pub(super) const SOCKETS: usize = 2;

/// Different queries, each from another node: a busy node is asked by strangers.
const ASKERS: u64 = 1024;

/// Keys that the node has values for.
const KEYS: u64 = 1024;

pub(super) const METHODS: [Method; 4] = [Method::Ping, Method::FindNode, Method::FindValue, Method::GetValue];

/// Measures every method on a node with its store on the disk.
pub(super) fn measure(extent: &Extent, place: &Place, report: &mut Report) -> Result<()> {
    let cores = Cores::choose();
    let neighbours = Neighbours::start()?;
    let mut echo = Subject::start(&Role::Echo { core: cores.subject }, Program::Plain)?;
    let node = node(cores.subject, &neighbours, place, Program::Plain)?;
    let pinned = pin(cores.asker);
    let generator = Generator::new()?;
    let mut askers = generator.askers(SOCKETS, WINDOW)?;
    report.note(PART, cores.note(node.hello.pinned && echo.hello.pinned, pinned));
    report.note(
        PART,
        format!(
            "{} contacts in the table, store on the disk; {WINDOW} queries open, {} rounds of {:?}, echo and node in turns",
            node.hello.contacts, extent.rounds, extent.span
        ),
    );
    let mut all = Vec::new();
    for method in METHODS {
        let mut question = question(method, &neighbours.contacts);
        let answers = generator.probe(&askers, &question, node.hello.addr)?;
        let length = question.learn(answers.first().context("no socket")?)?;
        echo.order(Order::Answer(length))?;
        let echoed: [Arc<dyn Exchange>; 1] = [Arc::new(question.echoed())];
        let question: [Arc<dyn Exchange>; 1] = [Arc::new(question)];
        let mut rounds = Vec::new();
        for _ in 0..extent.rounds {
            let mut run = |subject: &Subject, exchanges: &[Arc<dyn Exchange>]| {
                let load = Load { askers: &mut askers, exchanges, to: subject.hello.addr, rate: None };
                Run::of(subject, &generator, load, extent.span)
            };
            rounds.push((run(&echo, &echoed)?, run(&node, &question)?));
        }
        summarise(report, method, &rounds);
        all.extend(rounds.into_iter().flat_map(|(bare, served)| [bare, served]));
    }
    report.note(PART, surroundings(&all));
    Ok(())
}

/// What else mattered: whether the generator was quick enough, and whether the machine was quiet.
fn surroundings(runs: &[Run]) -> String {
    let lost: u64 = runs.iter().map(|run| run.tally.lost).sum();
    let most = |of: &dyn Fn(&Run) -> f64| 100.0 * runs.iter().map(of).fold(0.0, f64::max);
    let least = |of: &dyn Fn(&Run) -> f64| 100.0 * runs.iter().map(of).fold(f64::INFINITY, f64::min);
    format!(
        "lost: {lost}; a measured process used {:.0} to {:.0} % of its core and waited for it up to {:.0} %; the generator used \
         {:.0} to {:.0} % of its own, {:.0} ns for an answer",
        least(&|run| run.used),
        most(&|run| run.used),
        most(&|run| run.waited),
        least(&|run| run.asker),
        most(&|run| run.asker),
        median(runs.iter().map(|run| run.asker_cost)),
    )
}

/// A node with a full table and values for every key.
pub(super) fn node(
    core: Option<usize>,
    neighbours: &Neighbours,
    place: &Place,
    program: Program,
) -> Result<Subject> {
    let state = Some(place.store(&format!("serve-{program:?}"))?);
    let role = NodeRole { core, neighbours: neighbours.addrs(), state, keys: KEYS, large: Vec::new() };
    let node = Subject::start(&Role::Node(role), program)?;
    let (expected, found) = (neighbours.contacts.len(), node.hello.contacts);
    ensure!(found == expected, "the node took {found} of {expected} neighbours into its table");
    Ok(node)
}

/// Which cores to use: the first for what is measured, the last for the generator, if there are two.
pub(super) struct Cores {
    pub(super) subject: Option<usize>,
    pub(super) asker: Option<usize>,
}

impl Cores {
    pub(super) fn choose() -> Self {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        match (cores.first(), cores.last()) {
            (Some(first), Some(last)) if first != last => {
                Self { subject: Some(first.id), asker: Some(last.id) }
            }
            _ => Self { subject: None, asker: None },
        }
    }

    fn note(&self, subject: bool, asker: bool) -> String {
        let place = |core: Option<usize>, pinned: bool| match core {
            Some(core) if pinned => format!("pinned to core {core}"),
            _ => "NOT PINNED".to_owned(),
        };
        format!("node and echo {}, generator {}", place(self.subject, subject), place(self.asker, asker))
    }
}

/// A question of this kind, with the truth.
pub(super) fn question(method: Method, contacts: &[Contact]) -> Question {
    let mut rng = ChaCha12Rng::seed_from_u64(2);
    let mut queries = Vec::new();
    let mut truths = Vec::new();
    for number in 0..ASKERS {
        let target = Id::random(&mut rng);
        let key = number % KEYS;
        let (query, truth) = match method {
            Method::FindNode => {
                let nodes = closest(contacts, &target);
                (Query::FindNode { target }, Reply::FindNode { nodes, token: None })
            }
            Method::FindValue => {
                // On the way to a key most nodes have nothing under it.
                let nodes = closest(contacts, &target);
                (Query::FindValue { key: target }, Reply::FindValue { nodes, num: 0, values: Vec::new() })
            }
            Method::GetValue => {
                let values =
                    (0..corpus::VALUES).map(|value| Bytes::copy_from_slice(&corpus::value(key, value)));
                (
                    Query::GetValue { key: corpus::key(key), num: 0 },
                    Reply::GetValue { values: values.collect() },
                )
            }
            _ => (Query::Ping, Reply::Ping),
        };
        queries.push((Id::random(&mut rng), query));
        truths.push(truth);
    }
    Question::new(&queries, Truth::Replies(truths))
}

/// One process asked for one span.
struct Run {
    tally: Tally,
    /// CPU time for each answer, in nanoseconds.
    cost: f64,
    /// Which part of the time it waited for its core, because others used it.
    waited: f64,
    /// Which part of the time it ran.
    used: f64,
    /// Which part of its core the generator used.
    asker: f64,
    /// CPU time of the generator for each answer, in nanoseconds.
    asker_cost: f64,
}

impl Run {
    fn of(subject: &Subject, generator: &Generator, load: Load<'_>, span: Duration) -> Result<Self> {
        let clocks = || (subject.cpu().unwrap_or_default(), Cpu::own().unwrap_or_default());
        let (subject_before, own_before) = clocks();
        let tally = generator.run(&mut [load], span)?.pop().unwrap_or_default();
        let (subject_after, own_after) = clocks();
        ensure!(tally.answered > 0, "no right answer within {span:?}: {} were lost", tally.lost);
        let subject = subject_after.since(subject_before);
        let own = own_after.since(own_before);
        let share = |time: Duration| time.as_secs_f64() / tally.took.as_secs_f64();
        Ok(Self {
            cost: subject.used.as_nanos() as f64 / tally.answered as f64,
            waited: share(subject.waited),
            used: share(subject.used),
            asker: share(own.used),
            asker_cost: own.used.as_nanos() as f64 / tally.answered as f64,
            tally,
        })
    }
}

fn summarise(report: &mut Report, method: Method, rounds: &[(Run, Run)]) {
    let goal = if method == Method::Ping { 0.85 } else { 0.75 };
    let of = |value: &dyn Fn(&(Run, Run)) -> f64| median(rounds.iter().map(value));
    let mut figure = |name: &str, value: f64, unit: &str, goal| {
        report.figure(PART, &format!("{method}: {name}"), value, unit, goal);
    };
    figure("served", of(&|(_, node)| node.tally.rate()), "/s", None);
    figure("bare echo", of(&|(echo, _)| echo.tally.rate()), "/s", None);
    let ratio = of(&|(echo, node)| node.tally.rate() / echo.tally.rate());
    figure("served / bare echo", ratio, "", Some(Goal::AtLeast(goal)));
    figure("CPU for a request", of(&|(_, node)| node.cost), "ns", None);
    figure("CPU for a bare echo", of(&|(echo, _)| echo.cost), "ns", None);
    figure("CPU beyond a bare echo", of(&|(echo, node)| node.cost - echo.cost), "ns", None);
    let ratio = of(&|(echo, node)| echo.cost / node.cost);
    figure("CPU of bare echo / of a request", ratio, "", Some(Goal::AtLeast(goal)));
}
