//! `Held`: replies that are kept back until the address they go to has proved itself. Knows not how it does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use khashmir_types::Time;

use crate::endpoint::Delivery;

/// Replies that wait for a proof, the oldest first. Owns nothing while there are none.
#[derive(Debug, Default)]
pub(super) struct Held {
    replies: Vec<Reply>,
}

#[derive(Debug)]
struct Reply {
    to: SocketAddr,
    payload: Bytes,
    since: Time,
}

/// Replies kept at a time, mostly one for each address. A ping whose answer never comes is given up only after the timeout of a
/// call, three times as long as a reply is kept: so a flood of forged addresses takes 96 calls, of the 256 that may be open.
const MAX_REPLIES: usize = 32;

/// Replies that wait for one address: the questions of a lookup or two.
const MAX_EACH: usize = 4;

/// How long a proof is waited for: three slow round trips.
const PATIENCE: Duration = Duration::from_secs(3);

impl Held {
    /// Is there room for a reply to another address?
    pub(super) fn has_room(&mut self, now: Time) -> bool {
        self.replies.retain(|reply| now.since(reply.since) < PATIENCE);
        self.replies.len() < MAX_REPLIES
    }

    pub(super) fn keep(&mut self, to: SocketAddr, payload: Bytes, now: Time) -> Delivery {
        let has_room = self.has_room(now);
        let waiting = self.replies.iter().filter(|reply| reply.to == to).count();
        if !has_room || waiting >= MAX_EACH {
            return Delivery::Dropped;
        }
        self.replies.push(Reply { to, payload, since: now });
        if waiting == 0 { Delivery::NeedsProof } else { Delivery::Waits }
    }

    pub(super) fn awaits(&self, addr: SocketAddr) -> bool {
        self.replies.iter().any(|reply| reply.to == addr)
    }

    /// The address has proved itself: gives out what waited for it.
    pub(super) fn release(&mut self, addr: SocketAddr) -> Vec<Bytes> {
        if !self.awaits(addr) {
            return Vec::new();
        }
        let released =
            self.replies.extract_if(.., |reply| reply.to == addr).map(|reply| reply.payload).collect();
        if self.replies.is_empty() {
            self.replies = Vec::new();
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1000);

    fn addr(n: u16) -> SocketAddr {
        ([203, 0, 113, 1], n).into()
    }

    #[test]
    fn what_waits_for_an_address_is_given_out_once() {
        let mut held = Held::default();
        assert_eq!(held.keep(addr(1), Bytes::from("a"), NOW), Delivery::NeedsProof);
        assert_eq!(held.keep(addr(2), Bytes::from("b"), NOW), Delivery::NeedsProof);
        assert_eq!(held.keep(addr(1), Bytes::from("c"), NOW), Delivery::Waits);
        assert_eq!(held.release(addr(1)), ["a", "c"]);
        assert!(held.release(addr(1)).is_empty() && held.awaits(addr(2)));
        held.release(addr(2));
        assert_eq!(held.replies.capacity(), 0);
    }

    #[test]
    fn a_flood_fills_a_limited_room_for_seconds() {
        let mut held = Held::default();
        let kept = |held: &mut Held, now| {
            (0..1000).filter(|n| held.keep(addr(*n), Bytes::new(), now) == Delivery::NeedsProof).count()
        };
        assert_eq!(kept(&mut held, NOW), MAX_REPLIES);
        assert_eq!(kept(&mut held, NOW + PATIENCE / 2), 0);
        assert_eq!(kept(&mut held, NOW + PATIENCE), MAX_REPLIES);
        let mut held = Held::default();
        let beside = (0..10).filter(|_| held.keep(addr(1), Bytes::new(), NOW) != Delivery::Dropped).count();
        assert_eq!(beside, MAX_EACH);
    }
}
