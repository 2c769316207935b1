//! Locks by pid files: what stands in them, who is respected and who is taken over from, and who learns that it was
//! robbed.

mod forked;
mod judged;
mod listed;
mod mixed;
mod swept;

use std::fs;
use std::time::Duration;

use lockutils::{Config, Evidence, LockGuard, Locks, Mechanism, Removal, synchronized};
use lockutils_tests::{Child, Place, eventually};

use crate::conformance::support::block_on;

/// How soon a waiter has the lock after a kill, at the very latest.
const SOON: Duration = Duration::from_secs(10);
/// Every way to wait, as words for the helper program.
const WAYS: [&[&str]; 4] = [&[], &["timeout=25000"], &["async"], &["async", "timeout=25000"]];

fn content(place: &Place) -> String {
    fs::read_to_string(place.file("job")).expect("text")
}

/// The names in the directory.
fn names(place: &Place) -> Vec<String> {
    let names = fs::read_dir(place.path()).expect("the directory");
    names.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
}

fn taken(place: &Place) -> LockGuard {
    place.try_acquire("job").expect("free")
}

/// Its standard input stays open while it waits, and it is asleep.
fn waiter(place: &Place, words: &[&str]) -> Child {
    let mut waiter = place.actor("job", words);
    waiter.say("wait");
    eventually("it sleeps", || waiter.sleeps_with_its_threads());
    waiter
}

#[test]
fn the_file_is_there_as_long_as_the_lock_is_held() {
    let place = Place::of_pid_files("the_file_is_there_as_long_as_the_lock_is_held");
    let lock = place.lock("job");
    assert!(!lock.is_locked().expect("no error") && lock.holder().expect("no error").is_none());
    for _ in 0..3 {
        let guard = taken(&place);
        let content = content(&place);
        let lines: Vec<&str> = content.lines().collect();
        assert_eq!(lines[0], std::process::id().to_string());
        assert!(std::env::current_exe().expect("a program").ends_with(lines[1]), "{content}");
        assert!(content.contains("\nat tests/"), "{content}");
        assert!(lock.is_locked().expect("no error"));
        assert_eq!(names(&place), ["job"], "nothing else is left");
        assert!(!guard.is_lost().expect("no error"));
        guard.release().expect("it was there");
        assert!(!lock.is_locked().expect("no error"));
        assert!(names(&place).is_empty());
    }
}

#[test]
fn the_holder_is_known() {
    let place = Place::of_pid_files("the_holder_is_known");
    let other = place.holder("job");
    let holder = place.lock("job").holder().expect("no error").expect("somebody has it");
    assert_eq!(holder.pid(), Some(other.pid().as_raw().cast_unsigned()));
    assert_eq!((holder.evidence(), holder.program()), (Evidence::Record, Some("helper")));
    assert!(holder.since().is_some() && holder.place().is_some() && holder.fencing_token().is_some());
    let error = place.lock("job").timeout(Duration::from_millis(5)).acquire().expect_err("busy").to_string();
    assert!(error.contains(&format!("its file is held by pid {} (helper) for ", other.pid())), "{error}");
    drop(other);
    eventually("it comes free", || !place.lock("job").is_locked().expect("no error"));
    let guard = taken(&place);
    let own = place.lock("job").holder().expect("no error").expect("this process has it");
    assert_eq!((own.evidence(), own.pid()), (Evidence::Own, Some(std::process::id())));
    assert_eq!(own.fencing_token(), Some(guard.fencing_token()));
}

#[test]
fn processes_exclude_each_other_in_every_way() {
    for words in WAYS {
        let place = Place::of_pid_files("processes_exclude_each_other_in_every_way");
        let mut holder = place.holder("job");
        assert!(place.try_acquire("job").is_none());
        let mut waiter = waiter(&place, words);
        assert!(waiter.is_silent(), "{words:?}");
        holder.release();
        assert_eq!(waiter.line_within(SOON), "held", "{words:?}");
        assert!(!holder.try_take(), "{words:?}");
        assert!(!place.actor("job", &["timeout=5"]).try_take(), "{words:?}");
        waiter.release();
        assert!(holder.try_take(), "{words:?}");
    }
}

/// The kernel tells those who wait that the holder has ended.
#[test]
fn kill_9_wakes_whoever_waits() {
    for words in WAYS {
        let place = Place::of_pid_files("kill_9_wakes_whoever_waits");
        let mut holder = place.holder("job");
        let mut waiter = waiter(&place, words);
        holder.kill();
        // Less than the second after which all look without a sign.
        assert_eq!(waiter.said_within(Duration::from_millis(900)).as_deref(), Some("held"), "{words:?}");
        assert_eq!(names(&place), ["job"], "{words:?}");
    }
}

/// What is printed to standard output or error never lands in a pid file, though a daemon has closed them; nor does what
/// watches for them stand there, in whose place the daemon opens something else.
#[test]
fn pid_files_are_not_standard_input_output_or_error() {
    for words in WAYS {
        for is_busy in [false, true] {
            let place = Place::of_pid_files("pid_files_are_not_standard_input_output_or_error");
            let holder = is_busy.then(|| place.holder("job"));
            let mut child = place.helper(&[&["no-stdio", "job"], words].concat());
            if let Some(mut holder) = holder {
                eventually("it sleeps", || child.sleeps_with_its_threads());
                holder.release();
            }
            let line = child.line();
            let directory = place.path().display().to_string();
            assert!(!line.contains(&directory) && !line.contains("inotify"), "{words:?}: {line}");
            // The timers of tasks are those of another crate.
            assert!(
                if words.contains(&"async") { line.starts_with("held [") } else { line == "held []" },
                "{line}"
            );
        }
    }
}

/// A directory that was elsewhere when the lock was let go has no file of it when it comes back.
#[test]
fn a_file_in_a_directory_that_was_moved_is_removed() {
    let place = Place::of_pid_files("a_file_in_a_directory_that_was_moved_is_removed");
    let inner = place.file("inner");
    let lock = place.lock("job").lock_path(&inner);
    let guard = lock.acquire().expect("free");
    fs::rename(&inner, place.file("moved")).expect("it can be moved");
    fs::create_dir(&inner).expect("another one");
    assert!(guard.release().expect_err("it is elsewhere").is_lost());
    assert!(!place.file("moved/job").exists());
}

/// What could not be put in the place of a dead one's leaves nothing.
#[test]
fn a_take_over_that_fails_leaves_nothing() {
    let place = Place::of_pid_files("a_take_over_that_fails_leaves_nothing");
    place.holder("job").kill();
    let inject = ["-e", "trace=renameat", "-e", "inject=renameat:error=EIO"];
    let (mut taker, log) = place.strace(&inject, &["actor", "job"]);
    taker.say("try");
    let line = taker.line();
    assert!(line.starts_with("error io: cannot give its name to lock file "), "{line}");
    fs::remove_file(log).expect("strace has written");
    assert_eq!(names(&place), ["job"]);
    drop(taken(&place));
}

/// What a process could not read of itself without a descriptor it reads when there is one.
#[test]
fn a_process_that_had_no_descriptors_knows_itself_later() {
    for words in WAYS {
        let place = Place::of_pid_files("a_process_that_had_no_descriptors_knows_itself_later");
        let mut child = place.helper(&[&["emfile", "job"], words].concat());
        let line = child.line();
        assert!(line.starts_with("error io: "), "{words:?}: {line}");
        child.expect("held");
        child.finish();
    }
}

#[test]
fn a_chain_of_killed_holders() {
    let place = Place::of_pid_files("a_chain_of_killed_holders");
    let mut holder = place.holder("job");
    let mut waiters: Vec<_> = WAYS.iter().chain(&WAYS).map(|words| waiter(&place, words)).collect();
    let mut tokens = vec![token(&content(&place))];
    while !waiters.is_empty() {
        holder.kill();
        let mut next = None;
        eventually("one of them has it", || {
            next =
                waiters.iter_mut().position(|waiter| waiter.said_within(Duration::from_millis(20)).is_some());
            next.is_some()
        });
        holder = waiters.remove(next.expect("it is there"));
        tokens.push(token(&content(&place)));
    }
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
}

fn token(content: &str) -> u64 {
    let token = content.split_once("token=").and_then(|(_, rest)| rest.lines().next());
    token.expect("a token").parse().expect("a number")
}

#[test]
fn a_holder_that_was_robbed_knows_it() {
    let place = Place::of_pid_files("a_holder_that_was_robbed_knows_it");
    let guard = taken(&place);
    guard.check().expect("nobody has touched it");
    fs::remove_file(place.file("job")).expect("anybody may");
    assert!(guard.check().expect_err("it is gone").is_lost());
    let mut thief = place.holder("job");
    assert!(guard.is_lost().expect("no error"));
    let error = guard.release().expect_err("it is somebody else's");
    assert!(error.is_lost() && error.path() == Some(&place.file("job")), "{error}");
    assert!(!place.actor("job", &[]).try_take(), "the thief's file was not touched");
    thief.release();
    assert!(place.try_acquire("job").is_some());
}

/// Who is robbed before it has looked at its file does not rob the next one.
#[test]
fn a_taker_that_was_robbed_takes_nothing_from_others() {
    let place = Place::of_pid_files("a_taker_that_was_robbed_takes_nothing_from_others");
    let pause = ["-e", "trace=linkat", "-e", "inject=linkat:delay_exit=1500000:when=1"];
    let (mut robbed, _) = place.strace(&pause, &["actor", "job"]);
    robbed.say("try");
    eventually("its file is there", || place.file("job").exists());
    fs::remove_file(place.file("job")).expect("anybody may");
    let guard = taken(&place);
    robbed.expect("busy");
    guard.check().expect("nobody has touched it");
}

/// At once, and also where somebody here has the lock.
#[test]
fn what_pid_files_do_not_have_is_refused() {
    let place = Place::of_pid_files("what_pid_files_do_not_have_is_refused");
    let (read, permit) = (place.lock("job").read(), place.locks().semaphore("job", 2).external());
    for is_held in [false, true] {
        let held = is_held.then(|| taken(&place));
        for (lock, what) in [(&read, "read locks"), (&permit, "semaphores")] {
            let text = format!(
                "pid files have no {what} (lock `job`); take the lock alone, or configure `mechanism = \"kernel\"` on a file \
                 system that keeps locks"
            );
            let errors = [
                lock.acquire().map(drop),
                lock.try_acquire().map(drop),
                lock.clone().timeout(SOON).acquire().map(drop),
                block_on(lock.acquire_async()).map(drop),
                lock.is_locked().map(drop),
                lock.holders().map(drop),
            ];
            for error in errors.map(|done| done.expect_err("there are none")) {
                assert!(error.is_unsupported());
                assert_eq!(error.to_string(), text);
            }
        }
        assert_eq!(names(&place).len(), usize::from(held.is_some()));
    }
}

/// They are made by link(2).
#[test]
fn without_hard_links_there_are_no_pid_files() {
    for errno in ["EPERM", "EOPNOTSUPP"] {
        let place = Place::of_pid_files("without_hard_links_there_are_no_pid_files");
        let inject = format!("inject=linkat:error={errno}");
        let (mut child, _) = place.strace(&["-e", "trace=linkat", "-e", &inject], &["actor", "job"]);
        child.say("try");
        let line = child.line();
        assert!(
            line.contains("unsupported") && line.contains(&place.file("job").display().to_string()),
            "{line}"
        );
        assert!(
            line.contains("; pid files need hard links, which this file system may not have: "),
            "{line}"
        );
    }
}

/// What is of this process alone works as ever.
#[test]
fn the_ways_within_a_process() {
    let place = Place::of_pid_files("the_ways_within_a_process");
    let reentrant = place.lock("job").reentrant(3);
    let (one, two) = (reentrant.acquire().expect("free"), reentrant.acquire().expect("once more"));
    drop(one);
    assert!(place.file("job").exists(), "the second one holds it");
    drop(two);
    assert!(!place.file("job").exists());
    let shared = taken(&place).downgrade().expect("it stays this process's");
    assert!(place.file("job").exists() && !place.actor("job", &[]).try_take());
    drop(shared);
    assert!(!place.file("job").exists());
    let all = place.locks().lock_all(["a", "b"]).external().acquire().expect("free");
    assert!(place.file("a").exists() && place.file("b").exists());
    drop(all);
    assert!(names(&place).is_empty());
    assert_eq!(annotated(place.locks()).expect("free"), 1);
    assert!(names(&place).is_empty());
}

#[synchronized("job", external, locks = locks)]
fn annotated(locks: &Locks) -> Result<usize, lockutils::Error> {
    Ok(fs::read_dir(locks.lock_path().expect("it has one")).expect("the directory").count())
}

/// Another registry of the process is another user, although it has the same pid.
#[test]
fn registries_of_one_process_exclude_each_other() {
    let place = Place::of_pid_files("registries_of_one_process_exclude_each_other");
    let other =
        Locks::new(Config::new().lock_path(place.path()).mechanism(Mechanism::Pid)).expect("a registry");
    let guard = taken(&place);
    assert!(other.lock("job").external().try_acquire().expect("no error").is_none());
    drop(guard);
    assert!(other.lock("job").external().try_acquire().expect("no error").is_some());
}

/// Nobody takes a file away from its owner, and nobody has to remove one that was left behind.
#[test]
fn files_are_removed_only_when_their_owner_has_died() {
    let place = Place::of_pid_files("files_are_removed_only_when_their_owner_has_died");
    let lock = place.lock("job");
    assert_eq!(lock.remove_file().expect("no error"), Removal::Missing);
    let mut holder = place.holder("job");
    assert_eq!(lock.remove_file().expect("no error"), Removal::Busy);
    holder.kill();
    assert!(place.file("job").exists() && !lock.is_locked().expect("no error"));
    assert_eq!(lock.remove_file().expect("no error"), Removal::Removed);
    assert!(names(&place).is_empty());
}

/// A file that cannot be removed is no lock for the process that has let it go.
#[test]
fn a_file_that_cannot_be_removed_holds_up_others_only() {
    let place = Place::of_pid_files("a_file_that_cannot_be_removed_holds_up_others_only");
    // The first call removes the name that the file had before, the second the lock.
    let inject = ["-e", "trace=unlinkat", "-e", "inject=unlinkat:error=EIO:when=2"];
    let (mut holder, _) = place.strace(&inject, &["actor", "job"]);
    holder.take();
    holder.release();
    assert!(place.file("job").exists() && place.try_acquire("job").is_none());
    holder.take();
    holder.release();
    assert!(place.try_acquire("job").is_some());
}

/// It is this process that has the lock, and not who has its file open.
#[test]
fn there_is_nothing_to_inherit() {
    let place = Place::of_pid_files("there_is_nothing_to_inherit");
    assert!(taken(&place).inheritable().expect("no error").is_none());
    let both = place.locks().lock_all(["a", "b"]).external().acquire().expect("free");
    assert!(both.inheritable().expect("no error").is_empty());
}
