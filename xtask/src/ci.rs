//! `cargo xtask ci`: every check that a change must pass, the cheap ones first, stopping at the first failure.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};

use crate::workspace::{Workspace, cargo, output};
use crate::{fuzz, tidy};

/// Runs all steps in order and sums up; an error names the step that failed and how to rerun it alone.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    require_component("rustfmt", "fmt")?;
    require_component("clippy", "clippy")?;
    run_steps(&STEPS, |step| step.run(workspace))
}

/// One check.
struct Step {
    name: &'static str,
    work: Work,
    /// What to run after a failure, if that is something other than the step itself.
    repair: Option<&'static str>,
}

enum Work {
    /// Cargo with these arguments and, perhaps, one environment variable.
    Cargo { environment: Option<(&'static str, &'static str)>, arguments: &'static [&'static str] },
    /// `cargo xtask tidy`, without another process.
    Tidy,
    /// `cargo xtask fuzz all`, where it has run before.
    Fuzz { seconds: u64 },
}

impl Step {
    fn run(&self, workspace: &Workspace) -> Result<()> {
        let (environment, arguments) = match self.work {
            Work::Tidy => return tidy::run(workspace),
            Work::Fuzz { seconds } => return fuzz::run_if_installed(workspace, seconds),
            Work::Cargo { environment, arguments } => (environment, arguments),
        };
        let mut command = cargo();
        command.args(arguments).envs(environment).current_dir(&workspace.root);
        wait(&mut command)
    }

    /// The step as one would type it in a shell.
    fn shell_line(&self) -> String {
        match self.work {
            Work::Tidy => "cargo xtask tidy".to_owned(),
            Work::Fuzz { seconds } => format!("cargo xtask fuzz all --seconds {seconds}"),
            Work::Cargo { environment, arguments } => {
                let variable =
                    environment.map(|(name, value)| format!("{name}=\"{value}\" ")).unwrap_or_default();
                format!("{variable}cargo {}", arguments.join(" "))
            }
        }
    }

    fn failure(&self, cause: &Error) -> Error {
        let repair = self.repair.map(|command| format!("\n  to repair:     {command}")).unwrap_or_default();
        anyhow!("ci stopped at `{}`: {cause:#}\n  rerun it with: {}{repair}", self.name, self.shell_line())
    }
}

fn run_steps(steps: &[Step], mut run: impl FnMut(&Step) -> Result<()>) -> Result<()> {
    let mut times = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        println!("==> ci [{}/{}] {}: {}", index + 1, steps.len(), step.name, step.shell_line());
        let (result, time) = timed(|| run(step));
        times.push((step.name, time));
        if let Err(error) = result {
            print_summary(&times, "FAILED", &steps[index + 1..]);
            return Err(step.failure(&error));
        }
    }
    print_summary(&times, "ok", &[]);
    Ok(())
}

/// All steps of `times` passed but for the last, whose result is `last`; those of `rest` were not run.
fn print_summary(times: &[(&str, Duration)], last: &str, rest: &[Step]) {
    println!("==> ci summary");
    for (index, (name, time)) in times.iter().enumerate() {
        let result = if index + 1 == times.len() { last } else { "ok" };
        println!("    {name:<8}{:>8.1} s  {result}", time.as_secs_f64());
    }
    for step in rest {
        println!("    {:<8}{:>8}    not run", step.name, "-");
    }
    let total: Duration = times.iter().map(|(_, time)| time).sum();
    println!("    {:<8}{:>8.1} s", "total", total.as_secs_f64());
}

fn require_component(component: &str, subcommand: &str) -> Result<()> {
    output(cargo().args([subcommand, "--version"])).map(drop).with_context(|| {
        format!("this toolchain lacks {component}: add it with `rustup component add {component}`")
    })
}

fn wait(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("cargo failed ({status})");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measures the steps for the summary")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

const STEPS: [Step; 6] = [
    Step {
        name: "fmt",
        work: Work::Cargo { environment: None, arguments: &["fmt", "--all", "--", "--check"] },
        repair: Some("cargo fmt --all"),
    },
    Step { name: "tidy", work: Work::Tidy, repair: None },
    Step {
        name: "clippy",
        work: Work::Cargo {
            environment: None,
            arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        },
        repair: None,
    },
    Step {
        name: "test",
        work: Work::Cargo { environment: None, arguments: &["test", "--workspace"] },
        repair: None,
    },
    Step {
        name: "doc",
        work: Work::Cargo {
            environment: Some(("RUSTDOCFLAGS", "-D warnings")),
            arguments: &["doc", "--workspace", "--no-deps"],
        },
        repair: None,
    },
    Step { name: "fuzz", work: Work::Fuzz { seconds: 5 }, repair: None },
];

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn steps_run_in_order_when_all_pass() {
        let mut ran = Vec::new();
        run_steps(&STEPS, |step| {
            ran.push(step.shell_line());
            Ok(())
        })
        .expect("all pass");
        assert_eq!(
            ran,
            [
                "cargo fmt --all -- --check",
                "cargo xtask tidy",
                "cargo clippy --workspace --all-targets -- -D warnings",
                "cargo test --workspace",
                "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps",
                "cargo xtask fuzz all --seconds 5",
            ]
        );
    }

    #[test]
    fn the_first_failure_stops_and_says_how_to_rerun_it() {
        let mut ran = Vec::new();
        let error = run_steps(&STEPS, |step| {
            ran.push(step.name);
            if step.name == "clippy" { bail!("a warning") } else { Ok(()) }
        })
        .expect_err("clippy failed");
        assert_eq!(ran, ["fmt", "tidy", "clippy"]);
        let message = format!("{error:#}");
        assert!(message.contains("ci stopped at `clippy`"), "{message}");
        assert!(message.contains("cargo clippy --workspace --all-targets -- -D warnings"), "{message}");
        assert!(message.contains("a warning"), "{message}");
    }

    #[test]
    fn a_program_that_fails_is_an_error() {
        let mut quiet = cargo();
        quiet.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(wait(quiet.arg("--version")).is_ok());
        assert!(wait(quiet.arg("--no-such-option")).is_err());
    }

    #[test]
    fn a_missing_component_is_named_with_its_cure() {
        let error = require_component("juggler", "no-such-subcommand-of-cargo").expect_err("missing");
        assert!(error.to_string().contains("rustup component add juggler"), "{error}");
    }
}
