//! `KNode`: a node as the table remembers it. Knows nothing of buckets or of other nodes.

use khashmir_types::{Contact, Id, Time};

/// What we know about the node behind a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It has answered us from its address.
    Proven,
    /// It was only heard of, from storage or from others.
    Unproven,
}

/// A node in the table: its contact, and how it has behaved.
///
/// Time and flags are packed (`last_seen` counts only if `is_proven`), as there are millions of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KNode {
    contact: Contact,
    fails: u8,
    is_proven: bool,
    is_challenged: bool,
    is_awaited: bool,
    last_seen: Time,
    ping_at: Time,
}

impl KNode {
    pub(crate) fn new(contact: Contact, standing: Standing, now: Time) -> Self {
        Self {
            contact,
            fails: 0,
            is_proven: standing == Standing::Proven,
            is_challenged: false,
            is_awaited: false,
            last_seen: now,
            ping_at: Time::FAR_FUTURE,
        }
    }

    /// It answered: all doubts are gone. A ping planned for later stays planned.
    pub(crate) fn on_seen(&mut self, now: Time) {
        if self.is_awaited || self.fails > 0 || self.ping_at <= now {
            self.ping_at = Time::FAR_FUTURE;
        }
        (self.fails, self.is_challenged, self.is_awaited) = (0, false, false);
        (self.is_proven, self.last_seen) = (true, now);
    }

    /// It did not answer. Returns how many times in a row it has not.
    pub(crate) fn on_failed(&mut self) -> u8 {
        self.is_awaited = false;
        self.fails = self.fails.saturating_add(1);
        self.fails
    }

    /// Plans a ping for `at`, or earlier if one is planned earlier or open.
    pub(crate) fn plan_ping(&mut self, at: Time) {
        if !self.is_awaited {
            self.ping_at = self.ping_at.min(at);
        }
    }

    /// Plans a ping for `now`; if that or any other request fails, another node takes this one's place.
    pub(crate) fn challenge(&mut self, now: Time) {
        self.is_challenged = true;
        self.plan_ping(now);
    }

    /// Its ping is being sent: no other is planned until the result is known.
    pub(crate) fn on_pinged(&mut self) {
        self.is_awaited = true;
        self.ping_at = Time::FAR_FUTURE;
    }

    /// This node without any pings planned.
    pub(crate) fn at_rest(self) -> Self {
        Self { is_challenged: false, is_awaited: false, ping_at: Time::FAR_FUTURE, ..self }
    }

    /// The node's id and address.
    #[must_use]
    pub const fn contact(&self) -> Contact {
        self.contact
    }

    /// The node's id.
    #[must_use]
    pub const fn id(&self) -> &Id {
        &self.contact.id
    }

    /// Requests in a row that it has not answered.
    #[must_use]
    pub const fn fails(&self) -> u8 {
        self.fails
    }

    /// When it last answered us, or `None` if it never has.
    #[must_use]
    pub fn last_seen(&self) -> Option<Time> {
        self.is_proven.then_some(self.last_seen)
    }

    /// Whether it has ever answered us from its address.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.is_proven
    }

    pub(crate) const fn is_challenged(&self) -> bool {
        self.is_challenged
    }

    /// When the next ping is planned, or [`Time::FAR_FUTURE`].
    pub(crate) const fn ping_at(&self) -> Time {
        self.ping_at
    }

    /// Do the two contacts claim one id for two addresses, or one address for two ids?
    pub(crate) fn contradicts(&self, contact: &Contact) -> bool {
        (self.contact.id == contact.id) != (self.contact.addr == contact.addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_takes_no_more_than_72_bytes() {
        assert!(size_of::<KNode>() <= 72);
    }
}
