//! Several lock files as one: sorted, all or nothing, within one limit.

use std::thread;
use std::time::{Duration, Instant};

use lockutils::{Config, Error, Locks, synchronized};
use lockutils_tests::{Place, within};

const LIMIT: Duration = Duration::from_millis(300);

/// Another registry of the same directory: as far as the files are concerned, another process.
fn beside(place: &Place) -> Locks {
    Locks::new(Config::new().lock_path(place.path())).expect("a configuration")
}

/// Those who want the same files in different orders never wait for each other.
#[test]
fn different_orders_do_not_deadlock() {
    within("all have had their turns", || {
        let place = Place::new("different_orders_do_not_deadlock");
        let other = beside(&place);
        let orders = [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "b"]];
        thread::scope(|scope| {
            for locks in [place.locks(), &other] {
                for names in orders {
                    scope.spawn(move || {
                        for _ in 0..200 {
                            drop(locks.lock_all(names).external().acquire().expect("no limit"));
                        }
                    });
                }
            }
        });
        assert_eq!((place.locks().len(), other.len()), (0, 0));
    });
}

/// One of the files is held elsewhere: none is kept, and the limit is one for all of them.
#[test]
fn one_that_is_busy_leaves_all_free() {
    let place = Place::new("one_that_is_busy_leaves_all_free");
    let (mut a, mut c) = (place.holder("a"), place.holder("c"));
    thread::scope(|scope| {
        let started = Instant::now();
        let waits =
            scope.spawn(|| place.locks().lock_all(["c", "b", "a"]).external().timeout(LIMIT).acquire());
        thread::sleep(LIMIT / 2);
        a.release();
        let error = waits.join().expect("no panic").expect_err("c is never let go");
        assert!(error.is_timeout() && error.name() == Some("c"), "{error}");
        let took = started.elapsed();
        assert!((LIMIT..LIMIT * 3 / 2).contains(&took), "the second wait had a limit of its own: {took:?}");
    });
    assert!(a.try_take() && place.actor("b", &[]).try_take(), "something was kept");
    assert!(place.locks().lock_all(["a", "b"]).external().try_acquire().expect("no error").is_none());
    a.release();
    c.release();
    let all = place.locks().lock_all(["c", "b", "a", "b"]).external().acquire().expect("free by now");
    assert_eq!(all.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    for name in ["a", "b", "c"] {
        assert!(!place.actor(name, &[]).try_take(), "{name} is free");
    }
}

#[synchronized("b-{id}", "a-{id}", external, lock_path = path, timeout = "300ms")]
fn annotated<T>(path: &std::path::Path, id: u32, work: impl FnOnce() -> T) -> Result<T, Error> {
    Ok(work())
}

#[synchronized("b-{id}", "a-{id}", external, lock_path = path, blocking = false)]
async fn annotated_now(path: &std::path::Path, id: u32) -> Result<(), Error> {
    let _ = std::future::ready((path, id)).await;
    Ok(())
}

#[test]
fn an_attribute_with_several_names_takes_all_files() {
    let place = Place::new("an_attribute_with_several_names_takes_all_files");
    let free = |name: &str| place.actor(name, &[]).try_take();
    annotated(place.path(), 7, || assert!(!free("a-7") && !free("b-7") && free("a-8"))).expect("free");
    let mut other = place.holder("b-7");
    assert!(annotated(place.path(), 7, || ()).expect_err("one is held").is_timeout());
    let now = futures_lite::future::block_on(annotated_now(place.path(), 7));
    assert!(now.expect_err("one is held").is_busy());
    assert!(free("a-7"), "the other one was kept");
    other.release();
    annotated(place.path(), 7, || ()).expect("free again");
}

/// Several semaphores and several readers, too.
#[test]
fn several_that_are_shared() {
    let place = Place::new("several_that_are_shared");
    let (read, write) =
        (place.locks().lock_all(["a", "b"]).external().read(), place.locks().lock_all(["b"]).external());
    let guards = read.acquire().expect("free");
    assert!(place.actor("a", &["read"]).try_take() && !place.actor("a", &[]).try_take());
    assert!(write.try_acquire().expect("no error").is_none());
    drop(guards);
    assert!(write.try_acquire().expect("no error").is_some());
}
