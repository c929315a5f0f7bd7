//! `Proven`: the addresses that have shown that they receive what is sent to them. Knows addresses as numbers only.

use std::time::Duration;

use khashmir_types::Time;

/// The addresses that echoed one of our random values lately, as 32 bits of a keyed hash.
///
/// A set-associative table that grows as it fills, up to a limit, and then forgets the one proved longest ago in the set.
/// Of a million forged addresses one passes by chance for one of ours.
#[derive(Debug, Default)]
pub(super) struct Proven {
    sets: Vec<[Entry; WAYS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    mark: u32,
    /// Seconds since the epoch; 0 for none.
    at: u32,
}

const WAYS: usize = 8;

/// 4,096 addresses in 32 KiB: who answers some hundred calls a minute fills half of it.
const MAX_SETS: usize = 512;

/// How long a proof counts: longer than a NAT keeps a quiet mapping, shorter than a provider gives an address to another.
const LASTS: Duration = Duration::from_secs(15 * 60);

impl Proven {
    pub(super) fn has(&self, hash: u64, now: Time) -> bool {
        let mark = mark(hash);
        self.set(mark)
            .is_some_and(|set| set.iter().any(|entry| entry.mark == mark && entry.is_live(seconds(now))))
    }

    pub(super) fn add(&mut self, hash: u64, now: Time) {
        let entry = Entry { mark: mark(hash), at: seconds(now) };
        while self.sets.len() < MAX_SETS && self.is_crowded(entry) {
            self.grow(entry.at);
        }
        self.place(entry);
    }

    /// Is there no room for `entry`, in a table that is not empty enough for that to be bad luck?
    fn is_crowded(&self, entry: Entry) -> bool {
        let has_room =
            |set: &[Entry; WAYS]| set.iter().any(|old| old.mark == entry.mark || !old.is_live(entry.at));
        if self.set(entry.mark).is_some_and(has_room) {
            return false;
        }
        let live = self.sets.iter().flatten().filter(|old| old.is_live(entry.at)).count();
        live.saturating_mul(4) >= self.sets.len().saturating_mul(WAYS)
    }

    /// Puts `entry` into its set: over its own earlier one, else over the oldest.
    fn place(&mut self, entry: Entry) {
        let sets = self.sets.len();
        let set = (entry.mark as usize).checked_rem(sets).and_then(|set| self.sets.get_mut(set));
        let by_age = |old: &&mut Entry| (old.mark != entry.mark || old.at == 0).then_some(old.at);
        if let Some(place) = set.into_iter().flatten().min_by_key(by_age) {
            *place = entry;
        }
    }

    fn grow(&mut self, now: u32) {
        let larger = vec![Default::default(); self.sets.len().saturating_mul(2).max(1)];
        let old = std::mem::replace(&mut self.sets, larger);
        for entry in old.into_iter().flatten().filter(|entry| entry.is_live(now)) {
            // Each set is spread over two or more, so there is room.
            self.place(entry);
        }
    }

    fn set(&self, mark: u32) -> Option<&[Entry; WAYS]> {
        self.sets.get((mark as usize).checked_rem(self.sets.len())?)
    }
}

impl Entry {
    fn is_live(self, now: u32) -> bool {
        self.at > 0 && u64::from(now.saturating_sub(self.at)) < LASTS.as_secs()
    }
}

fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Enough until 2106.
fn seconds(now: Time) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);

    /// A hash of which every bit depends on every bit of `n`.
    fn hash(n: u64) -> u64 {
        let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    #[test]
    fn a_proof_counts_for_a_while() {
        let mut proven = Proven::default();
        assert!(!proven.has(hash(1), NOW));
        proven.add(hash(1), NOW);
        assert!(proven.has(hash(1), NOW + LASTS - Duration::from_secs(1)));
        assert!(!proven.has(hash(1), NOW + LASTS));
        assert!(!proven.has(hash(2), NOW));
    }

    #[test]
    fn a_few_thousand_are_remembered_and_no_more() {
        let mut proven = Proven::default();
        for n in 0..2000 {
            proven.add(hash(n), NOW);
            assert!(proven.has(hash(n), NOW));
        }
        let remembered = (0..2000).filter(|n| proven.has(hash(*n), NOW)).count();
        assert!(remembered > 1950, "{remembered}");
        (0..100_000).for_each(|n| proven.add(hash(n), NOW));
        assert_eq!(proven.sets.len(), MAX_SETS);
    }

    #[test]
    fn those_whose_proof_has_expired_make_room() {
        let mut proven = Proven::default();
        for minute in 0..1000 {
            (0..4).for_each(|n| proven.add(hash(minute * 4 + n), NOW + Duration::from_secs(60 * minute)));
        }
        assert!(proven.sets.len() <= 64, "{}", proven.sets.len());
    }

    #[test]
    fn forged_addresses_do_not_pass() {
        let mut proven = Proven::default();
        (0..4000).for_each(|n| proven.add(hash(n), NOW));
        assert!((10_000..110_000).filter(|n| proven.has(hash(*n), NOW)).count() <= 2);
    }
}
