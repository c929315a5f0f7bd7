//! Stores that wait for the commit which makes them durable. Knows no storage.

use std::collections::VecDeque;

use khashmir_krpc::ReplyTo;
use khashmir_storage::Ticket;

use super::OperationId;

/// Who waits for a value to be durable.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A peer: it gets its reply.
    Peer(ReplyTo),
    /// A store of ours that keeps a copy here.
    Ourselves(OperationId),
}

/// Those who wait, in the order of their tickets.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: VecDeque<(Ticket, Waiting)>,
}

impl Parked {
    /// Parks `waiting` until the commit that covers `ticket`. Tickets must not descend.
    pub(super) fn park(&mut self, ticket: Ticket, waiting: Waiting) {
        debug_assert!(
            self.waiting.back().is_none_or(|(last, _)| *last <= ticket),
            "tickets must not descend"
        );
        self.waiting.push_back((ticket, waiting));
    }

    /// Takes the next one that a commit up to `ticket` covers.
    pub(super) fn release(&mut self, ticket: Ticket) -> Option<Waiting> {
        let covered = self.waiting.front().is_some_and(|(first, _)| *first <= ticket);
        covered.then(|| self.waiting.pop_front()).flatten().map(|(_, waiting)| waiting)
    }

    /// Takes the next one, whatever its ticket.
    pub(super) fn release_any(&mut self) -> Option<Waiting> {
        self.waiting.pop_front().map(|(_, waiting)| waiting)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
