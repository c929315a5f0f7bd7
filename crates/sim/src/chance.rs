//! `Chance`: randomness that depends on what it is for, not on when it is drawn. Knows no hosts.
//!
//! A generator that all share would make every draw depend on the order of all earlier ones, and so on the number of threads.

use std::convert::Infallible;

use rand::{RngExt, TryRng};

/// A small generator for one purpose: equal purposes draw equally, others independently of it.
///
/// It is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): quick to seed, good enough for delays and losses. What
/// engines draw comes from their own cryptographic generator.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The draws for the purpose that `words` name in the world of `seed`.
    #[must_use]
    pub fn of(seed: u64, words: &[u64]) -> Self {
        Self(words.iter().fold(mix(seed), |state, word| mix(state ^ *word)))
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        self.random()
    }

    /// True in a `share` of all cases.
    pub fn hits(&mut self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }

    /// One of `0..count`; 0 if there is none.
    pub fn below(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { self.random_range(0..count) }
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        scramble(self.0)
    }
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.draw() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// The golden ratio in 64 bits: the increment of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads every bit of `word` over all bits of the result.
pub(crate) const fn mix(word: u64) -> u64 {
    scramble(word.wrapping_add(GOLDEN))
}

const fn scramble(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_purposes_draw_equally_and_others_do_not() {
        let draws = |seed, words: &[u64]| {
            let mut chance = Chance::of(seed, words);
            [chance.draw(), chance.draw()]
        };
        assert_eq!(draws(7, &[1, 2]), draws(7, &[1, 2]));
        for other in [draws(8, &[1, 2]), draws(7, &[2, 1]), draws(7, &[1])] {
            assert_ne!(draws(7, &[1, 2]), other);
        }
    }

    #[test]
    fn a_share_is_hit_about_as_often() {
        let hits = (0..10_000).filter(|purpose| Chance::of(1, &[*purpose]).hits(0.3)).count();
        assert!((2800..3200).contains(&hits), "{hits}");
    }
}
