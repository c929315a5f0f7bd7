//! `Arena`: memory for replies that is used again as soon as those who sent them have let go of it.
//!
//! Knows sizes; must not know what a reply says.

use bytes::{Bytes, BytesMut};
use khashmir_types::Id;

use crate::codec::{MAX_DATAGRAM, ReplyTooLong, encode_reply_with, write_reply};
use crate::message::Reply;
use crate::{Level, MAX_BATCH, TransactionId};

/// Bytes in the largest arena: a batch of the longest replies. When they are used up while replies are still held, as by a
/// sender that waits, the arena is left to them and another one begun.
const MAX_SIZE: usize = MAX_BATCH * MAX_DATAGRAM;

/// Bytes in the first one: some find_node replies.
const FIRST_SIZE: usize = 4096;

/// Where replies are written. Doubles until it holds all that are held at a time, and then allocates no more.
#[derive(Debug, Default)]
pub(super) struct Arena {
    buffer: BytesMut,
    size: usize,
    /// Was there a reply before?
    is_used: bool,
}

impl Arena {
    /// Encodes a reply. The first one gets memory of just its size: an idle node that answers once in a while, or is one of
    /// a million in a simulation, does not tie up a whole arena for as long as the reply is under way.
    ///
    /// `is_drained` says that all replies before were handed out, and so may not be held any more.
    pub(super) fn encode(
        &mut self,
        transaction: &TransactionId,
        sender: &Id,
        reply: &Reply,
        level: Level,
        is_drained: bool,
    ) -> Result<Bytes, ReplyTooLong> {
        if !std::mem::replace(&mut self.is_used, true) {
            return encode_reply_with(transaction, sender, reply, level);
        }
        self.make_room(is_drained);
        write_reply(&mut self.buffer, transaction, sender, reply, level)?;
        Ok(self.buffer.split().freeze())
    }

    fn make_room(&mut self, is_drained: bool) {
        if is_drained {
            // Nothing is lost if some reply is still held: then what is left will do for now.
            let _ = self.buffer.try_reclaim(self.size);
        }
        if self.buffer.capacity() < MAX_DATAGRAM && !self.buffer.try_reclaim(MAX_DATAGRAM) {
            self.size = self.size.saturating_mul(2).clamp(FIRST_SIZE, MAX_SIZE);
            self.buffer = BytesMut::with_capacity(self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(arena: &mut Arena, is_drained: bool) -> Bytes {
        let transaction = [7; TransactionId::LEN].into();
        arena.encode(&transaction, &Id::MAX, &Reply::Ping, Level::OURS, is_drained).unwrap()
    }

    #[test]
    fn replies_that_were_let_go_of_make_room_for_others() {
        let mut arena = Arena::default();
        let expected = encode(&mut arena, true);
        assert_eq!(arena.buffer.capacity(), 0, "the first has its own memory");
        let mut batch = Vec::new();
        for round in 0..100 {
            for place in 0..MAX_BATCH {
                let reply = encode(&mut arena, place == 0);
                assert_eq!(reply, expected);
                batch.push(reply);
            }
            batch.clear();
            assert!(round < 3 || arena.size == 8192, "{} bytes", arena.size);
        }
    }

    #[test]
    fn replies_that_are_held_stay_as_they_are() {
        let mut arena = Arena::default();
        let held: Vec<_> = (0..10_000).map(|_| encode(&mut arena, true)).collect();
        assert!(held.iter().all(|reply| *reply == held[0]));
        assert_eq!(arena.size, MAX_SIZE);
    }
}
