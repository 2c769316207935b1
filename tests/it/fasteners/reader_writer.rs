//! `test_reader_writer_lock.py`: readers and writers of several processes.

use std::fs;
use std::time::Duration;

use lockutils_tests::{Child, Place};

const SOON: Duration = Duration::from_secs(10);

/// Lets processes come in and go out, each as its words say, and returns how many visits there were. While
/// somebody writes, nobody else may be inside.
fn visits(test: &str, times: usize, visitors: &[&str]) -> usize {
    let place = Place::new(test);
    let log = place.file("log").display().to_string();
    let start = |words: &&str| place.helper(&["visit", "lock", &log, &times.to_string(), words]);
    let visitors: Vec<Child> = visitors.iter().map(start).collect();
    for mut visitor in visitors {
        visitor.expect("done");
        visitor.finish();
    }
    let log = fs::read_to_string(log).expect("a log");
    check(&log);
    log.lines().count() / 2
}

/// Writers are alone.
fn check(log: &str) {
    let (mut readers, mut writers) = (0, 0);
    for line in log.lines() {
        match line {
            "in read" => readers += 1,
            "out read" => readers -= 1,
            "in write" => writers += 1,
            "out write" => writers -= 1,
            _ => panic!("not a line of a visitor: {line:?}"),
        }
        assert!(
            writers == 0 || writers == 1 && readers == 0,
            "{readers} readers beside {writers} writers:\n{log}"
        );
    }
    assert_eq!((readers, writers), (0, 0));
}

/// Both kinds work, one after the other.
#[test]
fn lock() {
    let place = Place::new("lock");
    let lock = place.lock("lock");
    assert!(!lock.acquire().expect("a free lock").is_shared());
    assert!(lock.read().acquire().expect("a free lock").is_shared());
}

#[test]
fn no_concurrent_writers() {
    assert_eq!(visits("no_concurrent_writers", 10, &["write"; 20]), 200);
}

#[test]
fn no_concurrent_readers_writers() {
    assert_eq!(visits("no_concurrent_readers_writers", 10, &["mixed"; 20]), 200);
}

/// Reads while a child reads; the child dies, and a writer comes in.
#[test]
fn reader_releases_lock_upon_crash() {
    let place = Place::new("reader_releases_lock_upon_crash");
    let mut child = place.holder_with("lock", &["read"]);
    assert!(place.try_acquire("lock").is_none());
    child.kill();
    assert!(place.comes_free("lock", SOON));
}

#[test]
fn writer_releases_lock_upon_crash() {
    let place = Place::new("writer_releases_lock_upon_crash");
    let mut child = place.holder("lock");
    let read = place.lock("lock").read();
    assert!(read.try_acquire().expect("no error").is_none());
    child.kill();
    assert!(read.timeout(SOON).acquire().is_ok());
    assert!(place.comes_free("lock", SOON));
}

#[test]
fn multi_reader_multi_writer() {
    let visitors = ["read", "write"].repeat(5);
    assert_eq!(visits("multi_reader_multi_writer", 10, &visitors), 100);
}

#[test]
fn multi_reader_single_writer() {
    let mut visitors = ["read"; 10];
    visitors[5] = "write";
    assert_eq!(visits("multi_reader_single_writer", 10, &visitors), 100);
}

#[test]
fn multi_writer() {
    assert_eq!(visits("multi_writer", 10, &["write"; 10]), 100);
}

/// A second write by one handle is refused while the first lasts, and one release is enough.
#[test]
fn lock_writer_twice() {
    let place = Place::new("lock_writer_twice");
    let lock = place.lock("lock").write();
    let guard = lock.acquire().expect("a free lock");
    assert!(lock.try_acquire().expect("no error").is_none());
    drop(guard);
    assert!(place.actor("lock", &[]).try_take());
}
