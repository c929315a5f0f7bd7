//! `Newcomers`: nodes that queried us and are to be pinged before they may enter the table. Knows no buckets.
//!
//! Whoever queries us may have forged its address, so these pings may hit a victim: they are few, whatever comes in.

use std::time::Duration;

use khashmir_types::{Contact, Time};

use crate::TableConfig;

/// The nodes that are to be pinged or owe us an answer, first come first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newcomers {
    waiting: Vec<Newcomer>,
    /// A leaky bucket's level, as the time at which it runs dry.
    full_until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Newcomer {
    contact: Contact,
    is_asked: bool,
}

impl Newcomers {
    /// Takes in `contact` to be pinged, unless its id or address waits already. Call only while [`Self::has_place`].
    pub(crate) fn offer(&mut self, contact: Contact, config: &TableConfig, now: Time) {
        let clashes = |other: &Newcomer| other.contact.id == contact.id || other.contact.addr == contact.addr;
        if !self.waiting.iter().any(clashes) {
            self.waiting.push(Newcomer { contact, is_asked: false });
            self.full_until = self.full_until.max(now) + cost(config);
        }
    }

    /// Takes `contact` off the list; returns whether it was there.
    pub(crate) fn take(&mut self, contact: &Contact) -> bool {
        let Some(index) = self.waiting.iter().position(|newcomer| newcomer.contact == *contact) else {
            return false;
        };
        self.waiting.remove(index);
        if self.waiting.is_empty() {
            self.waiting = Vec::new(); // an idle table owns no buffers
        }
        true
    }

    /// The next to be pinged now.
    pub(crate) fn poll(&mut self) -> Option<Contact> {
        let newcomer = self.waiting.iter_mut().find(|newcomer| !newcomer.is_asked)?;
        newcomer.is_asked = true;
        Some(newcomer.contact)
    }

    /// Does anybody wait to be pinged?
    pub(crate) fn is_due(&self) -> bool {
        self.waiting.iter().any(|newcomer| !newcomer.is_asked)
    }

    /// Bytes owned beside this list itself.
    pub(crate) fn owned_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<Newcomer>()
    }

    /// May another newcomer be pinged? At most `max_newcomers` in each `min_ping_interval` and at a time.
    pub(crate) fn has_place(&self, config: &TableConfig, now: Time) -> bool {
        let level = self.full_until.since(now).saturating_add(cost(config));
        self.waiting.len() < config.max_newcomers && level <= config.min_ping_interval
    }
}

/// How much one ping fills the leaky bucket, which holds a `min_ping_interval`.
fn cost(config: &TableConfig) -> Duration {
    let pings = u32::try_from(config.max_newcomers).unwrap_or(u32::MAX);
    config.min_ping_interval.checked_div(pings).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use khashmir_types::Id;

    use super::*;

    fn contact(n: u16) -> Contact {
        Contact::new(Id::sha1(&n.to_be_bytes()), ([10, 0, 0, 1], n).into())
    }

    fn offer_and_take(newcomers: &mut Newcomers, now: Time) -> usize {
        let config = TableConfig { max_newcomers: 4, ..TableConfig::default() };
        let mut taken = 0;
        for n in 0..100 {
            if newcomers.has_place(&config, now) {
                newcomers.offer(contact(n), &config, now);
            }
            taken += usize::from(newcomers.take(&contact(n)));
        }
        taken
    }

    #[test]
    fn pings_come_in_a_burst_and_then_at_a_steady_rate() {
        let mut newcomers = Newcomers::default();
        assert_eq!(offer_and_take(&mut newcomers, Time::EPOCH), 4);
        let quarter = Duration::from_secs(15 * 60 / 4);
        assert_eq!(offer_and_take(&mut newcomers, Time::EPOCH + quarter), 1);
        assert_eq!(offer_and_take(&mut newcomers, Time::EPOCH + 10 * quarter), 4);
    }

    #[test]
    fn an_id_and_an_address_wait_only_once() {
        let (mut newcomers, config) = (Newcomers::default(), TableConfig::default());
        let (a, b) = (contact(1), contact(2));
        for contact in [a, Contact::new(a.id, b.addr), Contact::new(b.id, a.addr)] {
            newcomers.offer(contact, &config, Time::EPOCH);
        }
        assert_eq!((newcomers.poll(), newcomers.poll()), (Some(a), None));
    }
}
