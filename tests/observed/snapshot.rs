//! What a registry says of its locks.

use std::thread;

use lockutils::{LockState, Locks, Mode};
use lockutils_tests::{Place, eventually};

use crate::support::own;

#[track_caller]
fn only(locks: &Locks) -> LockState {
    let mut all = locks.snapshot();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_registry_that_is_not_used_has_nothing_to_show() {
    let locks = own();
    assert!(locks.snapshot().is_empty());
    drop(locks.lock("x").acquire());
    assert!(locks.snapshot().is_empty());
}

#[test]
fn each_mode_is_shown_with_its_holders() {
    let locks = own();
    let guard = locks.lock("x").timed().acquire().expect("free");
    let seen = only(&locks);
    assert_eq!((&*seen.name, seen.mode, seen.holders, seen.waiters), ("x", Some(Mode::Write), 1, 0));
    assert!(seen.held().is_some() && seen.place.expect("known").starts_with(file!()));
    assert_eq!((seen.path, seen.has_file, seen.permits), (None, false, None));
    drop(guard);

    let guards = [(); 3].map(|()| locks.lock("x").read().acquire().expect("shared"));
    let seen = only(&locks);
    assert_eq!((seen.mode, seen.holders, seen.place), (Some(Mode::Read), 3, None));
    drop(guards);

    let permits = [(); 2].map(|()| locks.semaphore("x", 4).acquire().expect("free"));
    let seen = only(&locks);
    assert_eq!((seen.mode, seen.holders, seen.permits), (Some(Mode::Permit), 2, Some(4)));
    drop(permits);
}

#[test]
fn a_kept_handle_is_shown_as_free() {
    let locks = own();
    let kept = locks.lock("x");
    drop(kept.acquire());
    drop(kept.acquire());
    let seen = only(&locks);
    assert_eq!((seen.mode, seen.holders, seen.held()), (None, 0, None));
    drop(kept);
    assert!(locks.snapshot().is_empty());
}

#[test]
fn waiters_are_counted_and_the_holder_is_known_since_then() {
    let locks = own();
    let held = locks.lock("x").acquire().expect("free");
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| drop(locks.lock("x").acquire().expect("its turn")));
        }
        eventually("three wait", || only(&locks).waiters == 3);
        assert!(only(&locks).since.is_some());
        drop(held);
    });
    assert!(locks.snapshot().is_empty());
}

#[test]
fn files_are_shown_in_all_directories() {
    let (place, other) = (Place::new("snapshot"), Place::new("snapshot-other"));
    let locks = place.locks();
    let main = locks.lock("x").external().acquire().expect("free");
    let there = locks.lock("a").lock_path(other.path()).external().acquire().expect("free");
    let internal = locks.lock("i").acquire().expect("free");
    let seen: Vec<_> =
        locks.snapshot().into_iter().map(|state| (state.name, state.path, state.has_file)).collect();
    let wanted = [("a", Some(other.file("a"))), ("i", None), ("x", Some(place.file("x")))];
    let wanted = wanted.map(|(name, path)| (name.to_owned(), path.clone(), path.is_some()));
    assert_eq!(seen, wanted);
    drop((main, there, internal));
}

/// It has the lock in this process, and waits for the file.
#[test]
fn who_waits_for_another_process_does_not_have_the_file() {
    let place = Place::new("snapshot-waits");
    let mut holder = place.holder("x");
    thread::scope(|scope| {
        scope.spawn(|| drop(place.lock("x").acquire().expect("its turn")));
        eventually("it waits", || place.locks().snapshot().first().is_some_and(|seen| seen.waits_for_file));
        let seen = only(place.locks());
        assert_eq!((seen.has_file, seen.mode, seen.holders, seen.waiters), (false, None, 0, 1));
        assert!(seen.since.is_none() && seen.place.expect("where it waits").starts_with(file!()));
        holder.release();
    });
}

/// While others come and go, nothing is shown that is not there, and nothing stays behind.
#[test]
fn it_disturbs_nobody() {
    let locks = own();
    let (threads, rounds) = (4, 2000);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let locks = locks.clone();
                scope.spawn(move || {
                    for round in 0..rounds {
                        drop(locks.lock(format!("{}", (thread + round) % 5)).acquire().expect("its turn"));
                    }
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            let seen = locks.snapshot();
            assert!(seen.len() <= 5 && seen.is_sorted_by(|one, other| one.name < other.name), "{seen:?}");
            assert!(seen.iter().all(|state| state.holders <= 1), "{seen:?}");
        }
    });
    assert!(locks.is_empty());
}

#[test]
fn it_can_be_serialized() {
    let locks = own();
    let guard = locks.lock("x").read().acquire().expect("free");
    let seen = serde_json::to_value(locks.snapshot()).expect("plain data");
    assert_eq!(
        (&seen[0]["name"], &seen[0]["mode"], &seen[0]["holders"]),
        (&"x".into(), &"read".into(), &1.into())
    );
    drop(guard);
}
