//! `Generator` and `Askers`: they ask in a closed loop, where each answer brings the next question, so that nothing is lost.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::BytesMut;
use khashmir::krpc::{Batch, Datagram, MAX_BATCH, Message, Transmit, Transport, UdpTransport, decode};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock;
use crate::exchange::{Exchange, Verdict};

/// How long to wait for the next answer before what is open counts as lost.
const PATIENCE: Duration = Duration::from_millis(1000);

/// How long to wait where questions have a rate: then they come due without an answer.
const TICK: Duration = Duration::from_millis(2);

/// A question counts as lost once so many times as many were asked after it as can be open.
const LATE: u64 = 4;

/// One acknowledged number in so many is remembered.
const REMEMBERED: u64 = 1024;

/// What all askers run on: this thread.
#[derive(Debug)]
pub(crate) struct Generator {
    runtime: Runtime,
}

/// Sockets that ask the same kind of question at the same time.
#[derive(Debug)]
pub(crate) struct Askers {
    sockets: Vec<Arc<UdpTransport>>,
    /// Questions that each socket has open at a time.
    window: usize,
    /// Numbers are never used twice, so that an answer that comes late answers nothing else.
    next: u64,
}

/// What askers are to do.
pub(crate) struct Load<'a> {
    pub(crate) askers: &'a mut Askers,
    /// One for each socket, or one for all.
    pub(crate) exchanges: &'a [Arc<dyn Exchange>],
    pub(crate) to: SocketAddr,
    /// Questions a second, all sockets together; without it as many as are answered.
    pub(crate) rate: Option<f64>,
}

/// What came of asking.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Right answers, those after the span included.
    pub(crate) answered: u64,
    /// Answers that refused what was asked for.
    pub(crate) refused: u64,
    /// Questions without a right answer.
    pub(crate) lost: u64,
    /// From the start to the last answer.
    pub(crate) took: Duration,
    /// Some of the numbers that had right answers.
    pub(crate) remembered: Vec<u64>,
}

impl Generator {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot start tokio")?;
        Ok(Self { runtime })
    }

    /// `sockets` that have `window` questions open together.
    pub(crate) fn askers(&self, sockets: usize, window: usize) -> Result<Askers> {
        let bind = || self.runtime.block_on(UdpTransport::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let bound = (0..sockets).map(|_| Ok(Arc::new(bind().context("cannot bind a port on loopback")?)));
        Ok(Askers { sockets: bound.collect::<Result<_>>()?, window: (window / sockets).max(1), next: 0 })
    }

    /// Asks one question from each socket, and returns the answers.
    pub(crate) fn probe(
        &self,
        askers: &Askers,
        exchange: &dyn Exchange,
        to: SocketAddr,
    ) -> Result<Vec<Vec<u8>>> {
        let mut query = BytesMut::new();
        exchange.write(0, &mut query);
        let query = query.freeze();
        let answers = askers.sockets.iter().map(|socket| {
            let query = Transmit { to, payload: query.clone() };
            self.runtime.block_on(ask_once(socket, query)).context("no answer to the first question")
        });
        answers.collect()
    }

    /// Lets all ask at the same time for as long as `span`.
    pub(crate) fn run(&self, loads: &mut [Load<'_>], span: Duration) -> Result<Vec<Tally>> {
        let end = clock::now() + span;
        let running: Vec<_> = loads.iter_mut().map(|load| load.start(&self.runtime, end)).collect();
        running.into_iter().map(|tasks| sum(self.runtime.block_on(tasks.join_all()))).collect()
    }
}

impl Tally {
    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64()
    }
}

fn sum(tallies: Vec<Result<Tally>>) -> Result<Tally> {
    let mut sum = Tally::default();
    for tally in tallies {
        let tally = tally?;
        sum.answered += tally.answered;
        sum.refused += tally.refused;
        sum.lost += tally.lost;
        sum.took = sum.took.max(tally.took);
        sum.remembered.extend(tally.remembered);
    }
    Ok(sum)
}

async fn ask_once(socket: &UdpTransport, query: Transmit) -> Result<Vec<u8>> {
    socket.send(&[query]).await;
    let is_answer = |datagram: &Datagram<'_>| matches!(decode(datagram.payload), Ok(Message::Reply { .. }));
    let mut batch = Batch::new();
    loop {
        timeout(PATIENCE, socket.receive(&mut batch)).await??;
        if let Some(answer) = batch.iter().find(is_answer) {
            return Ok(answer.payload.to_vec());
        }
    }
}

impl Load<'_> {
    fn start(&mut self, runtime: &Runtime, end: Instant) -> JoinSet<Result<Tally>> {
        let mut tasks = JoinSet::new();
        let Askers { sockets, window, next } = &mut *self.askers;
        for (socket, exchange) in sockets.iter().zip(self.exchanges.iter().cycle()) {
            let asker = Asker {
                exchange: Arc::clone(exchange),
                socket: Arc::clone(socket),
                to: self.to,
                open: vec![None; *window],
                opened: 0,
                lost: 0,
                next: *next,
                buffer: BytesMut::new(),
            };
            // More than one socket can ask within a span.
            *next += 1 << 40;
            tasks.spawn_on(
                asker.run(end, self.rate.map(|rate| rate / sockets.len() as f64)),
                runtime.handle(),
            );
        }
        tasks
    }
}

/// One socket and its questions.
struct Asker {
    exchange: Arc<dyn Exchange>,
    socket: Arc<UdpTransport>,
    to: SocketAddr,
    /// The numbers of the open questions, by their remainder.
    open: Vec<Option<u64>>,
    /// How many there are.
    opened: usize,
    lost: u64,
    next: u64,
    /// Where questions are written; what was sent is dropped, so that the same memory serves again.
    buffer: BytesMut,
}

impl Asker {
    async fn run(mut self, end: Instant, rate: Option<f64>) -> Result<Tally> {
        let (start, mut now) = (clock::now(), clock::now());
        let (mut tally, mut batch, mut out) = (Tally::default(), Batch::new(), Vec::new());
        let mut asked = 0;
        // Begins slowly, as a receive buffer may be small: two questions, and for each answer one more than before.
        let mut allowed = 2;
        loop {
            if now < end {
                let due = rate.map_or(u64::MAX, |rate| 1 + (rate * (now - start).as_secs_f64()) as u64);
                while self.opened < self.open.len().min(allowed) && asked < due {
                    out.push(self.ask());
                    asked += 1;
                }
                for part in out.chunks(MAX_BATCH) {
                    self.socket.send(part).await;
                }
                out.clear();
            } else if self.opened == 0 {
                break;
            }
            let is_paced = rate.is_some() && now < end;
            let receive = poll_fn(|cx| self.socket.poll_receive(cx, &mut batch));
            let received = timeout(if is_paced { TICK } else { PATIENCE }, receive).await;
            now = clock::now();
            match received {
                Ok(received) => received?,
                Err(_) if is_paced => continue,
                Err(_) => break,
            }
            for datagram in batch.iter() {
                if self.take(datagram, &mut tally)? {
                    allowed += 1;
                    tally.took = now - start;
                }
            }
        }
        tally.lost = self.lost + self.opened as u64;
        Ok(tally)
    }

    /// The next question. There must be a free place in `open`.
    fn ask(&mut self) -> Transmit {
        let mut place = self.place(self.next);
        while let Some(open) = self.open[place] {
            if self.next - open >= LATE * self.open.len() as u64 {
                self.opened -= 1;
                self.lost += 1;
                break;
            }
            self.next += 1;
            place = self.place(self.next);
        }
        self.open[place] = Some(self.next);
        self.opened += 1;
        self.exchange.write(self.next, &mut self.buffer);
        self.next += 1;
        Transmit { to: self.to, payload: self.buffer.split().freeze() }
    }

    /// Is this the answer to an open question? What else arrives, the node's own pings, is ignored.
    fn take(&mut self, datagram: Datagram<'_>, tally: &mut Tally) -> Result<bool> {
        let Some(number) = self.exchange.answered(datagram.payload) else { return Ok(false) };
        let place = self.place(number);
        if self.open[place] != Some(number) {
            return Ok(false);
        }
        self.open[place] = None;
        self.opened -= 1;
        match self.exchange.check(number, datagram.payload)? {
            Verdict::Refused => tally.refused += 1,
            Verdict::Done => {
                tally.answered += 1;
                if number.is_multiple_of(REMEMBERED) {
                    tally.remembered.push(number);
                }
            }
        }
        Ok(true)
    }

    fn place(&self, number: u64) -> usize {
        (number % self.open.len() as u64) as usize
    }
}
