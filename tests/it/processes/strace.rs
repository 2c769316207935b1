//! Who waits sleeps: what a waiting process asks the kernel for, counted.

use std::fs;
use std::thread;
use std::time::Duration;

use lockutils_tests::{Place, eventually};

/// How long the process is watched. One look a second would be seen five times.
const WATCHED: Duration = Duration::from_secs(5);
/// How many calls are no poll.
const FEW: usize = 4;

/// The calls of a process that waits in this way, of its beginning and of the time that it is watched.
fn calls_while_waiting(words: &[&str]) -> (usize, usize) {
    let place = Place::new("calls_while_waiting");
    let mut holder = place.holder("job");
    let (mut waiter, log) = place.strace(&[], &[&["take", "job"], words].concat());
    place.has_waiters("job", 1);
    let calls = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    let mut before = calls();
    // The log is complete up to the wait when it has not grown for a moment.
    eventually("the process sleeps", || {
        thread::sleep(Duration::from_millis(200));
        let now = calls();
        std::mem::replace(&mut before, now) == now
    });
    thread::sleep(WATCHED);
    let watched = calls() - before;
    holder.release();
    waiter.expect("held");
    (before, watched)
}

#[cfg_attr(lockutils_portable, ignore = "whoever waits there does poll")]
#[test]
fn waits_do_not_poll() {
    for words in [&[][..], &["timeout=25000"], &["async"], &["async", "timeout=25000"]] {
        let (before, watched) = calls_while_waiting(words);
        assert!(before > 20, "{words:?}: strace has seen only {before} calls before the wait");
        assert!(watched <= FEW, "{words:?}: {watched} calls in {WATCHED:?} of waiting");
    }
}
