//! The driver: the one task that owns an engine, and carries its inputs and outputs. Decides nothing itself.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use khashmir_krpc::{Batch, SendFailure, Transmit, Transport};
use khashmir_storage::{Commit, Committed, Storage};
use khashmir_types::Time;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::Refused;
use crate::clock::Clock;
use crate::command::{Bootstrap, Command, Getter};
use crate::engine::{Engine, Event, OperationId, Statistics};
use crate::limit_log::LimitLog;
use crate::outcome::{GetOutcome, Outcome, Request};

/// How long a shutdown waits for the last commit. A disk that needs longer is broken; nothing that was
/// acknowledged depends on it.
const MAX_SHUTDOWN: Duration = Duration::from_secs(10);

/// How often to look whether the caller of a get has gone away and whether buffers are still used, and how long to sleep
/// if nothing is due.
const TICK: Duration = Duration::from_secs(1);

/// Carries one engine.
pub(crate) struct Driver<S> {
    engine: Engine<S>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    /// When the driver last woke up: the present moment of all it does until it sleeps again.
    now: Time,
    /// Rings at the latest when something is due. Moved only if that is earlier: ringing for nothing now and then costs
    /// less than being set for every batch.
    alarm: Pin<Box<Sleep>>,
    buffers: Buffers,
    commands: mpsc::Receiver<Command>,
    /// Who waits for which operation. An entry for each operation that was started from outside.
    callers: BTreeMap<OperationId, Caller>,
    /// The commit that runs, on a thread where it may block.
    commit: Option<JoinHandle<Committed>>,
    /// Bootstrap hosts by name, to be resolved anew whenever we find ourselves alone.
    bootstrap: Vec<Bootstrap>,
    resolving: Option<JoinHandle<Vec<Bootstrap>>>,
    limits: LimitLog,
    /// When to look again for gets whose callers have gone away, and for buffers that nobody uses.
    next_look: Time,
}

/// What is used again for every batch, and given back by a node that is idle: there may be a thousand in a process.
#[derive(Default)]
struct Buffers {
    incoming: Batch,
    outgoing: Vec<Transmit>,
    failures: Vec<SendFailure>,
    /// Was anything received since the last look?
    is_used: bool,
    /// Is there anything to give back?
    is_held: bool,
}

enum Caller {
    Outcome(oneshot::Sender<Result<Outcome, Refused>>),
    Get { getter: Getter, dropped: bool },
}

/// What woke the driver.
enum Wake {
    Received(io::Result<()>),
    Command(Option<Command>),
    Committed(Result<Committed, tokio::task::JoinError>),
    Resolved(Result<Vec<Bootstrap>, tokio::task::JoinError>),
    Timeout,
}

impl<S: Storage + 'static> Driver<S> {
    pub(crate) fn new(
        engine: Engine<S>,
        transport: Arc<dyn Transport>,
        clock: Clock,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            engine,
            transport,
            now: clock.now(),
            alarm: Box::pin(sleep_until(clock.in_a_while(TICK))),
            clock,
            buffers: Buffers::default(),
            commands,
            callers: BTreeMap::new(),
            commit: None,
            bootstrap: Vec::new(),
            resolving: None,
            limits: LimitLog::default(),
            next_look: Time::EPOCH,
        }
    }

    /// Runs until a shutdown is asked for, or every handle is gone.
    pub(crate) async fn run(mut self) {
        loop {
            self.flush().await;
            let wake = self.wait().await;
            self.now = self.clock.now();
            match wake {
                Wake::Received(received) => self.on_received(received).await,
                Wake::Command(None | Some(Command::Shutdown)) => break,
                Wake::Command(Some(command)) => self.on_command(command),
                Wake::Committed(committed) => self.on_committed(committed),
                Wake::Resolved(resolved) => self.on_resolved(resolved),
                Wake::Timeout => self.engine.handle_timeout(self.now),
            }
            self.look_around();
        }
        self.shut_down().await;
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self) -> Wake {
        self.set_alarm();
        let (transport, incoming) = (&self.transport, &mut self.buffers.incoming);
        // One of those that are ready is taken by chance, so that none starves.
        tokio::select! {
            received = poll_fn(|cx| transport.poll_receive(cx, incoming)) => Wake::Received(received),
            command = self.commands.recv() => Wake::Command(command),
            committed = finished(&mut self.commit) => Wake::Committed(committed),
            resolved = finished(&mut self.resolving) => Wake::Resolved(resolved),
            () = self.alarm.as_mut() => Wake::Timeout,
        }
    }

    fn set_alarm(&mut self) {
        let mut due = self.engine.poll_timeout();
        if !self.callers.is_empty() || self.buffers.is_held {
            due = due.min(self.next_look);
        }
        let due = self.clock.instant(due).unwrap_or_else(|| self.clock.in_a_while(TICK));
        if self.alarm.is_elapsed() || due < self.alarm.deadline() {
            self.alarm.as_mut().reset(due);
        }
    }

    /// Carries out everything the engine wants: sends, tells, commits. Each may bring about more.
    async fn flush(&mut self) {
        loop {
            let mut is_done = !self.send().await;
            while let Some(event) = self.engine.poll_event() {
                self.on_event(event);
                is_done = false;
            }
            if is_done {
                return self.begin_commit();
            }
        }
    }

    /// Sends all that the engine wants sent; returns whether there was anything.
    async fn send(&mut self) -> bool {
        let Buffers { outgoing, failures, .. } = &mut self.buffers;
        outgoing.extend(std::iter::from_fn(|| self.engine.poll_transmit()));
        if outgoing.is_empty() {
            return false;
        }
        let done = self.transport.try_send(outgoing, failures);
        if let Some(rest) = outgoing.get(done..).filter(|rest| !rest.is_empty()) {
            failures.append(&mut self.transport.send(rest).await);
        }
        outgoing.clear();
        for failure in failures.drain(..) {
            tracing::debug!(to = %failure.to, error = %failure.error, "not sent");
            self.engine.handle_send_error(failure.to, self.now);
        }
        true
    }

    fn begin_commit(&mut self) {
        if self.commit.is_none()
            && let Some(commit) = self.engine.poll_commit(self.now)
        {
            self.commit = Some(tokio::task::spawn_blocking(|| Commit::run(commit)));
        }
    }

    /// From time to time, gives up the gets whose callers have gone away, and the buffers that nobody uses.
    fn look_around(&mut self) {
        if self.now < self.next_look {
            return;
        }
        self.next_look = self.now + TICK;
        self.cancel_dropped();
        if let Some(reached) = self.limits.line(self.engine.traffic(), self.now) {
            tracing::warn!(%reached, "limits were reached, and datagrams dropped");
        }
        if !std::mem::take(&mut self.buffers.is_used) && self.buffers.is_held {
            self.buffers = Buffers::default();
            self.engine.release_memory();
        }
    }

    fn cancel_dropped(&mut self) {
        let is_dropped =
            |caller: &Caller| matches!(caller, Caller::Get { getter, .. } if getter.values.is_closed());
        let dropped: Vec<_> =
            self.callers.iter().filter(|(_, caller)| is_dropped(caller)).map(|(id, _)| *id).collect();
        for id in dropped {
            self.callers.remove(&id);
            self.engine.cancel(id, self.now);
        }
    }

    async fn on_received(&mut self, received: io::Result<()>) {
        (self.buffers.is_used, self.buffers.is_held) = (true, true);
        match received {
            Ok(()) => {
                for datagram in self.buffers.incoming.iter() {
                    self.engine.handle_datagram(datagram.peer, datagram.payload, self.now);
                }
            }
            Err(error) => {
                // A socket that fails at once and always must not keep a core busy.
                tracing::warn!(%error, "the socket fails to receive");
                sleep_until(self.clock.in_a_while(Duration::from_millis(100))).await;
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        let now = self.now;
        match command {
            Command::Start(request, outcome) => self.start(request, outcome),
            Command::Get(request, getter) => match self.engine.start(request, now) {
                Ok(id) => drop(self.callers.insert(id, Caller::Get { getter, dropped: false })),
                Err(refused) => drop(getter.outcome.send(Err(refused))),
            },
            Command::Join(bootstrap, outcome) => {
                let addrs = bootstrap.iter().flat_map(|host| host.addrs.iter().copied()).collect();
                if !bootstrap.is_empty() {
                    self.bootstrap = bootstrap;
                    // What is being resolved are the hosts before.
                    self.resolving.take().inspect(JoinHandle::abort);
                }
                self.start(Request::Join { bootstrap: addrs }, outcome);
            }
            Command::Statistics(reply) => drop(reply.send(self.statistics())),
            Command::Contacts(reply) => drop(reply.send(self.engine.table().contacts().collect())),
            Command::Shutdown => unreachable!("the loop ends on it"),
        }
    }

    fn statistics(&self) -> Statistics {
        let mut statistics = self.engine.statistics(self.now);
        statistics.lost_incoming = self.transport.lost_incoming();
        statistics
    }

    fn start(&mut self, request: Request, outcome: oneshot::Sender<Result<Outcome, Refused>>) {
        match self.engine.start(request, self.now) {
            Ok(id) => drop(self.callers.insert(id, Caller::Outcome(outcome))),
            Err(refused) => drop(outcome.send(Err(refused))),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Values { operation, values } => self.on_values(operation, values),
            Event::Finished { operation, outcome } => match (self.callers.remove(&operation), outcome) {
                (Some(Caller::Outcome(caller)), outcome) => drop(caller.send(Ok(outcome))),
                (Some(Caller::Get { getter, dropped }), Outcome::Got(outcome)) => {
                    report(getter, outcome, dropped);
                }
                _ => {}
            },
            Event::Isolated => self.resolve_again(),
        }
    }

    fn on_values(&mut self, operation: OperationId, values: Vec<crate::Value>) {
        let Some(Caller::Get { getter, dropped }) = self.callers.get_mut(&operation) else { return };
        for value in values {
            match getter.values.try_send(value) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => *dropped = true,
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.callers.remove(&operation);
                    self.engine.cancel(operation, self.now);
                    return;
                }
            }
        }
    }

    fn on_committed(&mut self, committed: Result<Committed, tokio::task::JoinError>) {
        self.commit = None;
        match committed {
            Ok(committed) => {
                let failed_before = self.engine.storage_error().is_some();
                self.engine.handle_committed(committed, self.now);
                match self.engine.storage_error() {
                    Some(error) if !failed_before => {
                        tracing::error!(%error, "nothing can be stored; it is tried again every second");
                    }
                    None if failed_before => tracing::warn!("values can be stored again"),
                    _ => {}
                }
            }
            // The runtime ends, and we with it; nobody waits for an answer any more.
            Err(error) if error.is_cancelled() => {}
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Resolves the names of the bootstrap hosts once more: they may have moved, or we may have started offline.
    fn resolve_again(&mut self) {
        if self.resolving.is_none() && !self.bootstrap.is_empty() {
            let hosts: Vec<String> = self.bootstrap.iter().map(|bootstrap| bootstrap.host.clone()).collect();
            self.resolving = Some(tokio::spawn(Bootstrap::resolve_all(hosts)));
        }
    }

    fn on_resolved(&mut self, resolved: Result<Vec<Bootstrap>, tokio::task::JoinError>) {
        self.resolving = None;
        let Ok(resolved) = resolved else { return };
        for (old, new) in self.bootstrap.iter_mut().zip(resolved) {
            // A name that cannot be resolved now keeps the addresses it had.
            if !new.addrs.is_empty() {
                old.addrs = new.addrs;
            }
        }
        let addrs: Vec<_> = self.bootstrap.iter().flat_map(|host| host.addrs.iter().copied()).collect();
        self.engine.set_bootstrap(&addrs);
    }

    /// Ends gracefully: operations end with what they have, what is staged is committed, those who wait for it
    /// are answered.
    async fn shut_down(&mut self) {
        self.commands.close();
        self.engine.stop(self.now);
        let latest = self.clock.in_a_while(MAX_SHUTDOWN);
        if timeout_at(latest, self.commit_all()).await.is_err() {
            tracing::error!("the last commit takes too long and is left behind");
        }
        self.now = self.clock.now();
        self.engine.close(self.now);
        // What cannot be sent at once was not worth waiting for.
        let _ = timeout_at(self.clock.in_a_while(TICK), self.flush()).await;
        self.refuse_commands();
    }

    /// Commits what is staged and sends what waits for it.
    async fn commit_all(&mut self) {
        self.flush().await;
        while !self.engine.is_stopped() && self.commit.is_some() {
            let committed = finished(&mut self.commit).await;
            self.now = self.clock.now();
            self.on_committed(committed);
            if let Some(error) = self.engine.storage_error() {
                tracing::error!(%error, "the last commit failed; nothing that was acknowledged is lost");
                return;
            }
            self.flush().await;
        }
    }

    /// Whoever was too late to be heard gets no answer but the closed channel.
    fn refuse_commands(&mut self) {
        while self.commands.try_recv().is_ok() {}
    }
}

/// The result of a task once there is one and it has ended; never ready while there is none.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

fn report(getter: Getter, mut outcome: GetOutcome, dropped: bool) {
    outcome.progress.complete &= !dropped;
    drop(getter.values);
    // The caller may have been after the values only.
    let _ = getter.outcome.send(Ok(outcome));
}

/// The present moment plus a while, for waits that are the driver's own.
impl Clock {
    #[expect(clippy::expect_used, reason = "no peer has a part in it")]
    fn in_a_while(&self, duration: Duration) -> Instant {
        self.instant(self.now() + duration).expect("a while from now is not too far away")
    }
}
