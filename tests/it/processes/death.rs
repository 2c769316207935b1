//! Processes that are killed.

use std::fs;
use std::time::Duration;

use lockutils::Removal;
use lockutils_tests::{Place, eventually};

/// How soon somebody has the lock after a kill, at the very latest.
const SOON: Duration = Duration::from_secs(10);

/// Every way to wait, as words for the helper program.
const WAYS: [&[&str]; 5] = [&[], &["timeout=25000"], &["async"], &["async", "timeout=25000"], &["read"]];

#[test]
fn kill_9_frees_the_lock_file() {
    let place = Place::new("kill_9_frees_the_lock_file");
    let mut holder = place.holder("job");
    assert!(place.try_acquire("job").is_none());
    holder.kill();
    assert!(place.comes_free("job", SOON));
}

#[test]
fn kill_9_wakes_whoever_waits() {
    for words in WAYS {
        let place = Place::new("kill_9_wakes_whoever_waits");
        let mut holder = place.holder("job");
        let mut waiter = place.waiter("job", words);
        holder.kill();
        assert_eq!(waiter.line_within(SOON), "held", "{words:?}");
    }
}

/// Each of several waiters gets its turn when the one before it is killed with the lock.
#[cfg_attr(
    lockutils_portable,
    ignore = "there is no queue between processes there: whoever looks first comes first"
)]
#[test]
fn a_chain_of_killed_holders() {
    let place = Place::new("a_chain_of_killed_holders");
    let mut holder = place.holder("job");
    let waiters: Vec<_> = WAYS.iter().map(|words| place.waiter("job", words)).collect();
    for mut waiter in waiters {
        holder.kill();
        waiter.expect("held");
        holder = waiter;
    }
    holder.kill();
    assert!(place.comes_free("job", SOON));
}

/// A waiter that dies does not get the lock, and leaves its place to the next.
#[test]
fn a_dead_waiter_leaves_nothing() {
    for words in WAYS {
        let place = Place::new("a_dead_waiter_leaves_nothing");
        let mut holder = place.holder("job");
        place.waiter("job", words).kill();
        place.has_waiters("job", 0);
        let mut next = place.waiter("job", &[]);
        holder.release();
        assert_eq!(next.line_within(SOON), "held", "behind a dead {words:?}");
        next.release();
        assert!(place.try_acquire("job").is_some(), "nobody has it");
    }
}

/// A reader that dies gives its share back, and only that.
#[test]
fn a_killed_reader_leaves_the_other_one() {
    let place = Place::new("a_killed_reader_leaves_the_other_one");
    let mut dies = place.holder_with("job", &["read"]);
    let mut stays = place.holder_with("job", &["read"]);
    let mut writer = place.waiter("job", &[]);
    dies.kill();
    assert!(place.try_acquire("job").is_none(), "one still reads");
    assert!(writer.is_silent());
    stays.release();
    writer.expect("held");
}

/// What the holder has started before it dies has no copy of the lock.
#[test]
fn a_program_that_the_holder_started_keeps_nothing() {
    let place = Place::new("a_program_that_the_holder_started_keeps_nothing");
    let mut holder = place.helper(&["start", "job"]);
    holder.expect("held");
    assert!(place.try_acquire("job").is_none());
    holder.kill();
    assert!(place.comes_free("job", SOON));
    holder.say("the program lives");
    holder.expect("the program lives");
}

/// Calls that have to do with a lock file, as strace(1) selects them.
const CALLS: [&str; 8] = [
    "openat",
    "fchmod",
    "?newfstatat,?fstat,?lstat,?statx",
    "flock",
    "fcntl",
    "close",
    "?renameat2",
    "?unlinkat",
];

/// Runs the helper program again and again, and kills it at the first, second, and so on of each of these
/// calls that concern the file, until it survives. Says how often it was killed.
fn killed_at_every_call(test: &str, verb: &str, survives: &str, check: impl Fn(&Place, &str)) -> usize {
    let killed_at = |call: &str, number: u32| {
        let place = Place::new(test);
        drop(place.try_acquire("job"));
        let (trace, inject) =
            (format!("trace={call}"), format!("inject={call}:signal=SIGKILL:when={number}"));
        let file = place.file("job").display().to_string();
        let options = ["-e", &trace, "-e", &inject, "-P", "job", "-P", &file];
        let said = place.strace(&options, &[verb, "job"]).0.said_within(SOON);
        check(&place, &format!("{verb}, killed at {call} {number}, {said:?}"));
        said.as_deref() != Some(survives)
    };
    CALLS.iter().map(|call| (1..100).take_while(|number| killed_at(call, *number)).count()).sum()
}

/// Wherever in an acquire or a release a process is killed, the lock is free afterwards.
#[test]
fn a_kill_at_any_system_call_leaves_nothing() {
    let kills = killed_at_every_call(
        "a_kill_at_any_system_call_leaves_nothing",
        "release",
        "released",
        |place, when| {
            assert!(place.comes_free("job", SOON), "{when}");
            assert!(place.actor("job", &[]).try_take(), "{when}");
        },
    );
    assert!(kills > 6, "{kills} calls");
}

/// The same for the removal of a lock file: whoever comes next has one lock with all others, and can remove
/// the file.
#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn a_remover_that_is_killed_splits_nothing() {
    let kills = killed_at_every_call(
        "a_remover_that_is_killed_splits_nothing",
        "remove",
        "Removed",
        |place, when| {
            let lock = place.lock("job");
            let guard = lock.clone().timeout(SOON).acquire().expect("a free lock");
            assert!(!place.actor("job", &[]).try_take(), "{when}");
            drop(guard);
            drop(lock);
            eventually(when, || place.lock("job").remove_file().expect("no error") == Removal::Removed);
        },
    );
    assert!(kills > 6, "{kills} calls");
}

/// What a remover that was killed has put aside is gone after the next clean-up.
#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn what_a_killed_remover_left_is_cleaned_up() {
    let place = Place::new("what_a_killed_remover_left_is_cleaned_up");
    drop(place.try_acquire("job"));
    let options = ["-e", "trace=unlinkat", "-e", "inject=unlinkat:signal=SIGKILL"];
    assert_eq!(place.strace(&options, &["remove", "job"]).0.said_within(SOON), None);
    let files = || fs::read_dir(place.path()).expect("a directory").flatten().map(|entry| entry.file_name());
    let left: Vec<_> = files().filter(|name| name != "strace.log").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    place.locks().clean("*", Duration::ZERO).expect("no error");
    let left: Vec<_> = files().filter(|name| name != "strace.log").collect();
    assert!(left.is_empty(), "{left:?}");
}
