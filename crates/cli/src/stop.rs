//! `Stop`: why a command ends before it is done: a signal, or its deadline.

use std::future;
use std::io;
use std::process;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::exit::Exit;
use crate::failure::Failure;

/// How long a command may take that ends by itself, if the user says nothing.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Interrupted,
    Deadline,
}

impl Reason {
    /// The error of a command that was ended `when`.
    pub(crate) fn failure(self, when: &str) -> Failure {
        match self {
            Self::Interrupted => {
                Failure::new(Exit::Interrupted, "E_INTERRUPTED", format!("interrupted {when}"))
            }
            Self::Deadline => {
                Failure::new(Exit::Deadline, "E_DEADLINE", format!("the deadline passed {when}"))
                    .help("allow more time with --timeout")
            }
        }
    }
}

/// Tells when to stop. The signal after that ends the program at once.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Option<Reason>>);

impl Stop {
    /// Stops on a signal, or when `limit` has passed; if the user says nothing, after [`DEFAULT_TIMEOUT`].
    pub(crate) fn after(limit: Option<Duration>) -> io::Result<Self> {
        Ok(Self::watch(Signals::catch()?, Some(limit.unwrap_or(DEFAULT_TIMEOUT))))
    }

    /// Stops on SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn on_signals() -> io::Result<Self> {
        Ok(Self::watch(Signals::catch()?, None))
    }

    /// Reads something that may block for ever, such as a pipe, but no longer than until it is time to stop.
    pub(crate) async fn bound<T: Send + 'static>(
        &self,
        what: &str,
        read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> anyhow::Result<T> {
        let reason = tokio::select! {
            biased;
            read = tokio::task::spawn_blocking(read) => return Ok(read??),
            reason = self.reached() => reason,
        };
        Err(reason.failure(&format!("while reading {what}")).into())
    }

    /// Why to stop, if it is time to. For work that awaits nothing.
    pub(crate) fn reason(&self) -> Option<Reason> {
        *self.0.borrow()
    }

    /// Comes back when it is time to stop. Cancel safe; may be called again.
    pub(crate) async fn reached(&self) -> Reason {
        let mut stop = self.0.clone();
        match stop.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(Reason::Interrupted),
            // The watcher never ends before the runtime does.
            Err(_) => future::pending().await,
        }
    }

    fn watch(mut signals: Signals, limit: Option<Duration>) -> Self {
        let (reached, stop) = watch::channel(None);
        tokio::spawn(async move {
            let reason = match limit {
                Some(limit) => {
                    timeout(limit, signals.next()).await.map_or(Reason::Deadline, |()| Reason::Interrupted)
                }
                None => {
                    signals.next().await;
                    Reason::Interrupted
                }
            };
            // The command may be done in the meantime.
            let _ = reached.send(Some(reason));
            signals.next().await;
            process::exit(i32::from(Exit::Interrupted.number()));
        });
        Self(stop)
    }
}

/// The signals that end a command. They are caught from the moment this exists.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// Not under `nohup`, which promises that the program outlives its terminal.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if is_ignored(SignalKind::hangup().as_raw_value()) {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    async fn next(&mut self) {
        let Self { interrupt, terminate, hangup } = self;
        let hung_up = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
    }
}

/// Was the program started with this signal ignored? Only Linux says so.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Elsewhere there is Ctrl-C only.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            future::pending().await
        }
    }
}
