//! `Stop`: why a command ends before it is done: a signal, or its deadline.

use std::future;
use std::io;
use std::process;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::exit::Exit;

/// Why to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Interrupted,
    Deadline,
}

/// Tells when to stop. The signal after that ends the program at once.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Option<Reason>>);

impl Stop {
    /// Stops on SIGINT, or when `limit` has passed.
    pub(crate) fn after(limit: Duration) -> io::Result<Self> {
        Ok(Self::watch(Signals::interrupt()?, Some(limit)))
    }

    /// Stops on SIGINT and SIGTERM.
    pub(crate) fn on_signals() -> io::Result<Self> {
        Ok(Self::watch(Signals::interrupt_or_terminate()?, None))
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

/// The signals that a command listens to. They are caught from the moment this exists.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn interrupt() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: None })
    }

    fn interrupt_or_terminate() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: Some(signal(SignalKind::terminate())?), ..Self::interrupt()? })
    }

    async fn next(&mut self) {
        let Self { interrupt, terminate } = self;
        let terminated = async {
            match terminate {
                Some(terminate) => terminate.recv().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminated => {}
        }
    }
}

/// Elsewhere there is Ctrl-C only.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn interrupt() -> io::Result<Self> {
        Ok(Self)
    }

    fn interrupt_or_terminate() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            future::pending().await
        }
    }
}
