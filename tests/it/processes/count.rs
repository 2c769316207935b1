//! Nothing is lost between processes, their threads and their tasks.

use lockutils_tests::{Child, Counter, Place};

const PROCESSES: u64 = 4;
const TIMES: u64 = 40;

/// Runs processes of two threads and two tasks each, and says what they counted and what they should have.
fn race(test: &str, words: &[&str]) -> (u64, u64) {
    let place = Place::new(test);
    let counter = Counter::new(place.file("counter"));
    let (file, times) = (counter.path().display().to_string(), TIMES.to_string());
    let words = [&["count", "job", &file, &times], words].concat();
    let mut fleet: Vec<Child> = (0..PROCESSES).map(|_| place.helper(&words)).collect();
    for child in &mut fleet {
        child.expect("ready");
    }
    for child in &mut fleet {
        child.say("go");
    }
    for child in &mut fleet {
        child.expect("done");
    }
    assert!(place.try_acquire("job").is_some(), "nobody has it any more");
    (counter.value(), PROCESSES * TIMES)
}

#[test]
fn processes_with_threads_lose_nothing() {
    let (counted, once) = race("processes_with_threads_lose_nothing", &["threads=3"]);
    assert_eq!(counted, 3 * once);
}

#[test]
fn processes_with_tasks_lose_nothing() {
    let (counted, once) = race("processes_with_tasks_lose_nothing", &["tasks=3"]);
    assert_eq!(counted, 3 * once);
}

#[test]
fn processes_with_threads_and_tasks_lose_nothing() {
    let (counted, once) = race("processes_with_threads_and_tasks_lose_nothing", &["threads=2", "tasks=2"]);
    assert_eq!(counted, 4 * once);
}
