//! Waits and holds that take longer than the configuration has for normal.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lockutils::{Config, LockGuard, Locks};
use lockutils_tests::{BOUND, Place, eventually};
use tracing::Level;

use crate::support::{Log, ms};

const LONG: Duration = Duration::from_millis(30);

fn watchful() -> Locks {
    Locks::new(Config::new().warn_wait(LONG).warn_hold(LONG)).expect("a configuration")
}

/// A wait on a thread of its own, with a log of its own; the guard is held until the log says so.
#[track_caller]
fn long_wait(log: &Log, held: LockGuard, acquire: impl FnOnce() + Send + 'static) {
    let waiters = log.clone();
    let waiter = thread::spawn(move || waiters.of(Level::WARN, acquire));
    eventually("the wait is told of", || !log.lines("still waiting").is_empty());
    drop(held);
    waiter.join().expect("it has its turn");
}

#[track_caller]
fn check(log: &Log, name: &str) {
    let told = log.line("still waiting for ");
    assert!(told.contains("WARN") && told.contains(&format!("lock={name}")), "{told}");
    assert!(told.contains(&format!("at={}", file!())), "where it waits: {told}");
    assert!(told.matches(file!()).count() >= 2, "and where it is held: {told}");
    let got = log.line("got a lock after a long wait");
    assert!(got.contains("WARN") && got.contains("waited="), "{got}");
}

#[test]
fn a_long_wait_for_a_thread_is_told_of_while_it_lasts() {
    let (locks, log) = (watchful(), Log::default());
    let held = locks.lock("x").acquire().expect("free");
    let lock = locks.lock("x");
    long_wait(&log, held, move || drop(lock.acquire().expect("its turn")));
    check(&log, "x");
}

#[test]
fn so_is_one_of_a_task() {
    let (locks, log) = (watchful(), Log::default());
    let held = locks.lock("x").acquire().expect("free");
    let lock = locks.lock("x").timeout(BOUND);
    long_wait(&log, held, move || {
        drop(futures_lite::future::block_on(lock.acquire_async()).expect("its turn"));
    });
    check(&log, "x");
}

/// Without a limit, such a wait would sleep in the kernel.
#[test]
fn so_is_one_for_another_process() {
    for limit in [None, Some(BOUND)] {
        let place = Place::with("long", |config| config.warn_wait(LONG));
        let (log, mut holder) = (Log::default(), place.holder("x"));
        let lock = match limit {
            Some(limit) => place.lock("x").timeout(limit),
            None => place.lock("x"),
        };
        let waiters = log.clone();
        let waiter =
            thread::spawn(move || waiters.of(Level::WARN, || drop(lock.acquire().expect("its turn"))));
        eventually("the wait is told of", || !log.lines("still waiting").is_empty());
        let told = log.line("still waiting for lock `x` (");
        if !cfg!(lockutils_portable) {
            assert!(told.contains(&format!("pid {}", holder.pid())), "{told}");
        }
        holder.release();
        waiter.join().expect("it has its turn");
        log.line("got a lock after a long wait");
    }
}

/// Two threads of this process want what another process has: both are told who that is, and not that one waits for the
/// other.
#[cfg(not(lockutils_portable))]
#[test]
fn those_who_wait_behind_a_waiter_are_told_who_has_the_file() {
    let place = Place::with("behind", |config| config.warn_wait(LONG));
    let (log, mut holder) = (Log::default(), place.holder("x"));
    let waiters = [(); 2].map(|()| {
        let (lock, log) = (place.lock("x"), log.clone());
        thread::spawn(move || log.of(Level::WARN, || drop(lock.acquire().expect("its turn"))))
    });
    eventually("both are told of", || log.lines("still waiting").len() == 2);
    for told in log.lines("still waiting") {
        assert!(told.contains(&format!("its file is held by pid {}", holder.pid())), "{told}");
    }
    let refused = place.lock("x").timeout(ms(1)).acquire().expect_err("busy");
    assert!(refused.to_string().contains(&format!("held by pid {}", holder.pid())), "{refused}");
    holder.release();
    for waiter in waiters {
        waiter.join().expect("its turn");
    }
}

/// Who is told of keeps its place: the one who came before gets the lock before.
#[test]
fn a_wait_that_is_told_of_keeps_its_place() {
    let (locks, log) = (watchful(), Log::default());
    let held = locks.lock("x").acquire().expect("free");
    let (sender, order) = mpsc::channel();
    let waiters: Vec<_> = (0..4_u32)
        .map(|number| {
            let (lock, mine, sender) = (locks.lock("x").fair(), log.clone(), sender.clone());
            let waiter = thread::spawn(move || {
                let guard = mine.of(Level::WARN, || lock.acquire().expect("its turn"));
                sender.send(number).expect("somebody listens");
                drop(guard);
            });
            let wanted = usize::try_from(number).expect("small") + 1;
            eventually("it is told of", || log.lines("still waiting").len() == wanted);
            waiter
        })
        .collect();
    drop(held);
    for waiter in waiters {
        waiter.join().expect("its turn");
    }
    assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

/// The limit of the wait still counts, whether it comes before or after.
#[test]
fn limits_end_waits_that_are_told_of() {
    let locks = watchful();
    let held = locks.lock("x").acquire().expect("free");
    for (limit, told) in [(LONG / 10, 0), (LONG * 3, 1)] {
        let log = Log::default();
        let error = log.of(Level::WARN, || {
            thread::scope(|scope| {
                let lock = locks.lock("x").timeout(limit);
                let log = log.clone();
                scope
                    .spawn(move || log.of(Level::WARN, || lock.acquire().expect_err("busy")))
                    .join()
                    .expect("no panic")
            })
        });
        assert!(error.is_timeout() && error.waited().expect("it waited") >= limit, "{error}");
        assert_eq!(log.lines("still waiting").len(), told, "{limit:?}: {}", log.text());
        assert!(log.lines("got a lock").is_empty());
    }
    drop(held);
}

#[test]
fn a_long_hold_is_told_of_when_it_ends() {
    let place = Place::with("hold", |config| config.warn_hold(LONG));
    for lock in [place.locks().lock("x"), place.lock("x"), place.lock("y").read()] {
        let log = Log::default();
        log.of(Level::WARN, || {
            let guard = lock.acquire().expect("free");
            eventually("that is long", || guard.held().is_some_and(|held| held > LONG));
            assert_eq!(log.text(), "");
        });
        let told = log.line("a lock was held for a long time");
        assert!(told.contains("WARN") && told.contains("limit=30ms") && told.contains("held="), "{told}");
        assert!(told.contains(&format!("at={}", file!())), "{told}");
    }
}

#[test]
fn what_is_short_is_not_told_of() {
    let locks = Locks::new(Config::new().warn_wait(BOUND).warn_hold(BOUND)).expect("a configuration");
    let log = Log::default();
    let held = locks.lock("x").acquire().expect("free");
    let (lock, waiters) = (locks.lock("x"), log.clone());
    let (sender, begun) = mpsc::channel();
    let waiter = thread::spawn(move || {
        sender.send(nix::unistd::gettid()).expect("somebody listens");
        waiters.of(Level::WARN, || drop(lock.acquire().expect("its turn")));
    });
    lockutils_tests::asleep(begun.recv().expect("it has begun"));
    drop(held);
    waiter.join().expect("its turn");
    log.of(Level::WARN, || drop(locks.lock("x").acquire().expect("free")));
    assert_eq!(log.text(), "");
}

#[test]
fn limits_come_from_configuration_files() {
    let config: Config =
        toml::from_str("warn_wait = \"10s\"\nwarn_hold = \"500ms\"").expect("a configuration");
    assert_eq!((config.warn_wait, config.warn_hold), (Some(Duration::from_secs(10)), Some(ms(500))));
    let again: Config = toml::from_str(&toml::to_string(&config).expect("plain data")).expect("the same");
    assert_eq!(again, config);
}
