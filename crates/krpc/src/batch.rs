//! `Batch`: the datagrams of one receive, in a buffer that is used again and again.
//!
//! Knows bytes and addresses; must not know where they come from or what is in them.

use std::net::SocketAddr;

use crate::MAX_INCOMING;

/// Datagrams taken in one batch at most: enough to share the cost of a wake-up under load, few enough that
/// sending and timers get their turn.
pub const MAX_BATCH: usize = 64;

/// A datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it came from. May be forged.
    pub peer: SocketAddr,
    /// What it holds. If it was longer than [`MAX_INCOMING`] bytes, it may be cut, but not to that length or less,
    /// so that an endpoint still sees that it was too long.
    pub payload: &'a [u8],
}

/// What one receive has brought: at most [`MAX_BATCH`] datagrams.
///
/// Meant to be kept and filled again. It owns nothing at first, then room for four datagrams; a batch that was full
/// doubles the room for the next one, up to [`MAX_BATCH`] or about half a mebibyte, of which the system provides only
/// the pages that datagrams were written to.
#[derive(Debug, Default)]
pub struct Batch {
    /// One slot of [`SLOT`] bytes for each datagram that there is room for.
    buffer: Vec<u8>,
    /// For each datagram in the first slots, from where it came and how long it is.
    taken: Vec<Taken>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) peer: SocketAddr,
    pub(crate) len: usize,
}

/// Bytes for one datagram: one byte more than an endpoint reads, so that a longer one does not pass for one that fits,
/// and some more, or the beginnings of all slots would compete for the same few lines of the processor's cache.
pub(crate) const SLOT: usize = MAX_INCOMING + 320;

/// Datagrams that an idle node has room for: a simulation or a demonstration may have a thousand of them.
const FEW: usize = 4;

impl Batch {
    /// An empty batch that owns no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { buffer: Vec::new(), taken: Vec::new() }
    }

    /// Forgets all datagrams and makes room for the next ones: to be called before a batch is filled anew.
    pub fn prepare(&mut self) {
        let room = self.room();
        let wanted = if self.len() < room { room } else { room.saturating_mul(2).clamp(FEW, MAX_BATCH) };
        self.taken.clear();
        if wanted > room {
            // Anew, not resized: nobody reads what the slots held, and zeroes from the system cost nothing.
            self.buffer = vec![0; wanted.saturating_mul(SLOT)];
            self.taken.reserve_exact(wanted);
        }
    }

    /// Adds a datagram, cut if need be as [`Datagram::payload`] says; returns whether there was room.
    pub fn push(&mut self, peer: SocketAddr, payload: &[u8]) -> bool {
        let payload = payload.get(..SLOT).unwrap_or(payload);
        let slot = self.vacancies().0.next();
        let Some(place) = slot.and_then(|slot| slot.get_mut(..payload.len())) else { return false };
        place.copy_from_slice(payload);
        self.taken.push(Taken { peer, len: payload.len() });
        true
    }

    /// The datagrams, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        let slots = self.taken.iter().zip(self.buffer.chunks_exact(SLOT));
        slots.map(|(taken, slot)| Datagram {
            peer: taken.peer,
            payload: slot.get(..taken.len).unwrap_or(slot),
        })
    }

    /// Datagrams in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.taken.len()
    }

    /// Is no datagram in it?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Is there no room for another datagram?
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len() == self.room()
    }

    /// Forgets all datagrams and gives all memory back.
    pub fn release_memory(&mut self) {
        *self = Self::new();
    }

    /// The slots without a datagram, and where to note those that get one, in that order.
    pub(crate) fn vacancies(&mut self) -> (impl Iterator<Item = &mut [u8]>, &mut Vec<Taken>) {
        (self.buffer.chunks_exact_mut(SLOT).skip(self.taken.len()), &mut self.taken)
    }

    const fn room(&self) -> usize {
        self.buffer.len() / SLOT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9977);

    fn fill(batch: &mut Batch) -> usize {
        batch.prepare();
        (0..1000_u16).take_while(|n| batch.push(PEER, &n.to_be_bytes())).count()
    }

    #[test]
    fn room_doubles_when_it_was_used_up() {
        let mut batch = Batch::new();
        assert!(batch.is_full(), "without memory there is no room");
        let filled: Vec<_> = (0..6).map(|_| fill(&mut batch)).collect();
        assert_eq!(filled, [4, 8, 16, 32, 64, 64]);
        assert_eq!(
            batch.iter().map(|datagram| datagram.payload[1]).collect::<Vec<_>>(),
            Vec::from_iter(0..64)
        );
    }

    #[test]
    fn room_stays_while_it_is_enough() {
        let mut batch = Batch::new();
        for _ in 0..10 {
            batch.prepare();
            (0..3).for_each(|_| assert!(batch.push(PEER, b"few")));
        }
        assert_eq!(batch.buffer.len(), FEW * SLOT);
        batch.release_memory();
        assert_eq!((batch.buffer.capacity(), batch.taken.capacity()), (0, 0));
    }

    #[test]
    fn a_long_datagram_still_shows_that_it_was() {
        let mut batch = Batch::new();
        batch.prepare();
        assert!(batch.push(PEER, &[1; 60_000]));
        assert!(batch.push(PEER, &[2; MAX_INCOMING]));
        let lengths: Vec<_> = batch.iter().map(|datagram| datagram.payload.len()).collect();
        assert!(lengths[0] > MAX_INCOMING);
        assert_eq!(lengths[1], MAX_INCOMING);
    }
}
