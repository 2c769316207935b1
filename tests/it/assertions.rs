//! The assertions for tests of services.

use std::panic::catch_unwind;

use lockutils::testing::{assert_free, assert_held};
use lockutils_tests::Place;

/// What a failed assertion says.
#[track_caller]
fn panics(assertion: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(assertion).expect_err("the assertion must fail");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn they_hold_where_they_should() {
    let place = Place::new("assertions");
    for lock in [place.locks().lock("x"), place.lock("y"), place.locks().lock("z").read()] {
        assert_free!(lock);
        let guard = lock.acquire().expect("free");
        assert_held!(lock);
        assert_held!(&lock, "with {}", "a message");
        drop(guard);
        assert_free!(&lock, "again");
    }
    if !cfg!(lockutils_portable) {
        let permits = place.locks().semaphore("s", 2).external();
        let permit = permits.acquire().expect("free");
        assert_held!(permits,);
        drop(permit);
        assert_free!(permits,);
    }
    let name = String::from("asserted-by-name");
    let guard = lockutils::lock(&name).acquire().expect("free");
    assert_held!(name);
    assert_held!("asserted-by-name");
    drop(guard);
    assert_free!(&name);
}

#[test]
fn they_say_who_has_the_lock_instead() {
    let place = Place::new("assertions-fail");
    let said = panics(|| assert_held!("nobody-has-this", "shrinking needs it: {}", 7));
    assert_eq!(
        said,
        "lock `nobody-has-this` is not held by this process: nobody has it: shrinking needs it: 7"
    );
    let guard = lockutils::lock("somebody-has-this").acquire().expect("free");
    let said = panics(|| assert_free!("somebody-has-this"));
    assert!(said.starts_with("lock `somebody-has-this` is not free: it is held by this process"), "{said}");
    assert!(said.contains(file!()), "{said}");
    drop(guard);
    let (lock, holder) = (place.lock("x"), place.holder("x"));
    let lock = std::panic::AssertUnwindSafe(lock);
    for said in [panics(|| assert_held!(*lock)), panics(|| assert_free!(*lock))] {
        assert!(said.contains("it is held by "), "{said}");
        if !cfg!(lockutils_portable) {
            assert!(said.contains(&format!("pid {}", holder.pid())), "{said}");
        }
    }
}

#[test]
fn what_cannot_be_found_out_is_a_panic() {
    let locks = lockutils::Locks::new(lockutils::Config::new()).expect("a configuration");
    let lock = std::panic::AssertUnwindSafe(locks.lock("x").external());
    for said in [panics(|| assert_held!(*lock)), panics(|| assert_free!(*lock))] {
        assert!(said.starts_with("who holds a lock cannot be found out: no directory"), "{said}");
    }
}
