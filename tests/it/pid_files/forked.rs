//! A process that forks while it holds a pid lock or waits for one.

use std::fs;
use std::time::Duration;

use lockutils_tests::Place;

use crate::processes::fork::{fork_races, stays_the_parents};

/// A child that was forked has a copy of the guard, which takes nothing away.
#[test]
fn a_child_lets_nothing_go() {
    for helper in ["fork-drop", "fork-exit", "fork-downgrade"] {
        stays_the_parents(&Place::of_pid_files("a_child_lets_nothing_go"), helper);
    }
}

/// The child has the open file too, but its name is the lock.
#[test]
fn a_child_keeps_nothing() {
    let place = Place::of_pid_files("a_child_keeps_nothing");
    let mut parent = place.helper(&["fork-release", "job"]);
    parent.expect("released");
    assert!(place.try_acquire("job").is_some(), "the parent has let go");
    parent.finish();
    let mut parent = place.helper(&["fork-hold", "job"]);
    parent.expect("forked");
    parent.kill();
    assert!(place.try_acquire("job").is_some(), "the parent has ended");
}

/// By the handle that it has inherited it makes a file of its own.
#[test]
fn a_child_takes_the_lock_for_itself() {
    let place = Place::of_pid_files("a_child_takes_the_lock_for_itself");
    let mut parent = place.helper(&["fork-idle", "job"]);
    parent.expect("busy");
    assert!(place.try_acquire("job").is_none());
    parent.finish();
    assert!(place.try_acquire("job").is_some());
}

/// A wait that the child drops is its copy: the parent goes on being told.
#[test]
fn a_child_that_drops_a_wait_takes_no_watch_away() {
    let place = Place::of_pid_files("a_child_that_drops_a_wait_takes_no_watch_away");
    let mut holder = place.holder("job");
    let trace = ["-e", "trace=inotify_add_watch,inotify_rm_watch"];
    let (mut parent, log) = place.strace(&trace, &["fork-drop-wait", "job", "queued"]);
    parent.expect("waits");
    parent.say("fork");
    parent.expect("forked");
    let calls = fs::read_to_string(log).expect("a log");
    assert!(calls.contains("inotify_add_watch(") && !calls.contains("inotify_rm_watch("), "{calls}");
    holder.release();
    parent.expect("held");
    assert!(place.try_acquire("job").is_none(), "the parent has it");
    parent.finish();
    assert!(place.comes_free("job", Duration::ZERO));
}

#[test]
fn no_waiter_is_lost_by_a_fork() {
    fork_races(&Place::of_pid_files("no_waiter_is_lost_by_a_fork"), "fork-race-external");
}
