//! `Scenario`: an experiment as plain data, read from TOML. Runs nothing, reads no files.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use khashmir::SettingsError;
use serde::Deserialize;

use crate::{Delay, Links, Matrix};

mod adversary;
mod churn;
mod engine;
mod error;
mod links;
mod read;
mod workload;

pub use adversary::AdversaryPlan;
pub use churn::{ChurnPlan, ClockPlan, CutPlan, Disturbance, EventPlan, Lifetime};
pub use engine::{EnginePlan, Preset};
pub use error::ScenarioError;
pub use links::{DelayPlan, LinkPlan, NatPlan};
pub use workload::{Expectation, Work, WorkloadPlan};

/// An experiment: a network, what befalls it, and what is asked of it. [`Run`](crate::Run) carries it out.
///
/// Times in it are texts such as `"150ms"`, `"60s"`, `"15m"`, `"2.5h"`, `"1d"`; shares are 0 to 1. Everything may be
/// left out: the rest is 100 nodes that nobody asks anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// What it shows, in one line.
    pub about: String,
    /// Hosts, those included that are off. Adversaries are among them.
    pub nodes: usize,
    /// Hosts that never leave, are reached by all and are honest; newcomers ask three of them. Default: one in
    /// 10,000 nodes, but at least 3.
    pub bootstrap: Option<usize>,
    /// The run lasts so long after time 0, or longer if there is something left to do.
    #[serde(deserialize_with = "read::time")]
    pub duration: Duration,
    /// How the network comes to be.
    pub start: StartPlan,
    /// Settings of the engines.
    pub engine: EnginePlan,
    /// How datagrams travel.
    pub links: LinkPlan,
    /// Who cannot be reached by everybody.
    pub nat: NatPlan,
    /// Hosts that come and go.
    pub churn: Option<ChurnPlan>,
    /// Clocks that are wrong.
    pub clocks: ClockPlan,
    /// Who is not honest.
    pub adversaries: Vec<AdversaryPlan>,
    /// What happens to many hosts at once.
    pub events: Vec<EventPlan>,
    /// What is asked.
    pub workload: Vec<WorkloadPlan>,
    /// What the file that `links.delay` names holds.
    #[serde(skip)]
    matrix: Option<Arc<Matrix>>,
}

/// The table `[start]`: how the network comes to be, before time 0.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StartPlan {
    /// How.
    pub kind: StartKind,
    /// Nodes that join each second, if they join.
    #[serde(deserialize_with = "read::rate")]
    pub join_rate: f64,
    /// How long the network is left alone then. Default: 2 minutes after joins, nothing after a quick start.
    #[serde(deserialize_with = "read::maybe_time")]
    pub settle: Option<Duration>,
    /// The share of hosts that is switched off after that, for good, so that tables hold that share of dead entries
    /// at time 0.
    #[serde(deserialize_with = "read::share")]
    pub dead: f64,
}

/// How the network comes to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// Every node really joins, through random earlier ones.
    #[default]
    Join,
    /// Tables are filled as a settled network would have them: see [`World::quick_start`](crate::World::quick_start).
    Quick,
}

impl Default for StartPlan {
    fn default() -> Self {
        Self { kind: StartKind::default(), join_rate: 100.0, settle: None, dead: 0.0 }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            about: String::new(),
            nodes: 100,
            bootstrap: None,
            duration: Duration::ZERO,
            start: StartPlan::default(),
            engine: EnginePlan::default(),
            links: LinkPlan::default(),
            nat: NatPlan::default(),
            churn: None,
            clocks: ClockPlan::default(),
            adversaries: Vec::new(),
            events: Vec::new(),
            workload: Vec::new(),
            matrix: None,
        }
    }
}

/// As long as nobody asks for it, a network that has just joined is left alone for this time.
const SETTLE: Duration = Duration::from_secs(120);

/// Most hosts of a scenario: ten times what fits the machines this was made for.
const MAX_NODES: usize = 10_000_000;

impl Scenario {
    /// Reads a scenario, and [validates](Self::validate) it.
    ///
    /// ```
    /// let scenario = khashmir_sim::Scenario::parse(
    ///     r#"
    ///     about = "a tenth of all datagrams is lost"
    ///     nodes = 50
    ///     links = { delay = "20ms", loss = 0.1 }
    ///     [[workload]]
    ///     kind = "get"
    ///     keys = 10
    ///     count = 50
    ///     "#,
    /// )?;
    /// let report = khashmir_sim::Run::new(scenario, 7, None, 1)?.finish(&mut |_| {});
    /// assert_eq!(report.failure(), None);
    /// let gets = report.operations.iter().find(|row| row.name == "get").expect("it was asked for");
    /// assert!(gets.asked == 50 && gets.success > 0.9, "{report}");
    ///
    /// let error = khashmir_sim::Scenario::parse("[links]\nloss = 10").unwrap_err();
    /// assert_eq!(error.to_string(), "line 2, `loss = 10`: a share is 0 to 1, not 10");
    /// # Ok::<(), khashmir_sim::ScenarioError>(())
    /// ```
    ///
    /// # Errors
    /// Says which line is wrong, why, and what would do.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let (line, place) = line_at(text, error.span().unwrap_or_default());
            ScenarioError::Line { line, text: place.to_owned(), reason: error.message().to_owned() }
        })?;
        scenario.validate().map_err(|error| with_line(error, text))?;
        Ok(scenario)
    }

    /// Checks what the values say together. Each by itself was checked when it was read.
    ///
    /// # Errors
    /// Names the first key that cannot be so, and says what would do.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        let bootstrap = self.bootstrap();
        let hostile: f64 = self.adversaries.iter().map(|plan| plan.share).sum();
        let rules = [
            ("nodes", (1..=MAX_NODES).contains(&self.nodes), "must be 1 to 10,000,000"),
            ("bootstrap", (1..=self.nodes).contains(&bootstrap), "must be 1 to the number of nodes"),
            ("adversaries", hostile <= 1.0, "the shares together must not be more than 1"),
            ("nat", self.nat.total() <= 1.0, "the shares together must not be more than 1"),
            ("clocks.ppm", self.clocks.ppm <= 10_000, "must be 0 to 10000"),
        ];
        if let Some((key, _, reason)) = rules.into_iter().find(|(_, holds, _)| !holds) {
            return Err(value_error(key, reason));
        }
        if let Some(churn) = &self.churn {
            let lifetimes = [("churn.sessions", Some(churn.sessions)), ("churn.pauses", churn.pauses)];
            let faults = lifetimes.into_iter().filter_map(|(key, lifetime)| Some((key, lifetime?.fault()?)));
            faults.map(|(key, reason)| Err(value_error(key, reason))).next().unwrap_or(Ok(()))?;
        }
        self.engine.settings().validate().map_err(|error| match error {
            SettingsError::Value { name, reason } => {
                let (_, key) = name.rsplit_once('.').unwrap_or(("", name));
                value_error(&format!("engine.{key}"), reason)
            }
            other => value_error("engine", &other.to_string()),
        })
    }

    /// The file of round trips between sites that it wants to be handed, if it wants one.
    #[must_use]
    pub fn matrix_file(&self) -> Option<&str> {
        match &self.links.delay {
            DelayPlan::Matrix { file } => Some(file),
            _ => None,
        }
    }

    /// Hands in what that file holds.
    ///
    /// # Errors
    /// If it is not a square of round trips.
    pub fn set_matrix(&mut self, text: &str) -> Result<(), ScenarioError> {
        self.matrix = Some(Arc::new(Matrix::parse(text)?));
        Ok(())
    }

    /// How many hosts never leave.
    #[must_use]
    pub fn bootstrap(&self) -> usize {
        self.bootstrap.unwrap_or((self.nodes / 10_000).max(3).min(self.nodes))
    }

    pub(crate) fn settle(&self) -> Duration {
        let default = if self.start.kind == StartKind::Join { SETTLE } else { Duration::ZERO };
        self.start.settle.unwrap_or(default)
    }

    pub(crate) fn links(&self) -> Result<Links, ScenarioError> {
        let matrix = || self.matrix.clone().map(Delay::Matrix);
        let delay = match &self.links.delay {
            DelayPlan::Constant(delay) => Delay::Constant(*delay),
            DelayPlan::World => Links::world_wide().delay,
            DelayPlan::Matrix { file } => {
                matrix().ok_or_else(|| ScenarioError::NoMatrix { file: file.clone() })?
            }
        };
        Ok(self.links.links(delay))
    }
}

fn value_error(key: &str, reason: &str) -> ScenarioError {
    ScenarioError::Value { key: key.to_owned(), reason: reason.to_owned() }
}

/// The line that a part of a text begins in: its number, and itself.
fn line_at(text: &str, part: Range<usize>) -> (usize, &str) {
    let before = text.get(..part.start).unwrap_or_default();
    let line = before.matches('\n').count();
    (line + 1, text.lines().nth(line).unwrap_or_default().trim())
}

/// The same error with the line of its key, if it stands in the text as it mostly does: `key = value` below
/// `[table]`.
fn with_line(error: ScenarioError, text: &str) -> ScenarioError {
    let ScenarioError::Value { key, reason } = &error else { return error };
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut reached = "";
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            reached = header.trim();
        }
        let is_key = line.split_once('=').is_some_and(|(before, _)| before.trim() == name);
        if (is_key && reached == table) || (table.is_empty() && reached == name) {
            let reason = format!("{name}: {reason}");
            return ScenarioError::Line { line: index + 1, text: line.to_owned(), reason };
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Scenario::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn everything_may_be_left_out() {
        assert_eq!(format!("{:?}", Scenario::parse("").unwrap()), format!("{:?}", Scenario::default()));
        assert_eq!(Scenario::default().bootstrap(), 3);
        assert_eq!(Scenario { nodes: 1, ..Scenario::default() }.bootstrap(), 1);
        assert_eq!(Scenario { nodes: 1_000_000, ..Scenario::default() }.bootstrap(), 100);
    }

    #[test]
    fn every_table_is_read() {
        let scenario = Scenario::parse(
            r#"
            about = "everything"
            nodes = 1000
            bootstrap = 5
            duration = "10m"
            start = { kind = "quick", join_rate = 500, settle = "30s", dead = 0.3 }
            engine = { preset = "bep5", k = 8, timeout = "3s" }
            links = { delay = { matrix = "king.txt" }, loss = 0.1, reordering = 0.2, hold = "1s" }
            nat = { port_restricted = 0.3, symmetric = 0.1, mapping_timeout = "30s" }
            clocks = { ahead = "5s", ppm = 100 }
            [churn]
            sessions = { weibull = { median = "60m", shape = 0.6 } }
            pauses = { exponential = "30m" }
            share = 0.9
            warm_up = "1h"
            [[events]]
            at = "1m"
            depart = 0.5
            [[events]]
            at = "2m"
            return = true
            [[events]]
            at = "3m"
            partition = { share = 0.3, cut = "in", heal = "20m" }
            [[events]]
            at = "4m"
            restart = { share = 0.1 }
            [[workload]]
            kind = "get"
            keys = 10
            count = 100
            rate = 10
            expect = { success = 0.9, p99 = "400ms" }
            [[workload]]
            kind = "survival"
            keys = 10
            at = ["1h", "3h"]
            refresh = "1h"
            "#,
        )
        .unwrap();
        assert_eq!(scenario.matrix_file(), Some("king.txt"));
        assert_eq!(scenario.engine.settings().calls.timeout, Duration::from_secs(3));
        assert_eq!(scenario.events[3].what, Disturbance::Restart { share: 0.1, keeps_disk: 1.0 });
        let Work::Survival { at, .. } = &scenario.workload[1].work else { panic!("a survival") };
        assert_eq!(at, &[Duration::from_secs(3600), Duration::from_secs(10_800)]);
    }

    #[test]
    fn errors_name_the_line_and_what_would_do() {
        assert_eq!(
            error("nodes = 5\n[links]\nloss = 1.5"),
            "line 3, `loss = 1.5`: a share is 0 to 1, not 1.5"
        );
        let message = error("[links]\ndelay = \"soon\"");
        assert!(
            message.starts_with("line 2, `delay = \"soon\"`: a time is a number and a unit"),
            "{message}"
        );
        let message = error("\n[churn]\nsessions = { gaussian = \"1h\" }");
        assert!(
            message.contains("line 3") && message.contains("expected `exponential` or `weibull`"),
            "{message}"
        );
        let message = error("[links]\nlos = 0.1");
        assert!(message.contains("line 2") && message.contains("`delay`, `loss`"), "{message}");
        let message = error("[[events]]\nat = \"1m\"\nreturn = true\ndepart = 0.1");
        assert!(message.starts_with("line 1, `[[events]]`: an event has one of"), "{message}");
        let message = error("[[workload]]\nkind = \"lookup\"\ncount = 1\nkeys = 5");
        assert_eq!(message, "line 1, `[[workload]]`: a workload of kind lookup has no `keys`");
        assert!(error("nodes = 5\nnodes = 6").contains("line 2"));
    }

    #[test]
    fn values_that_do_not_fit_together_are_named_with_their_line() {
        assert_eq!(error("nodes = 0"), "line 1, `nodes = 0`: nodes: must be 1 to 10,000,000");
        let message = error("[engine]\nconcurrency = 8\nmax_in_flight = 4");
        assert_eq!(message, "line 3, `max_in_flight = 4`: max_in_flight: must be at least the concurrency");
        assert!(error("[nat]\nsymmetric = 0.6\ndeaf = 0.6").starts_with("line 1, `[nat]`"));
        assert!(
            error("[churn]\nsessions = { weibull = { median = \"1h\", shape = 99 } }").contains("0.2 to 10")
        );
        assert_eq!(
            error("links = { loss = 0 }\nbootstrap = 200"),
            "line 2, `bootstrap = 200`: bootstrap: must be 1 to the number of nodes"
        );
    }
}
