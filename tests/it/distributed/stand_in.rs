//! Distributed locks that lock files keep, because no engine is configured or because that is what was said.

use std::time::Duration;

use lockutils::distributed::Promise;
use lockutils::{Config, Error, Lock, Locks};
use lockutils_tests::Place;

use super::alone;
use crate::conformance::support::{TINY, block_on};

/// Nobody has said what keeps distributed locks.
fn unsaid(place: &Place) -> Locks {
    Locks::new(Config::new().lock_path(place.path())).expect("a registry")
}

/// Lock files are meant.
fn said(place: &Place) -> Locks {
    let url = format!("file://{}", place.path().display());
    Locks::new(Config::new().backend_url(url)).expect("a registry")
}

#[track_caller]
fn refused(lock: &Lock) -> Error {
    let errors = [
        lock.acquire().expect_err("it cannot be had"),
        lock.try_acquire().expect_err("it cannot be had"),
        block_on(lock.acquire_async()).expect_err("it cannot be had"),
        block_on(lock.try_acquire_async()).expect_err("it cannot be had"),
        lock.clone().timeout(TINY).acquire().expect_err("it cannot be had"),
        lock.clone().reentrant(2).acquire().expect_err("it cannot be had"),
    ];
    let [first, others @ ..] = errors;
    assert!(first.is_unsupported() && first.name() == Some("x"), "{first}");
    assert_eq!(
        std::io::Error::from(lock.acquire().expect_err("again")).kind(),
        std::io::ErrorKind::Unsupported
    );
    assert!(others.iter().all(|other| other.to_string() == first.to_string()), "{first} {others:?}");
    first
}

#[test]
fn whoever_requires_anything_gets_no_lock_file_in_place_of_an_engine() {
    let place = Place::new("unsaid");
    let locks = unsaid(&place);
    drop(locks.lock("x").distributed().acquire().expect("nothing is required"));
    for promise in Promise::ALL {
        let error = refused(&locks.lock("x").distributed().require(promise));
        assert_eq!(
            error.to_string(),
            format!(
                "distributed lock `x` requires {promise:?}, and no engine is configured: lock files of this host would take its \
                 place, and exclude nobody on other hosts; set `backend_url` or the environment variable \
                 LOCKUTILS_BACKEND_URL, or say backend_url = \"file:///dir\" if lock files are meant"
            )
        );
    }
    assert!(locks.lock("x").external().require(Promise::Fenced).acquire().is_ok(), "it is not asked");
}

#[test]
fn lock_files_that_are_meant_promise_what_they_are() {
    let place = Place::new("said");
    let locks = said(&place);
    let mut promised = vec![Promise::Linearizable, Promise::Leased, Promise::Readers];
    if !cfg!(lockutils_portable) {
        promised.extend([Promise::ArrivalOrder, Promise::Wakes, Promise::Permits]);
    }
    for promise in Promise::ALL {
        let lock = locks.lock("x").distributed().require(promise);
        if promised.contains(&promise) {
            drop(lock.acquire().unwrap_or_else(|error| panic!("{promise:?}: {error}")));
            continue;
        }
        let directory = place.path().display();
        assert_eq!(
            refused(&lock).to_string(),
            format!(
                "distributed lock `x` requires {promise:?}, which its engine (file://{directory}) does not promise; configure \
                 another `backend_url`, or leave `require` out"
            )
        );
    }
    let both = locks.lock("x").distributed().require(Promise::Leased).require(Promise::Fenced);
    assert!(refused(&both).to_string().contains("requires Fenced"));
}

#[cfg(not(lockutils_portable))]
#[test]
fn pid_files_promise_less() {
    let place = Place::new("pid");
    let url = format!("file://{}", place.path().display());
    let config = Config::new().backend_url(url).mechanism(lockutils::Mechanism::Pid);
    let locks = Locks::new(config).expect("a registry");
    for promise in Promise::ALL {
        let lock = locks.lock("x").distributed().require(promise);
        match promise {
            Promise::Linearizable | Promise::Leased => drop(lock.acquire().expect("it is promised")),
            _ => assert!(refused(&lock).to_string().contains(", which its engine (file:///")),
        }
    }
}

type Change = fn(Lock) -> Lock;

/// What was asked of an engine must not be left aside.
#[test]
fn options_that_need_an_engine_are_refused() {
    let place = Place::new("options");
    let options: [(Change, &str); 3] = [
        (
            |lock| lock.expires(Duration::from_secs(30)),
            "lock files do not expire, as `expires` would have it (lock `x`); ",
        ),
        (
            |lock| lock.ephemeral(false),
            "lock files do not stay locked when their process ends, as `ephemeral(false)` would have it (lock `x`); ",
        ),
        (
            |lock| lock.contender_pattern("-lock-"),
            "lock files have no contenders that a `contender_pattern` could be for (lock `x`); ",
        ),
    ];
    for (option, what) in options {
        for (locks, instead) in [
            (
                unsaid(&place),
                "no engine is configured: set `backend_url` or the environment variable LOCKUTILS_BACKEND_URL, or leave that \
                 option out",
            ),
            (said(&place), "`backend_url` names lock files: let it name an engine, or leave that option out"),
        ] {
            let error = refused(&option(locks.lock("x").distributed()));
            assert_eq!(error.to_string(), format!("{what}{instead}"));
            drop(option(locks.lock("x")).acquire().expect("of other locks it asks nothing"));
        }
    }
    let harmless = unsaid(&place).lock("x").distributed().ephemeral(true).identifier("node-7");
    drop(harmless.acquire().expect("free"));
}

/// The error comes before the wait.
#[test]
fn nobody_waits_for_what_cannot_be_had() {
    let place = Place::new("before");
    let locks = unsaid(&place);
    let _held = locks.lock("x").distributed().acquire().expect("free");
    refused(&locks.lock("x").distributed().require(Promise::Leased));
    refused(&locks.lock("x").distributed().expires(Duration::from_secs(30)));
}

#[test]
fn neither_can_be_extended_nor_destroyed_and_the_reason_is_true() {
    let place = Place::new("messages");
    let locks = unsaid(&place);
    let lock = locks.lock("x").distributed();
    let guard = lock.acquire().expect("free");
    let errors = [
        guard.extend(Duration::from_secs(1)).expect_err("a lock file"),
        block_on(guard.extend_async(Duration::from_secs(1))).expect_err("a lock file"),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "only a lock that an engine keeps can be extended (lock `x`); take it with `distributed` and `expires`, and name an \
             engine in `backend_url`"
        );
        assert!(error.is_unsupported());
    }
    for error in [lock.destroy(), block_on(lock.destroy_async())].map(|done| done.expect_err("a lock file")) {
        assert_eq!(
            error.to_string(),
            "a lock file is in the place of an engine here, and only what an engine has can be destroyed (lock `x`); use \
             `remove_file` for a lock file"
        );
        assert!(error.is_unsupported());
    }
    let error = locks.lock("x").destroy().expect_err("it is internal");
    assert!(
        error.to_string().starts_with("only a distributed lock can be destroyed (lock `x`); "),
        "{error}"
    );
    guard.check().expect("held");
}

#[test]
fn a_lock_that_would_be_lost_at_once_is_refused() {
    let place = Place::new("zero");
    for locks in [alone("zero"), unsaid(&place), said(&place)] {
        let error = refused(&locks.lock("x").distributed().expires(Duration::ZERO));
        assert_eq!(
            error.to_string(),
            "a lock that expires after no time would be lost at once (lock `x`); give `expires` some seconds, or leave it out"
        );
    }
}
