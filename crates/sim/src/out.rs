//! `Out`: what the hosts of a shard bring about, for themselves and for others. Calls no engine but to ask when it
//! wishes to be called.

use std::time::Duration;

use bytes::Bytes;
use khashmir::Time;
use khashmir::krpc::Transmit;

use crate::HostId;
use crate::counts::Counts;
use crate::event::{Due, What};
use crate::host::{Host, Occupant};
use crate::links;
use crate::nat::Peer;
use crate::terrain::{Sent, Terrain};
use crate::wheel::Wheel;

/// Who has sent a datagram, and who it says has.
#[derive(Clone, Copy)]
struct Origin {
    host: HostId,
    name: Peer,
}

/// What the hosts of a shard bring about.
#[derive(Debug)]
pub(crate) struct Out {
    index: usize,
    pub(crate) wheel: Wheel<Due>,
    /// For each shard what will happen there.
    pub(crate) outboxes: Vec<Vec<Due>>,
    pub(crate) counts: Counts,
    pub(crate) sent: Vec<Sent>,
}

impl Out {
    pub(crate) fn new(index: usize, shards: usize, now: Time) -> Self {
        let outboxes = std::iter::repeat_with(Vec::new).take(shards).collect();
        Self { index, wheel: Wheel::new(now), outboxes, counts: Counts::default(), sent: Vec::new() }
    }

    /// Sees to it that something happens.
    pub(crate) fn plan(&mut self, due: Due) {
        let shard = due.to.index() % self.outboxes.len();
        if shard == self.index { self.wheel.push(due) } else { self.outboxes[shard].push(due) }
    }

    /// Plans the next wake of a host, if it is to be earlier than the one that is planned.
    pub(crate) fn arm(&mut self, host: &mut Host, id: HostId, now: Time) {
        let timeout = match &host.occupant {
            Occupant::Engine(engine) => engine.poll_timeout(),
            Occupant::Adversary(adversary) => adversary.poll_timeout(),
            Occupant::Nobody | Occupant::Outsider(_) => return,
        };
        let moment = host.clock.moment(timeout);
        // Not all moments of a clock that is off are moments of the world's.
        let is_due = host.clock.shows(now) >= timeout;
        let at = if is_due { now } else { moment.max(now + Duration::from_micros(1)) };
        if at < host.armed && timeout != Time::FAR_FUTURE {
            host.armed = at;
            let sequence = host.next_planned();
            self.plan(Due { at, to: id, from: id, sequence, what: What::Wake });
        }
    }

    /// Sends a datagram on its way, from the address of the host `name`: `from` itself, unless that forges addresses.
    pub(crate) fn send(
        &mut self,
        host: &mut Host,
        from: HostId,
        name: HostId,
        transmit: Transmit,
        now: Time,
        terrain: &Terrain,
    ) {
        let Transmit { to, payload } = transmit;
        self.counts.sent += 1;
        self.counts.forged += u64::from(name != from);
        self.counts.bytes += payload.len() as u64;
        host.bytes += payload.len() as u64;
        let target = terrain.host_at(to);
        let mut addr = terrain.addr(name);
        if let Some(gate) = &mut host.gate {
            let peer = target.map(|host| Peer { host, port: to.port() });
            addr.set_port(gate.let_out(addr.port(), peer, now));
        }
        if terrain.keeps_sent {
            self.sent.push(Sent { at: now, from: addr, to, payload: payload.clone() });
        }
        match target {
            None => self.counts.to_nobody += 1,
            Some(target) if terrain.cuts(from, target) => self.counts.cut += 1,
            Some(target) => {
                let from = Origin { host: from, name: Peer { host: name, port: addr.port() } };
                self.carry(host, from, Peer { host: target, port: to.port() }, payload, now, terrain);
            }
        }
    }

    /// Sees to it that the copies of a datagram arrive that do.
    fn carry(
        &mut self,
        host: &mut Host,
        from: Origin,
        to: Peer,
        payload: Bytes,
        now: Time,
        terrain: &Terrain,
    ) {
        let mut chance = terrain.chance(from.host, host.next_planned());
        if host.gate.as_ref().is_some_and(|gate| chance.hits(gate.loss.outward)) {
            self.counts.lost += 1;
            return;
        }
        let passages = terrain.links.passages(terrain.seed, from.host, to.host, &mut chance);
        self.counts.lost += u64::from(passages[0].is_none());
        self.counts.duplicated += u64::from(passages[1].is_some());
        let copies = passages.iter().flatten().count();
        for (passage, payload) in passages.into_iter().flatten().zip(std::iter::repeat_n(payload, copies)) {
            self.counts.held += u64::from(passage.is_held);
            self.counts.corrupted += u64::from(passage.is_corrupted);
            let payload =
                if passage.is_corrupted { links::corrupt(&payload, &mut chance).into() } else { payload };
            let what =
                What::Datagram { name: from.name.host, from_port: from.name.port, to_port: to.port, payload };
            let (at, sequence) = (now + passage.delay, host.next_planned());
            self.plan(Due { at, to: to.host, from: from.host, sequence, what });
        }
    }
}
