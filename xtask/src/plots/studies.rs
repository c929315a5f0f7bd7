//! The studies: which runs of the simulator the figures need. Each fills one file of results.

/// A question that several runs answer together.
#[derive(Debug)]
pub(super) struct Study {
    /// Also the name of its file: `NAME.jsonl`.
    pub(super) name: &'static str,
    pub(super) trials: Vec<Trial>,
}

/// One run of the simulator: a point of a line, or a whole one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trial {
    /// The line it belongs to.
    pub(super) series: &'static str,
    /// Where on the line: the number of nodes, or the share that is lost, and so on.
    pub(super) x: f64,
    /// The file in `scenarios/`, without its ending.
    pub(super) scenario: &'static str,
    pub(super) nodes: usize,
    /// Lines of that file that are replaced: each must be there exactly once.
    pub(super) changes: Vec<(&'static str, String)>,
}

/// How large the runs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// As documented: hours, and 20 GiB of memory.
    Full,
    /// To see that everything works: minutes.
    Quick,
}

impl Extent {
    /// How long one run may take, as the program takes it.
    pub(super) fn limit(self) -> &'static str {
        self.choose("2h", "10m")
    }

    fn choose<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// All studies, in the order in which they are run.
pub(super) fn studies(extent: Extent) -> Vec<Study> {
    vec![
        Study { name: "size", trials: size(extent) },
        Study { name: "latency", trials: latency(extent) },
        Study { name: "churn", trials: churn(extent) },
        Study { name: "loss", trials: loss(extent) },
        Study { name: "adversaries", trials: adversaries(extent) },
    ]
}

/// Tables of eights up to a million nodes, and those of the defaults, which take twice as much memory, up to a third of that.
fn size(extent: Extent) -> Vec<Trial> {
    const NODES: [usize; 10] = [10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000, 300_000, 1_000_000];
    let most = extent.choose([1_000_000, 300_000], [10_000, 10_000]);
    let eights = NODES.into_iter().filter(|nodes| *nodes <= most[0]).map(|nodes| {
        Trial::new("tables of eights", nodes as f64, "hops", nodes)
            .with("first_buckets = [128, 64, 32, 16]", "first_buckets = [0, 0, 0, 0]".into())
    });
    let defaults = NODES.into_iter().filter(|nodes| *nodes <= most[1]);
    eights.chain(defaults.map(|nodes| Trial::new("defaults", nodes as f64, "hops", nodes))).collect()
}

fn latency(extent: Extent) -> Vec<Trial> {
    let nodes = extent.choose(1_000_000, 2_000);
    let presets = [("original", "original"), ("BEP 5", "bep5"), ("ours", "default")];
    let trial = |(series, preset): (&'static str, &str)| {
        Trial::new(series, 0.0, "dead-and-loss", nodes)
            .with("preset = \"default\"", format!("preset = \"{preset}\""))
    };
    presets.into_iter().map(trial).collect()
}

fn churn(extent: Extent) -> Vec<Trial> {
    let nodes = extent.choose(10_000, 300);
    let trial = |minutes: u32| {
        Trial::new("gets", f64::from(minutes), "churn-1h", nodes).with(
            "sessions = { exponential = \"60m\" }",
            format!("sessions = {{ exponential = \"{minutes}m\" }}"),
        )
    };
    [10, 20, 30, 60, 120].map(trial).into()
}

fn loss(extent: Extent) -> Vec<Trial> {
    let nodes = extent.choose(10_000, 300);
    let trial =
        |loss: f64| Trial::new("gets", loss, "loss", nodes).with("loss = 0.1", format!("loss = {loss}"));
    [0.02, 0.05, 0.1, 0.2, 0.3].map(trial).into()
}

fn adversaries(extent: Extent) -> Vec<Trial> {
    let nodes = extent.choose(10_000, 300);
    let mut trials = Vec::new();
    for share in [0.1, 0.2, 0.3] {
        let shared = |trial: Trial| trial.with("share = 0.2", format!("share = {share}"));
        trials.push(shared(Trial::new("colluders", share, "colluders", nodes)));
        for (series, prefixes) in [("ids invented, 16 prefixes", 16), ("ids invented, 64 prefixes", 64)] {
            let trial = shared(Trial::new(series, share, "inventors", nodes));
            trials.push(trial.with("prefixes = 16", format!("prefixes = {prefixes}")));
        }
    }
    trials
}

impl Trial {
    fn new(series: &'static str, x: f64, scenario: &'static str, nodes: usize) -> Self {
        Self { series, x, scenario, nodes, changes: Vec::new() }
    }

    fn with(mut self, line: &'static str, becomes: String) -> Self {
        self.changes.push((line, becomes));
        self
    }

    /// The scenario with the changes made; or the line that is not there exactly once.
    pub(super) fn scenario(&self, text: &str) -> Result<String, &'static str> {
        let mut lines: Vec<&str> = text.lines().collect();
        for (line, becomes) in &self.changes {
            let mut places = lines.iter_mut().filter(|candidate| candidate.trim() == *line);
            let (Some(place), None) = (places.next(), places.next()) else { return Err(line) };
            *place = becomes;
        }
        Ok(lines.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_trial_finds_its_scenario_and_the_lines_it_changes() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        for trial in studies(Extent::Full).iter().flat_map(|study| &study.trials) {
            let path = directory.join(format!("{}.toml", trial.scenario));
            let text = fs::read_to_string(&path).expect(trial.scenario);
            let changed = trial.scenario(&text).unwrap_or_else(|line| panic!("{}: {line}", trial.scenario));
            assert_eq!(changed.lines().count(), text.lines().count());
        }
    }

    #[test]
    fn a_line_is_changed_only_if_there_is_one() {
        let trial = Trial::new("a", 0.0, "b", 1).with("loss = 0.1", "loss = 0.3".into());
        assert_eq!(trial.scenario("nodes = 1\n  loss = 0.1\n"), Ok("nodes = 1\nloss = 0.3\n".into()));
        assert_eq!(trial.scenario("nodes = 1\n"), Err("loss = 0.1"));
        assert_eq!(trial.scenario("loss = 0.1\nloss = 0.1\n"), Err("loss = 0.1"));
    }

    #[test]
    fn quick_studies_have_the_same_lines_with_fewer_nodes() {
        for (full, quick) in studies(Extent::Full).iter().zip(studies(Extent::Quick)) {
            let lines = |study: &Study| {
                let mut lines: Vec<_> = study.trials.iter().map(|trial| trial.series).collect();
                lines.dedup();
                lines
            };
            assert_eq!((full.name, lines(full)), (quick.name, lines(&quick)));
            assert!(quick.trials.iter().all(|trial| trial.nodes <= 10_000));
        }
    }
}
