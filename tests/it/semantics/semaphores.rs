//! Semaphores: so many at once, and one number for one name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use lockutils::{Error, LockGuard, Locks, synchronized};

use super::{is_free, taken};
use crate::conformance::support::{Worker, own};

#[test]
fn a_semaphore_admits_its_number() {
    let locks = own();
    for permits in [1, 2, 7] {
        let semaphore = locks.semaphore("x", permits);
        let mut held: Vec<_> = (0..permits).map(|_| taken(&semaphore)).collect();
        assert!(held.iter().all(LockGuard::is_shared));
        assert!(!is_free(&semaphore) && !is_free(&locks.lock("x")) && !is_free(&locks.lock("x").read()));
        held.pop();
        assert!(is_free(&semaphore));
        assert_eq!(is_free(&locks.lock("x")), permits == 1, "a permit is out");
        held.clear();
        let writer = taken(&locks.lock("x"));
        assert!(!is_free(&semaphore));
        drop((writer, semaphore));
        assert!(locks.is_empty());
    }
}

#[test]
fn a_plain_lock_waits_for_all_permits() {
    let locks = own();
    let semaphore = locks.semaphore("x", 3);
    let mut held: Vec<_> = (0..3).map(|_| taken(&semaphore)).collect();
    let writer = Worker::waiting({
        let lock = locks.lock("x");
        move || lock.acquire()
    });
    held.pop();
    assert!(!is_free(&semaphore), "a newcomer overtook the writer that waits");
    held.clear();
    let write = writer.join().expect("the permits are back");
    assert!(!is_free(&semaphore));
    drop(write);
    assert!(is_free(&semaphore));
}

/// Exactly so many at once, under load.
#[test]
fn a_semaphore_never_admits_more() {
    let locks = own();
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (semaphore, inside, most) = (locks.semaphore("x", 3), Arc::clone(&inside), Arc::clone(&most));
            Worker::start(move || {
                for _ in 0..2_000 {
                    let _permit = semaphore.acquire().expect("no limit");
                    most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                }
            })
        })
        .collect();
    workers.into_iter().for_each(Worker::join);
    assert!(most.load(SeqCst) <= 3, "{}", most.load(SeqCst));
    assert!(locks.is_empty());
}

#[test]
fn the_number_of_permits_belongs_to_the_name() {
    let locks = own();
    let mismatch = |permits| {
        let error = locks.semaphore("x", permits).try_acquire().expect_err("another number");
        assert!(error.is_mismatch(), "{error}");
        assert!(locks.semaphore("x", permits).acquire().expect_err("another number").is_mismatch());
    };
    let held = taken(&locks.semaphore("x", 2));
    mismatch(3);
    mismatch(1);
    mismatch(0);
    let waiter = Worker::waiting({
        let lock = locks.lock("x");
        move || lock.acquire()
    });
    drop(held);
    let write = waiter.join().expect("the permit is back");
    mismatch(3);
    drop(write);
    assert!(locks.is_empty());
    drop(taken(&locks.semaphore("x", 3)));
    mismatch(0);
}

/// A handle that is kept keeps the number too.
#[test]
fn the_number_of_permits_is_forgotten_after_the_last_user() {
    let locks = own();
    let kept = locks.semaphore("x", 2);
    drop((taken(&kept), taken(&kept)));
    assert!(locks.semaphore("x", 5).try_acquire().expect_err("another number").is_mismatch());
    drop(kept);
    drop(taken(&locks.semaphore("x", 5)));
    assert!(locks.is_empty());
}

/// The number is checked for each name, however it is taken.
#[test]
fn semaphores_of_several_names_are_checked() {
    #[synchronized("a", "b", locks = locks, semaphore = permits)]
    fn both(locks: &Locks, permits: u32, body: impl FnOnce()) -> Result<(), Error> {
        body();
        Ok(())
    }
    let locks = own();
    let error = both(&locks, 0, || panic!("nobody is let in")).expect_err("no permits");
    assert!(error.is_mismatch(), "{error}");
    let held = taken(&locks.semaphore("b", 2));
    let error = both(&locks, 3, || panic!("another number")).expect_err("another number");
    assert!(error.is_mismatch(), "{error}");
    both(&locks, 2, || ()).expect("a permit is left");
    drop(held);
    both(&locks, 1, || {
        let error = locks.semaphore("a", 9).try_acquire().expect_err("the name has its number");
        assert!(error.is_mismatch(), "{error}");
    })
    .expect("free");
    assert!(locks.is_empty());
}

/// The permits of a semaphore have no owner who could have one again: to say so is sound, to wait for oneself
/// is not.
#[test]
fn a_reentrant_semaphore_does_not_wait_for_itself() {
    let locks = own();
    let semaphore = locks.semaphore("x", 1).reentrant(2);
    match semaphore.acquire() {
        Ok(_outer) => {
            assert!(semaphore.try_acquire().expect("busy is no error").is_some(), "the owner was refused");
        }
        Err(error) => assert!(error.is_unsupported(), "{error}"),
    }
}
