//! How many nodes the network has, as far as one table shows.

use khashmir_types::Id;

use super::KTable;

/// Buckets that the estimate counts.
const COUNTED: usize = 3;

/// Of the buckets that may be the first with fewer than k nodes, the first that has is more often one that has few by
/// chance. So the count is too low by a tenth on average, whatever the size of the network (computed; 10 to 100,000 nodes).
const CORRECTION: f64 = 1.1;

impl KTable {
    /// How many nodes the network seems to have; `None` if the table has fewer than `k`.
    ///
    /// A bucket with room holds all nodes of its range, and honest ids are spread evenly. So this counts the first three
    /// buckets, from the farthest on, of which the first has fewer than `k` nodes, or from the one before if they hold hardly any: in
    /// four of five tables the estimate is between 0.6 and 1.5 times the truth. Nodes that somebody has made up right next to us are in deeper buckets, however
    /// many they are: to make the network look twice as large, an attacker has to fill one of the buckets counted.
    #[must_use]
    pub fn network_size(&self) -> Option<f64> {
        if self.len() < self.config.k {
            return None;
        }
        let mut counts = [0_usize; Id::BITS];
        let (last, others) = self.buckets.split_last().expect("a table has at least one bucket");
        for (count, bucket) in counts.iter_mut().zip(others) {
            *count = bucket.nodes().len();
        }
        for node in last.nodes() {
            counts[self.own_id.distance(node.id()).shared_prefix_bits()] += 1;
        }
        let first_with_room = counts.iter().position(|count| *count < self.config.k)?;
        let nodes_from = |first| -> usize {
            counts.iter().skip(first).take(COUNTED).map(|count| (*count).min(self.config.k)).sum()
        };
        // In one of some hundred tables these are empty or nearly so, by chance; then the bucket before them has more to tell.
        let are_few = 2 * nodes_from(first_with_room) < self.config.k;
        let first = first_with_room.saturating_sub(usize::from(are_few));
        let nodes = nodes_from(first);
        // Bucket i has 2^-(i + 1) of all ids.
        let share: f64 = (first..first + COUNTED).map(|index| 0.5_f64.powi(index as i32 + 1)).sum();
        (nodes > 0).then(|| CORRECTION * nodes as f64 / share)
    }
}

#[cfg(test)]
mod tests {
    use khashmir_types::{Contact, Time};
    use rand::SeedableRng;
    use rand::rngs::ChaCha12Rng;

    use super::*;
    use crate::TableConfig;

    const NOW: Time = Time::from_secs(1_000_000);

    /// Tables of a network of `size` nodes, each of which knows all that fit.
    fn tables(size: u32) -> impl Iterator<Item = KTable> {
        let mut rng = ChaCha12Rng::seed_from_u64(u64::from(size));
        std::iter::repeat_with(move || {
            let mut table = KTable::new(Id::random(&mut rng), TableConfig::default(), NOW);
            for n in 0..size {
                table.on_answer(Contact::new(Id::random(&mut rng), ([10, 1, 0, 1], n as u16).into()), NOW);
            }
            table
        })
    }

    #[test]
    fn the_estimate_is_about_right() {
        for size in [20, 300, 3_000] {
            let mut ratios: Vec<_> =
                tables(size).take(40).map(|table| table.network_size().unwrap() / f64::from(size)).collect();
            ratios.sort_by(f64::total_cmp);
            assert!(ratios[4] > 0.4 && ratios[36] < 1.8, "{ratios:?}");
            assert!((0.75..1.3).contains(&ratios[20]), "{ratios:?}");
        }
    }

    #[test]
    fn nodes_made_up_next_to_us_do_not_count() {
        for mut table in tables(1_000).take(20) {
            let before = table.network_size().unwrap();
            for n in 0..100_u8 {
                let mut id = *table.own_id().as_bytes();
                id[19] ^= n + 1;
                table.on_answer(Contact::new(Id::new(id), ([10, 2, 0, n], 1).into()), NOW);
            }
            let after = table.network_size().unwrap();
            assert!((after - before).abs() < 0.1 * before, "{before}, then {after}");
        }
    }

    #[test]
    fn a_table_whose_last_buckets_are_empty_tells_the_size_too() {
        let mut table = KTable::new(Id::MAX, TableConfig::default(), NOW);
        for (shared, n) in (0..8_u8).flat_map(|shared| (0..9_u8).map(move |n| (shared, n))) {
            let mut id = *Id::MAX.with_bit(shared.into(), false).as_bytes();
            id[19] = n;
            table.on_answer(Contact::new(Id::new(id), ([10, 0, shared, n], 9977).into()), NOW);
        }
        let size = table.network_size().unwrap();
        assert!((1_000.0..4_000.0).contains(&size), "{size}: 8 share seven bits with us, and nobody more");
    }

    #[test]
    fn a_handful_of_nodes_says_nothing() {
        let mut all = tables(7);
        assert_eq!(all.next().unwrap().network_size(), None);
    }
}
