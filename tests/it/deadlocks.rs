//! A thread that would wait for itself is told so, where that is certain; and nobody else is.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockutils::{Cancel, Error, Lock, Locks, synchronized};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::conformance::support::{TINY, Worker, elsewhere, own};

/// The error must name where the lock was taken and where it was wanted again: two lines of this file.
#[track_caller]
fn names_both_places(error: &Error) {
    let text = error.to_string();
    let places: Vec<_> = text.split(file!()).skip(1).filter_map(line_and_column).collect();
    let [taken, wanted] = places.as_slice() else { panic!("two places are not named: {text}") };
    assert_ne!(taken, wanted, "{text}");
    assert!(error.is_would_deadlock(), "{text}");
}

fn line_and_column(rest: &str) -> Option<(u32, u32)> {
    let (line, rest) = rest.strip_prefix(':')?.split_once(':')?;
    let column = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[track_caller]
fn refused(lock: &Lock) {
    names_both_places(&lock.acquire().map(drop).expect_err("held by this thread"));
}

#[synchronized("x", locks = locks)]
fn annotated<R>(locks: &Locks, body: impl FnOnce() -> R) -> R {
    body()
}

#[synchronized("x", locks = locks, read)]
fn annotated_reader<R>(locks: &Locks, body: impl FnOnce() -> R) -> R {
    body()
}

#[synchronized("x", locks = locks, reentrant)]
fn annotated_reentrant<R>(locks: &Locks, body: impl FnOnce() -> R) -> R {
    body()
}

#[synchronized("w", "x", locks = locks)]
fn annotated_with_two<R>(locks: &Locks, body: impl FnOnce() -> R) -> R {
    body()
}

/// Runs `body` under each kind of guard that cannot leave its thread.
fn under_each_pinned_guard(locks: &Locks, body: impl Fn(&str)) {
    let (lock, reentrant) = (locks.lock("x"), locks.lock("x").reentrant(2));
    lock.run(|| body("closure")).expect("free");
    reentrant.run(|| body("re-entrant closure")).expect("free");
    let guard = reentrant.acquire().expect("free");
    body("re-entrant guard");
    drop(guard);
    annotated(locks, || body("attribute"));
    annotated_with_two(locks, || body("attribute with two names"));
    annotated_reentrant(locks, || body("re-entrant attribute"));
}

#[test]
fn a_second_time_on_the_same_thread_is_refused() {
    let locks = own();
    under_each_pinned_guard(&locks, |_| {
        refused(&locks.lock("x"));
        refused(&locks.lock("x").fair());
        refused(&locks.lock("x").read());
        refused(&locks.semaphore("x", 2));
        refused(&locks.lock("x").timeout(Duration::MAX));
    });
    assert!(locks.is_empty());
}

#[test]
fn closures_and_attributes_and_several_names_are_refused_too() {
    let locks = own();
    under_each_pinned_guard(&locks, |holder| {
        let error = locks.lock("x").run(|| ()).expect_err("held by this thread");
        names_both_places(&error);
        let error = locks.lock_all(["a", "x"]).acquire().map(drop).expect_err("held by this thread");
        names_both_places(&error);
        assert!(
            locks.lock("a").try_acquire().expect("a valid name").is_some(),
            "{holder}: not all or nothing"
        );
    });
}

/// An attribute that cannot return the error panics with its text.
#[test]
fn an_attribute_panics_with_both_places() {
    let locks = own();
    under_each_pinned_guard(&locks, |holder| {
        if !holder.contains("re-entrant") {
            let text = panic_text(|| annotated_reentrant(&locks, || ()));
            assert!(text.starts_with("this thread already holds lock `x`, taken at "), "{holder}: {text}");
        }
        let text = panic_text(|| annotated(&locks, || ()));
        assert_eq!(text.matches(file!()).count(), 2, "{holder}: {text}");
    });
    assert!(locks.is_empty());
}

fn panic_text(work: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).expect_err("a deadlock");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// Re-entrant inside plain is a mistake; it would wait for itself.
#[test]
fn reentrant_under_plain_is_refused() {
    let locks = own();
    let inner = locks.lock("x").reentrant(9);
    let error = locks.lock("x").run(|| inner.acquire().map(drop)).expect("free").expect_err("not re-entrant");
    names_both_places(&error);
}

#[test]
fn external_locks_are_refused_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let locks = Locks::new(lockutils::Config::new().lock_path(directory.path())).expect("a registry");
    let (internal, external) = (locks.lock("x"), locks.lock("x").external());
    external.run(|| refused(&external)).expect("free");
    external.run(|| refused(&internal)).expect("free");
    internal.run(|| refused(&external)).expect("free");
}

/// Runs a body under a read lock that cannot leave its thread.
type Reader<'a> = &'a dyn Fn(&dyn Fn());

#[test]
fn a_reader_that_wants_to_write_is_refused() {
    let locks = own();
    let readers: [Reader<'_>; 3] = [
        &|body| locks.lock("x").read().run(body).expect("free"),
        &|body| annotated_reader(&locks, body),
        &|body| locks.lock("x").read().reentrant(2).run(body).expect("free"),
    ];
    for reader in readers {
        reader(&|| {
            refused(&locks.lock("x"));
            refused(&locks.semaphore("x", 2));
            let error = locks.lock("x").reentrant(2).acquire().map(drop).expect_err("this thread reads");
            names_both_places(&error);
        });
    }
    assert!(locks.lock("x").try_acquire().expect("a valid name").is_some());
}

/// What ends by itself is no deadlock.
#[test]
fn a_limit_gives_a_time_out_instead() {
    let locks = own();
    under_each_pinned_guard(&locks, |holder| {
        for waits in
            [locks.lock("x").timeout(TINY), locks.lock("x").deadline(std::time::Instant::now() + TINY)]
        {
            let error = waits.acquire().map(drop).expect_err("busy");
            assert!(error.is_timeout(), "{holder}: {error}");
        }
        let cancel = Cancel::new();
        cancel.cancel();
        let error = locks.lock("x").cancel_on(&cancel).acquire().map(drop).expect_err("busy");
        assert!(error.is_cancelled(), "{holder}: {error}");
        assert!(locks.lock("x").try_acquire().expect("busy is no error").is_none(), "{holder}");
    });
}

#[test]
fn other_threads_wait() {
    let locks = own();
    under_each_pinned_guard(&locks, |holder| {
        let waits = locks.lock("x").timeout(TINY);
        let error = elsewhere(|| waits.acquire().map(drop)).expect_err("busy");
        assert!(error.is_timeout(), "{holder}: {error}");
    });
    let waiter = annotated(&locks, || {
        let lock = locks.lock("x");
        Worker::waiting(move || lock.acquire().map(drop))
    });
    waiter.join().expect("it has its turn");
}

/// A thread that held it once, or holds another name, is no holder.
#[test]
fn what_is_over_is_no_deadlock() {
    let locks = own();
    for _ in 0..3 {
        under_each_pinned_guard(&locks, |_| ());
        drop(locks.lock("x").acquire().expect("free"));
    }
    locks.lock("y").run(|| annotated(&locks, || ())).expect("free");
    let lock = locks.lock("x");
    let held = Worker::start({
        let lock = lock.clone();
        move || lock.acquire()
    });
    let held = held.join().expect("free");
    let waiter = Worker::waiting(move || lock.acquire().map(drop));
    drop(held);
    waiter.join().expect("it has its turn");
}

/// A task moves from thread to thread: nobody can know that it waits for itself.
#[test]
fn tasks_are_never_refused() {
    let locks = own();
    let lock = locks.lock("x");
    let held = crate::conformance::support::block_on(lock.acquire_async()).expect("free");
    let cancel = Cancel::new();
    let waits = lock.clone();
    let release = Worker::start(move || waits.cancel_on(&cancel).timeout(TINY).acquire().map(drop));
    assert!(release.join().expect_err("busy").is_timeout());
    assert!(lock.clone().timeout(TINY).acquire().expect_err("busy").is_timeout());
    drop(held);
}

/// A writer waits for the reader; the reader may read again all the same, or both would wait for ever.
#[test]
fn nested_reads_pass_a_waiting_writer() {
    let locks = own();
    let readers: [(&str, Reader<'_>); 3] = [
        ("closure", &|body| locks.lock("x").read().run(body).expect("free")),
        ("attribute", &|body| annotated_reader(&locks, body)),
        ("re-entrant", &|body| locks.lock("x").read().reentrant(5).run(body).expect("free")),
    ];
    for (outer, read) in readers {
        read(&|| {
            let lock = locks.lock("x").fair();
            let writer = Worker::waiting(move || lock.acquire().map(drop));
            let newcomer = || locks.lock("x").read().try_acquire().expect("busy is no error").is_none();
            assert!(elsewhere(newcomer), "{outer}: a new reader overtook the writer");
            for (inner, read_again) in readers {
                read_again(&|| assert_eq!(locks.lock("x").hold_count(), 2, "{inner} in {outer}"));
            }
            drop(locks.lock("x").read().acquire().expect("this thread reads"));
            // The writer is joined by the next one in the loop, at the latest by its own turn.
            drop(writer);
        });
        crate::conformance::support::wait_until("the writer had its turn", || locks.is_empty());
    }
}

/// Counts warnings, with their texts.
#[derive(Clone, Default)]
struct Warnings {
    count: Arc<AtomicUsize>,
    texts: Arc<Mutex<String>>,
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    /// Otherwise all locks of the process would be told of, and go another way.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.count.fetch_add(1, SeqCst);
        event.record(&mut Text(&mut self.texts.lock().expect("nobody panics with it")));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?};").expect("a string takes everything");
    }
}

/// The guard may have moved to another thread, which lets go in time. So it is a warning, and the wait goes
/// on.
#[test]
fn a_guard_that_may_have_moved_is_a_warning() {
    let (locks, warnings) = (own(), Warnings::default());
    let guard = locks.lock("x").acquire().expect("free");
    let lock = locks.lock("x");
    let (send, receive) = std::sync::mpsc::channel::<lockutils::LockGuard>();
    let (subscriber, counted) = (warnings.clone(), Arc::clone(&warnings.count));
    let owner = std::thread::spawn(move || {
        let guard = receive.recv().expect("it is sent");
        crate::conformance::support::wait_until("the warning is out", || counted.load(SeqCst) > 0);
        drop(guard);
    });
    send.send(guard).expect("it is received");
    tracing::subscriber::with_default(subscriber, || lock.acquire().map(drop))
        .expect("the other thread lets go");
    owner.join().expect("it does not panic");
    assert_eq!(warnings.count.load(SeqCst), 1);
    let texts = warnings.texts.lock().expect("nobody panics with it");
    assert!(texts.contains("lock=x;") && texts.contains(file!()), "{texts}");
    assert!(texts.contains("this thread waits for a lock that it took itself"), "{texts}");
}

/// Nothing to warn of: other threads, limits, free locks.
#[test]
fn sound_waits_do_not_warn() {
    let (locks, warnings) = (own(), Warnings::default());
    let guard = elsewhere(|| locks.lock("x").acquire()).expect("free");
    let lock = locks.lock("x");
    let subscriber = warnings.clone();
    let waiter =
        Worker::waiting(move || tracing::subscriber::with_default(subscriber, || lock.acquire().map(drop)));
    drop(guard);
    waiter.join().expect("it has its turn");
    tracing::subscriber::with_default(warnings.clone(), || {
        let guard = locks.lock("x").acquire().expect("free");
        assert!(locks.lock("x").timeout(TINY).acquire().expect_err("busy").is_timeout());
        drop(guard);
    });
    assert_eq!(warnings.count.load(SeqCst), 0, "{}", warnings.texts.lock().expect("nobody panics with it"));
}
