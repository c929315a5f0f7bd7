//! `Colluder`: names none but its accomplices. Knows no wire and no world.

use std::sync::Arc;

use khashmir::krpc::Reply;

use super::{Answer, Asked, Claim, Ring, Tamper};

/// Names in an answer: Kademlia's k, as many as an honest node names.
pub(super) const NAMED: usize = 8;

/// Answers every search with its accomplices closest to the target, and with nothing else (the adversary of Baumgart and
/// Mies, "S/Kademlia", ICPADS 2007).
///
/// Whoever meets enough of them on the way to a key sees only them from there on.
#[derive(Clone, Debug)]
pub struct Colluder {
    ring: Arc<Ring>,
    claim: Claim,
}

impl Colluder {
    /// A member of `ring` that makes `claim` about values.
    #[must_use]
    pub const fn new(ring: Arc<Ring>, claim: Claim) -> Self {
        Self { ring, claim }
    }
}

impl Tamper for Colluder {
    fn alter_answer(&mut self, asked: &Asked, answer: Answer) -> Option<Answer> {
        let Answer { id, reply } = answer;
        let Some(target) = asked.target() else { return Some(Answer { id, reply }) };
        let accomplices = || {
            let mut closest = self.ring.closest(&target, NAMED + 1);
            closest.retain(|member| member.id != id);
            closest.truncate(NAMED);
            closest
        };
        let reply = match reply {
            Reply::FindNode { token, .. } => Reply::FindNode { nodes: accomplices(), token },
            Reply::FindValue { num, values, .. } => Reply::FindValue { nodes: accomplices(), num, values },
            other => other,
        };
        Some(Answer { id, reply: self.claim.alter(&target, &id, reply) })
    }
}
