//! `test_process_lock.py`: the exclusive lock of a file.

use std::fs;
use std::time::Duration;

use lockutils::{LockGuard, Locks, synchronized};
use lockutils_tests::Place;

use crate::oslo::fifty_processes_do_not_collide;

/// Ten children fail while the lock is held, and take it one after the other when it is not.
#[test]
fn lock_acquire_release_file_lock() {
    let place = Place::new("lock_acquire_release_file_lock");
    let guard = place.try_acquire("lock").expect("a free lock");
    let mut children: Vec<_> = (0..10).map(|_| place.actor("lock", &[])).collect();
    assert!(children.iter_mut().all(|child| !child.try_take()));
    drop(guard);
    for child in &mut children {
        assert!(child.try_take());
        child.release();
    }
}

#[test]
fn nested_synchronized_external_works() {
    #[synchronized("test-1", external, locks = locks)]
    fn foo(locks: &Locks, value: u32) -> u32 {
        bar(locks, value * 2)
    }

    #[synchronized("test-2", external, locks = locks)]
    fn bar(locks: &Locks, value: u32) -> u32 {
        value + 1
    }

    assert_eq!(foo(Place::new("nested_synchronized_external_works").locks(), 10), 21);
}

#[test]
fn lock_externally() {
    let place = Place::new("lock_externally");
    fifty_processes_do_not_collide(&place, place.path());
}

#[test]
fn lock_externally_lock_dir_not_exist() {
    let place = Place::new("lock_externally_lock_dir_not_exist");
    fifty_processes_do_not_collide(&place, &place.file("lock"));
}

/// The file is there inside the function.
#[test]
fn lock_file_exists() {
    #[synchronized("lock", external, locks = place.locks())]
    fn foo(place: &Place) -> bool {
        place.file("lock").exists()
    }

    assert!(foo(&Place::new("lock_file_exists")));
}

/// Letting go takes the guard away, so that it cannot be done twice; what the kernel refuses is told.
#[test]
fn bad_release() {
    let place = Place::new("bad_release");
    let release: fn(LockGuard) -> Result<(), lockutils::Error> = LockGuard::release;
    release(place.try_acquire("lock").expect("a free lock")).expect("no error");
    assert!(place.actor("lock", &[]).try_take(), "it is free");
    let options = [
        "-e",
        "trace=flock",
        "-e",
        "inject=flock:error=EIO:when=2",
        "-P",
        &*place.file("lock").display().to_string(),
    ];
    let line = place.strace(&options, &["release", "lock"]).0.line();
    assert!(line.starts_with("error io: cannot unlock"), "{line}");
}

/// What a child holds is busy.
#[test]
fn interprocess_lock() {
    let place = Place::new("interprocess_lock");
    let mut child = place.holder("lock");
    assert!(place.try_acquire("lock").is_none());
    child.release();
    assert!(place.try_acquire("lock").is_some());
}

/// What stands in the file stays.
#[test]
fn non_destructive() {
    let place = Place::new("non_destructive");
    fs::write(place.file("lock"), "test").expect("a file");
    drop(place.try_acquire("lock").expect("a free lock"));
    place.holder("lock").finish();
    assert_eq!(fs::read_to_string(place.file("lock")).expect("a file"), "test");
}

/// An error that does not mean *busy* is told at once, and not tried for ever.
#[test]
fn bad_acquire() {
    let place = Place::new("bad_acquire");
    let options = [
        "-e",
        "trace=flock",
        "-e",
        "inject=flock:error=EBUSY",
        "-P",
        &*place.file("lock").display().to_string(),
    ];
    let line = place.strace(&options, &["take", "lock"]).0.line();
    assert!(line.starts_with("error io: cannot lock"), "{line}");
}

/// A second acquire of one handle: a try finds it busy, a wait with a limit ends by that, and a thread that
/// would wait for itself is told. One guard that is dropped is all that there is to let go.
#[test]
fn lock_twice() {
    let place = Place::new("lock_twice");
    let lock = place.lock("lock");
    let guard = lock.acquire().expect("a free lock");
    assert!(lock.try_acquire().expect("no error").is_none());
    assert!(lock.clone().timeout(Duration::from_millis(5)).acquire().expect_err("held").is_timeout());
    drop(guard);
    let twice = lock.run(|| lock.acquire().map(drop)).expect("a free lock");
    assert!(twice.expect_err("it would wait for itself").is_would_deadlock());
    assert!(place.actor("lock", &[]).try_take(), "it is free");
}
