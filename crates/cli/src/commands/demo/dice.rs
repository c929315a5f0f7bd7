//! `Dice`: choices that look random and are the same for the same seed.

use khashmir::Id;

/// Chooses by hashing what is to be chosen together with a seed and the occasion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    pub(super) seed: u64,
}

impl Dice {
    /// `count` of the candidates, or all if there are fewer, in random order. Another occasion, another choice.
    pub(super) fn choose(
        self,
        occasion: &str,
        candidates: impl IntoIterator<Item = usize>,
        count: usize,
    ) -> Vec<usize> {
        let mut chosen: Vec<usize> = candidates.into_iter().collect();
        chosen.sort_by_key(|candidate| Id::sha1(format!("{}/{occasion}/{candidate}", self.seed).as_bytes()));
        chosen.truncate(count);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_choose_equally() {
        let choose = |seed, occasion| Dice { seed }.choose(occasion, 0..20, 5);
        assert_eq!(choose(1, "stop"), choose(1, "stop"));
        assert_ne!(choose(1, "stop"), choose(2, "stop"));
        assert_ne!(choose(1, "stop"), choose(1, "read"));
        assert_eq!(choose(1, "stop").len(), 5);
    }
}
