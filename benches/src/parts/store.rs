//! Storing: values acknowledged as durable in a second, reads alone and beside it, and one key with very many values.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use khashmir::Id;
use khashmir::krpc::{Method, Query};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use super::{Place, median, serve};
use crate::asker::{Askers, Generator, Load, Tally};
use crate::corpus;
use crate::exchange::Exchange;
use crate::extent::Extent;
use crate::process::{Program, Subject};
use crate::question::{Question, Truth};
use crate::report::{Goal, Report};
use crate::role::{NodeRole, Role};
use crate::stores::{Stores, is_stored, token};

const PART: &str = "store";

/// Who stores, each from a socket of its own.
const SENDERS: usize = 64;

/// Values that wait for their acknowledgement: half of what a node parks.
const WINDOW: usize = 8192;

/// What is to be stored in a second, and so how fast it is stored while others read.
const RATE: f64 = 50_000.0;

/// Values acknowledged that are asked for afterwards.
const ASKED_FOR: usize = 200;

/// Keys with a few values, to be read.
const KEYS: u64 = 1024;

/// A key with very many values, and one with few.
const LARGE: (u64, u64) = (1 << 20, 100_000);
const SMALL: (u64, u64) = ((1 << 20) + 1, 10);

/// Values to be got from each.
const WANTED: usize = 10;

pub(super) fn measure(extent: &Extent, place: &Place, report: &mut Report) -> Result<()> {
    let state = Some(place.store("store")?);
    let large = vec![(LARGE.0, LARGE.1.min(extent.large)), SMALL];
    let role = NodeRole { state, keys: KEYS, large, ..NodeRole::default() };
    let node = Subject::start(&Role::Node(role), Program::Plain)?;
    let mut bench = Bench::new(&node)?;
    report
        .note(PART, format!("{}; nothing pinned: node, commits and generator share all cores", place.note()));
    report.note(
        PART,
        format!(
            "{SENDERS} senders with a token each, {WINDOW} values of {} bytes unacknowledged, about 4 under a key",
            corpus::VALUE_LEN
        ),
    );
    let rate = bench.stores(extent, report)?;
    bench.reads_beside(rate.min(RATE), extent, report)?;
    bench.large_key(extent, report)
}

struct Bench<'a> {
    node: &'a Subject,
    generator: Generator,
    senders: Askers,
    stores: Vec<Arc<dyn Exchange>>,
    readers: Askers,
}

impl<'a> Bench<'a> {
    /// Gets a token for each sender.
    fn new(node: &'a Subject) -> Result<Self> {
        let generator = Generator::new()?;
        let senders = generator.askers(SENDERS, WINDOW)?;
        let readers = generator.askers(serve::SOCKETS, serve::WINDOW)?;
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let question = serve::question(Method::FindNode, &[]);
        let answers = generator.probe(&senders, &question, node.hello.addr)?;
        let stores = answers.iter().map(|answer| {
            let stores: Arc<dyn Exchange> = Arc::new(Stores::new(&Id::random(&mut rng), token(answer)?)?);
            Ok(stores)
        });
        let stores = stores.collect::<Result<_>>()?;
        Ok(Self { node, generator, senders, stores, readers })
    }

    /// Values acknowledged in a second, and proof that some of them are there.
    fn stores(&mut self, extent: &Extent, report: &mut Report) -> Result<f64> {
        let mut tallies = Vec::new();
        for _ in 0..extent.rounds {
            // Longer than elsewhere: a commit of all that waits takes a good part of a second.
            let mut run = self.run(None, Some(None), 3 * extent.span)?;
            tallies.extend(run.pop());
        }
        let lost: u64 = tallies.iter().map(|tally| tally.lost).sum();
        let refused: u64 = tallies.iter().map(|tally| tally.refused).sum();
        report
            .note(PART, format!("stores lost: {lost}, refused for too much waiting (error 201): {refused}"));
        let remembered = tallies.iter().flat_map(|tally| tally.remembered.iter().copied());
        for number in remembered.take(ASKED_FOR) {
            self.is_there(number)?;
        }
        let rate = median(tallies.iter().map(Tally::rate));
        report.figure(PART, "values acknowledged as durable", rate, "/s", Some(Goal::AtLeast(RATE)));
        Ok(rate)
    }

    fn is_there(&self, number: u64) -> Result<()> {
        let query = Query::GetValue { key: Stores::pair(number).0, num: 0 };
        let question = Question::new(&[(Id::MAX, query)], Truth::Replies(Vec::new()));
        let answers = self.generator.probe(&self.readers, &question, self.node.hello.addr)?;
        is_stored(number, answers.first().context("no reader")?)
    }

    /// Reads alone and while values are stored at `rate`, in turns.
    fn reads_beside(&mut self, rate: f64, extent: &Extent, report: &mut Report) -> Result<()> {
        for method in [Method::GetValue, Method::FindValue] {
            let mut question = serve::question(method, &[]);
            let answers = self.generator.probe(&self.readers, &question, self.node.hello.addr)?;
            question.learn(answers.first().context("no reader")?)?;
            let question: Arc<dyn Exchange> = Arc::new(question);
            let (mut alone, mut beside, mut stored) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..extent.rounds {
                alone.extend(self.run(Some(&question), None, extent.span)?.iter().map(Tally::rate));
                let both = self.run(Some(&question), Some(Some(rate)), extent.span)?;
                beside.extend(both.first().map(Tally::rate));
                stored.extend(both.last().map(Tally::rate));
            }
            let ratio = median(beside.iter().zip(&alone).map(|(beside, alone)| beside / alone));
            let mut figure = |name: &str, value: f64, unit: &str, goal| {
                report.figure(PART, &format!("{method}: {name}"), value, unit, goal);
            };
            figure("alone", median(alone), "/s", None);
            figure("while storing", median(beside), "/s", None);
            figure("values stored meanwhile", median(stored), "/s", None);
            figure("while storing / alone", ratio, "", Some(Goal::AtLeast(0.7)));
        }
        Ok(())
    }

    /// Ten values of a key with very many, and of a key with ten, in turns.
    fn large_key(&mut self, extent: &Extent, report: &mut Report) -> Result<()> {
        let mut rng = ChaCha12Rng::seed_from_u64(4);
        let large = (LARGE.0, LARGE.1.min(extent.large));
        let mut rates = Vec::new();
        let mut questions: Vec<Arc<dyn Exchange>> = Vec::new();
        for (key, of) in [large, SMALL] {
            let query = Query::GetValue { key: corpus::key(key), num: WANTED as u64 };
            let queries: Vec<_> = (0..64).map(|_| (Id::random(&mut rng), query.clone())).collect();
            let mut question = Question::new(&queries, Truth::Sample { key, of, values: WANTED });
            let answers = self.generator.probe(&self.readers, &question, self.node.hello.addr)?;
            question.learn(answers.first().context("no reader")?)?;
            questions.push(Arc::new(question));
        }
        for _ in 0..extent.rounds {
            let mut of = |question| -> Result<f64> {
                Ok(self.run(Some(question), None, extent.span)?.first().map_or(f64::NAN, Tally::rate))
            };
            rates.push((of(&questions[0])?, of(&questions[1])?));
        }
        let ratio = median(rates.iter().map(|(large, small)| large / small));
        let mut figure =
            |name: &str, value: f64, unit: &str, goal| report.figure(PART, name, value, unit, goal);
        figure(
            &format!("get_value of {WANTED}, key with {}", large.1),
            median(rates.iter().map(|(rate, _)| *rate)),
            "/s",
            None,
        );
        figure(
            &format!("get_value of {WANTED}, key with {}", SMALL.1),
            median(rates.iter().map(|(_, rate)| *rate)),
            "/s",
            None,
        );
        figure("many values / few", ratio, "", Some(Goal::AtLeast(0.8)));
        Ok(())
    }

    /// Readers, senders or both for a span; senders at a rate, if there is one.
    fn run(
        &mut self,
        question: Option<&Arc<dyn Exchange>>,
        senders: Option<Option<f64>>,
        span: Duration,
    ) -> Result<Vec<Tally>> {
        let to = self.node.hello.addr;
        let mut loads = Vec::new();
        if let Some(question) = question {
            let exchanges = std::slice::from_ref(question);
            loads.push(Load { askers: &mut self.readers, exchanges, to, rate: None });
        }
        if let Some(rate) = senders {
            loads.push(Load { askers: &mut self.senders, exchanges: &self.stores, to, rate });
        }
        let tallies = self.generator.run(&mut loads, span)?;
        ensure!(tallies.iter().all(|tally| tally.answered > 0), "no answer within {span:?}");
        Ok(tallies)
    }
}
