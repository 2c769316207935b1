//! The attribute on distributed locks: what it takes, and what it returns when one is lost.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;

use lockutils::distributed::Promise;
use lockutils::{Config, Error, Locks, synchronized};
use lockutils_tests::Place;

use super::backends::Watched;
use super::{alone, pair};
use crate::conformance::support::{block_on, wait_until};

/// Waits until the lock of the caller has run out.
fn outlive(locks: &Locks) {
    wait_until("the lock has run out", || !locks.lock("x").distributed().held_by_current_thread());
}

#[test]
fn it_is_the_lock_of_its_name() {
    #[synchronized("vol-{id}", distributed, locks = locks, identifier = "node-7")]
    fn resize(locks: &Locks, there: &Locks, id: u32) -> Result<String, Error> {
        let lock = there.lock(format!("vol-{id}")).distributed();
        assert!(lock.try_acquire()?.is_none());
        Ok(lock.contenders()?[0].identifier.clone())
    }
    let (here, there) = pair("attribute");
    assert_eq!(resize(&here, &there, 7).expect("held"), "node-7");
    assert!(there.lock("vol-7").distributed().try_acquire().expect("reachable").is_some());
}

#[test]
fn a_loss_is_returned_in_place_of_what_the_body_gave() {
    #[synchronized("x", distributed, expires = "20ms", locks = locks)]
    fn slow(locks: &Locks) -> Result<u8, Error> {
        outlive(locks);
        Ok(1)
    }
    #[synchronized("x", distributed, expires = "20ms", locks = locks)]
    fn early(locks: &Locks, early: bool) -> Result<u8, Error> {
        outlive(locks);
        if early {
            return Ok(2);
        }
        for n in 0.. {
            if n == 3 {
                return Ok(n);
            }
        }
        Ok(1)
    }
    #[synchronized("x", distributed, expires = "20ms", locks = locks)]
    fn own_error(locks: &Locks) -> Result<u8, Box<dyn std::error::Error>> {
        outlive(locks);
        Err("the body's own")?
    }
    let locks = alone("attribute-lost");
    assert!(slow(&locks).expect_err("lost").is_lost());
    assert!(early(&locks, true).expect_err("lost").is_lost());
    assert!(early(&locks, false).expect_err("lost").is_lost());
    assert_eq!(own_error(&locks).expect_err("its own").to_string(), "the body's own");
    assert!(locks.is_empty());
}

#[test]
fn a_return_of_something_else_stays_what_it_is() {
    #[synchronized("x", distributed, locks = locks)]
    fn inner(locks: &Locks) -> Result<u32, Error> {
        let closure = |n: u32| {
            if n > 1 {
                return n * 2;
            }
            n
        };
        fn item() -> u32 {
            if std::process::id() > 0 {
                return 5;
            }
            6
        }
        let task = async {
            if item() == 5 {
                return 7;
            }
            8
        };
        let found = 'found: {
            if closure(1) == 1 {
                break 'found closure(4) + item();
            }
            0
        };
        return Ok(found + block_on(task));
    }
    assert_eq!(inner(&alone("attribute-return")).expect("held"), 8 + 5 + 7);
}

#[test]
fn a_function_without_an_error_panics_or_calls() {
    #[synchronized("x", distributed, expires = "20ms", locks = locks)]
    fn panics(locks: &Locks) {
        outlive(locks);
    }
    #[synchronized("x", distributed, expires = "20ms", locks = locks, on_error = zero)]
    fn calls(locks: &Locks) -> u8 {
        outlive(locks);
        1
    }
    #[expect(clippy::needless_pass_by_value, reason = "that is how an attribute calls it")]
    fn zero(error: Error) -> u8 {
        if error.is_lost() { 0 } else { 2 }
    }
    let locks = alone("attribute-panic");
    let panic = catch_unwind(AssertUnwindSafe(|| panics(&locks))).expect_err("lost");
    assert!(panic.downcast_ref::<String>().expect("a text").contains("is lost"), "the text of the error");
    assert_eq!(calls(&locks), 0);
    assert!(locks.is_empty());
}

#[test]
fn a_loss_in_a_task_is_returned_too() {
    #[synchronized("x", distributed, expires = "20ms", locks = locks)]
    async fn slow(locks: &Locks) -> Result<u8, Error> {
        gone(locks).await;
        Ok(1)
    }
    #[synchronized("x", distributed, expires = "20ms", locks = locks)]
    fn boxed(locks: &Locks) -> impl Future<Output = Result<u8, Error>> + '_ {
        async move {
            gone(locks).await;
            return Ok(1);
        }
    }
    /// Somebody else gets it only when it is lost.
    async fn gone(locks: &Locks) {
        let there = super::registry("memory:attribute-task");
        assert!(!locks.is_empty());
        drop(there.lock("x").distributed().acquire_async().await.expect("its turn"));
    }
    let locks = alone("attribute-task");
    assert!(block_on(slow(&locks)).expect_err("lost").is_lost());
    assert!(block_on(boxed(&locks)).expect_err("lost").is_lost());
    assert!(locks.is_empty());
}

#[test]
fn it_lets_go_before_it_returns_and_a_task_awaits_that() {
    #[synchronized("x", distributed, locks = locks)]
    async fn task(locks: &Locks) -> Result<(), Error> {
        Ok(())
    }
    #[synchronized("x", distributed, locks = locks)]
    fn thread(locks: &Locks) -> Result<(), Error> {
        Ok(())
    }
    let engine = Watched::new("attribute-release");
    let locks = engine.locks();
    block_on(task(&locks)).expect("held");
    assert_eq!(engine.releases.load(SeqCst), 1);
    thread(&locks).expect("held");
    assert_eq!(engine.releases.load(SeqCst), 2);
}

#[test]
fn all_kinds_can_be_distributed() {
    #[synchronized("a", "b", distributed, locks = locks, timeout = "1m")]
    fn two(locks: &Locks, ran: &Cell<u32>) -> Result<(), Error> {
        ran.set(ran.get() + 1);
        Ok(())
    }
    #[synchronized("a", distributed, reentrant = 3, locks = locks)]
    fn again(locks: &Locks, ran: &Cell<u32>, times: u32) -> Result<(), Error> {
        ran.set(ran.get() + 1);
        if times > 1 { again(locks, ran, times - 1) } else { Ok(()) }
    }
    #[synchronized("s", distributed, semaphore = 2, locks = locks, require = Permits)]
    fn permit(locks: &Locks, ran: &Cell<u32>) -> Result<(), Error> {
        ran.set(ran.get() + 1);
        Ok(())
    }
    #[synchronized("a", distributed, external = false, read, fair, blocking = false, locks = locks)]
    fn reader(locks: &Locks, ran: &Cell<u32>) -> Result<(), Error> {
        ran.set(ran.get() + 1);
        Ok(())
    }
    let (locks, ran) = (alone("attribute-kinds"), Cell::new(0));
    two(&locks, &ran).expect("free");
    again(&locks, &ran, 3).expect("within the limit");
    assert!(again(&locks, &ran, 4).expect_err("the limit").is_limit_reached());
    permit(&locks, &ran).expect("free");
    reader(&locks, &ran).expect("free");
    assert_eq!(ran.get(), 1 + 3 + 3 + 1 + 1);
}

#[test]
fn it_may_require_several_promises() {
    #[synchronized("x", distributed, require = [Leased, Promise::Readers], require = Fenced, locks = locks)]
    fn all(locks: &Locks) -> Result<(), Error> {
        Ok(())
    }
    #[synchronized("x", distributed, require = Leased, require = lockutils::distributed::Promise::Fenced, locks = locks)]
    fn last(locks: &Locks) -> Result<(), Error> {
        Ok(())
    }
    all(&alone("attribute-promises")).expect("the engine in memory promises all");
    let place = Place::new("attribute-promises");
    let url = format!("file://{}", place.path().display());
    let files = Locks::new(Config::new().backend_url(url)).expect("a registry");
    for error in [all(&files), last(&files)].map(|done| done.expect_err("lock files")) {
        assert!(error.is_unsupported() && error.to_string().contains("requires Fenced, "), "{error}");
    }
}

#[test]
fn a_literal_name_needs_no_engine_to_be_made() {
    #[synchronized("attribute-literal", distributed, expires = "20ms")]
    fn literal() -> Result<(), Error> {
        Ok(())
    }
    // The process of the tests has no engine, and no directory.
    let error = literal().expect_err("nothing is configured");
    assert!(error.is_no_backend(), "{error}");
}
