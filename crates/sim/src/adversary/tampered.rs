//! `Tampered`: an honest engine whose words somebody changes on their way. Knows no wire and no particular lie.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::net::SocketAddr;

use bytes::Bytes;
use khashmir::krpc::Transmit;
use khashmir::storage::Storage;
use khashmir::{Engine, Id, Time};

use super::{Adversary, Answer, Asked, Deeds};

/// What an attacker changes of an honest node. Each method by itself changes nothing.
///
/// Being a node for all the rest it joins, pings and is pinged, and so stays in the tables of others.
pub trait Tamper: Debug + Send {
    /// May the engine hear this query? If not, nobody answers it.
    fn admits(&mut self, asked: &Asked) -> bool {
        let _ = asked;
        true
    }

    /// What is said in place of the engine's `answer`; `None` for nothing. Errors pass as they are.
    fn alter_answer(&mut self, asked: &Asked, answer: Answer) -> Option<Answer> {
        let _ = asked;
        Some(answer)
    }

    /// What is sent in place of a datagram, be it a query of the engine's own or an answer, altered or not; `None`
    /// for nothing.
    fn alter_datagram(&mut self, to: SocketAddr, payload: Bytes) -> Option<Bytes> {
        let _ = to;
        Some(payload)
    }
}

/// Queries remembered until they are answered: as many as an engine keeps answers back for. Older ones get no answer.
const MAX_ASKED: usize = 128;

/// An honest engine with a [`Tamper`] between it and the network.
///
/// Of an engine that is not part of the network yet, start a join first. Its events are dropped, and its commits run
/// at once: nobody waits for the operations of an attacker, and its disk takes no time.
#[derive(Debug)]
pub struct Tampered<S, T> {
    engine: Engine<S>,
    tamper: T,
    /// The queries that the engine has not answered yet, the oldest first: it answers at once, or once the asker has proved
    /// its address.
    asked: VecDeque<Asked>,
    deeds: Deeds,
}

impl<S: Storage, T: Tamper> Tampered<S, T> {
    /// Puts `tamper` between `engine` and the network.
    #[must_use]
    pub fn new(engine: Engine<S>, tamper: T) -> Self {
        Self { engine, tamper, asked: VecDeque::new(), deeds: Deeds::default() }
    }

    fn settle(&mut self, now: Time) {
        if let Some(commit) = self.engine.poll_commit(now) {
            self.engine.handle_committed(commit.run(), now);
        }
        while self.engine.poll_event().is_some() {}
    }

    /// What becomes of a datagram of the engine's.
    fn pass(&mut self, honest: Transmit) -> Option<Transmit> {
        let Transmit { to, payload } = self.pass_answer(honest)?;
        let sent = self.tamper.alter_datagram(to, payload.clone());
        self.deeds.misdeeds += u64::from(sent.as_ref() != Some(&payload));
        sent.map(|payload| Transmit { to, payload })
    }

    fn pass_answer(&mut self, honest: Transmit) -> Option<Transmit> {
        let answer_to = |asked: &Asked| asked.read_answer(&honest);
        let Some(place) = self.asked.iter().position(|asked| answer_to(asked).is_some()) else {
            return Some(honest);
        };
        let asked = &self.asked.remove(place)?;
        let answer = answer_to(asked)?;
        let said = self.tamper.alter_answer(asked, answer.clone());
        if said.as_ref() == Some(&answer) {
            return Some(honest);
        }
        self.deeds.misdeeds += 1;
        asked.answer(&said?)
    }
}

impl<S: Storage + Debug + Send, T: Tamper> Adversary for Tampered<S, T> {
    fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Time) {
        if let Some(asked) = Asked::read(from, datagram) {
            self.deeds.asked += 1;
            if !self.tamper.admits(&asked) {
                self.deeds.misdeeds += 1;
                return;
            }
            if self.asked.len() == MAX_ASKED {
                self.asked.pop_front();
            }
            self.asked.push_back(asked);
        }
        self.engine.handle_datagram(from, datagram, now);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.engine.handle_timeout(now);
        self.settle(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        loop {
            let honest = self.engine.poll_transmit()?;
            let passed = self.pass(honest);
            if passed.is_some() {
                return passed;
            }
        }
    }

    fn poll_timeout(&self) -> Time {
        self.engine.poll_timeout()
    }

    fn id(&self) -> Option<Id> {
        Some(self.engine.id())
    }

    fn deeds(&self) -> Deeds {
        self.deeds
    }
}
