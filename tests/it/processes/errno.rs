//! Every way in which the kernel may refuse: a typed error, and never a guard.
//!
//! strace(1) puts the error in place of the system call, for the lock file alone.

use lockutils::{Evidence, Removal};
use lockutils_tests::{BOUND, Child, Place};

/// Kinds of error, as the helper program writes them.
const UNSUPPORTED: &str = "unsupported io";
const PERMISSION: &str = "permission io";
const OTHER: &str = "io";

const ERRORS: [(&str, &str); 11] = [
    ("ENOLCK", UNSUPPORTED),
    ("ENOSYS", UNSUPPORTED),
    ("EOPNOTSUPP", UNSUPPORTED),
    ("EACCES", PERMISSION),
    ("EPERM", PERMISSION),
    ("EROFS", PERMISSION),
    ("EIO", OTHER),
    ("ESTALE", OTHER),
    ("EMFILE", OTHER),
    ("ENFILE", OTHER),
    ("ENOSPC", OTHER),
];

/// A helper program in which this system call on the lock file is answered like this.
fn injected(place: &Place, call: &str, answer: &str, words: &[&str]) -> Child {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{answer}"));
    // The call that opens it has its name, the others its descriptor.
    let file = place.file("job").display().to_string();
    let options = ["-e", &trace, "-e", &inject, "-P", "job", "-P", &file];
    place.strace(&options, &[&["take", "job"], words].concat()).0
}

/// Each error of this call, in each way to take the lock.
fn refused(test: &str, call: &str) {
    for (errno, kinds) in ERRORS {
        for words in [&[][..], &["timeout=25000"], &["read", "async"]] {
            let place = Place::new(test);
            let line = injected(&place, call, &format!("error={errno}"), words).line();
            assert!(line.starts_with(&format!("error {kinds}: ")), "{call} {errno} {words:?}: {line}");
            let says_a_way_out = line.split_once("(os error ").is_some_and(|(_, rest)| rest.contains("; "));
            assert!(says_a_way_out, "{call} {errno} {words:?}: {line}");
            assert!(place.try_acquire("job").is_some(), "{call} {errno}: nobody has it");
        }
    }
}

#[test]
fn refused_to_open() {
    refused("refused_to_open", "openat");
}

#[test]
fn refused_to_flock() {
    refused("refused_to_flock", "flock");
}

#[test]
fn refused_to_lock_the_record() {
    refused("refused_to_lock_the_record", "fcntl");
}

/// What a signal interrupts is repeated.
#[test]
fn interrupted_calls_are_repeated() {
    for call in ["openat", "flock", "fcntl"] {
        for words in [&[][..], &["timeout=25000"], &["read", "async"]] {
            let place = Place::new("interrupted_calls_are_repeated");
            let mut child = injected(&place, call, "error=EINTR:when=1..3", words);
            child.expect("held");
            assert!(place.try_acquire("job").is_none(), "{call} {words:?}: it is held indeed");
        }
    }
}

/// The kernel refuses to the one who waits, after it was busy for the one who tried.
#[test]
fn refused_while_waiting() {
    for words in [&[][..], &["timeout=25000"], &["async"]] {
        let place = Place::new("refused_while_waiting");
        let _holder = place.holder("job");
        // The first call is the try, or that of the waiting thread which copies its descriptor.
        let line = injected(&place, "fcntl", "error=ENOLCK:when=2+", words).line();
        assert!(line.starts_with("error unsupported io: "), "{words:?}: {line}");
    }
}

/// A refusal after `flock` was granted undoes it, also for peers that know only that.
#[test]
fn a_half_taken_lock_is_undone() {
    let place = Place::new("a_half_taken_lock_is_undone");
    let mut child = injected(&place, "fcntl", "error=ENOLCK:when=1", &[]);
    let line = child.line();
    assert!(line.starts_with("error unsupported io: "), "{line}");
    let mut peer = lockutils_tests::Peer::alone("flock(1)").actor(&place.file("job"));
    assert!(peer.try_take());
}

/// The record is for people: without it, the lock is held all the same, and the kernel names the holder.
#[test]
fn a_record_that_cannot_be_written_or_read_costs_no_lock() {
    for (call, error) in
        [("pwrite64", "ENOSPC"), ("pwrite64", "EDQUOT"), ("pwrite64", "EIO"), ("pread64", "EIO")]
    {
        let place = Place::new("a_record_that_cannot_be_written_or_read_costs_no_lock");
        let mut child = injected(&place, call, &format!("error={error}"), &[]);
        child.expect("held");
        assert!(place.try_acquire("job").is_none(), "{call} {error}: it is held indeed");
        let seen = place.lock("job").holder().expect("no error").expect("it is held");
        assert_eq!((seen.evidence(), seen.program()), (Evidence::Kernel, Some("helper")), "{call} {error}");
        drop(child);
        assert!(place.comes_free("job", BOUND), "{call} {error}");
    }
}

/// A write that ends in the middle is finished, as a signal may want it.
#[test]
fn a_record_is_written_to_its_end() {
    let place = Place::new("a_record_is_written_to_its_end");
    let mut child = injected(&place, "pwrite64", "error=EINTR:when=1..3", &[]);
    child.expect("held");
    let seen = place.lock("job").holder().expect("no error").expect("it is held");
    assert_eq!(seen.evidence(), Evidence::Both);
}

/// What was taken aside and cannot be removed is put back, and can be used and removed.
#[test]
fn a_removal_that_is_refused_leaves_the_file() {
    let place = Place::new("a_removal_that_is_refused_leaves_the_file");
    drop(place.try_acquire("job"));
    let options = ["-e", "trace=unlinkat", "-e", "inject=unlinkat:error=EIO"];
    let line = place.strace(&options, &["remove", "job"]).0.line();
    assert!(line.starts_with("error cannot remove lock file "), "{line}");
    assert!(place.file("job").exists(), "{line}");
    assert!(place.try_acquire("job").is_some());
    assert_eq!(place.lock("job").remove_file().expect("no error"), Removal::Removed);
}

/// A call that looks at the lock file or its descriptor, under each of its names.
const STAT: &str = "?newfstatat,?fstat,?lstat,?statx";

/// Wherever in a series of acquires by one handle, which keeps its file open, a call fails once: that acquire
/// is an error, and nothing is held after it.
#[test]
fn one_failure_leaves_nothing_held() {
    for call in [STAT, "openat", "flock", "fcntl"] {
        let errors: usize = (1..=9).map(|number| errors_of_a_series(call, number)).sum();
        assert!(errors > 0, "{call} has never failed");
    }
}

/// Lets the call fail at its n-th time, and says how many acquires failed for that.
fn errors_of_a_series(call: &str, number: u32) -> usize {
    let place = Place::new("one_failure_leaves_nothing_held");
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error=EIO:when={number}"));
    let options = ["-e", &trace, "-e", &inject, "-P", "job", "-P", &*place.file("job").display().to_string()];
    let mut actor = place.strace(&options, &["actor", "job"]).0;
    let mut errors = 0;
    for time in 1..=4 {
        actor.say("try");
        let line = actor.line();
        if line.starts_with("error") {
            errors += 1;
            assert!(line.starts_with("error io: "), "{line}");
            assert!(
                place.try_acquire("job").is_some(),
                "{call} {number}, acquire {time}: {line}, and it is held"
            );
        } else {
            assert_eq!(line, "held", "{call} {number}, acquire {time}");
            assert!(place.try_acquire("job").is_none(), "{call} {number}, acquire {time}");
        }
        actor.release();
        assert!(place.try_acquire("job").is_some(), "{call} {number}, release {time}");
    }
    errors
}
