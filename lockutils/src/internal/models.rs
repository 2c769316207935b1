//! The in-process half under every schedule with a bounded number of preemptions: `RUSTFLAGS="--cfg loom"
//! LOOM_MAX_PREEMPTIONS=3 cargo test -p lockutils --lib --release --no-default-features`.
//!
//! A model that cannot end (a lost wake-up) is a deadlock to loom; two holders at once are a data race on
//! `Data`.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;

use super::wait::{Waiting, block};
use super::{After, Mode, RawLock, park};
use crate::registry::{Hold, Home, Namespace, Remembered, Taken};

/// A lock and what it guards.
struct Guarded {
    raw: RawLock,
    data: UnsafeCell<usize>,
}

// SAFETY: `data` is only touched by holders, which is what the models check.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self { raw: RawLock::new(None), data: UnsafeCell::new(0) })
    }

    fn write(&self, fair: bool) {
        // SAFETY: loom panics if that is not so.
        self.with(Mode::Write, fair, || self.data.with_mut(|data| unsafe { *data += 1 }));
    }

    fn read(&self) -> usize {
        // SAFETY: loom panics if that is not so.
        self.with(Mode::Read, false, || self.data.with(|data| unsafe { *data }))
    }

    fn with<R>(&self, mode: Mode, fair: bool, body: impl FnOnce() -> R) -> R {
        if !self.raw.try_enter(mode, fair) {
            block(&self.raw, mode, fair);
        }
        let result = body();
        self.let_go(mode);
        result
    }

    fn let_go(&self, mode: Mode) {
        assert_eq!(self.raw.release(mode.kind()), After::Used, "the model keeps a reference");
    }
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(check);
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn writers_exclude_each_other_and_all_get_in() {
    model(|| {
        let lock = Guarded::new();
        let threads = [false, false].map(|fair| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.write(fair))
        });
        lock.write(false);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(lock.read(), 3);
    });
}

#[test]
fn fair_and_unfair_writers_exclude_each_other() {
    model(|| {
        let lock = Guarded::new();
        let threads = [true, false].map(|fair| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.write(fair))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(lock.read(), 2);
    });
}

#[test]
fn a_grant_that_meets_a_cancellation_goes_to_the_next() {
    model(|| {
        let lock = Guarded::new();
        assert!(lock.raw.try_enter(Mode::Write, true));
        // Queued first, and given up while the holder lets go.
        let cancelled = thread::spawn({
            let lock = Arc::clone(&lock);
            move || {
                let mut waiting = pin!(Waiting::new(&lock.raw, Mode::Write, true));
                if poll_once(waiting.as_mut()).is_ready() {
                    lock.let_go(Mode::Write);
                }
            }
        });
        let waits = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.write(true)
        });
        lock.let_go(Mode::Write);
        cancelled.join().unwrap();
        waits.join().unwrap();
        assert!(lock.raw.try_enter(Mode::Write, true), "nobody is left in the queue");
    });
}

#[test]
fn a_wake_up_that_meets_a_cancellation_goes_to_the_next() {
    model(|| {
        let lock = Guarded::new();
        assert!(lock.raw.try_enter(Mode::Write, false));
        let cancelled = thread::spawn({
            let lock = Arc::clone(&lock);
            move || {
                let mut waiting = pin!(Waiting::new(&lock.raw, Mode::Write, false));
                if poll_once(waiting.as_mut()).is_ready() {
                    lock.let_go(Mode::Write);
                }
            }
        });
        let waits = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.write(false)
        });
        lock.let_go(Mode::Write);
        cancelled.join().unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn fair_waiters_come_in_by_arrival() {
    model(|| {
        let lock = Guarded::new();
        assert!(lock.raw.try_enter(Mode::Write, false));
        let turn = Arc::new(AtomicUsize::new(0));
        let mut first = Box::pin(Waiting::new(&lock.raw, Mode::Write, true));
        let mut second = Box::pin(Waiting::new(&lock.raw, Mode::Write, true));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        // A newcomer may not slip in between the release and the first one's turn.
        let newcomer = thread::spawn({
            let (lock, turn) = (Arc::clone(&lock), Arc::clone(&turn));
            move || {
                if lock.raw.try_enter(Mode::Write, false) {
                    assert_eq!(turn.load(SeqCst), 2);
                    lock.let_go(Mode::Write);
                }
            }
        });
        lock.let_go(Mode::Write);
        assert!(poll_once(second.as_mut()).is_pending());
        assert!(poll_once(first.as_mut()).is_ready());
        turn.store(1, SeqCst);
        lock.let_go(Mode::Write);
        assert!(poll_once(second.as_mut()).is_ready());
        turn.store(2, SeqCst);
        lock.let_go(Mode::Write);
        newcomer.join().unwrap();
    });
}

#[test]
fn nobody_overtakes_a_fair_waiter_behind_a_woken_one() {
    model(|| {
        let lock = Guarded::new();
        assert!(lock.raw.try_enter(Mode::Write, false));
        let mut first = Box::pin(Waiting::new(&lock.raw, Mode::Write, false));
        assert!(poll_once(first.as_mut()).is_pending());
        // The lock is free and the first one is on its way: now a newcomer may overtake it.
        lock.let_go(Mode::Write);
        assert!(lock.raw.try_enter(Mode::Write, false));
        lock.let_go(Mode::Write);
        let mut fair = Box::pin(Waiting::new(&lock.raw, Mode::Write, true));
        assert!(poll_once(fair.as_mut()).is_pending());
        let newcomer = thread::spawn({
            let lock = Arc::clone(&lock);
            move || assert!(!lock.raw.try_enter(Mode::Write, false), "a fair one waits")
        });
        newcomer.join().unwrap();
        assert!(poll_once(first.as_mut()).is_ready());
        lock.let_go(Mode::Write);
        assert!(poll_once(fair.as_mut()).is_ready());
        lock.let_go(Mode::Write);
    });
}

#[test]
fn readers_share_and_writers_do_not() {
    model(|| {
        let lock = Guarded::new();
        let reader = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.read()
        });
        let writer = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.write(false)
        });
        lock.read();
        reader.join().unwrap();
        writer.join().unwrap();
        assert_eq!(lock.read(), 1);
    });
}

#[test]
fn a_cancelled_writer_lets_the_readers_behind_it_in() {
    model(|| {
        let lock = Guarded::new();
        assert!(lock.raw.try_enter(Mode::Read, false));
        let writer = thread::spawn({
            let lock = Arc::clone(&lock);
            move || {
                let mut waiting = pin!(Waiting::new(&lock.raw, Mode::Write, false));
                assert!(poll_once(waiting.as_mut()).is_pending(), "the reader stays to the end");
            }
        });
        let reader = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.read()
        });
        writer.join().unwrap();
        reader.join().unwrap();
        lock.let_go(Mode::Read);
    });
}

#[test]
fn a_downgrade_lets_readers_in_and_no_writer() {
    model(|| {
        let lock = Guarded::new();
        assert!(lock.raw.try_enter(Mode::Write, false));
        let reader = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.read()
        });
        lock.raw.downgrade();
        reader.join().unwrap();
        assert!(!lock.raw.try_enter(Mode::Write, false));
        lock.let_go(Mode::Read);
        assert!(lock.raw.try_enter(Mode::Write, false));
    });
}

#[test]
fn a_semaphore_never_has_too_many_holders_and_all_get_in() {
    model(|| {
        let lock = Guarded::new();
        let inside = Arc::new(AtomicUsize::new(0));
        let enter = |lock: &Guarded, inside: &AtomicUsize| {
            lock.with(Mode::Permit(2), false, || {
                assert!(inside.fetch_add(1, SeqCst) < 2);
                inside.fetch_sub(1, SeqCst);
            });
        };
        let threads = [(), ()].map(|()| {
            let (lock, inside) = (Arc::clone(&lock), Arc::clone(&inside));
            thread::spawn(move || enter(&lock, &inside))
        });
        enter(&lock, &inside);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(lock.raw.try_enter(Mode::Write, false));
    });
}

#[test]
fn a_task_and_a_thread_wait_in_one_queue() {
    model(|| {
        let lock = Guarded::new();
        let task = thread::spawn({
            let lock = Arc::clone(&lock);
            move || {
                loom::future::block_on(Waiting::new(&lock.raw, Mode::Write, false));
                lock.let_go(Mode::Write);
            }
        });
        lock.write(false);
        task.join().unwrap();
    });
}

/// Takes the lock `x` through the registry, as a user does who keeps no handle.
fn hold(home: &Home) -> Hold {
    if let Some(hold) = home.take_write(&"x".into(), || home) {
        return hold;
    }
    match Namespace::get(home, &"x".into(), Some(Mode::Write), false).expect("no semaphore") {
        Taken::Held(hold) => hold,
        Taken::Busy(cell) => {
            park::block_on(Waiting::new(cell.raw(), Mode::Write, false), None).expect("no limit");
            cell.assume_held(Mode::Write)
        }
    }
}

#[test]
fn the_last_drop_that_meets_a_new_get_leaves_one_live_lock_and_none_in_the_end() {
    model(|| {
        let home = Home::Own(Arc::new(Namespace::new()));
        let inside = Arc::new(AtomicUsize::new(0));
        let threads = [(), ()].map(|()| {
            let (home, inside) = (home.clone(), Arc::clone(&inside));
            thread::spawn(move || {
                let guard = hold(&home);
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two live locks of one name");
                inside.fetch_sub(1, SeqCst);
                drop(guard);
            })
        });
        drop(hold(&home));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(home.len(), 0);
    });
}

#[test]
fn a_waiter_that_gives_up_while_the_last_holder_leaves_frees_the_lock_once() {
    model(|| {
        let home = Home::Own(Arc::new(Namespace::new()));
        let holder = hold(&home);
        let waiter = thread::spawn({
            let home = home.clone();
            move || {
                let Some(cell) = home.find(&"x".into()) else { return };
                let mut waiting = Box::pin(Waiting::new(cell.raw(), Mode::Write, false));
                let entered = poll_once(waiting.as_mut()).is_ready();
                drop(waiting);
                drop(entered.then(|| cell.assume_held(Mode::Write)));
            }
        });
        drop(holder);
        waiter.join().unwrap();
        assert_eq!(home.len(), 0);
    });
}

#[test]
fn who_remembers_a_lock_meets_its_last_drop() {
    model(|| {
        let home = Home::Own(Arc::new(Namespace::new()));
        let inside = Arc::new(AtomicUsize::new(0));
        let first = hold(&home);
        let remembered = Remembered::new(&first);
        let other = thread::spawn({
            let (home, inside) = (home.clone(), Arc::clone(&inside));
            move || {
                if let Some(guard) = remembered.take_write() {
                    assert_eq!(inside.fetch_add(1, SeqCst), 0, "two holders");
                    assert!(home.find(&"x".into()).is_some(), "a holder's lock is in the table");
                    inside.fetch_sub(1, SeqCst);
                    drop(guard);
                }
                drop(remembered);
            }
        });
        drop(first);
        let again = hold(&home);
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two live locks of one name");
        inside.fetch_sub(1, SeqCst);
        drop(again);
        other.join().unwrap();
        assert_eq!(home.len(), 0);
    });
}

#[test]
fn two_who_remember_a_lock_free_it_once() {
    model(|| {
        let home = Home::Own(Arc::new(Namespace::new()));
        let first = hold(&home);
        let others = [Remembered::new(&first), Remembered::new(&first)]
            .map(|remembered| thread::spawn(move || drop(remembered.take_write())));
        drop(first);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(home.len(), 0);
    });
}
