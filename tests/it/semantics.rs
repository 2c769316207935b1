//! What each verb, option and guard promises.

mod order;
mod semaphores;
mod several;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use lockutils::{Cancel, Config, Lock, LockGuard, Locks, synchronized};
use tempfile::TempDir;

use crate::conformance::support::{LONG, TINY, Worker, block_on, elsewhere, own, wait_until};

/// A registry with a directory.
fn placed() -> (TempDir, Locks) {
    let directory = tempfile::tempdir().expect("a directory");
    let locks = Locks::new(Config::new().lock_path(directory.path())).expect("a registry");
    (directory, locks)
}

#[track_caller]
fn taken(lock: &Lock) -> LockGuard {
    lock.try_acquire().expect("busy is no error").expect("free")
}

#[track_caller]
fn is_free(lock: &Lock) -> bool {
    lock.try_acquire().expect("busy is no error").is_some()
}

/// The same name in both scopes.
fn both(locks: &Locks) -> [Lock; 2] {
    [locks.lock("x"), locks.lock("x").external()]
}

#[test]
fn trying_never_waits() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let guard = taken(&lock);
        assert!(!is_free(&lock) && !elsewhere(|| is_free(&lock)));
        drop(guard);
        assert!(is_free(&lock));
    }
}

#[test]
fn limits_run_out_and_not_too_early() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let _held = taken(&lock);
        for limit in [Duration::ZERO, Duration::from_nanos(1), TINY, Duration::from_millis(20)] {
            let begun = Instant::now();
            let error = lock.clone().timeout(limit).acquire().expect_err("busy");
            assert!(error.is_timeout() && begun.elapsed() >= limit, "{error}");
            assert!(error.waited() >= Some(limit), "{error}");
            let begun = Instant::now();
            let error = lock.clone().deadline(begun + limit).acquire().expect_err("busy");
            assert!(error.is_timeout() && begun.elapsed() >= limit, "{error}");
        }
        let past = Instant::now();
        assert!(lock.clone().deadline(past).acquire().expect_err("busy").is_timeout());
    }
}

#[test]
fn the_last_limit_that_was_said_counts() {
    let locks = own();
    let _held = taken(&locks.lock("x"));
    let now = Instant::now();
    let lock = || locks.lock("x");
    assert!(lock().timeout(Duration::MAX).timeout(TINY).acquire().expect_err("busy").is_timeout());
    assert!(lock().deadline(now + LONG).timeout(TINY).acquire().expect_err("busy").is_timeout());
    assert!(lock().timeout(Duration::MAX).deadline(now).acquire().expect_err("busy").is_timeout());
}

/// Each wait has the whole time-out, also of a handle that is kept.
#[test]
fn a_timeout_begins_with_each_wait() {
    let locks = own();
    let lock = locks.lock("x").timeout(Duration::from_millis(20));
    let held = taken(&lock);
    for _ in 0..5 {
        assert!(lock.acquire().expect_err("busy").waited() >= Some(Duration::from_millis(20)));
    }
    drop(held);
    drop(lock.acquire().expect("free"));
}

#[test]
fn no_time_is_enough_for_a_free_lock() {
    let (_directory, locks) = placed();
    let cancelled = Cancel::new();
    cancelled.cancel();
    for lock in both(&locks) {
        drop(lock.clone().timeout(Duration::ZERO).acquire().expect("free"));
        drop(lock.clone().deadline(Instant::now()).acquire().expect("free"));
        drop(lock.clone().fair().timeout(Duration::ZERO).acquire().expect("free"));
        drop(lock.clone().cancel_on(&cancelled).acquire().expect("free"));
    }
    drop(locks.lock_all(["a", "b"]).timeout(Duration::ZERO).acquire().expect("free"));
    assert!(locks.is_empty());
}

#[test]
fn what_no_clock_can_express_is_no_limit() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let held = taken(&lock);
        let waiters: Vec<_> =
            [Duration::MAX, Duration::from_secs(u64::MAX / 4), Duration::from_secs(1 << 40)]
                .into_iter()
                .map(|limit| lock.clone().timeout(limit))
                .map(|lock| Worker::waiting(move || lock.acquire().map(drop)))
                .collect();
        drop(held);
        for waiter in waiters {
            waiter.join().expect("it has its turn");
        }
    }
}

#[test]
fn cancelling_ends_every_wait_at_once() {
    let (_directory, locks) = placed();
    let cancel = Cancel::new();
    assert!(!cancel.is_cancelled());
    let held = taken(&locks.lock("x").external());
    let waits = both(&locks).into_iter().chain([
        locks.lock("x").read(),
        locks.lock("x").fair(),
        locks.lock("x").timeout(LONG),
    ]);
    let waiters: Vec<_> = waits
        .map(|lock| lock.cancel_on(&cancel))
        .map(|lock| Worker::waiting(move || lock.acquire().map(drop)))
        .collect();
    let all = locks.lock_all(["w", "x"]).cancel_on(&cancel);
    let all = Worker::waiting(move || all.acquire().map(drop));
    cancel.cancel();
    assert!(cancel.is_cancelled() && cancel.clone().is_cancelled());
    for waiter in waiters.into_iter().chain([all]) {
        assert!(waiter.join().expect_err("cancelled").is_cancelled());
    }
    assert!(is_free(&locks.lock("w")), "what had been taken before was not let go");
    assert!(locks.lock("x").cancel_on(&cancel).acquire().expect_err("cancelled before").is_cancelled());
    drop(held);
    assert!(locks.is_empty());
}

#[test]
fn cancelling_frees_no_guard() {
    let locks = own();
    let cancel = Cancel::new();
    let guard = locks.lock("x").cancel_on(&cancel).acquire().expect("free");
    cancel.cancel();
    cancel.cancel();
    assert!(!is_free(&locks.lock("x")));
    drop(guard);
    assert!(is_free(&locks.lock("x")));
}

#[test]
fn readers_share_and_writers_do_not() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let read = lock.clone().read();
        let (one, two) = (taken(&read), taken(&read));
        assert!(one.is_shared() && !is_free(&lock));
        drop(one);
        assert!(!is_free(&lock) && is_free(&read));
        drop(two);
        let write = taken(&lock);
        assert!(!write.is_shared() && !is_free(&read));
    }
}

#[test]
fn downgrading_lets_readers_in_and_keeps_writers_out() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let write = taken(&lock);
        let reader = Worker::waiting({
            let read = lock.clone().read();
            move || read.acquire()
        });
        let writer = Worker::waiting({
            let lock = lock.clone();
            move || lock.acquire()
        });
        let path = write.path().map(ToOwned::to_owned);
        let read = write.downgrade().expect("the kernel agrees");
        assert!(read.is_shared() && read.path() == path.as_deref());
        let second = reader.join().expect("readers are let in");
        assert!(!is_free(&lock.clone().read()), "a newcomer overtook the writer that waits");
        drop((read, second));
        drop(writer.join().expect("the readers have gone"));
    }
}

#[test]
fn downgrading_changes_nothing_that_is_shared() {
    let locks = own();
    let read = taken(&locks.lock("x").read()).downgrade().expect("nothing to do");
    assert!(read.is_shared() && is_free(&locks.lock("x").read()) && !is_free(&locks.lock("x")));
    drop(read);
    let permit = taken(&locks.semaphore("s", 2)).downgrade().expect("nothing to do");
    assert!(is_free(&locks.semaphore("s", 2)) && !is_free(&locks.lock("s").read()));
    drop(permit);
    assert!(locks.is_empty());
}

/// No writer gets in between the write and the read.
#[test]
fn nobody_writes_while_a_lock_is_downgraded() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let value = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (1..=4)
            .map(|number| {
                let (lock, value) = (lock.clone(), Arc::clone(&value));
                Worker::start(move || {
                    for turn in 0..300 {
                        let guard = lock.acquire().expect("no limit");
                        value.store(number * 1_000 + turn, SeqCst);
                        let guard = guard.downgrade().expect("the kernel agrees");
                        assert_eq!(value.load(SeqCst), number * 1_000 + turn);
                        drop(guard);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(Worker::join);
    }
}

#[test]
fn guards_are_dropped_on_any_thread() {
    let (_directory, locks) = placed();
    for lock in both(&locks).into_iter().chain([locks.lock("x").read(), locks.semaphore("s", 1)]) {
        let guard = taken(&lock);
        let waiter = Worker::waiting({
            let write = lock.clone();
            move || write.timeout(LONG).acquire()
        });
        elsewhere(move || drop(guard));
        let guard = waiter.join().expect("it was let go");
        drop(guard);
        assert!(is_free(&lock), "{lock:?}");
    }
}

#[test]
fn a_panic_lets_go_and_does_not_poison() {
    #[synchronized("x", locks = locks)]
    fn annotated(locks: &Locks) {
        panic!("expected");
    }
    let (_directory, locks) = placed();
    let works: [&(dyn Fn() + Sync); 6] = [
        &|| locks.lock("x").run(|| panic!("expected")).expect("free"),
        &|| locks.lock("x").external().run(|| panic!("expected")).expect("free"),
        &|| locks.lock("x").read().run(|| panic!("expected")).expect("free"),
        &|| locks.lock("x").reentrant(2).run(|| panic!("expected")).expect("free"),
        &|| annotated(&locks),
        &|| {
            let _guards = locks.lock_all(["w", "x"]).external().acquire().expect("free");
            panic!("expected");
        },
    ];
    for work in works {
        let panicked = elsewhere(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)));
        assert_eq!(panicked.expect_err("it panics").downcast_ref(), Some(&"expected"));
        assert!(
            is_free(&locks.lock("x")) && is_free(&locks.lock("x").external()) && is_free(&locks.lock("w"))
        );
        assert!(locks.is_empty());
    }
}

/// The lock stays held until the process ends, and says so.
#[test]
fn a_forgotten_guard_keeps_the_lock() {
    let (_directory, locks) = placed();
    for (number, lock) in both(&locks).into_iter().enumerate() {
        let lock = lock.prefix(number.to_string());
        assert!(!lock.is_locked().expect("it can be looked at"));
        std::mem::forget(taken(&lock));
        assert!(lock.is_locked().expect("it can be looked at") && !is_free(&lock));
        assert!(lock.clone().timeout(TINY).acquire().expect_err("busy").is_timeout());
    }
    assert_eq!(locks.len(), 2);
}

#[test]
fn looking_takes_nothing() {
    let (directory, locks) = placed();
    let other = Locks::new(Config::new().lock_path(directory.path())).expect("a registry");
    for (lock, seen_by_others) in [(locks.lock("x"), false), (locks.lock("x").external(), true)] {
        let look = |lock: &Lock| lock.is_locked().expect("it can be looked at");
        assert!(!look(&lock));
        for held in [lock.clone(), lock.clone().read()] {
            let guard = taken(&held);
            assert!(look(&lock) && look(&lock.clone().read()));
            assert_eq!(look(&other.lock("x").external()), seen_by_others);
            drop(guard);
        }
        assert!(!look(&lock) && !look(&other.lock("x").external()));
    }
    assert!(locks.is_empty() && other.is_empty());
}

#[test]
fn the_holder_knows_itself() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let mine = || (lock.held_by_current_thread(), lock.hold_count());
        assert_eq!(mine(), (false, 0));
        let guard = taken(&lock);
        assert_eq!((mine(), elsewhere(mine)), ((true, 1), (false, 0)));
        drop(guard);
        lock.run(|| assert_eq!((mine(), elsewhere(mine)), ((true, 1), (false, 0)))).expect("free");
        lock.clone()
            .read()
            .run(|| assert_eq!((mine(), elsewhere(mine)), ((true, 1), (false, 0))))
            .expect("free");
        assert_eq!(mine(), (false, 0));
    }
    let guard = crate::conformance::support::block_on(async { locks.lock("x").acquire_async().await });
    assert_eq!(locks.lock("x").hold_count(), 0, "guards of tasks do not count");
    drop(guard.expect("free"));
}

/// A reader whose guard cannot leave the thread knows itself; one whose guard can is not kept account of.
#[test]
fn a_reader_knows_itself() {
    let locks = own();
    let lock = locks.lock("x").read();
    lock.run(|| assert!(locks.lock("x").held_by_current_thread())).expect("free");
    assert!(!locks.lock("x").held_by_current_thread());
    let guard = taken(&lock);
    assert!(!locks.lock("x").held_by_current_thread(), "the guard may be anywhere");
    drop(guard);
}

#[test]
fn a_reentrant_owner_is_counted() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let reentrant = lock.clone().reentrant(3);
        let mut guards = Vec::new();
        for depth in 1..=3 {
            guards.push(reentrant.acquire().expect("below the limit"));
            assert_eq!((lock.hold_count(), elsewhere(|| lock.hold_count())), (depth, 0));
        }
        assert!(reentrant.acquire().expect_err("the limit").is_limit_reached());
        assert!(reentrant.try_acquire().expect("busy is no error").is_none());
        assert!(reentrant.run(|| ()).expect_err("the limit").is_limit_reached());
        assert_eq!(lock.hold_count(), 3);
        // In whatever order they are dropped.
        for (at, left) in [(0, 2), (1, 1), (0, 0)] {
            drop(guards.remove(at));
            assert_eq!(lock.hold_count(), left);
            assert_eq!(elsewhere(|| is_free(&lock)), left == 0);
        }
    }
}

/// Other handles, and other limits, of one name are one lock of one owner.
#[test]
fn reentrance_belongs_to_the_name() {
    let (_directory, locks) = placed();
    let outer = locks.lock("x").reentrant(1).acquire().expect("free");
    let inner = locks.lock("x").reentrant(5).acquire().expect("this thread has it");
    let file = locks.lock("x").external().reentrant(5).acquire().expect("this thread has it");
    let reading = locks.lock("x").read().reentrant(5).acquire().expect("who writes may read");
    assert_eq!(locks.lock("x").hold_count(), 4);
    assert!(locks.lock("x").reentrant(4).acquire().expect_err("the limit").is_limit_reached());
    drop(outer);
    drop(inner);
    assert!(locks.lock("x").external().is_locked().expect("it can be looked at"));
    drop(file);
    assert!(!elsewhere(|| is_free(&locks.lock("x"))));
    drop(reading);
    assert!(elsewhere(|| is_free(&locks.lock("x").external())));
    assert!(locks.is_empty());
}

#[test]
fn guards_tell_times() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let held = taken(&lock);
        let begun = Instant::now();
        let waiter = Worker::waiting({
            let lock = lock.clone();
            move || lock.acquire()
        });
        let least = begun.elapsed() / 2;
        drop(held);
        let guard = waiter.join().expect("it was let go");
        assert!(guard.waited() > Duration::ZERO && guard.waited() < LONG, "{:?} {least:?}", guard.waited());
        clock_moves(&guard);
    }
}

/// Who waited looked at the clock anyway, and so does who takes a file; others do it when they are asked to.
#[test]
fn guards_are_timed_where_it_is_asked_for() {
    let (_directory, locks) = placed();
    clock_moves(&taken(&locks.lock("x").timed()));
    clock_moves(&taken(&locks.lock("x").external()));
    clock_moves(&block_on(locks.lock("x").timed().acquire_async()).expect("free"));
    clock_moves(&locks.lock("x").timed().try_acquire().expect("busy is no error").expect("free"));
    let kept = locks.lock("x").timed();
    (0..3).for_each(|_| clock_moves(&taken(&kept)));
    assert_eq!(taken(&locks.lock("x")).held(), None);
    assert_eq!(taken(&locks.lock("x").read()).held(), None);
    clock_moves(&taken(&locks.lock("x").read().timed()));
    clock_moves(&taken(&locks.semaphore("y", 2).timed()));
}

fn clock_moves(guard: &LockGuard) {
    let seen = guard.held().expect("it is timed");
    wait_until("the coarse clock has moved", || guard.held().expect("it is timed") > seen);
    assert!(guard.held().expect("it is timed") < LONG);
}

#[test]
fn a_free_lock_is_not_waited_for() {
    let (_directory, locks) = placed();
    assert_eq!(taken(&locks.lock("x")).waited(), Duration::ZERO);
    assert_eq!(locks.lock("x").acquire().expect("free").waited(), Duration::ZERO);
    assert_eq!(taken(&locks.lock("x").external()).waited(), Duration::ZERO);
}

/// The same, for a file that is free too.
#[test]
fn a_free_file_is_not_waited_for() {
    let (_directory, locks) = placed();
    assert_eq!(locks.lock("x").external().acquire().expect("free").waited(), Duration::ZERO);
}

#[test]
fn releasing_is_dropping_with_an_answer() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        taken(&lock).release().expect("the kernel agrees");
        assert!(is_free(&lock) && !lock.is_locked().expect("it can be looked at"));
    }
    assert!(locks.is_empty());
}

#[test]
fn a_guard_knows_that_its_file_is_gone() {
    let (_directory, locks) = placed();
    let guard = taken(&locks.lock("x").external());
    assert!(!guard.is_lost().expect("it can be looked at"));
    std::fs::remove_file(guard.path().expect("it is external")).expect("it is there");
    assert!(guard.is_lost().expect("it can be looked at"));
    drop(guard);
    let again = taken(&locks.lock("x").external());
    assert!(!again.is_lost().expect("it can be looked at"));
    assert!(!taken(&locks.lock("y")).is_lost().expect("an internal lock has no file"));
}

/// Options make new handles; the one they came from is what it was.
#[test]
fn options_do_not_touch_other_handles() {
    let (_directory, locks) = placed();
    let lock = locks.lock("x");
    drop((taken(&lock), lock.try_acquire().expect("busy is no error")));
    let external = lock.clone().external();
    assert!(taken(&external).path().is_some() && taken(&lock).path().is_none());
    let other = lock.clone().prefix("other");
    let held = taken(&other);
    assert_eq!((held.name(), taken(&lock).name()), ("other-x", "x"));
}

/// While a thread ends, its thread-locals go one after another; locks still work.
#[test]
fn locks_are_taken_while_a_thread_ends() {
    struct AtTheEnd(Locks, Arc<AtomicUsize>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let lock = self.0.lock("x");
            drop(lock.acquire().expect("it comes free"));
            drop(lock.clone().read().acquire().expect("free"));
            lock.clone().reentrant(2).run(|| ()).expect("free");
            lock.clone().read().run(|| drop(lock.clone().read().acquire().expect("shared"))).expect("free");
            assert!(lock.clone().timeout(Duration::ZERO).acquire().is_ok());
            self.1.fetch_add(1, SeqCst);
        }
    }
    thread_local! {
        static FIRST: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) };
        static SECOND: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) };
    }
    let (locks, ended) = (own(), Arc::new(AtomicUsize::new(0)));
    let held = taken(&locks.lock("x"));
    let begun = Arc::new(Barrier::new(2));
    let thread = std::thread::spawn({
        let (locks, ended, begun) = (locks.clone(), Arc::clone(&ended), Arc::clone(&begun));
        move || {
            // One before and one after this thread has first used a lock.
            FIRST.set(Some(AtTheEnd(locks.clone(), Arc::clone(&ended))));
            let error = locks.lock("x").timeout(TINY).acquire().expect_err("busy");
            assert!(error.is_timeout());
            SECOND.set(Some(AtTheEnd(locks, ended)));
            begun.wait();
        }
    });
    begun.wait();
    assert_eq!(ended.load(SeqCst), 0);
    drop(held);
    thread.join().expect("it ends well");
    assert_eq!(ended.load(SeqCst), 2);
    assert!(locks.is_empty());
}
