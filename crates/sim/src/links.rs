//! How datagrams travel: how long, and what befalls them on the way. Knows no hosts but by number.

use std::time::Duration;

use crate::HostId;
use crate::chance::Chance;

mod delay;
mod matrix;

pub(crate) use delay::Place;
pub use delay::{Delay, Geography};
pub use matrix::{Matrix, MatrixError};

/// How datagrams travel between hosts.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// How long a datagram takes.
    pub delay: Delay,
    /// The share of datagrams that never arrive, 0 to 1.
    pub loss: f64,
    /// The share that arrives twice.
    pub duplication: f64,
    /// The share in which a byte is changed, or whose end is cut off.
    pub corruption: f64,
    /// The share that is held back for up to [`hold`](Self::hold), so that later ones overtake it.
    pub reordering: f64,
    /// The longest time a datagram is held back. While it is zero, none is.
    pub hold: Duration,
}

/// What becomes of one copy of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) delay: Duration,
    pub(crate) is_held: bool,
    pub(crate) is_corrupted: bool,
}

impl Links {
    /// Every datagram arrives, as it was sent, after `delay`.
    #[must_use]
    pub fn constant(delay: Duration) -> Self {
        Self { delay: Delay::Constant(delay), ..Self::default() }
    }

    /// Hosts have positions, and random pairs of them round trips of mostly 150 to 300 ms.
    #[must_use]
    pub fn world_wide() -> Self {
        Self { delay: Delay::Positions(Geography::default()), ..Self::default() }
    }

    /// These links, with a share of datagrams lost.
    #[must_use]
    pub fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// No datagram arrives sooner than this.
    pub(crate) fn shortest(&self) -> Duration {
        self.delay.shortest()
    }

    /// The copies of a datagram that arrive: none if it is lost, two if it is duplicated.
    pub(crate) fn passages(
        &self,
        seed: u64,
        from: HostId,
        to: HostId,
        chance: &mut Chance,
    ) -> [Option<Passage>; 2] {
        if chance.hits(self.loss) {
            return [None, None];
        }
        let delay = self.delay.between(seed, from, to);
        let mut passage = || {
            let is_held = !self.hold.is_zero() && chance.hits(self.reordering);
            let held = if is_held { self.hold.mul_f64(chance.unit()) } else { Duration::ZERO };
            Some(Passage { delay: delay + held, is_held, is_corrupted: chance.hits(self.corruption) })
        };
        let first = passage();
        let second = if self.duplication > 0.0 { passage() } else { None };
        [first, second.filter(|_| chance.hits(self.duplication))]
    }
}

/// A datagram as a bad line delivers it: a byte changed, or cut short.
pub(crate) fn corrupt(payload: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    let place = chance.below(bytes.len());
    if chance.hits(0.5) {
        bytes.truncate(place);
    } else if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << chance.below(8);
    }
    bytes
}
