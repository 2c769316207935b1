//! Normal acquires and releases, at the level trace.

use std::sync::{Mutex, mpsc};
use std::thread;

use lockutils::{LockGuard, synchronized};
use lockutils_tests::Place;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::{Log, ms, own};

/// What the log says of taking a lock and letting it go.
#[track_caller]
fn told<G>(acquire: impl FnOnce() -> G) -> (String, String) {
    let log = Log::default();
    log.of(Level::TRACE, || drop(acquire()));
    (log.line("acquired a lock"), log.line("released a lock"))
}

#[test]
fn an_acquire_says_name_scope_mode_place_and_wait() {
    let locks = own();
    let (acquired, released) = told(|| locks.lock("x").acquire().expect("free"));
    for line in [&acquired, &released] {
        assert!(line.contains("TRACE lockutils: "), "{line}");
        assert!(
            line.contains(" lock=x scope=\"internal\" mode=write at=") && line.contains(file!()),
            "{line}"
        );
    }
    assert!(acquired.contains("waited=0ms"), "{acquired}");
    assert!(released.contains("held="), "{released}");
}

/// What is logged while a lock is being taken stands in its span.
#[test]
fn an_acquire_is_a_span() {
    let (locks, log) = (own(), Log::default());
    let held = locks.lock("x").acquire().expect("free");
    log.of(Level::TRACE, || locks.lock("x").timeout(ms(1)).acquire().expect_err("busy"));
    drop(held);
    let line = log.line("waiting for a lock");
    assert!(line.contains("lock.acquire{lock=x scope=\"internal\" mode=write at="), "{line}");
    assert!(log.lines("acquired").is_empty());
}

#[test]
fn every_way_is_told_of_once() {
    let place = Place::new("told");
    let locks = place.locks().clone();
    let lock = |name: &str| locks.lock(name);
    let kept = lock("kept");
    (0..2).for_each(|_| drop(kept.acquire()));
    let ways: [(&str, &dyn Fn() -> Option<LockGuard>); 8] = [
        ("internal\" mode=write", &|| lock("a").acquire().ok()),
        ("internal\" mode=write", &|| kept.acquire().ok()),
        ("internal\" mode=write", &|| lock("a").try_acquire().expect("free")),
        ("internal\" mode=read", &|| lock("a").read().acquire().ok()),
        ("internal\" mode=permit", &|| locks.semaphore("s", 2).acquire().ok()),
        ("internal\" mode=write", &|| futures_lite::future::block_on(lock("a").acquire_async()).ok()),
        ("external\" mode=write", &|| lock("a").external().acquire().ok()),
        ("external\" mode=write", &|| {
            futures_lite::future::block_on(lock("a").external().acquire_async()).ok()
        }),
    ];
    for (wanted, way) in ways {
        let (acquired, released) = told(|| way().expect("free"));
        assert!(acquired.contains(wanted) && released.contains(wanted), "{wanted}: {acquired} {released}");
    }
    told(|| lock("a").reentrant(3).acquire().expect("free"));
    told(|| lock("a").run(|| ()).expect("free"));
}

#[test]
fn attributes_are_told_of() {
    #[synchronized("literal-{fn}")]
    fn literal() {}
    #[synchronized("of-{id}")]
    fn template(id: u32) {
        let _ = id;
    }
    #[synchronized("of-{id}")]
    async fn task(id: u32) {
        let _ = id;
    }
    // The lock of a literal name is kept from its second use on, and has a way of its own then.
    (0..3).for_each(|_| literal());
    assert!(told(literal).0.contains("lock=literal-literal"));
    assert!(told(|| template(7)).0.contains("lock=of-7"));
    assert!(told(|| futures_lite::future::block_on(task(8))).1.contains("lock=of-8"));
}

/// The levels of reentrance are one hold.
#[test]
fn a_reentrant_lock_is_told_of_when_it_is_taken_and_when_it_is_free() {
    let (locks, log) = (own(), Log::default());
    log.of(Level::TRACE, || {
        let lock = locks.lock("x").reentrant(3);
        let outer = lock.acquire().expect("free");
        drop(lock.acquire().expect("again"));
        assert!(log.lines("released a lock").is_empty());
        drop(outer);
    });
    log.line("acquired a lock");
    log.line("released a lock");
}

#[test]
fn each_of_several_locks_is_told_of() {
    let (locks, log) = (own(), Log::default());
    log.of(Level::TRACE, || drop(locks.lock_all(["b", "a"]).acquire().expect("free")));
    assert_eq!(log.lines("acquired a lock").len(), 2);
    assert_eq!(log.lines("released a lock").len(), 2);
}

/// A guard that is told of knows its times exactly, and is let go like any other.
#[test]
fn guards_that_are_told_of_are_like_others() {
    let (locks, log) = (own(), Log::default());
    log.of(Level::TRACE, || {
        let guard = locks.lock("x").acquire().expect("free");
        assert!(guard.held().is_some(), "the clock was looked at");
        assert_eq!(guard.waited(), ms(0));
        let guard = guard.downgrade().expect("internal");
        assert!(guard.is_shared() && locks.lock("x").read().try_acquire().expect("shared").is_some());
        guard.release().expect("internal");
        assert!(locks.is_empty());
    });
}

/// It moves to another thread, and is told of by whoever lets it go.
#[test]
fn a_guard_may_be_let_go_where_nobody_listens() {
    let (locks, log) = (own(), Log::default());
    let guard = log.of(Level::TRACE, || locks.lock("x").acquire().expect("free"));
    thread::spawn(move || drop(guard)).join().expect("it does not panic");
    assert!(log.lines("released").is_empty() && locks.is_empty());
}

#[test]
fn what_is_normal_is_not_logged_at_other_levels() {
    let place = Place::new("quiet");
    let log = Log::default();
    log.of(Level::DEBUG, || {
        let guard = place.lock("x").acquire().expect("free");
        assert!(place.lock("x").try_acquire().expect("busy is no error").is_none());
        assert!(place.lock("x").timeout(ms(1)).acquire().is_err());
        drop(guard);
        drop(place.locks().lock("y").acquire());
    });
    assert_eq!(log.text(), "");
}

/// What is told of a release may take the same lock: it is free by then.
#[test]
fn a_release_is_told_of_when_the_lock_is_free() {
    use std::sync::Arc;
    #[derive(Clone)]
    struct Takes(lockutils::Locks, Arc<Mutex<Vec<bool>>>);
    impl std::io::Write for Takes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if String::from_utf8_lossy(bytes).contains("released a lock") {
                let free = self.0.lock("x").try_acquire().expect("it can be tried").is_some();
                self.1.lock().expect("nobody panics with it").push(free);
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let takes = Takes(own(), Arc::default());
    let (locks, seen, writer) = (takes.0.clone(), Arc::clone(&takes.1), takes);
    let subscriber =
        tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), || drop(locks.lock("x").acquire().expect("free")));
    assert_eq!(*seen.lock().expect("nobody panics with it"), [true]);
}

/// What a subscriber does when it hears of a wait.
type Deed = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// Does something once, in the middle of an acquire.
struct Meddles(Deed);

impl Subscriber for Meddles {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        let deed = self.0.lock().expect("nobody panics with it").take();
        if let Some(deed) = deed {
            deed();
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A thread that waits for the file of a re-entrant lock does not have the lock yet: what hears of the wait cannot take
/// it again, and lets nobody else in.
#[test]
fn a_subscriber_cannot_re_enter_a_lock_that_waits() {
    let directory = tempfile::tempdir().expect("a directory");
    let [locks, other] = [(), ()].map(|()| {
        lockutils::Locks::new(lockutils::Config::new().lock_path(directory.path())).expect("a configuration")
    });
    let held = other.lock("x").external().acquire().expect("free");
    let (inner, (said, heard)) = (locks.clone(), mpsc::channel());
    let meddle = move || {
        let refused = inner.lock("x").reentrant(8).acquire().map(drop);
        said.send(refused.map_err(|error| error.is_would_deadlock())).expect("somebody listens");
        drop(held);
    };
    let subscriber = Meddles(Mutex::new(Some(Box::new(meddle))));
    let outer = locks.lock("x").external().reentrant(8);
    let guard = tracing::subscriber::with_default(subscriber, || outer.acquire()).expect("its turn");
    assert_eq!(heard.recv().expect("the subscriber was told"), Err(true));
    let busy = thread::scope(|scope| {
        let tried = scope.spawn(|| locks.lock("x").try_acquire().expect("busy is no error").is_none());
        tried.join().expect("no panic")
    });
    assert!(busy, "two writers");
    drop(guard);
}
