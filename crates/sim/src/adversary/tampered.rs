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

/// An honest engine with a [`Tamper`] between it and the network.
///
/// Of an engine that is not part of the network yet, start a join first. Its events are dropped, and its commits run
/// at once: nobody waits for the operations of an attacker, and its disk takes no time.
#[derive(Debug)]
pub struct Tampered<S, T> {
    engine: Engine<S>,
    tamper: T,
    /// Queries that the engine has not answered, the oldest first. Mostly none: it answers before it gets another input, but
    /// for what it keeps back until the asker has proved its address.
    asked: VecDeque<Asked>,
    deeds: Deeds,
}

/// Most queries without an answer that are remembered: as many as replies an engine keeps back. Answers to older ones pass
/// unaltered.
const MAX_ASKED: usize = 32;

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
        let mut asked = self.asked.iter().enumerate().rev();
        let answered = asked.find_map(|(place, asked)| Some((place, asked.read_answer(&honest)?)));
        let Some((place, answer)) = answered else { return Some(honest) };
        let asked = self.asked.remove(place)?;
        let said = self.tamper.alter_answer(&asked, answer.clone());
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
