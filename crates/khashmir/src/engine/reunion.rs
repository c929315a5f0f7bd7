//! Finding those again whom a partition took from us: now and then, somebody who was lost is asked for a sign of life.
//! Knows no network, only whom we have lost.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use khashmir_actions::FindNode;
use khashmir_krpc::{Callee, Query, Repeat};
use khashmir_storage::Storage;
use khashmir_types::{Contact, Time};
use rand::RngExt;

use super::join::next_to;
use super::operation::{Enough, Goal, Operation, Stage};
use super::{Engine, Pending, Purpose};

/// Addresses remembered of nodes that were lost, the last ones. One that lives on the other side is enough.
const MAX_LOST: usize = 8;

/// Whom we have lost.
#[derive(Debug, Default)]
pub(super) struct Reunion {
    lost: VecDeque<SocketAddr>,
    /// Until then those who turn up again are taken to have been away, as somebody else who did belonged to our network.
    trusts_until: Time,
}

impl Reunion {
    /// A node that had answered us has left the table, as it does not any more.
    pub(super) fn on_lost(&mut self, addr: SocketAddr) {
        self.on_found(addr);
        if self.lost.len() == MAX_LOST {
            self.lost.pop_front();
        }
        self.lost.push_back(addr);
    }

    /// Somebody has answered at this address.
    fn on_found(&mut self, addr: SocketAddr) {
        self.lost.retain(|other| *other != addr);
    }

    /// Somebody who was lost belongs to our network. Should it fall apart now, most will remember the other half for as long as
    /// `forgetting`.
    pub(super) fn on_known(&mut self, forgetting: Duration, now: Time) {
        self.trusts_until = now + forgetting;
    }
}

impl<S: Storage> Engine<S> {
    /// Asks one of those who were lost, or a bootstrap node that we do not know, whether it is there: a single datagram.
    ///
    /// Two halves of a network that were cut apart for long know nobody of one another any more, and neither is alone.
    pub(super) fn seek_lost(&mut self, now: Time) {
        let is_unknown = |addr: &SocketAddr| {
            !self.membership.is_own_addr(*addr) && !self.table.contacts().any(|contact| contact.addr == *addr)
        };
        let bootstrap = self.membership.bootstrap().iter().filter(|addr| self.settings.scope.admits(**addr));
        let missing: Vec<_> =
            self.reunion.lost.iter().chain(bootstrap).filter(|addr| is_unknown(addr)).collect();
        if missing.is_empty() || !self.is_joined() {
            return;
        }
        let Some(&&addr) = missing.get(self.rng.random_range(0..missing.len())) else { return };
        let callee = Callee { addr, id: None };
        let asked = self.endpoint.call_with(callee, &Query::Ping, Repeat::Never, now, &mut self.rng);
        if let Ok(call) = asked {
            self.calls.insert(call, Pending { purpose: Purpose::Reunion, since: now });
        }
    }

    /// One of those who were lost has answered: looks around us from there, as those next to us may be unknown too.
    ///
    /// Most were just away for a while: if others name us, the network there is ours, and there is nothing to look for; nor is there for
    /// a while. Whoever answers then stays among the lost, to be asked again: a partition may be older than that trust.
    pub(super) fn on_reunion(&mut self, from: Contact, now: Time) {
        if !self.admits(&from) || now < self.reunion.trusts_until {
            return;
        }
        self.reunion.on_found(from.addr);
        // From there alone: those near us on this side cannot say who is near us on the other, and would be asked first.
        let (id, target) = (self.new_operation_id(), next_to(&self.id));
        let stage = Stage::FindNode(FindNode::new(target, [from], self.id, self.unhurried(), now));
        let enough = Enough::Known { but_by: from, named_by: None, is_known: false };
        self.schedule.on_refreshing();
        self.operations.insert(id, Operation::new(Goal::Refresh(enough), stage, now));
        self.advance(id, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reunion_is_over_when_two_others_name_us() {
        let node = |network: u8, n: u8| {
            Contact::new(khashmir_types::Id::sha1(&[network, n]), ([198, 51, network, n], 9977).into())
        };
        let lost = node(1, 1);
        let mut enough = Enough::Known { but_by: lost, named_by: None, is_known: false };
        enough.on_answer(&node(2, 1), false);
        enough.on_answer(&lost, true);
        enough.on_answer(&node(1, 2), true);
        enough.on_answer(&node(3, 1), true);
        enough.on_answer(&node(3, 2), true);
        assert!(!enough.is_reached(), "one liar has many ports, and knows us from our ping");
        enough.on_answer(&node(2, 1), true);
        assert!(enough.is_reached());
    }

    #[test]
    fn the_last_few_that_were_lost_are_remembered_each_once() {
        let mut reunion = Reunion::default();
        let addr = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        (0..20).for_each(|port| reunion.on_lost(addr(port)));
        reunion.on_lost(addr(15));
        let expected: Vec<_> = [12, 13, 14, 16, 17, 18, 19, 15].map(addr).into();
        assert_eq!(reunion.lost, expected);
        reunion.on_found(addr(15));
        assert!(!reunion.lost.contains(&addr(15)));
    }
}
