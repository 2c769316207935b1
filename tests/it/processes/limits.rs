//! Waits that end without the lock, and what they leave behind; tasks that wait; signals.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lockutils::Cancel;
use lockutils_tests::{Place, eventually, within};
use tokio::runtime;

const LIMIT: Duration = Duration::from_millis(150);
/// So late a time-out may be on a machine that does many things.
const LATE: Duration = Duration::from_secs(10);

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn limits_are_met() {
    let place = Place::new("limits_are_met");
    let _holder = place.holder("job");
    let lock = place.lock("job").timeout(LIMIT);
    let started = Instant::now();
    for acquired in [lock.acquire(), futures_lite::future::block_on(lock.acquire_async())] {
        let error = acquired.expect_err("the lock is held");
        assert!(error.is_timeout(), "{error}");
        assert!(error.waited().is_some_and(|waited| waited >= LIMIT && waited < LATE), "{error}");
        assert_eq!(error.path(), Some(&*place.file("job")));
    }
    assert!(started.elapsed() >= 2 * LIMIT);
}

/// The limit is for both halves together: what the in-process half has used up is gone.
#[test]
fn one_limit_for_thread_and_file() {
    let place = Place::new("one_limit_for_thread_and_file");
    let _holder = place.holder("job");
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(!place.comes_free("job", LIMIT)));
        }
    });
    assert!(started.elapsed() >= LIMIT && started.elapsed() < LATE);
}

#[test]
fn a_limit_of_zero_is_one_try() {
    let place = Place::new("a_limit_of_zero_is_one_try");
    assert!(place.comes_free("job", Duration::ZERO));
    let _holder = place.holder("job");
    assert!(!place.comes_free("job", Duration::ZERO));
}

/// On the one thread of a runtime, one task waits for the file while another goes on and ends that wait.
#[test]
fn a_waiting_task_does_not_block_its_thread() {
    within("the other task runs", || {
        let place = Place::new("a_waiting_task_does_not_block_its_thread");
        let mut holder = place.holder("job");
        let waiter = place.lock("job");
        let runtime = runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let waiting = tokio::spawn(async move { waiter.acquire_async().await.map(drop) });
            while place.waiters("job") == 0 {
                tokio::task::yield_now().await;
            }
            assert!(!waiting.is_finished());
            holder.release();
            waiting.await.expect("a task that ends").expect("the lock");
        });
    });
}

/// A future that is dropped while its thread waits in the kernel gives the wait up for good: the next one
/// waits, and gets the lock.
#[test]
fn a_cancelled_task_leaves_the_lock_to_the_next() {
    let place = Place::new("a_cancelled_task_leaves_the_lock_to_the_next");
    let mut holder = place.holder("job");
    let lock = place.lock("job");
    let mut cancelled = Box::pin(lock.acquire_async());
    assert!(poll_once(&mut cancelled).is_pending());
    place.has_waiters("job", 1);
    drop(cancelled);
    let mut next = place.waiter("job", &[]);
    holder.release();
    next.expect("held");
    next.release();
    assert!(place.comes_free("job", LATE));
}

/// The same when the next one is of this process.
#[test]
fn a_cancelled_task_leaves_the_lock_to_its_own_process() {
    let place = Place::new("a_cancelled_task_leaves_the_lock_to_its_own_process");
    let mut holder = place.holder("job");
    let lock = place.lock("job");
    let mut cancelled = Box::pin(lock.acquire_async());
    assert!(poll_once(&mut cancelled).is_pending());
    place.has_waiters("job", 1);
    drop(cancelled);
    let mut next = Box::pin(lock.acquire_async());
    assert!(poll_once(&mut next).is_pending());
    holder.release();
    let guard = futures_lite::future::block_on(next).expect("the lock");
    assert!(!holder.try_take(), "we have it");
    drop(guard);
    holder.take();
}

/// Waits of every kind that have been given up do not keep the lock when it comes to them.
#[test]
fn waits_that_were_given_up_keep_nothing() {
    let place = Place::new("waits_that_were_given_up_keep_nothing");
    let mut holder = place.holder("job");
    let lock = place.lock("job");
    assert!(lock.clone().timeout(LIMIT).acquire().expect_err("held").is_timeout());
    assert!(lock.clone().read().timeout(LIMIT).acquire().expect_err("held").is_timeout());
    let mut cancelled = Box::pin(lock.acquire_async());
    assert!(poll_once(&mut cancelled).is_pending());
    drop(cancelled);
    holder.release();
    eventually("another process gets the lock", || holder.try_take());
    holder.release();
    place.has_waiters("job", 0);
    assert!(place.comes_free("job", LATE));
}

/// A reader that has given up while it waited as the first of several does not take the others with it.
#[test]
fn readers_behind_a_cancelled_reader_get_the_lock() {
    let place = Place::new("readers_behind_a_cancelled_reader_get_the_lock");
    let mut holder = place.holder("job");
    let lock = place.lock("job").read();
    let (mut first, mut second) = (Box::pin(lock.acquire_async()), Box::pin(lock.acquire_async()));
    assert!(poll_once(&mut first).is_pending());
    assert!(poll_once(&mut second).is_pending());
    place.has_waiters("job", 1);
    drop(first);
    holder.release();
    let guard = futures_lite::future::block_on(second).expect("the lock");
    assert!(!holder.try_take());
    drop(guard);
    holder.take();
}

#[test]
fn a_wait_for_a_file_is_cancelled_from_outside() {
    let place = Place::new("a_wait_for_a_file_is_cancelled_from_outside");
    let mut holder = place.holder("job");
    let cancel = Cancel::new();
    let lock = place.lock("job").cancel_on(&cancel);
    let waiter = thread::spawn(move || lock.acquire().map(drop));
    place.has_waiters("job", 1);
    cancel.cancel();
    assert!(waiter.join().expect("no panic").expect_err("it was cancelled").is_cancelled());
    holder.release();
    assert!(place.comes_free("job", LATE));
}

/// Signals that interrupt the system call neither end the wait nor give a guard.
#[test]
fn signals_do_not_end_a_wait() {
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        let place = Place::new("signals_do_not_end_a_wait");
        let mut holder = place.holder("job");
        let mut waiter = place.helper(&[&["signal", "job"], words].concat());
        place.has_waiters("job", 1);
        for _ in 0..5 {
            waiter.say("signal");
            waiter.expect("signalled");
        }
        place.has_waiters("job", 1);
        assert!(waiter.is_silent(), "{words:?} goes on waiting");
        holder.release();
        waiter.expect("held");
    }
}

/// A holder that is stopped holds on, and those who wait give up in time.
#[test]
fn a_stopped_holder_is_waited_for_in_vain() {
    let place = Place::new("a_stopped_holder_is_waited_for_in_vain");
    let mut holder = place.holder("job");
    holder.stop();
    assert!(!place.comes_free("job", LIMIT));
    holder.go_on();
    holder.release();
    assert!(place.comes_free("job", LATE));
}

/// There are more files to wait for than a process has threads for that: all waits end well, and the threads
/// have a bound.
#[test]
fn more_waits_than_threads() {
    let place = Place::new("more_waits_than_threads");
    let mut child = place.helper(&["many", "200"]);
    let threads: usize = child.line().parse().expect("a number");
    assert!((2..100).contains(&threads), "{threads} threads for 200 waits");
    child.expect("all held");
    child.finish();
}

/// The thread has the lock in this process, and only now needs the file, which another process has: a try
/// says so.
#[test]
fn a_second_level_that_needs_the_file_can_be_tried() {
    let place = Place::new("a_second_level_that_needs_the_file_can_be_tried");
    let _holder = place.holder("job");
    let outer = place.locks().lock("job").reentrant(3);
    let inner = place.lock("job").reentrant(3);
    outer
        .run(|| {
            assert!(inner.try_acquire().expect("busy is no error").is_none());
            let limited = place.lock("job").timeout(LIMIT).reentrant(3);
            assert!(limited.acquire().expect_err("the file is held").is_timeout());
            assert!(outer.try_acquire().expect("free").is_some(), "without the file it is free");
        })
        .expect("free in this process");
    assert!(!place.locks().lock("job").is_locked().expect("it can be looked at"));
}

/// Registries of one directory meet in the file as processes do.
fn beside(place: &Place) -> lockutils::Locks {
    lockutils::Locks::new(lockutils::Config::new().lock_path(place.path())).expect("a registry")
}

/// A writer whose wait is over stands in no reader's way.
#[test]
fn a_writer_that_gave_up_keeps_no_readers_out() {
    let place = Place::new("a_writer_that_gave_up_keeps_no_readers_out");
    let (writers, readers) = (beside(&place), beside(&place));
    let reading = place.lock("job").read().acquire().expect("free");
    for limit in [Duration::ZERO, LIMIT] {
        let writer = writers.lock("job").external().timeout(limit);
        assert!(writer.acquire().expect_err("somebody reads").is_timeout());
        let writer = writers.lock("job").external();
        let mut future = Box::pin(writer.acquire_async());
        assert!(poll_once(&mut future).is_pending());
        drop(future);
        eventually("the gate is free", || {
            readers.lock("job").external().read().try_acquire().expect("busy is no error").is_some()
        });
    }
    drop(reading);
    eventually("the lock is free", || place.try_acquire("job").is_some());
}

/// Waits for one file that were given up share one thread and one descriptor.
#[test]
fn waits_that_were_given_up_do_not_pile_up() {
    let place = Place::new("waits_that_were_given_up_do_not_pile_up");
    let waiters = beside(&place);
    let _held = place.lock("job").acquire().expect("free");
    for _ in 0..100 {
        let lock = waiters.lock("job").external().timeout(Duration::from_millis(1));
        assert!(lock.acquire().expect_err("it is held").is_timeout());
    }
    let file = place.file("job");
    let open = std::fs::read_dir("/proc/self/fd").expect("proc is there").flatten();
    let open = open.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|path| path == file)).count();
    assert!(open < 10, "the lock file is open {open} times");
}

/// A level that reads, inside one that writes, needs the file alone, since the next level may write.
#[test]
fn a_reading_level_within_a_writing_one_has_the_file_alone() {
    let place = Place::new("a_reading_level_within_a_writing_one_has_the_file_alone");
    let others = beside(&place);
    let outer = place.locks().lock("job").reentrant(4).acquire().expect("free");
    let reads = place.lock("job").read().reentrant(4).acquire().expect("its own");
    let writes = place.lock("job").reentrant(4).acquire().expect("its own");
    let other = others.lock("job").external().read();
    assert!(other.try_acquire().expect("busy is no error").is_none());
    drop((writes, reads, outer));
    assert!(other.try_acquire().expect("free").is_some());
}
