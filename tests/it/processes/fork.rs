//! Processes that fork.

use std::time::Duration;

use lockutils_tests::{Place, eventually};

use crate::conformance::support::seed;

/// The child has inherited the guard and drops it: the lock stays the parent's, and the child itself finds it busy.
#[test]
fn a_child_that_drops_the_guard_takes_nothing_away() {
    stays_the_parents(&Place::new("a_child_that_drops_the_guard_takes_nothing_away"), "fork-drop");
}

/// Whatever the child of this helper does with its copy of the guard, its parent goes on holding the lock.
#[track_caller]
pub(crate) fn stays_the_parents(place: &Place, helper: &str) {
    let mut parent = place.helper(&[helper, "job"]);
    if helper == "fork-drop" {
        parent.expect("busy");
    }
    parent.expect("held");
    assert!(place.try_acquire("job").is_none(), "the parent has it");
    parent.finish();
    assert!(place.try_acquire("job").is_some());
}

/// The child has a copy of the parent's descriptor, and keeps nothing by it.
#[test]
fn a_parent_lets_go_although_its_child_lives() {
    let place = Place::new("a_parent_lets_go_although_its_child_lives");
    let mut parent = place.helper(&["fork-release", "job"]);
    parent.expect("released");
    assert!(place.try_acquire("job").is_some(), "the parent has let go");
    parent.finish();
}

/// A parent that is killed lets go of nothing itself: the child has the open file too, and the lock is free when it
/// has ended.
#[cfg_attr(lockutils_portable, ignore = "no list of the kernel names a holder there: the record alone does")]
#[test]
fn a_child_keeps_the_lock_of_a_killed_parent() {
    let place = Place::new("a_child_keeps_the_lock_of_a_killed_parent");
    let mut parent = place.helper(&["fork-hold", "job"]);
    parent.expect("forked");
    parent.kill();
    assert!(place.try_acquire("job").is_none(), "the child has the open file");
    let holder = || place.lock("job").holder().expect("no error").expect("it is held").to_string();
    let text = format!(
        "pid {}, which has ended and left it to a process that shares its open file, as fuser(1) can tell",
        parent.pid()
    );
    eventually("the dead parent is named", || holder() == text);
    drop(parent); // The child's input ends with it.
    assert!(place.comes_free("job", Duration::from_secs(10)));
}

/// The threads that wait for the parent do not exist in the child; it starts its own.
#[cfg_attr(lockutils_portable, ignore = "a wait that is given up there is over, and leaves nothing to count")]
#[test]
fn a_child_waits_with_threads_of_its_own() {
    let place = Place::new("a_child_waits_with_threads_of_its_own");
    let mut holder = place.holder("job");
    let mut parent = place.helper(&["fork-wait", "job"]);
    parent.expect("timeout");
    place.has_waiters("job", 2); // The wait that the parent has given up, and the child's.
    holder.release();
    parent.expect("held");
    parent.finish();
    assert!(place.comes_free("job", Duration::from_secs(10)));
}

/// What the parent reads is the parent's: a child that reads too has a lock of its own, which outlives the
/// parent's.
#[test]
fn a_child_that_reads_has_a_lock_of_its_own() {
    let place = Place::new("a_child_that_reads_has_a_lock_of_its_own");
    let mut parent = place.helper(&["fork-join", "job"]);
    parent.expect("held");
    parent.expect("released");
    assert!(place.try_acquire("job").is_none(), "the child reads");
    parent.finish();
    assert!(place.comes_free("job", Duration::from_secs(10)));
}

/// A child does not open its parent's write lock to readers.
#[test]
fn a_child_that_downgrades_changes_nothing() {
    let place = Place::new("a_child_that_downgrades_changes_nothing");
    let mut parent = place.helper(&["fork-downgrade", "job"]);
    parent.expect("held");
    let reader = place.lock("job").read();
    assert!(reader.try_acquire().expect("busy is no error").is_none(), "the parent writes");
    parent.finish();
    assert!(reader.try_acquire().expect("free").is_some());
}

/// A wait that the child drops is its copy: the parent's keeps its place, so that no reader passes it.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn a_child_that_gives_a_wait_up_takes_no_place_away() {
    let place = Place::new("a_child_that_gives_a_wait_up_takes_no_place_away");
    let mut reader = place.holder_with("job", &["read"]);
    let mut parent = place.helper(&["fork-drop-wait", "job", "queued"]);
    parent.expect("waits");
    place.has_waiters("job", 1);
    parent.say("fork");
    parent.expect("forked");
    let second_reader = place.lock("job").read().try_acquire().expect("busy is no error");
    assert!(second_reader.is_none(), "a reader passes the parent, which writes");
    reader.release();
    parent.expect("held");
    assert!(place.try_acquire("job").is_none(), "the parent has it");
    parent.finish();
    assert!(place.try_acquire("job").is_some());
}

/// The lock has come, and nobody has looked: it is the parent's all the same.
#[cfg_attr(lockutils_portable, ignore = "a lock there comes to nobody who does not look")]
#[test]
fn a_child_that_drops_an_unseen_lock_takes_nothing_away() {
    let place = Place::new("a_child_that_drops_an_unseen_lock_takes_nothing_away");
    let mut holder = place.holder("job");
    let mut parent = place.helper(&["fork-drop-wait", "job", "unseen"]);
    parent.expect("waits");
    place.has_waiters("job", 1);
    parent.say("fork");
    holder.release();
    parent.expect("forked");
    assert!(place.try_acquire("job").is_none(), "the parent has it");
    parent.expect("held");
    assert!(place.try_acquire("job").is_none(), "the parent has it");
    parent.finish();
    assert!(place.try_acquire("job").is_some());
}

const ROUNDS: usize = 300;

/// Plays rounds in which a thread lets go, others wait, and one forks, all in the same moment.
#[track_caller]
pub(crate) fn fork_races(place: &Place, kind: &str) {
    let mut parent = place.helper(&[kind, &ROUNDS.to_string(), &seed().to_string()]);
    for round in 0..ROUNDS {
        parent.expect(&round.to_string());
    }
    parent.finish();
}

#[test]
fn no_waiter_is_lost_by_a_fork() {
    fork_races(&Place::new("no_waiter_is_lost_by_a_fork"), "fork-race");
}

#[test]
fn no_waiter_for_a_file_is_lost_by_a_fork() {
    fork_races(&Place::new("no_waiter_for_a_file_is_lost_by_a_fork"), "fork-race-external");
}
