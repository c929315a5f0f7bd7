//! `cargo xtask campaign`: runs the campaigns of `scenarios/campaigns` in the simulator at full size, and says which held
//! their levels.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::{Workspace, cargo};

/// Which campaigns to run, and how.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Campaigns by the names of their files, without .toml; all if nothing is named
    campaign: Vec<String>,
    /// How many nodes, whatever the files say
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Everything follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many threads; the results do not depend on it [default: one for each processor, if there are nodes enough]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// What came of a campaign.
#[derive(Debug, PartialEq)]
struct Verdict {
    /// Of each kind of operation that a level is set for.
    levels: Vec<Level>,
    seconds: f64,
    /// Why it failed, if it did.
    failures: Vec<String>,
}

#[derive(Debug, PartialEq)]
struct Level {
    operations: String,
    asked: u64,
    success: f64,
    least: f64,
}

/// Runs campaigns one after the other, and prints what came of each; an error if one did not hold its level.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let all = campaigns(&workspace.root.join("scenarios").join("campaigns"))?;
    let chosen = chosen(&all, &options.campaign)?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "khashmir-cli"]).current_dir(&workspace.root);
    if !build.status().context("cannot start cargo")?.success() {
        bail!("the program does not build");
    }
    let program = workspace.target.join("release").join("khashmir");
    println!("{}", row(["campaign", "operations", "asked", "success", "level", "seconds", ""]));
    let mut failed = Vec::new();
    for (name, path) in chosen {
        let verdict = simulate(&program, path, options).with_context(|| format!("campaign `{name}`"))?;
        print!("{}", rows(name, &verdict));
        if !verdict.failures.is_empty() {
            failed.push(name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!("campaigns failed: {}", failed.join(", "));
    }
    Ok(())
}

/// The files of a directory by their names.
fn campaigns(directory: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut campaigns = BTreeMap::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "toml")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            campaigns.insert(name.to_owned(), path);
        }
    }
    Ok(campaigns)
}

/// Those of these names, in this order; all if there are none.
fn chosen<'a>(
    all: &'a BTreeMap<String, PathBuf>,
    names: &[String],
) -> Result<Vec<(&'a String, &'a PathBuf)>> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let known = || all.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        let unknown = || format!("there is no campaign `{name}`; the campaigns are {}", known());
        all.get_key_value(name).with_context(unknown)
    };
    names.iter().map(find).collect()
}

/// Runs a campaign to its end. That it fails is no error; that it does not run is one.
fn simulate(program: &Path, scenario: &Path, options: &Options) -> Result<Verdict> {
    let mut command = Command::new(program);
    command.arg("sim").arg(scenario).args(["--json", "--seed", &options.seed.to_string()]);
    for (name, value) in [("--nodes", options.nodes), ("--threads", options.threads)] {
        if let Some(value) = value {
            command.args([name, &value.to_string()]);
        }
    }
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    let printed =
        String::from_utf8(output.stdout).context("the simulator printed something other than UTF-8")?;
    verdict(&printed).with_context(|| format!("the simulator came to no end ({})", output.status))
}

/// What the simulator's lines of JSON say; `None` if they do not say that it came to an end.
fn verdict(printed: &str) -> Option<Verdict> {
    let records: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let levels = records.iter().filter(|record| record["type"] == "operations").filter_map(|record| {
        Some(Level {
            operations: record["name"].as_str()?.to_owned(),
            asked: record["asked"].as_u64()?,
            success: record["success"].as_f64()?,
            least: record["least_success"].as_f64()?,
        })
    });
    let summary = records.last().filter(|record| record["is_complete"] == true)?;
    let reasons = |name: &str, what: &str| {
        let reasons = summary[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        reasons.map(|reason| format!("{what}: {reason}")).collect::<Vec<_>>()
    };
    let seconds = summary.pointer("/measured/wall_seconds")?.as_f64()?;
    let failures = [reasons("missed_faults", "never happened"), reasons("unmet", "not met")].concat();
    Some(Verdict { levels: levels.collect(), seconds, failures })
}

/// The lines of the table for a campaign, each with its end, and below them why it failed.
fn rows(name: &str, verdict: &Verdict) -> String {
    let mut text = String::new();
    for (place, level) in verdict.levels.iter().enumerate() {
        let Level { operations, asked, success, least } = level;
        let is_first = place == 0;
        let [seconds, asked] = [format!("{:.0}", verdict.seconds), asked.to_string()];
        text += &row([
            if is_first { name } else { "" },
            operations,
            &asked,
            &percent(*success),
            &percent(*least),
            if is_first { &seconds } else { "" },
            if success >= least { "pass" } else { "FAIL" },
        ]);
        text.push('\n');
    }
    for failure in &verdict.failures {
        text += &format!("  {name}: {failure}\n");
    }
    text
}

fn row(cells: [&str; 7]) -> String {
    let [campaign, operations, asked, success, level, seconds, verdict] = cells;
    let line = format!(
        "{campaign:<14}  {operations:<24}  {asked:>7}  {success:>9}  {level:>9}  {seconds:>7}  {verdict}"
    );
    line.trim_end().to_owned()
}

/// A share, so that one in ten thousand can be seen, and all is told from almost all.
fn percent(share: f64) -> String {
    if share == 1.0 { "100 %".to_owned() } else { format!("{:.2} %", (share * 1e4 + 1e-6).floor() / 1e2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn campaigns_are_chosen_by_name_and_an_unknown_one_is_an_error() {
        let all = ["churn", "loss"].map(|name| (name.to_owned(), PathBuf::from(name))).into();
        let chosen = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let chosen = chosen(&all, &names).map_err(|error| error.to_string());
            chosen.map(|chosen| chosen.into_iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[]), Ok(vec!["churn".to_owned(), "loss".to_owned()]));
        assert_eq!(chosen(&["loss"]), Ok(vec!["loss".to_owned()]));
        let unknown = "there is no campaign `lost`; the campaigns are churn, loss";
        assert_eq!(chosen(&["lost"]), Err(unknown.to_owned()));
    }

    #[test]
    fn what_a_run_printed_becomes_lines_of_a_table() {
        let printed = r#"{"type":"operations","name":"store","asked":5,"success":1.0,"least_success":null}
            {"type":"operations","name":"get","asked":50,"success":0.96,"least_success":0.99}
            {"type":"summary","is_complete":true,"missed_faults":["links.loss"],"unmet":["get"],"measured":{"wall_seconds":2.4}}"#;
        let verdict = verdict(printed).expect("it came to its end");
        assert_eq!((verdict.levels.len(), verdict.seconds), (1, 2.4));
        let rows = rows("loss", &verdict);
        assert!(rows.contains("96.00 %    99.00 %        2  FAIL\n"), "{rows}");
        assert!(rows.ends_with("  loss: never happened: links.loss\n  loss: not met: get\n"), "{rows}");
    }

    #[test]
    fn a_run_that_came_to_no_end_is_no_verdict() {
        assert_eq!(verdict(""), None);
        assert_eq!(verdict(r#"{"is_complete":false,"measured":{"wall_seconds":2}}"#), None);
    }
}
