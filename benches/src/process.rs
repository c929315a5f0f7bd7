//! `Subject`: a process that is measured, as whoever measures sees it. And what the system says about processes.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::machine::{field, kib};
use crate::role::{Hello, Order, Role};

/// Which program to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// This one.
    Plain,
    /// The one whose allocator counts.
    Counting,
}

/// A process in a role. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) hello: Hello,
}

impl Subject {
    /// Starts a process and waits until it is ready.
    pub(crate) fn start(role: &Role, program: Program) -> Result<Self> {
        let path = program.path()?;
        let mut command = Command::new(&path);
        command.arg("--role").arg(serde_json::to_string(role)?).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", path.display()))?;
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().context("a piped output is there")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let hello = serde_json::from_str(&line);
        let hello = hello.with_context(|| format!("the process in the role {role:?} is not ready"))?;
        Ok(Self { child, orders, answers, hello })
    }

    /// Gives an order, and returns the answer.
    pub(crate) fn order(&mut self, order: Order) -> Result<Vec<f64>> {
        let orders = self.orders.as_mut().context("the process takes no more orders")?;
        writeln!(orders, "{}", serde_json::to_string(&order)?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("no answer to {order:?}: the process has ended"))
    }

    /// Ends the process as a power cut would, wherever it is.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot kill a process of our own")
    }

    /// Memory that it has, in MiB, if the system says.
    pub(crate) fn resident(&self) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        Some(kib(&field(&status, "VmRSS")?)? as f64 / 1024.0)
    }

    /// What its threads have used so far.
    pub(crate) fn cpu(&self) -> Option<Cpu> {
        Cpu::of(&self.child.id().to_string())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It ends by itself now; that it cannot be waited for means that it has.
        let _ = self.child.wait();
    }
}

impl Program {
    fn path(self) -> Result<PathBuf> {
        let own = env::current_exe().context("the system does not say where this program is")?;
        if self == Self::Plain {
            return Ok(own);
        }
        let path = own.with_file_name(format!("khashmir-bench-counting{}", env::consts::EXE_SUFFIX));
        if !path.exists() {
            bail!("{} is missing: build the whole package, as `cargo xtask bench` does", path.display());
        }
        Ok(path)
    }
}

/// The time that a process spent on cores, and that it waited for one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) used: Duration,
    pub(crate) waited: Duration,
}

impl Cpu {
    /// Of this process.
    pub(crate) fn own() -> Option<Self> {
        Self::of("self")
    }

    /// Of the process of this number; none where the system does not say.
    fn of(process: &str) -> Option<Self> {
        let mut total = Self::default();
        for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
            // A thread may end meanwhile.
            let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
            let mut numbers = text.split_whitespace().map(|number| number.parse().map(Duration::from_nanos));
            total.used += numbers.next()?.ok()?;
            total.waited += numbers.next()?.ok()?;
        }
        Some(total)
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            used: self.used.saturating_sub(earlier.used),
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}
