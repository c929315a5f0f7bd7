//! Who has to make room when a limit is reached, on every backend.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Backend, SOMEBODY, commit, key, rng, secs, values};
use khashmir_storage::{
    MemoryStorage, Publisher, RedbStorage, Storage, StorageError, StoreLimits, Swept, Totals,
};
use khashmir_types::Id;
use proptest::prelude::*;

const OVERHEAD: u64 = StoreLimits::OVERHEAD;

/// Runs each claim on each backend, as a test of its own.
macro_rules! claims {
    ($($claim:ident)*) => { $( mod $claim {
        use super::*;
        #[test]
        fn memory() { super::$claim(&mut MemoryStorage::fresh().storage) }
        #[test]
        fn redb() { super::$claim(&mut RedbStorage::fresh().storage) }
    } )* };
}

claims! {
    a_publisher_at_its_limit_displaces_its_own_oldest
    a_full_storage_displaces_the_oldest_of_the_biggest
    of_old_values_the_farthest_goes_first
    what_is_ours_is_never_displaced
    a_key_full_of_one_publisher_yields_to_others
    a_key_full_of_many_publishers_is_full
    a_key_is_limited_in_bytes
    a_renewal_needs_no_room_and_keeps_its_publisher
    a_value_that_could_never_fit_displaces_nothing
    one_value_displaces_no_more_than_a_few
}

fn somebody(n: u8) -> Publisher {
    Publisher::V4([10, 0, n])
}

/// Puts a value of one byte under a key of its own.
fn put(storage: &mut dyn Storage, n: u8, publisher: Publisher) -> Result<(), StorageError> {
    storage.put(&key(n), &[n], publisher, secs(n.into())).map(drop)
}

/// Which of the values of [`put`] are there?
fn held(storage: &dyn Storage) -> Vec<u8> {
    (0..=255).filter(|n| storage.contains(&key(*n), &[*n]).unwrap()).collect()
}

fn a_publisher_at_its_limit_displaces_its_own_oldest(storage: &mut dyn Storage) {
    let max_bytes_per_prefix = 10 * (OVERHEAD + 1);
    storage.set_limits(StoreLimits { max_bytes_per_prefix, ..StoreLimits::NONE });
    put(storage, 0, somebody(1)).unwrap();
    for n in 1..=10 {
        put(storage, n, somebody(2)).unwrap();
    }
    commit(storage);
    for n in 11..=20 {
        put(storage, n, somebody(2)).unwrap();
        let held = held(storage);
        assert_eq!((held.len(), held[0]), (11, 0), "{held:?}");
        assert!(held.contains(&n), "the new one is in");
    }
    let held = held(storage);
    assert!(held.iter().filter(|n| (1..=10).contains(*n)).count() <= 3, "the oldest are gone: {held:?}");
}

fn a_full_storage_displaces_the_oldest_of_the_biggest(storage: &mut dyn Storage) {
    storage.set_limits(StoreLimits { max_values: 20, ..StoreLimits::NONE });
    for n in 0..20 {
        put(storage, n, somebody(u8::from(n >= 5))).unwrap();
    }
    commit(storage);
    for n in 20..27 {
        put(storage, n, somebody(n)).unwrap();
    }
    let held = held(storage);
    assert_eq!((held.len(), &held[..5]), (20, &[0, 1, 2, 3, 4][..]), "the smaller one keeps what it has");
    assert!(
        held.iter().filter(|n| (5..12).contains(*n)).count() <= 3,
        "the oldest of the biggest are gone: {held:?}"
    );
    storage.set_limits(StoreLimits { max_bytes: 20, ..StoreLimits::NONE });
    put(storage, 30, somebody(30)).unwrap();
    assert_eq!(storage.totals(), Totals { keys: 20, values: 20, bytes: 20 });
}

fn of_old_values_the_farthest_goes_first(storage: &mut dyn Storage) {
    let at = |first_byte: u8| {
        let mut id = [0; 20];
        id[0] = first_byte;
        Id::new(id)
    };
    storage.set_own_id(at(0x80)).unwrap();
    storage.set_limits(StoreLimits { max_values: 4, ..StoreLimits::NONE });
    for (first_byte, seconds) in [(0x81, 1), (0x00, 2), (0x90, 3), (0x7f, 4)] {
        storage.put(&at(first_byte), b"old", somebody(1), secs(seconds)).unwrap();
    }
    let gone = [0x7f, 0x00, 0x90].map(|_| {
        let before = [0x81, 0x00, 0x90, 0x7f].map(|n| storage.count(&at(n)).unwrap());
        storage.put(&at(0xff), &storage.totals().values.to_be_bytes(), somebody(2), secs(9)).unwrap();
        storage.set_limits(StoreLimits { max_values: storage.totals().values, ..StoreLimits::NONE });
        let after = [0x81, 0x00, 0x90, 0x7f].map(|n| storage.count(&at(n)).unwrap());
        before != after
    });
    assert!(gone[0]);
    assert_eq!(storage.count(&at(0x7f)).unwrap(), 0, "the farthest, though it is the youngest of the four");
    assert_eq!(storage.count(&at(0x81)).unwrap(), 1, "the nearest, though it is the oldest");
}

fn what_is_ours_is_never_displaced(storage: &mut dyn Storage) {
    storage.set_limits(StoreLimits { max_values: 3, ..StoreLimits::NONE });
    put(storage, 1, Publisher::Ourselves).unwrap();
    put(storage, 2, Publisher::Ourselves).unwrap();
    put(storage, 3, SOMEBODY).unwrap();
    put(storage, 4, Publisher::Ourselves).unwrap();
    assert_eq!(held(storage), [1, 2, 4]);
    assert!(matches!(put(storage, 5, SOMEBODY), Err(StorageError::Full)));
    assert_eq!(held(storage), [1, 2, 4]);
}

fn a_key_full_of_one_publisher_yields_to_others(storage: &mut dyn Storage) {
    storage.set_limits(StoreLimits { max_values_per_key: 50, ..StoreLimits::NONE });
    for n in 0..50 {
        storage.put(&key(1), &[n], somebody(1), secs(n.into())).unwrap();
    }
    commit(storage);
    for n in 100..120 {
        storage.put(&key(1), &[n], somebody(n), secs(100)).unwrap();
        assert!(storage.contains(&key(1), &[n]).unwrap());
        assert_eq!(storage.count(&key(1)).unwrap(), 50);
    }
    assert!((100..120).all(|n| storage.contains(&key(1), &[n]).unwrap()));
}

fn a_key_full_of_many_publishers_is_full(storage: &mut dyn Storage) {
    for max_values_per_key in [5, 20] {
        storage.set_limits(StoreLimits { max_values_per_key, ..StoreLimits::NONE });
        let n = u8::try_from(max_values_per_key).unwrap();
        for publisher in 0..n {
            let _ = storage.put(&key(n), &[publisher], somebody(publisher), secs(1)).unwrap();
        }
        let refused = storage.put(&key(n), b"new", somebody(200), secs(2));
        assert!(matches!(refused, Err(StorageError::Full)));
        assert_eq!(storage.count(&key(n)).unwrap(), max_values_per_key);
    }
    storage.set_limits(StoreLimits { max_values_per_key: 5, ..StoreLimits::NONE });
    storage.put(&key(5), b"new", somebody(3), secs(2)).unwrap();
    assert!(!storage.contains(&key(5), &[3]).unwrap(), "who has one may replace it");
}

fn a_key_is_limited_in_bytes(storage: &mut dyn Storage) {
    storage.set_limits(StoreLimits { max_bytes_per_key: 3000, ..StoreLimits::NONE });
    for n in 0..20 {
        storage.put(&key(1), &[n; 1000], somebody(1), secs(n.into())).unwrap();
    }
    assert_eq!(storage.totals(), Totals { keys: 1, values: 3, bytes: 3000 });
    assert!(storage.contains(&key(1), &[19; 1000]).unwrap());
}

fn a_renewal_needs_no_room_and_keeps_its_publisher(storage: &mut dyn Storage) {
    put(storage, 1, somebody(1)).unwrap();
    put(storage, 2, somebody(2)).unwrap();
    storage.set_limits(StoreLimits { max_values: 0, ..StoreLimits::NONE });
    put(storage, 1, somebody(2)).unwrap();
    assert_eq!(held(storage), [1, 2]);
    let max_bytes_per_prefix = 2 * (OVERHEAD + 1);
    storage.set_limits(StoreLimits { max_bytes_per_prefix, ..StoreLimits::NONE });
    put(storage, 3, somebody(2)).unwrap();
    assert_eq!(held(storage), [1, 2, 3], "1 is not on the account of 2");
}

fn a_value_that_could_never_fit_displaces_nothing(storage: &mut dyn Storage) {
    put(storage, 1, somebody(1)).unwrap();
    let none = StoreLimits::NONE;
    for limits in [
        StoreLimits { max_bytes: 10, ..none },
        StoreLimits { max_bytes_per_key: 10, ..none },
        StoreLimits { max_bytes_per_prefix: OVERHEAD + 10, ..none },
        StoreLimits { max_values: 0, ..none },
        StoreLimits { max_values_per_key: 0, ..none },
    ] {
        storage.set_limits(limits);
        let refused = storage.put(&key(1), &[0; 11], somebody(1), secs(1));
        assert!(matches!(refused, Err(StorageError::Full)), "{limits:?}");
        assert_eq!(held(storage), [1]);
    }
}

fn one_value_displaces_no_more_than_a_few(storage: &mut dyn Storage) {
    for n in 0..100 {
        put(storage, n, SOMEBODY).unwrap();
    }
    storage.set_limits(StoreLimits { max_values: 70, ..StoreLimits::NONE });
    assert!(matches!(put(storage, 200, SOMEBODY), Err(StorageError::Full)));
    assert!(storage.totals().values >= 80);
    put(storage, 200, SOMEBODY).unwrap();
    assert_eq!(storage.totals().values, 70);
}

#[test]
fn accounts_survive_a_restart() {
    let mut opened = RedbStorage::fresh();
    for n in 0..30 {
        put(&mut opened.storage, n, somebody(u8::from(n >= 10))).unwrap();
    }
    commit(&mut opened.storage);
    let mut opened = RedbStorage::reopen(opened);
    opened.storage.set_limits(StoreLimits { max_values: 30, ..StoreLimits::NONE });
    for n in 30..36 {
        put(&mut opened.storage, n, somebody(n)).unwrap();
    }
    let held = held(&opened.storage);
    assert!((0..10).all(|n| held.contains(&n)), "those of the smaller one stay: {held:?}");
    assert_eq!(opened.storage.totals().values, 30);
}

/// What is there contradicts neither the limits nor itself: counts are those of samples, and everything expires.
fn is_sound(storage: &mut dyn Storage, limits: &StoreLimits) {
    let totals = storage.totals();
    assert!(totals.values <= limits.max_values && totals.bytes <= limits.max_bytes);
    let (mut keys, mut count, mut bytes) = (0, 0, 0);
    for n in 0..4 {
        let held = values(storage, n);
        assert_eq!(storage.count(&key(n)).unwrap(), held.len() as u64);
        assert!(held.len() as u64 <= limits.max_values_per_key);
        keys += u64::from(!held.is_empty());
        count += held.len() as u64;
        bytes += held.iter().map(|value| value.len() as u64).sum::<u64>();
    }
    assert_eq!(totals, Totals { keys, values: count, bytes });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold_and_nothing_is_left_behind(
        puts in proptest::collection::vec((0..4_u8, 0..40_u8, 1..60_usize, 0..5_u8, 0..50_u64), 0..150),
        max_values in 1..60_u64,
        max_values_per_key in 1..30_u64,
        max_bytes_per_prefix in 300..4000_u64,
    ) {
        let limits =
            StoreLimits { max_values, max_values_per_key, max_bytes_per_prefix, max_bytes: 1500, max_bytes_per_key: 900 };
        let mut opened = RedbStorage::fresh();
        let storage = &mut opened.storage;
        storage.set_limits(limits);
        for (n, (at, byte, len, publisher, seconds)) in puts.into_iter().enumerate() {
            match storage.put(&key(at), &vec![byte; len], somebody(publisher), secs(seconds)) {
                Ok(_) | Err(StorageError::Full) => is_sound(storage, &limits),
                Err(error) => panic!("{error}"),
            }
            if n % 17 == 16 && let Some(commit) = storage.begin_commit() {
                storage.on_committed(commit.run()).unwrap();
            }
        }
        let all = usize::try_from(storage.totals().values).unwrap();
        prop_assert_eq!(storage.expire(secs(50), all).unwrap(), Swept { values: all, more: false });
        prop_assert_eq!(storage.totals(), Totals::default());
        let _ = storage.sample(&key(0), 1, &mut rng()).unwrap();
    }
}
