//! The figures: which numbers of which study become which lines.

use anyhow::{Context, Result};

use super::axis::{Kind, Scale, Unit};
use super::chart::{Figure, Look, Panel, Series};
use super::results::{Results, Run};

/// Networks with fewer nodes say more about the program than about its nodes.
const LEAST_FOR_MEMORY: f64 = 1_000.0;

/// What is found sooner is shown as found then: it was at hand.
const SOONEST_MS: f64 = 10.0;

/// Every figure with the name of its file, from what `read` says of a study.
pub(super) fn all(read: &impl Fn(&'static str) -> Result<Results>) -> Result<[(&'static str, Figure); 4]> {
    let size = read("size")?;
    Ok([
        ("cost", cost(&size)?),
        ("memory", memory(&size)?),
        ("latency", latency(&read("latency")?)?),
        ("success", success(&read("churn")?, &read("loss")?, &read("adversaries")?)?),
    ])
}

fn cost(size: &Results) -> Result<Figure> {
    let names = size.series()?;
    let panel = |title, unit, lines: [(&str, &str); 2]| {
        let line = |(name, (which, field)): (&String, (&str, &str))| {
            let points = points(runs_of(size, name), |run| run.operations("lookup", field));
            points.map(|points| Series { name: format!("{name}, {which}"), points, look: Look::Marked })
        };
        let all = names.iter().flat_map(|name| lines.map(|field| (name, field)));
        let series = all.map(line).collect::<Result<_>>()?;
        let y = Kind { label: "", scale: Scale::FromZero, unit };
        anyhow::Ok(Panel { title, x: NODES, y, series })
    };
    Ok(Figure {
        title: "What a lookup costs".into(),
        about: "Hops, queries and time of a lookup against the number of nodes, in a settled network.".into(),
        panels: vec![
            panel("Hops", Unit::Count, [("mean", "hops/mean"), ("99 % are not above", "hops/p99")])?,
            panel("Queries", Unit::Count, [("mean", "queries/mean"), ("99 % are not above", "queries/p99")])?,
            panel(
                "Time",
                Unit::Millis,
                [("median", "completion/p50"), ("99 % are not above", "completion/p99")],
            )?,
        ],
    })
}

fn memory(size: &Results) -> Result<Figure> {
    let is_large = |run: &Run<'_>| run.x().is_ok_and(|nodes| nodes >= LEAST_FOR_MEMORY);
    let kilobytes = |run: Run<'_>| {
        Ok(run.number("summary", "measured/resident_bytes")? / run.number("summary", "nodes")? / 1000.0)
    };
    let line = |name: &String| {
        let points = points(runs_of(size, name).filter(is_large), kilobytes)?;
        anyhow::Ok(Series { name: name.clone(), points, look: Look::Marked })
    };
    let series = size.series()?.iter().map(line).collect::<Result<_>>()?;
    let y = Kind { label: "", scale: Scale::FromZero, unit: Unit::Count };
    Ok(Figure {
        title: "What a node takes".into(),
        about: "The program's memory at its peak divided by the number of nodes, against that number.".into(),
        panels: vec![Panel { title: "KB of memory per node", x: NODES, y, series }],
    })
}

fn latency(latency: &Results) -> Result<Figure> {
    let x = Kind { label: "time to the first value", scale: Scale::Log, unit: Unit::Millis };
    let y = Kind { label: "", scale: Scale::FromZero, unit: Unit::Share };
    let series = latency.runs().map(distribution).collect::<Result<_>>()?;
    Ok(Figure {
        title: "How soon a get has a value".into(),
        about: "The share of gets that have found a value against time, with 30 % dead table entries and 10 % loss, \
                for three settings."
            .into(),
        panels: vec![Panel { title: "Gets that have a value", x, y, series }],
    })
}

/// What share of the gets of a run had found a value by when.
fn distribution(run: Run<'_>) -> Result<Series> {
    let bins = run.operation("get", "first_value/histogram")?.as_array();
    let bins = bins.with_context(|| run.lacks("a list first_value/histogram"))?;
    let ended = run.operations("get", "completion/count")?;
    let mut points = Vec::with_capacity(bins.len());
    let mut found = 0.0;
    for bin in bins {
        let number = |field: &str| bin[field].as_f64().with_context(|| run.lacks(field));
        found += number("count")?;
        points.push((number("up_to_ms")?.max(SOONEST_MS), found / ended));
    }
    Ok(Series { name: run.series()?.to_owned(), points, look: Look::Plain })
}

fn success(churn: &Results, loss: &Results, adversaries: &Results) -> Result<Figure> {
    let panel = |title, study: &Results, x| {
        let line = |name: String| {
            let runs = runs_of(study, &name);
            let points = points(runs, |run| run.operations("get", "success"))?;
            anyhow::Ok(Series { name, points, look: Look::Marked })
        };
        let series = study.series()?.into_iter().map(line).collect::<Result<_>>()?;
        let y = Kind { label: "", scale: Scale::Fitted, unit: Unit::Share };
        anyhow::Ok(Panel { title, x, y, series })
    };
    let minutes = Kind { label: "median session, minutes", scale: Scale::FromZero, unit: Unit::Count };
    let share = |label| Kind { label, scale: Scale::FromZero, unit: Unit::Percent };
    Ok(Figure {
        title: "Gets that find the value".into(),
        about: "The share of gets that succeed against churn, against loss and against adversaries.".into(),
        panels: vec![
            panel("Churn", churn, minutes)?,
            panel("Loss", loss, share("datagrams lost"))?,
            panel("Adversaries", adversaries, share("nodes that are adversaries"))?,
        ],
    })
}

const NODES: Kind = Kind { label: "nodes", scale: Scale::Log, unit: Unit::Count };

/// The points of a line, from left to right.
/// The runs of one line of a study.
fn runs_of<'a>(study: &'a Results, name: &'a str) -> impl Iterator<Item = Run<'a>> {
    study.runs().filter(move |run| run.series().is_ok_and(|series| series == name))
}

fn points<'a>(
    runs: impl Iterator<Item = Run<'a>>,
    y: impl Fn(Run<'a>) -> Result<f64>,
) -> Result<Vec<(f64, f64)>> {
    let mut points = runs.map(|run| Ok((run.x()?, y(run)?))).collect::<Result<Vec<_>>>()?;
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(points)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::results;
    use super::super::studies::{Extent, studies};
    use super::*;

    /// Every study as if each of its runs had printed the same.
    fn read(study: &'static str) -> Result<Results> {
        let spread = json!({"count": 4, "mean": 2.5, "p50": 2, "p99": 4});
        let bins = json!([{"up_to_ms": 5, "count": 1}, {"up_to_ms": 200, "count": 2}]);
        let operations = |name: &str| {
            json!({"type": "operations", "name": name, "success": 0.75, "hops": spread, "queries": spread,
                "completion": spread, "first_value": {"histogram": bins}})
        };
        let summary = json!({"type": "summary", "nodes": 1000, "measured": {"resident_bytes": 20_000_000}});
        let printed = format!("{}\n{}\n{summary}\n", operations("lookup"), operations("get"));
        let trials = studies(Extent::Quick).into_iter().find(|known| known.name == study);
        let trials = trials.context("a study")?.trials;
        let lines =
            trials.iter().map(|trial| results::line(trial, 1, &printed)).collect::<Result<String>>()?;
        Results::parse(&lines, study)
    }

    #[test]
    fn every_figure_is_made_of_the_studies() {
        let figures = all(&read).expect("complete results");
        assert_eq!(figures.each_ref().map(|(name, _)| *name), ["cost", "memory", "latency", "success"]);
        let lines = |figure: usize| {
            let series = figures[figure].1.panels.iter().flat_map(|panel| &panel.series);
            series.map(|series| series.points.clone()).collect::<Vec<_>>()
        };
        assert_eq!(lines(0)[0].first(), Some(&(10.0, 2.5)));
        assert_eq!(lines(1)[0].first(), Some(&(1000.0, 20.0)));
        assert_eq!(lines(3).len(), 5);
        assert_eq!(lines(3)[1].last(), Some(&(0.3, 0.75)));
    }

    #[test]
    fn a_distribution_rises_to_the_share_that_found_a_value() {
        let results = read("latency").expect("complete results");
        let series = distribution(results.runs().next().expect("a run")).expect("a histogram");
        assert_eq!(series.points, [(SOONEST_MS, 0.25), (200.0, 0.75)]);
        assert_eq!(series.name, "original");
    }

    #[test]
    fn a_study_that_is_missing_is_the_error() {
        let error = all(&|study| if study == "loss" { anyhow::bail!("no {study}") } else { read(study) });
        assert_eq!(error.expect_err("missing").to_string(), "no loss");
    }
}
