//! Several locks as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use lockutils::{Config, Error, LockAll, LockAllGuard, LockGuard, Locks, synchronized};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::{is_free, placed, taken};
use crate::conformance::support::{LONG, TINY, Worker, block_on, own, seed};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[track_caller]
fn names(guards: &LockAllGuard) -> Vec<&str> {
    guards.names().collect()
}

#[test]
fn names_are_sorted_and_taken_once() {
    let (_directory, locks) = placed();
    for all in [locks.lock_all(["c", "a", "b", "a", "c"]), locks.lock_all(["c", "a", "b", "a"]).external()] {
        // A name that is taken twice would be waited for for ever.
        let all = all.timeout(LONG);
        let guards = all.acquire().expect("free");
        assert_eq!(names(&guards), ["a", "b", "c"]);
        assert_eq!(guards.guards().iter().map(LockGuard::name).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(locks.len(), 3);
        assert!(!is_free(&locks.lock("b")));
        drop(guards);
        assert!(is_free(&locks.lock("b")) && is_free(&locks.lock("a")));
    }
    assert!(locks.is_empty());
}

/// What is one lock counts once, however it is spelled; and the order is that of the full names.
#[test]
fn spellings_of_one_lock_are_taken_once() {
    let (_directory, locks) = placed();
    let guards = locks.lock_all(["b/c", "b_c", "a"]).external().acquire().expect("free");
    assert_eq!(names(&guards), ["a", "b_c"]);
    drop(guards);
    let guards = locks.lock_all(["x", "a"]).prefix("nova").acquire().expect("free");
    assert_eq!(names(&guards), ["nova-a", "nova-x"]);
    drop(guards);
    let none = locks.lock_all(Vec::<&str>::new()).acquire().expect("nothing to wait for");
    assert_eq!(none.names().count(), 0);
}

#[test]
fn all_or_nothing() {
    let (_directory, locks) = placed();
    let variants: [fn(LockAll) -> LockAll; 2] = [|all| all, LockAll::external];
    for variant in variants {
        for busy in ["a", "b", "c"] {
            let held = taken(&locks.lock(busy));
            let all = variant(locks.lock_all(["a", "b", "c"]));
            assert!(all.try_acquire().expect("busy is no error").is_none());
            let error = all.clone().timeout(TINY).acquire().expect_err("busy");
            assert!(error.is_timeout() && error.name() == Some(busy), "{error}");
            for free in ["a", "b", "c"].into_iter().filter(|name| *name != busy) {
                assert!(is_free(&locks.lock(free)), "{free} is left behind");
            }
            drop(held);
        }
    }
    assert!(locks.is_empty());
}

#[test]
fn a_name_that_cannot_be_takes_nothing() {
    let locks = own();
    let error = locks.lock_all(["a", "..", "b"]).acquire().expect_err("no such name");
    assert!(error.is_invalid_name() && locks.is_empty(), "{error}");
    let error = locks.lock_all(["a", "b"]).external().acquire().expect_err("no directory");
    assert!(error.is_no_lock_path() && locks.is_empty(), "{error}");
}

/// One limit for all of them together, not for each.
#[test]
fn one_limit_for_all() {
    let locks = own();
    // The first is let go before that is over, also on a machine that is busy.
    let limit = std::time::Duration::from_secs(1);
    let (first, second) = (taken(&locks.lock("a")), taken(&locks.lock("b")));
    let all = locks.lock_all(["a", "b"]).timeout(limit);
    let begun = std::time::Instant::now();
    let waiter = Worker::waiting(move || all.acquire().map(drop));
    drop(first);
    let error = waiter.join().expect_err("the second is busy");
    assert!(error.is_timeout() && error.name() == Some("b") && begun.elapsed() >= limit, "{error}");
    drop(second);
}

#[test]
fn readers_of_several_share() {
    let locks = own();
    let one = locks.lock_all(["a", "b"]).read().acquire().expect("free");
    let two = locks.lock_all(["b", "c"]).read().try_acquire().expect("busy is no error").expect("shared");
    assert!(locks.lock_all(["b", "d"]).try_acquire().expect("busy is no error").is_none());
    drop((one, two));
    assert!(locks.is_empty());
}

#[synchronized("{first}", "{second}", locks = locks)]
fn annotated(locks: &Locks, first: &str, second: &str, body: impl FnOnce()) {
    body();
}

/// Who wants the same locks in opposite orders never waits for ever.
#[test]
fn opposite_orders_do_not_deadlock() {
    let (_directory, locks) = placed();
    let (inside, seed) = (Arc::<[AtomicUsize; NAMES.len()]>::default(), seed());
    let workers: Vec<_> = (0..6)
        .map(|way| {
            let (locks, inside) = (locks.clone(), Arc::clone(&inside));
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(way));
            Worker::start(move || {
                for _ in 0..1_000 {
                    take_some(&locks, way, &inside, &mut random);
                }
            })
        })
        .collect();
    workers.into_iter().for_each(Worker::join);
    assert!(locks.is_empty());
}

/// Takes two to four of the names, in any order, in one of several ways.
fn take_some(locks: &Locks, way: u64, inside: &[AtomicUsize; NAMES.len()], random: &mut StdRng) {
    let mut wanted = [0, 1, 2, 3, 4];
    wanted.shuffle(random);
    let wanted = &wanted[..random.random_range(2..=4)];
    let all = locks.lock_all(wanted.iter().map(|at| NAMES[*at]));
    let body = || visit(inside, wanted);
    match way {
        0 => annotated(locks, NAMES[wanted[0]], NAMES[wanted[1]], || visit(inside, &wanted[..2])),
        1 => with(all.external().acquire(), body),
        2 => with(block_on(all.acquire_async()), body),
        3 => with(all.fair().timeout(LONG).acquire(), body),
        _ => with(all.acquire(), body),
    }
}

#[track_caller]
fn with(guards: Result<LockAllGuard, Error>, body: impl FnOnce()) {
    let guards = guards.expect("it comes free");
    body();
    drop(guards);
}

fn visit(inside: &[AtomicUsize; NAMES.len()], wanted: &[usize]) {
    for at in wanted {
        assert_eq!(inside[*at].fetch_add(1, SeqCst), 0, "two are inside {}", NAMES[*at]);
    }
    for at in wanted {
        inside[*at].fetch_sub(1, SeqCst);
    }
}

/// The order is that of the names also where directories differ, and there is one for both.
#[test]
fn several_directories_of_one_name() {
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let locks = Locks::new(Config::new().lock_path(one.path())).expect("a registry");
    let here = locks.lock_all(["x", "y"]).external();
    let there = locks.lock_all(["y", "x"]).external().lock_path(other.path());
    let guards = (here.acquire().expect("free"), there.acquire().expect("other files"));
    assert_eq!(locks.len(), 4);
    drop(guards);
    assert!(locks.is_empty());
}
