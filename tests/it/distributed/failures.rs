//! Engines that cannot be reached, refuse, or do not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockutils::distributed::Failure;
use lockutils::{Cancel, Config, Locks};

use super::backends::Watched;
use super::{alone, pair};
use crate::conformance::support::{LONG, TINY, Worker, block_on, elsewhere, wait_until};

/// How an engine fails, and what a lock says of it.
type Case = (fn() -> Failure, &'static str);

#[test]
fn a_failure_is_an_error_that_says_what_to_do() {
    let cases: [Case; 5] = [
        (
            || Failure::unreachable("connection refused"),
            "cannot take distributed lock `x` (memory:fails): it cannot be reached: connection refused; nothing is held; check \
             that the engine runs and that `backend_url` leads to it",
        ),
        (
            || Failure::Denied("wrong password".into()),
            "cannot take distributed lock `x` (memory:fails): it refuses: wrong password; check the user and the password in \
             `backend_url`, and what they are allowed to do",
        ),
        (
            || Failure::Foreign("a list".to_owned()),
            "cannot take distributed lock `x` (memory:fails): in the place of the lock there is a list; choose another name, or a \
             prefix of your own in `backend_url`",
        ),
        (
            || Failure::Untrusted("UnknownIssuer".into()),
            "cannot take distributed lock `x` (memory:fails): its certificate is not trusted: UnknownIssuer; set `ca` in \
             `backend_url` to the file of who signs the certificates of the engine, and name its hosts as they do",
        ),
        (|| Failure::other("no space"), "cannot take distributed lock `x` (memory:fails): no space"),
    ];
    for (failure, text) in cases {
        let locks = Watched::failing("fails", Some(failure)).locks();
        let lock = locks.lock("x").distributed();
        let errors = [
            lock.acquire().expect_err("it fails"),
            lock.try_acquire().expect_err("it fails"),
            block_on(lock.acquire_async()).expect_err("it fails"),
            block_on(lock.try_acquire_async()).expect_err("it fails"),
            lock.clone().timeout(TINY).read().acquire().expect_err("it fails"),
            lock.clone().reentrant(2).acquire().expect_err("it fails"),
        ];
        for error in errors {
            assert_eq!(error.to_string(), text);
            assert!(error.is_engine());
            assert_eq!(error.is_unreachable(), text.contains("refused;"), "{error}");
            assert_eq!(error.is_permission(), text.contains("password"), "{error}");
            assert_eq!(error.is_config(), text.contains("certificate"), "{error}");
        }
        for error in [lock.is_locked().expect_err("it fails"), lock.contenders().expect_err("it fails")] {
            let said = error.to_string();
            assert!(said.starts_with("cannot look at distributed lock `x`"), "{said}");
            assert_eq!(said.contains("; who has it is not known; check"), error.is_unreachable(), "{said}");
            assert!(!said.contains("nothing is held"), "{said}");
        }
        let said = lock.destroy().expect_err("it fails").to_string();
        assert!(said.starts_with("cannot destroy distributed lock") && !said.contains("held"), "{said}");
        drop(lock);
        assert!(locks.is_empty(), "nothing is held");
    }
}

#[test]
fn what_is_known_of_the_lock_is_said_when_its_engine_is_silent() {
    let engine = Watched::failing("silent", None);
    let locks = engine.locks();
    let lock = locks.lock("x").distributed().expires(LONG);
    let guard = lock.acquire().expect("free");
    engine.fail(|| Failure::unreachable("timed out"));
    let held = "the lock is held for as long as `remaining` says; ";
    let said = [
        ("check", guard.check().expect_err("silent"), held),
        ("check", block_on(guard.check_async()).expect_err("silent"), held),
        ("extend", guard.extend(TINY).expect_err("silent"), held),
        ("extend", block_on(guard.extend_async(TINY)).expect_err("silent"), held),
        ("look at", lock.contenders().expect_err("silent"), "who has it is not known; "),
        (
            "let go of",
            guard.release().expect_err("silent"),
            "the lock is free when the engine has heard of it, or when its lease has run out; ",
        ),
    ];
    for (doing, error, known) in said {
        assert!(error.is_unreachable());
        assert_eq!(
            error.to_string(),
            format!(
                "cannot {doing} distributed lock `x` (memory:silent): it cannot be reached: timed out; {known}check that the \
                 engine runs and that `backend_url` leads to it"
            )
        );
    }
}

#[test]
fn an_engine_that_lacks_something_says_so() {
    let no_readers = || Failure::Unsupported { what: "there are no readers", instead: "take it alone" };
    let locks = Watched::failing("lacks", Some(no_readers)).locks();
    let error = locks.lock("x").distributed().read().acquire().expect_err("it lacks them");
    assert!(error.is_unsupported());
    assert_eq!(error.to_string(), "there are no readers (lock `x`); take it alone");
}

#[test]
fn without_an_engine_and_a_directory_there_is_an_error() {
    let locks = Locks::new(Config::new()).expect("a registry");
    let error = locks.lock("x").distributed().acquire().expect_err("nothing is configured");
    assert!(error.is_no_backend() && !error.is_no_lock_path());
    assert_eq!(
        error.to_string(),
        "no engine for the distributed lock `x`: set `backend_url` in the configuration given to `lockutils::init`, or the \
         environment variable LOCKUTILS_BACKEND_URL; or `lock_path`, for locks of this host alone"
    );
    let both = Locks::new(Config::new().backend_url("memory:no-path")).expect("a registry");
    assert!(both.lock("x").external().distributed().acquire().expect_err("no directory").is_no_lock_path());
}

#[test]
fn a_time_out_says_who_has_it() {
    let (here, there) = pair("time-out");
    let held = there.lock("x").distributed().identifier("node-7").acquire().expect("free");
    let lock = here.lock("x").distributed().timeout(Duration::from_millis(20));
    for error in [lock.acquire().expect_err("busy"), block_on(lock.acquire_async()).expect_err("busy")] {
        assert!(error.is_timeout() && error.waited() >= Some(Duration::from_millis(20)));
        let text = error.to_string();
        let (before, after) = text.split_once(" after ").expect("how long");
        assert_eq!(before, "gave up on lock `x`");
        assert!(
            after.ends_with("; it is held by node-7, as memory:time-out says; a longer timeout may help"),
            "{text}"
        );
    }
    // One that waits here behind another one that waits is told the same.
    let waiter = Worker::waiting({
        let here = here.clone();
        move || here.lock("x").distributed().acquire().map(drop)
    });
    let error = elsewhere(|| lock.acquire().expect_err("busy"));
    assert!(error.to_string().contains("it is held by node-7"), "{error}");
    drop(held);
    waiter.join().expect("its turn");
}

#[test]
fn limits_end_waits_and_nothing_is_left() {
    let (here, there) = pair("limits");
    let held = there.lock("x").distributed().acquire().expect("free");
    let lock = here.lock("x").distributed();
    assert!(lock.clone().timeout(Duration::ZERO).acquire().expect_err("busy").is_timeout());
    assert!(block_on(lock.clone().timeout(Duration::ZERO).acquire_async()).expect_err("busy").is_timeout());
    assert!(lock.clone().deadline(Instant::now() + TINY).acquire().expect_err("busy").is_timeout());
    let cancel = Cancel::new();
    let waiter = Worker::waiting({
        let lock = lock.clone().cancel_on(&cancel);
        move || lock.acquire().map(drop)
    });
    cancel.cancel();
    assert!(waiter.join().expect_err("cancelled").is_cancelled());
    let mut dropped = Box::pin(lock.acquire_async());
    assert!(crate::conformance::support::poll(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(there.lock("x").distributed().contenders().expect("reachable").len(), 1);
    drop((lock, held));
    assert!(here.is_empty());
    assert!(here.lock("x").distributed().timeout(Duration::ZERO).acquire().is_ok(), "zero is one try");
}

#[test]
fn an_engine_that_does_not_confirm_a_release_is_told_of() {
    let engine = Watched::failing("unconfirmed", None);
    let locks = engine.locks();
    let guard = locks.lock("x").distributed().acquire().expect("free");
    let broken = Arc::clone(&engine);
    broken.fail(|| Failure::unreachable("timed out"));
    let error = guard.release().expect_err("not confirmed");
    assert!(error.is_unreachable() && !error.is_lost());
    assert!(error.to_string().starts_with("cannot let go of distributed lock `x`"), "{error}");
    assert!(locks.is_empty(), "this process has let go of it");
}

#[test]
fn a_late_grant_is_given_back() {
    let (here, there) = pair("late");
    for _ in 0..50 {
        let held = there.lock("x").distributed().acquire().expect("free");
        let waiter = Worker::start({
            let lock = here.lock("x").distributed().timeout(Duration::from_millis(1));
            move || lock.acquire().map(drop)
        });
        wait_until("it waits or has ended", || here.is_empty() || there.lock("x").is_locked().is_ok());
        drop(held);
        // In time or not: afterwards, nobody has it.
        let _ = waiter.join();
        there.lock("x").distributed().acquire().expect("free").release().expect("held");
    }
    assert!(alone("late").lock("x").distributed().contenders().expect("reachable").is_empty());
}
