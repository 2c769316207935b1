//! `test_lock.py`: readers and writers of one process. What ends in `ctx` there uses closures here, and what
//! ends in `plain` uses guards.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, mpsc};
use std::thread;

use lockutils::{Config, Lock, LockGuard, Locks, Reentrant};
use lockutils_tests::{asleep, within};
use nix::unistd::gettid;

/// How often threads come in, where upstream lets them run for some seconds.
const TIMES: u32 = 200;
const THREADS: u32 = 20;

/// A lock of a registry of its own.
fn lock() -> Lock {
    Locks::new(Config::new()).expect("a registry").lock("lock")
}

/// The same lock for a thread that may take it again, to read and to write.
fn pair(lock: &Lock) -> (Reentrant, Reentrant) {
    (lock.clone().read().reentrant(9), lock.clone().reentrant(9))
}

/// How to come in.
#[derive(Clone, Copy)]
enum Style {
    Ctx,
    Plain,
}

impl Style {
    fn run<R>(self, lock: &Lock, body: impl FnOnce() -> R) -> R {
        match self {
            Self::Ctx => lock.run(body).expect("the lock"),
            Self::Plain => {
                let guard = lock.acquire().expect("the lock");
                let value = body();
                guard.release().expect("no error");
                value
            }
        }
    }
}

fn read(lock: &Lock) -> Lock {
    lock.clone().read()
}

fn is_free(lock: &Lock) -> bool {
    lock.try_acquire().expect("no error").is_some()
}

/// Runs a closure on each of several threads.
fn on_threads(number: u32, work: impl Fn(u32) + Sync) {
    let work = &work;
    thread::scope(|scope| (0..number).for_each(|thread| drop(scope.spawn(move || work(thread)))));
}

/// Who is inside: writers count by 1000.
#[derive(Default)]
struct Inside(AtomicI32);

impl Inside {
    fn visit(&self, writes: bool) {
        let step = if writes { 1000 } else { 1 };
        let now = self.0.fetch_add(step, SeqCst) + step;
        assert!(if writes { now == 1000 } else { now < 1000 }, "{now}: a writer is not alone");
        thread::yield_now();
        self.0.fetch_sub(step, SeqCst);
    }
}

fn no_double_writers(style: Style) {
    let (lock, inside) = (lock(), Inside::default());
    on_threads(THREADS, |_| (0..TIMES).for_each(|_| style.run(&lock, || inside.visit(true))));
}

#[test]
fn no_double_writers_ctx() {
    no_double_writers(Style::Ctx);
}

#[test]
fn no_double_writers_plain() {
    no_double_writers(Style::Plain);
}

fn no_concurrent_readers_writers(style: Style) {
    let (lock, inside) = (lock(), Inside::default());
    on_threads(THREADS, |thread| {
        for time in 0..TIMES {
            let writes = (thread + time) % 3 == 0;
            let lock = if writes { lock.clone() } else { read(&lock) };
            style.run(&lock, || inside.visit(writes));
        }
    });
}

#[test]
fn no_concurrent_readers_writers_ctx() {
    no_concurrent_readers_writers(Style::Ctx);
}

#[test]
fn no_concurrent_readers_writers_plain() {
    no_concurrent_readers_writers(Style::Plain);
}

/// A body that panics, under closure and under guard.
fn aborts(lock: &Lock) {
    for style in [Style::Ctx, Style::Plain] {
        let panicked = catch_unwind(AssertUnwindSafe(|| style.run(lock, || panic!("Broken"))));
        assert!(panicked.is_err());
    }
}

/// A writer that panics lets go.
#[test]
fn writer_abort() {
    let lock = lock();
    aborts(&lock);
    assert!(is_free(&lock));
    assert!(!lock.held_by_current_thread());
}

#[test]
fn reader_abort() {
    let lock = lock();
    aborts(&read(&lock));
    assert!(is_free(&lock));
    assert!(!lock.held_by_current_thread());
}

/// Readers that read again inside and panic do not keep ten writers out.
#[test]
fn double_reader_abort() {
    let (lock, writes) = (lock(), AtomicU32::new(0));
    on_threads(20, |thread| {
        let lock = lock.clone();
        if thread % 2 == 0 {
            lock.run(|| writes.fetch_add(1, SeqCst)).expect("the lock");
            return;
        }
        let again = || read(&lock).run(|| panic!("Broken"));
        let panicked = catch_unwind(AssertUnwindSafe(|| read(&lock).run(again)));
        assert!(panicked.is_err());
    });
    assert_eq!(writes.load(SeqCst), 10);
    assert!(is_free(&lock));
}

/// A reader may read again although a writer waits; the writer comes after it.
#[test]
fn double_reader_writer() {
    within("the reader comes in again", || {
        let (lock, order) = (lock(), Mutex::new(VecDeque::new()));
        let (started, writer) = mpsc::channel();
        let write = || {
            started.send(gettid()).expect("the test listens");
            lock.run(|| order.lock().expect("no panic").push_back('w')).expect("the lock");
        };
        let (reader, _) = pair(&lock);
        thread::scope(|scope| {
            let _outer = reader.acquire().expect("a free lock");
            scope.spawn(write);
            asleep(writer.recv().expect("it starts"));
            let _inner = reader.acquire().expect("it reads already");
            order.lock().expect("no panic").push_back('r');
        });
        assert_eq!(order.into_inner().expect("no panic"), ['r', 'w']);
    });
}

/// Readers and writers of which some panic: everybody comes in exactly once.
fn chaotic(readers: u32, writers: u32) {
    let (lock, has_read, has_written) = (lock(), AtomicU32::new(0), AtomicU32::new(0));
    let body = |count: &AtomicU32, thread| {
        count.fetch_add(1, SeqCst);
        assert!(thread % 2 == 0, "every second one panics");
    };
    on_threads(readers + writers, |thread| {
        let (lock, count) =
            if thread < readers { (read(&lock), &has_read) } else { (lock.clone(), &has_written) };
        let ended = catch_unwind(AssertUnwindSafe(|| lock.run(|| body(count, thread)).expect("the lock")));
        assert_eq!(ended.is_ok(), thread % 2 == 0);
    });
    assert_eq!((has_read.load(SeqCst), has_written.load(SeqCst)), (readers, writers));
    assert!(is_free(&lock));
}

#[test]
fn reader_chaotic() {
    chaotic(10, 2);
}

#[test]
fn writer_chaotic() {
    chaotic(2, 10);
}

/// Who writes may read, and write again.
#[test]
fn writer_reader_writer_ctx() {
    let lock = lock();
    let (reader, writer) = pair(&lock);
    let count = writer.run(|| reader.run(|| writer.run(|| lock.hold_count())));
    assert_eq!(count.expect("a free lock").expect("again").expect("again"), 3);
    assert!(is_free(&lock));
}

#[test]
fn writer_reader_writer_plain() {
    let lock = lock();
    let (reader, writer) = pair(&lock);
    let first = writer.acquire().expect("a free lock");
    let second = reader.acquire().expect("again");
    let third = writer.acquire().expect("again");
    assert_eq!(lock.hold_count(), 3);
    drop(third);
    drop(second);
    assert_eq!(lock.hold_count(), 1);
    assert!(refuses_other_threads(&lock));
    drop(first);
    assert!(is_free(&lock));
}

/// Whether another thread can neither read nor write.
fn refuses_other_threads(lock: &Lock) -> bool {
    thread::scope(|scope| scope.spawn(|| !is_free(lock) && !is_free(&read(lock))).join().expect("no panic"))
}

/// What the thread holds can be told at each step of a sequence.
#[test]
fn single_reader_writer_ctx() {
    let lock = lock();
    let held = || lock.held_by_current_thread();
    assert!(!held());
    assert!(lock.run(held).expect("a free lock"));
    assert!(!held());
    assert!(read(&lock).run(held).expect("a free lock"));
    assert!(!held());
    assert!(lock.run(held).expect("a free lock"));
    assert!(!held());
}

#[test]
fn single_reader_writer_plain() {
    let lock = lock();
    for reads in [true, false, true] {
        let wanted = if reads { read(&lock) } else { lock.clone() };
        let guard = wanted.acquire().expect("a free lock");
        assert_eq!(guard.is_shared(), reads);
        assert!(lock.is_locked().expect("no error"));
        drop(guard);
        assert!(!lock.is_locked().expect("no error"));
    }
}

/// Who reads may not go on to write, and goes on reading.
#[test]
fn reader_to_writer_ctx() {
    let lock = lock();
    let (reader, writer) = pair(&lock);
    let refused = reader.run(|| {
        let refused = writer.run(|| ());
        assert!(!is_free(&lock), "it is still read");
        assert!(is_free(&read(&lock)));
        refused
    });
    assert!(refused.expect("a free lock").expect_err("it reads").is_would_deadlock());
    assert!(is_free(&lock));
}

#[test]
fn reader_to_writer_plain() {
    let lock = lock();
    let (reader, writer) = pair(&lock);
    let guard = reader.acquire().expect("a free lock");
    assert!(writer.acquire().expect_err("it reads").is_would_deadlock());
    assert!(writer.try_acquire().expect("no error").is_none());
    assert!(!is_free(&lock), "it is still read");
    drop(guard);
    assert!(is_free(&lock));
}

/// Who writes may read too; other threads may come in when both are over.
#[test]
fn writer_to_reader_ctx() {
    let lock = lock();
    let (reader, writer) = pair(&lock);
    writer
        .run(|| {
            reader.run(|| assert_eq!(lock.hold_count(), 2)).expect("again");
            assert_eq!(lock.hold_count(), 1);
            assert!(refuses_other_threads(&lock));
        })
        .expect("a free lock");
    assert!(is_free(&lock));
}

#[test]
fn writer_to_reader_plain() {
    let lock = lock();
    let (reader, writer) = pair(&lock);
    let write = writer.acquire().expect("a free lock");
    let read = reader.acquire().expect("again");
    assert_eq!(lock.hold_count(), 2);
    drop(write);
    assert!(refuses_other_threads(&lock), "one is left");
    drop(read);
    assert!(is_free(&lock));
}

#[test]
fn double_writer_ctx() {
    let lock = lock();
    let (_, writer) = pair(&lock);
    let count = writer.run(|| writer.run(|| lock.hold_count())).expect("a free lock").expect("again");
    assert_eq!(count, 2);
    assert!(is_free(&lock));
}

#[test]
fn double_writer_plain() {
    let lock = lock();
    let (_, writer) = pair(&lock);
    let (first, second) = (writer.acquire().expect("a free lock"), writer.acquire().expect("again"));
    drop(first);
    assert!(refuses_other_threads(&lock), "one is left");
    drop(second);
    assert!(is_free(&lock));
}

#[test]
fn double_reader_ctx() {
    let lock = lock();
    let (reader, _) = pair(&lock);
    let count = reader.run(|| reader.run(|| lock.hold_count())).expect("a free lock").expect("again");
    assert_eq!(count, 2);
    assert!(is_free(&lock));
}

#[test]
fn double_reader_plain() {
    let lock = lock();
    let (reader, _) = pair(&lock);
    let (first, second) = (reader.acquire().expect("a free lock"), reader.acquire().expect("again"));
    drop(first);
    assert!(!is_free(&lock), "one is left");
    drop(second);
    assert!(is_free(&lock));
}

/// Readers and writers note when they come in and go out; writers are alone.
fn intervals(readers: u32, writers: u32) {
    let (lock, inside, visits) = (lock(), Inside::default(), AtomicU32::new(0));
    on_threads(readers + writers, |thread| {
        let alone = thread >= readers;
        let lock = if alone { lock.clone() } else { read(&lock) };
        for _ in 0..TIMES {
            let _guard = lock.acquire().expect("the lock");
            inside.visit(alone);
            visits.fetch_add(1, SeqCst);
        }
    });
    assert_eq!(visits.load(SeqCst), (readers + writers) * TIMES);
}

#[test]
fn multi_reader_multi_writer() {
    intervals(10, 10);
}

#[test]
fn multi_reader_single_writer() {
    intervals(9, 1);
}

#[test]
fn multi_writer() {
    intervals(0, 10);
}

/// Readers are let in together: each waits inside for the other one.
#[test]
fn readers_are_inside_together() {
    within("both readers come in", || {
        let (lock, both) = (lock(), std::sync::Barrier::new(2));
        on_threads(2, |_| {
            let _guard = read(&lock).acquire().expect("the lock");
            both.wait();
        });
    });
}

/// A thread that writes and reads by turns, against another one that writes.
#[test]
fn deadlock_reproducer() {
    within("both threads end", || {
        let (lock, inside) = (lock(), Inside::default());
        on_threads(2, |thread| {
            for _ in 0..1000 {
                lock.run(|| inside.visit(true)).expect("the lock");
                if thread == 0 {
                    read(&lock).run(|| inside.visit(false)).expect("the lock");
                }
            }
        });
    });
}

/// There is nothing to let go without a guard, and a guard is gone when it has let go.
fn release_takes_the_guard(lock: &Lock) {
    let release: fn(LockGuard) -> Result<(), lockutils::Error> = LockGuard::release;
    release(lock.acquire().expect("a free lock")).expect("no error");
    assert!(!lock.is_locked().expect("no error"));
    assert!(!lock.held_by_current_thread());
}

#[test]
fn error_when_releasing_write_lock_without_write_lock() {
    release_takes_the_guard(&lock());
}

#[test]
fn error_when_releasing_read_lock_without_read_lock() {
    release_takes_the_guard(&read(&lock()));
}
