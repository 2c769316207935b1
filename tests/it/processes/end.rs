//! Processes that end, go on or become something else without having let go; and where descriptors lie.

use std::fs;
use std::time::Duration;

use lockutils_tests::{BOUND, Child, Place, eventually, helper};

/// The paths of everything that a process has open.
fn open_files(child: &Child) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", child.pid())).expect("it lives").flatten();
    let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    targets.map(|target| target.display().to_string()).collect()
}

/// A process that becomes another program lets go: no descriptor comes along.
#[test]
fn exec_lets_go() {
    let place = Place::new("exec_lets_go");
    let mut child = place.helper(&["exec", "job"]);
    child.expect("held");
    assert!(place.try_acquire("job").is_none());
    child.say("go on");
    let program = || fs::read_link(format!("/proc/{}/exe", child.pid())).ok();
    eventually("it is another program", || program().is_some_and(|program| program != helper()));
    child.say("another program");
    child.expect("another program");
    let directory = place.path().display().to_string();
    let open = open_files(&child);
    assert!(!open.iter().any(|path| path.starts_with(&directory)), "{open:?}");
    assert!(place.comes_free("job", BOUND));
}

/// However a process ends, without unwinding, the lock is free and its record names nobody.
#[test]
fn any_end_of_a_process_lets_go() {
    for how in ["exit", "abort", "panic-twice"] {
        let place = Place::new("any_end_of_a_process_lets_go");
        let mut child = place.helper(&["end", "job", how]);
        child.expect("held");
        let mut waiter = place.waiter("job", &[]);
        child.say("end");
        assert_eq!(child.said_within(BOUND), None, "{how}");
        waiter.expect("held");
        waiter.kill();
        assert!(place.comes_free("job", BOUND), "{how}");
        assert_eq!(place.lock("job").holder().expect("no error"), None, "{how}");
    }
}

/// The record of a process that has ended in the middle stays in the file, and harms nobody.
#[test]
fn what_an_aborted_process_has_written_is_written_over() {
    let place = Place::new("what_an_aborted_process_has_written_is_written_over");
    let content = || fs::read_to_string(place.file("job")).expect("text");
    let mut child = place.helper(&["end", "job", "abort"]);
    child.expect("held");
    child.say("end");
    assert_eq!(child.said_within(BOUND), None);
    assert!(content().contains(&format!("\npid {} ", child.pid())), "nobody was there to clear it");
    let guard = place.lock("job").timeout(BOUND).acquire().expect("free");
    assert!(content().contains(&format!("\npid {} ", std::process::id())));
    drop(guard);
    assert!(content().starts_with("lockutils 1 free"));
}

/// A guard that is forgotten by a thread that ends holds until the end of its process, and no longer.
#[test]
fn a_forgotten_guard_holds_until_its_process_ends() {
    let place = Place::new("a_forgotten_guard_holds_until_its_process_ends");
    let mut child = place.helper(&["forget", "job"]);
    child.expect("forgotten");
    assert!(!place.comes_free("job", Duration::from_millis(50)));
    let holder = place.lock("job").holder().expect("no error").expect("it is held");
    assert_eq!(holder.pid(), Some(child.pid().as_raw().cast_unsigned()));
    child.finish();
    assert!(place.comes_free("job", BOUND));
}

/// A guard that is dropped by a panic lets go, also when the kernel refuses to unlock: no second panic ends the
/// process.
#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn a_panic_with_a_kernel_that_refuses_to_unlock() {
    // The first calls take the lock.
    for (call, when) in [("flock", "2+"), ("fcntl", "3+"), ("pwrite64", "2+")] {
        let place = Place::new("a_panic_with_a_kernel_that_refuses_to_unlock");
        let (trace, file) = (format!("trace={call}"), place.file("job").display().to_string());
        let inject = format!("inject={call}:error=EIO:when={when}");
        let options = ["-e", &trace, "-e", &inject, "-P", &file];
        let (mut child, log) = place.strace(&options, &["unwind", "job"]);
        child.expect("expected");
        assert!(place.try_acquire("job").is_some(), "{call}: it is free");
        child.finish();
        let log = fs::read_to_string(log).expect("a log");
        assert!(log.contains("INJECTED"), "{call}: {log}");
    }
}

/// What is printed to standard output or error, or read from the input, never meets a lock file, though a
/// daemon has closed them.
#[test]
fn lock_files_are_not_standard_input_output_or_error() {
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        for is_busy in [false, true] {
            let place = Place::new("lock_files_are_not_standard_input_output_or_error");
            let holder = is_busy.then(|| place.holder("job"));
            let mut child = place.helper(&[&["no-stdio", "job"], words].concat());
            if let Some(mut holder) = holder {
                place.has_waiters("job", 1);
                holder.release();
            }
            let line = child.line();
            let directory = place.path().display().to_string();
            assert!(line.starts_with("held [") && !line.contains(&directory), "{words:?}: {line}");
        }
    }
}

/// Closing a descriptor is never repeated, whatever the kernel says: its number may be another file's by then.
#[test]
fn a_close_is_not_repeated() {
    let place = Place::new("a_close_is_not_repeated");
    drop(place.try_acquire("job"));
    let file = place.file("job").display().to_string();
    let options = ["-e", "trace=close", "-e", "inject=close:error=EINTR", "-P", &file];
    let (mut child, log) = place.strace(&options, &["release", "job"]);
    child.expect("released");
    child.finish();
    let log = fs::read_to_string(log).expect("a log");
    assert_eq!(log.matches("close(").count(), 1, "{log}");
}

/// A stopped holder keeps the lock, is named by those who gave up in time, and is not broken.
#[test]
fn a_stopped_holder_is_named() {
    let place = Place::new("a_stopped_holder_is_named");
    let mut holder = place.holder("job");
    holder.stop();
    let limit = Duration::from_millis(100);
    let error = place.lock("job").timeout(limit).acquire().expect_err("it is held");
    assert!(error.is_timeout(), "{error}");
    assert!(error.to_string().contains(&format!("held by pid {} (helper)", holder.pid())), "{error}");
    assert!(error.waited().is_some_and(|waited| waited >= limit && waited < BOUND), "{error}");
    assert!(place.try_acquire("job").is_none());
    holder.go_on();
    holder.release();
}
