//! `Liar`: routes honestly, and lies about values. Knows no wire and no world.

use super::{Answer, Asked, Claim, Tamper};

/// An honest node, but for what it says about values. Nobody can tell it from an honest one before a value is looked
/// at: applications must check what they get.
#[derive(Clone, Copy, Debug)]
pub struct Liar {
    claim: Claim,
}

impl Liar {
    /// A node that makes `claim` about values.
    #[must_use]
    pub const fn new(claim: Claim) -> Self {
        Self { claim }
    }
}

impl Tamper for Liar {
    fn alter_answer(&mut self, asked: &Asked, answer: Answer) -> Option<Answer> {
        let Some(key) = asked.target() else { return Some(answer) };
        let reply = self.claim.alter(&key, &answer.id, answer.reply);
        Some(Answer { id: answer.id, reply })
    }
}
