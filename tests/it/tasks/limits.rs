//! What ends the wait of a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use lockutils::Cancel;

use super::{Counting, queued, taken, taking, two_processes};
use crate::conformance::support::{TINY, Worker, block_on, own, poll, single, wait_until};

#[test]
fn limits_of_tasks() {
    let (_directory, locks, other) = two_processes();
    let held_inside = || (taken(&locks.lock("x")), locks.lock("x"));
    let held_by_others = || (taken(&other.lock("x").external()), locks.lock("x").external());
    for (held, lock) in [held_inside(), held_by_others()] {
        for limit in [Duration::ZERO, Duration::from_nanos(1), TINY] {
            let lock = lock.clone().timeout(limit);
            for error in [block_on(lock.acquire_async()), single().block_on(lock.acquire_async())] {
                let error = error.expect_err("busy");
                assert!(error.is_timeout() && error.waited() >= Some(limit), "{error}");
            }
        }
        let past = lock.clone().deadline(std::time::Instant::now());
        assert!(block_on(past.acquire_async()).expect_err("busy").is_timeout());
        drop(held);
    }
    assert!(locks.is_empty());
}

#[test]
fn a_limit_that_no_clock_can_express_is_none() {
    let (_directory, locks, other) = two_processes();
    for (held, lock) in [
        (taken(&locks.lock("x")), locks.lock("x")),
        (taken(&other.lock("y").external()), locks.lock("y").external()),
    ] {
        for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 4), Duration::from_secs(1 << 40)] {
            let waiting = queued(&lock.clone().timeout(limit));
            drop(Worker::waiting(move || block_on(waiting).map(drop)));
        }
        drop(held);
        wait_until("all had their turn", || locks.is_empty());
    }
}

/// A free lock is taken even when there is no time at all.
#[test]
fn a_free_lock_needs_no_time() {
    let (_directory, locks, _) = two_processes();
    let cancelled = Cancel::new();
    cancelled.cancel();
    for lock in [locks.lock("x"), locks.lock("x").fair(), locks.lock("x").external(), locks.lock("x").read()]
    {
        let free = block_on(lock.clone().timeout(Duration::ZERO).acquire_async());
        drop(free.expect("zero is one try"));
        drop(block_on(lock.cancel_on(&cancelled).acquire_async()).expect("nothing was to be waited for"));
    }
}

#[test]
fn cancelled_before_during_and_after() {
    let (_directory, locks, other) = two_processes();
    for (held, lock) in [
        (taken(&locks.lock("x")), locks.lock("x")),
        (taken(&other.lock("y").external()), locks.lock("y").external()),
    ] {
        let cancel = Cancel::new();
        let lock = lock.cancel_on(&cancel);
        let during: Vec<_> =
            (0..20).map(|_| queued(&lock)).map(|taking| Worker::start(|| block_on(taking))).collect();
        cancel.cancel();
        for waiter in during {
            assert!(waiter.join().expect_err("cancelled").is_cancelled());
        }
        assert!(block_on(lock.acquire_async()).expect_err("cancelled before").is_cancelled());
        drop(held);
        wait_until("the wait that was given up is over", || {
            lock.try_acquire().is_ok_and(|free| free.is_some())
        });
        let guard = block_on(lock.acquire_async()).expect("free");
        cancel.cancel();
        assert!(lock.try_acquire().expect("busy is no error").is_none(), "a guard that is held stays held");
        drop(guard);
    }
}

/// A cancelled wait leaves nothing in what cancels either: many waits do not make it slow or large.
#[test]
fn what_cancels_forgets_waits_that_are_over() {
    let locks = own();
    let cancel = Cancel::new();
    let lock = locks.lock("x").cancel_on(&cancel);
    let held = taken(&lock);
    let woken = Arc::new(AtomicUsize::new(0));
    for _ in 0..1_000 {
        drop(queued(&lock));
    }
    let counting = std::task::Waker::from(Arc::new(Counting(Arc::clone(&woken))));
    let mut last = taking(&lock);
    assert!(last.as_mut().poll(&mut std::task::Context::from_waker(&counting)).is_pending());
    cancel.cancel();
    assert_eq!(woken.load(SeqCst), 1);
    assert!(poll(&mut last).is_ready());
    drop(held);
}
