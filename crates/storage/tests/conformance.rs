//! What every storage must do, as claims, each run on every backend.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::{Backend, SOMEBODY, commit, fail_commit, key, rng, secs, values};
use khashmir_storage::{
    FaultyStorage, MAX_CONTACTS, MemoryStorage, Operation, RedbStorage, Storage, StorageError, Swept, Ticket,
    Totals,
};
use khashmir_types::{Contact, Id, Time};

/// Runs each claim on each backend, as a test of its own.
macro_rules! claims {
    ($($claim:ident)*) => { $( mod $claim {
        use super::*;
        #[test]
        fn memory() { super::$claim(&mut MemoryStorage::fresh().storage) }
        #[test]
        fn redb() { super::$claim(&mut RedbStorage::fresh().storage) }
        #[test]
        fn faulty_memory() { super::$claim(&mut FaultyStorage::<MemoryStorage>::fresh().storage) }
        #[test]
        fn faulty_redb() { super::$claim(&mut FaultyStorage::<RedbStorage>::fresh().storage) }
    } )* };
}

claims! {
    an_empty_storage_holds_nothing
    a_value_is_readable_before_its_commit
    a_key_holds_many_values
    an_empty_value_is_a_value
    keys_do_not_mix
    the_same_pair_again_only_renews_it
    a_sample_is_distinct_and_no_larger_than_asked
    a_sample_of_more_than_there_is_has_everything
    a_sample_is_uniform
    a_sample_stays_uniform_after_removals
    expiry_is_strict
    expiry_takes_the_oldest_first_and_no_more_than_asked
    a_renewed_value_survives_expiry
    expiry_finds_values_put_with_an_earlier_time
    a_key_without_values_is_gone
    the_latest_time_is_kept
    totals_follow_every_change
    the_own_id_is_kept
    contacts_are_replaced_as_a_whole
    contacts_beyond_the_limit_are_cut
    tickets_never_go_back
    there_is_nothing_to_commit_twice
    there_is_one_commit_at_a_time
    a_commit_in_flight_hides_nothing
    a_commit_runs_on_another_thread
    changes_during_a_commit_belong_to_the_next
    a_failed_commit_loses_nothing
    what_a_failed_commit_removed_stays_removed
    a_renewal_always_has_a_commit_to_wait_for
    staged_bytes_come_and_go
}

fn an_empty_storage_holds_nothing(storage: &mut dyn Storage) {
    assert_eq!(storage.count(&key(1)).unwrap(), 0);
    assert_eq!(values(storage, 1), BTreeSet::<Bytes>::new());
    assert_eq!(storage.totals(), Totals::default());
    assert_eq!(storage.own_id().unwrap(), None);
    assert_eq!(storage.contacts().unwrap(), []);
    assert_eq!(storage.expire(Time::FAR_FUTURE, 10).unwrap(), Swept { values: 0, more: false });
    assert!(storage.begin_commit().is_none());
}

fn a_value_is_readable_before_its_commit(storage: &mut dyn Storage) {
    storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    assert_eq!(values(storage, 1), [Bytes::from("a")].into());
    commit(storage);
    assert_eq!(values(storage, 1), [Bytes::from("a")].into());
}

fn a_key_holds_many_values(storage: &mut dyn Storage) {
    let all: BTreeSet<Bytes> = (0..1000).map(|n| format!("value {n}").into()).collect();
    for (n, value) in all.iter().enumerate() {
        storage.put(&key(1), value, SOMEBODY, secs(1)).unwrap();
        if n % 300 == 0 {
            commit(storage);
        }
    }
    assert_eq!(storage.count(&key(1)).unwrap(), 1000);
    assert_eq!(values(storage, 1), all);
}

fn an_empty_value_is_a_value(storage: &mut dyn Storage) {
    storage.put(&key(1), b"", SOMEBODY, secs(1)).unwrap();
    commit(storage);
    assert_eq!(values(storage, 1), [Bytes::new()].into());
    assert_eq!(storage.totals(), Totals { keys: 1, values: 1, bytes: 0 });
}

fn keys_do_not_mix(storage: &mut dyn Storage) {
    for n in 0..=255 {
        storage.put(&Id::new([n; 20]), &[n], SOMEBODY, secs(1)).unwrap();
    }
    commit(storage);
    for n in 0..=255 {
        assert_eq!(storage.sample(&Id::new([n; 20]), 9, &mut rng()).unwrap(), [&[n][..]]);
    }
}

fn the_same_pair_again_only_renews_it(storage: &mut dyn Storage) {
    for seconds in 1..=3 {
        storage.put(&key(1), b"a", SOMEBODY, secs(seconds)).unwrap();
        storage.put(&key(1), b"a", SOMEBODY, secs(seconds)).unwrap();
        commit(storage);
    }
    assert_eq!(storage.totals(), Totals { keys: 1, values: 1, bytes: 1 });
    assert!(storage.contains(&key(1), b"a").unwrap());
    assert!(!storage.contains(&key(1), b"b").unwrap() && !storage.contains(&key(2), b"a").unwrap());
    assert_eq!(storage.expire(secs(3), 10).unwrap().values, 0);
    assert_eq!(storage.expire(secs(4), 10).unwrap().values, 1);
}

fn a_sample_is_distinct_and_no_larger_than_asked(storage: &mut dyn Storage) {
    put_numbers(storage, 0..50);
    let mut rng = rng();
    for limit in 0..=50 {
        let sample = storage.sample(&key(1), limit, &mut rng).unwrap();
        assert_eq!(sample.len(), limit);
        assert_eq!(sample.into_iter().collect::<BTreeSet<_>>().len(), limit);
    }
}

fn a_sample_of_more_than_there_is_has_everything(storage: &mut dyn Storage) {
    put_numbers(storage, 0..50);
    let all = values(storage, 1);
    for limit in [50, 51, usize::MAX] {
        let sample = storage.sample(&key(1), limit, &mut rng()).unwrap();
        assert_eq!(sample.into_iter().collect::<BTreeSet<_>>(), all);
    }
}

fn a_sample_is_uniform(storage: &mut dyn Storage) {
    put_numbers(storage, 0..20);
    assert_uniform(storage, 0..20);
}

fn a_sample_stays_uniform_after_removals(storage: &mut dyn Storage) {
    for n in 0..40 {
        storage.put(&key(1), &[n], SOMEBODY, secs(u64::from(n % 2))).unwrap();
    }
    let _ = storage.expire(secs(1), 100).unwrap();
    commit(storage);
    assert_uniform(storage, (0..40).filter(|n| n % 2 == 1));
}

fn expiry_is_strict(storage: &mut dyn Storage) {
    storage.put(&key(1), b"a", SOMEBODY, secs(5)).unwrap();
    assert_eq!(storage.expire(secs(5), 10).unwrap(), Swept { values: 0, more: false });
    let after = secs(5) + Duration::from_micros(1);
    assert_eq!(storage.expire(after, 10).unwrap(), Swept { values: 1, more: false });
    assert_eq!(storage.count(&key(1)).unwrap(), 0);
}

fn expiry_takes_the_oldest_first_and_no_more_than_asked(storage: &mut dyn Storage) {
    for n in [5, 3, 1, 4, 2, 0] {
        storage.put(&key(n % 2), &[n], SOMEBODY, secs(n.into())).unwrap();
    }
    commit(storage);
    assert_eq!(storage.expire(secs(5), 0).unwrap(), Swept { values: 0, more: true });
    assert_eq!(storage.expire(secs(5), 3).unwrap(), Swept { values: 3, more: true });
    assert_eq!((values(storage, 0), values(storage, 1)), (numbers([4]), numbers([3, 5])));
    assert_eq!(storage.expire(secs(5), 2).unwrap(), Swept { values: 2, more: false });
    commit(storage);
    assert_eq!((values(storage, 0), values(storage, 1)), (numbers([]), numbers([5])));
}

fn a_renewed_value_survives_expiry(storage: &mut dyn Storage) {
    put_numbers(storage, 0..10);
    commit(storage);
    storage.put(&key(1), &[7], SOMEBODY, secs(9)).unwrap();
    assert_eq!(storage.expire(secs(9), 100).unwrap().values, 9);
    commit(storage);
    assert_eq!(values(storage, 1), numbers([7]));
}

fn expiry_finds_values_put_with_an_earlier_time(storage: &mut dyn Storage) {
    put_numbers(storage, 0..3);
    assert_eq!(storage.expire(secs(9), 100).unwrap().values, 3);
    storage.put(&key(1), b"early", SOMEBODY, Time::EPOCH).unwrap();
    assert_eq!(storage.expire(secs(9), 100).unwrap().values, 1);
    assert_eq!(storage.totals(), Totals::default());
}

fn a_key_without_values_is_gone(storage: &mut dyn Storage) {
    for round in 1..=3 {
        put_numbers(storage, 0..5);
        assert_eq!(storage.totals(), Totals { keys: 1, values: 5, bytes: 5 });
        if round == 2 {
            commit(storage);
        }
        assert_eq!(storage.expire(Time::FAR_FUTURE, 100).unwrap(), Swept { values: 5, more: false });
        assert_eq!(storage.totals(), Totals::default());
    }
}

fn the_latest_time_is_kept(storage: &mut dyn Storage) {
    assert_eq!(storage.latest(), Time::EPOCH);
    for (seconds, latest) in [(5, 5), (3, 5), (9, 9)] {
        storage.put(&key(1), b"a", SOMEBODY, secs(seconds)).unwrap();
        assert_eq!(storage.latest(), secs(latest));
    }
    commit(storage);
    let _ = storage.expire(Time::FAR_FUTURE, 10).unwrap();
    assert_eq!(storage.latest(), secs(9));
}

fn totals_follow_every_change(storage: &mut dyn Storage) {
    storage.put(&key(1), b"abc", SOMEBODY, secs(1)).unwrap();
    storage.put(&key(1), b"de", SOMEBODY, secs(2)).unwrap();
    storage.put(&key(2), b"abc", SOMEBODY, secs(3)).unwrap();
    storage.put(&key(2), b"abc", SOMEBODY, secs(3)).unwrap();
    assert_eq!(storage.totals(), Totals { keys: 2, values: 3, bytes: 8 });
    commit(storage);
    let _ = storage.expire(secs(2), 10).unwrap();
    assert_eq!(storage.totals(), Totals { keys: 2, values: 2, bytes: 5 });
    let _ = storage.expire(secs(3), 10).unwrap();
    assert_eq!(storage.totals(), Totals { keys: 1, values: 1, bytes: 3 });
}

fn the_own_id_is_kept(storage: &mut dyn Storage) {
    storage.set_own_id(key(1)).unwrap();
    assert_eq!(storage.own_id().unwrap(), Some(key(1)));
    commit(storage);
    let ticket = storage.set_own_id(key(2)).unwrap();
    assert_eq!(commit(storage), ticket);
    assert_eq!(storage.own_id().unwrap(), Some(key(2)));
    assert_eq!(storage.totals(), Totals::default());
}

fn contacts_are_replaced_as_a_whole(storage: &mut dyn Storage) {
    let contacts: Vec<_> = ["192.0.2.7:9977", "[2001:db8::1]:1", "0.0.0.0:0", "[::ffff:192.0.2.7]:65535"]
        .iter()
        .zip(1..)
        .map(|(addr, n)| Contact::new(key(n), addr.parse().unwrap()))
        .collect();
    for kept in [&contacts[..], &contacts[1..2], &[]] {
        let ticket = storage.set_contacts(kept).unwrap();
        assert_eq!(storage.contacts().unwrap(), kept);
        assert_eq!(commit(storage), ticket);
        assert_eq!(storage.contacts().unwrap(), kept);
    }
}

fn contacts_beyond_the_limit_are_cut(storage: &mut dyn Storage) {
    let contacts = vec![Contact::new(key(1), "192.0.2.7:9977".parse().unwrap()); MAX_CONTACTS + 1];
    storage.set_contacts(&contacts).unwrap();
    assert_eq!(storage.contacts().unwrap(), contacts[..MAX_CONTACTS]);
}

fn tickets_never_go_back(storage: &mut dyn Storage) {
    let mut last = Ticket::FIRST;
    for n in 0..10 {
        let first = storage.put(&key(1), &[n], SOMEBODY, secs(1)).unwrap();
        let second = storage.put(&key(2), &[n], SOMEBODY, secs(1)).unwrap();
        assert!(last <= first && first <= second);
        last = commit(storage);
        assert!(second <= last);
        assert!(last < storage.put(&key(3), &[n], SOMEBODY, secs(1)).unwrap());
    }
}

fn there_is_nothing_to_commit_twice(storage: &mut dyn Storage) {
    storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    commit(storage);
    assert!(storage.begin_commit().is_none());
}

fn there_is_one_commit_at_a_time(storage: &mut dyn Storage) {
    storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    let first = storage.begin_commit().unwrap();
    storage.put(&key(1), b"b", SOMEBODY, secs(1)).unwrap();
    assert!(storage.begin_commit().is_none());
    let committed = first.run();
    assert!(storage.begin_commit().is_none());
    storage.on_committed(committed).unwrap();
    commit(storage);
}

fn a_commit_in_flight_hides_nothing(storage: &mut dyn Storage) {
    put_numbers(storage, 0..4);
    commit(storage);
    put_numbers(storage, 4..8);
    let _ = storage.expire(secs(1), 100).unwrap();
    let commit = storage.begin_commit().unwrap();
    assert_eq!(values(storage, 1), numbers(0..8));
    storage.put(&key(1), &[8], SOMEBODY, secs(2)).unwrap();
    storage.put(&key(1), &[0], SOMEBODY, secs(2)).unwrap();
    assert_eq!(values(storage, 1), numbers(0..9));
    let committed = commit.run();
    assert_eq!(values(storage, 1), numbers(0..9));
    storage.on_committed(committed).unwrap();
    assert_eq!(values(storage, 1), numbers(0..9));
    assert_eq!(storage.expire(secs(2), 100).unwrap().values, 7);
    assert_eq!(values(storage, 1), numbers([0, 8]));
}

fn a_commit_runs_on_another_thread(storage: &mut dyn Storage) {
    put_numbers(storage, 0..4);
    let pending = storage.begin_commit().unwrap();
    let committing = thread::spawn(move || pending.run());
    put_numbers(storage, 4..8);
    assert_eq!(values(storage, 1), numbers(0..8));
    storage.on_committed(committing.join().unwrap()).unwrap();
    commit(storage);
    assert_eq!(values(storage, 1), numbers(0..8));
}

fn changes_during_a_commit_belong_to_the_next(storage: &mut dyn Storage) {
    let early = storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    let first = storage.begin_commit().unwrap();
    let late = storage.put(&key(1), b"b", SOMEBODY, secs(1)).unwrap();
    let durable = storage.on_committed(first.run()).unwrap();
    assert!(early <= durable && durable < late);
    assert!(late <= commit(storage));
}

fn a_failed_commit_loses_nothing(storage: &mut dyn Storage) {
    put_numbers(storage, 0..4);
    commit(storage);
    put_numbers(storage, 4..8);
    storage.set_own_id(key(9)).unwrap();
    let ticket = storage.begin_commit().map(|commit| {
        storage.put(&key(1), &[8], SOMEBODY, secs(1)).unwrap();
        fail_commit(storage, commit)
    });
    assert!(storage.staged() > 0);
    assert_eq!(values(storage, 1), numbers(0..9));
    assert!(commit(storage) > ticket.unwrap());
    assert_eq!(values(storage, 1), numbers(0..9));
    assert_eq!(storage.own_id().unwrap(), Some(key(9)));
    assert_eq!(storage.staged(), 0);
    assert_eq!(storage.expire(secs(2), 100).unwrap().values, 9);
}

fn what_a_failed_commit_removed_stays_removed(storage: &mut dyn Storage) {
    put_numbers(storage, 0..8);
    commit(storage);
    assert_eq!(storage.expire(secs(2), 5).unwrap(), Swept { values: 5, more: true });
    let left = values(storage, 1);
    let pending = storage.begin_commit().unwrap();
    fail_commit(storage, pending);
    assert_eq!(values(storage, 1), left);
    commit(storage);
    assert_eq!(values(storage, 1), left);
    assert_eq!(storage.totals(), Totals { keys: 1, values: 3, bytes: 3 });
}

fn a_renewal_always_has_a_commit_to_wait_for(storage: &mut dyn Storage) {
    storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    commit(storage);
    let ticket = storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    assert_eq!(commit(storage), ticket);
}

fn staged_bytes_come_and_go(storage: &mut dyn Storage) {
    assert_eq!(storage.staged(), 0);
    storage.put(&key(1), &[0; 1000], SOMEBODY, secs(1)).unwrap();
    let staged = storage.staged();
    assert!(staged >= 1000);
    let first = storage.begin_commit().unwrap();
    assert!(storage.staged() >= staged);
    storage.on_committed(first.run()).unwrap();
    assert_eq!(storage.staged(), 0);
}

#[test]
fn a_faulty_storage_fails_as_often_as_told_and_changes_nothing() {
    let mut storage = FaultyStorage::new(MemoryStorage::new());
    storage.fail_next(Operation::Write, 2);
    storage.fail_next(Operation::Read, 1);
    storage.fail_next(Operation::Sweep, 1);
    storage.fail_next(Operation::Commit, 1);
    assert!(storage.put(&key(1), b"a", SOMEBODY, secs(1)).is_err());
    assert!(storage.set_own_id(key(1)).is_err());
    assert!(storage.count(&key(1)).is_err());
    assert!(storage.expire(secs(1), 1).is_err());
    assert!(storage.begin_commit().is_none(), "nothing is staged");

    storage.put(&key(1), b"a", SOMEBODY, secs(1)).unwrap();
    assert_eq!(storage.own_id().unwrap(), None);
    let committed = storage.begin_commit().unwrap().run();
    let error = storage.on_committed(committed).unwrap_err();
    assert!(matches!(error, StorageError::Io { .. }) && error.is_retryable());
    commit(&mut storage);
    assert_eq!(storage.into_inner().count(&key(1)).unwrap(), 1);
}

fn put_numbers(storage: &mut dyn Storage, range: std::ops::Range<u8>) {
    for n in range {
        storage.put(&key(1), &[n], SOMEBODY, secs(1)).unwrap();
    }
}

fn numbers(numbers: impl IntoIterator<Item = u8>) -> BTreeSet<Bytes> {
    numbers.into_iter().map(|n| Bytes::copy_from_slice(&[n])).collect()
}

/// 10,000 samples of 5 out of 20 one-byte values. For uniform samples the statistic has 19 degrees of freedom and
/// exceeds 45 once in a thousand seeds; the seed is fixed.
fn assert_uniform(storage: &mut dyn Storage, present: impl IntoIterator<Item = u8>) {
    let mut rng = rng();
    let mut drawn = [0_u32; 256];
    for _ in 0..10_000 {
        for value in storage.sample(&key(1), 5, &mut rng).unwrap() {
            drawn[usize::from(value[0])] += 1;
        }
    }
    let present: Vec<usize> = present.into_iter().map(usize::from).collect();
    assert_eq!(present.iter().map(|n| drawn[*n]).sum::<u32>(), 50_000, "only what is there");
    let chi_square: f64 = present.iter().map(|n| (f64::from(drawn[*n]) - 2500.0).powi(2) / 2500.0).sum();
    assert!(chi_square < 45.0, "chi square is {chi_square}");
}
