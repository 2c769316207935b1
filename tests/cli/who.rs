//! `lockutils who`: who has one lock, in words.

use std::fs;

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Peer, Place};

use crate::list::json::lines;
use crate::list::{code, fails, said};

/// What is said of a lock that somebody has.
#[track_caller]
fn who(place: &Place, words: &[&str]) -> String {
    let (printed, errors) = said(&mut place.lockutils(&[&["who"], words].concat()));
    assert_eq!(errors, "");
    printed
}

#[test]
fn a_writer_and_those_who_wait() {
    let place = Place::new("a_writer_and_those_who_wait");
    let holder = place.holder("job");
    let printed = who(&place, &["job"]);
    assert!(printed.starts_with(&format!("held by pid {} (helper) for ", holder.pid())), "{printed}");
    assert!(printed.contains(", at tests/") && printed.ends_with(", thread main\n"), "{printed}");
    let _first = place.waiter("job", &[]);
    assert!(who(&place, &["job"]).ends_with("\n1 waits for it\n"));
    let _second = place.waiter("job", &["read"]);
    assert!(who(&place, &["job"]).ends_with("\n2 wait for it\n"));
}

#[test]
fn readers_and_permits_are_lines_of_their_own() {
    let place = Place::new("readers_and_permits");
    let _readers = [place.holder_with("job", &["read"]), place.holder_with("job", &["read"])];
    let printed = who(&place, &["job"]);
    assert_eq!(printed.lines().filter(|line| line.starts_with("read by pid ")).count(), 2, "{printed}");
    let permit = place.holder_with("uploads", &["semaphore=3"]);
    let printed = who(&place, &["uploads"]);
    let second = format!("a permit is held by pid {} (helper)", permit.pid());
    assert_eq!(printed.lines().collect::<Vec<_>>(), ["1 of 3 permits are taken", &*second]);
}

#[test]
fn programs_of_others_are_named() {
    for peer in [Peer::alone("oslo"), Peer::alone("filelock"), Peer::shared("lockf")] {
        let place = Place::new("programs_of_others_are_named");
        let holder = peer.holder(&place.file("job"));
        let verb = if peer.shared { "read" } else { "held" };
        let printed = who(&place, &["job"]);
        assert!(printed.starts_with(&format!("{verb} by pid {} (python", holder.pid())), "{printed}");
    }
    let place = Place::new("a_program_without_a_name");
    let _nameless = Peer::NAMELESS.holder(&place.file("job"));
    assert_eq!(who(&place, &["job"]), "held by a process that the kernel does not name\n");
}

#[test]
fn a_lock_that_nobody_has_is_1() {
    let place = Place::new("a_lock_that_nobody_has");
    let nobody = |name: &str| {
        let done = place.lockutils(&["who", name]).assert().code(code(Exit::Conflict));
        let said = format!("nobody has `{name}` ({})\n", place.file(name).display());
        done.stdout(said).get_output().stderr.clone()
    };
    assert_eq!(nobody("never"), b"");
    drop(place.try_acquire("before"));
    assert_eq!(nobody("before"), b"");
    fs::write(place.file("notes"), "notes\n").expect("a file");
    assert_eq!(nobody("notes"), b"", "it can be locked like any other");
    fs::remove_dir_all(place.path()).expect("it is ours");
    let said = String::from_utf8(nobody("never")).expect("text");
    assert_eq!(said, format!("lockutils: there is no lock directory {}\n", place.path().display()));
    fs::create_dir(place.path()).expect("the fixture removes it");
}

#[test]
fn a_name_is_meant_as_the_library_means_it() {
    let place = Place::new("a_name_is_meant");
    let _slash = place.holder("a/b");
    for name in ["a/b", "a_b"] {
        assert!(who(&place, &[name]).starts_with("held by "));
    }
    let _prefixed = place.holder("nova-job");
    for prefix in ["nova", "nova-"] {
        assert!(who(&place, &["--prefix", prefix, "job"]).starts_with("held by "));
    }
    place.lockutils(&["who", "job"]).assert().code(code(Exit::Conflict));
    let elsewhere = Place::new("elsewhere");
    let path = place.path().display().to_string();
    said(&mut elsewhere.lockutils(&["who", "--lock-path", &path, "a_b"]));
}

#[test]
fn the_answer_is_a_line_of_json() {
    let place = Place::new("the_answer_is_a_line_of_json");
    let holder = place.holder("job");
    let seen = lines(&who(&place, &["--json", "job"]));
    assert_eq!((seen.len(), &seen[0]["name"]), (1, &"job".into()));
    assert_eq!(seen[0]["holders"][0]["pid"].to_string(), holder.pid().to_string());
    let done = place.lockutils(&["who", "--json", "never"]).assert().code(code(Exit::Conflict)).stderr("");
    let seen = lines(&String::from_utf8_lossy(&done.get_output().stdout));
    assert_eq!((&seen[0]["state"], &seen[0]["path"]), (&"free".into(), &path(&place, "never")));
}

fn path(place: &Place, name: &str) -> serde_json::Value {
    place.file(name).display().to_string().into()
}

#[test]
fn what_cannot_be_a_lock_is_an_error() {
    let place = Place::new("what_cannot_be_a_lock");
    fs::create_dir(place.file("directory")).expect("a directory");
    let said = fails(&mut place.lockutils(&["who", "directory"]), Exit::NotAFile);
    assert!(said.contains("a directory, not a regular file"), "{said}");
    for name in ["", "..", "a\nb"] {
        fails(&mut place.lockutils(&["who", name]), Exit::Usage);
    }
    let mut none = place.lockutils(&["who", "job"]);
    let said = fails(none.env_remove("LOCKUTILS_LOCK_PATH").env_remove("OSLO_LOCK_PATH"), Exit::Config);
    assert!(said.contains("--lock-path"), "{said}");
    place.lockutils(&["who"]).assert().code(code(Exit::Usage));
}

#[test]
fn pid_files_are_told() {
    let place = Place::of_pid_files("who_has_a_pid_file");
    let holder = place.holder("job");
    assert!(who(&place, &["job"]).starts_with(&format!("held by pid {} (helper)", holder.pid())));
    fs::write(place.file("kernel"), "lockutils 1 free token=00000000000000000001\n").expect("a file");
    fails(&mut place.lockutils(&["who", "kernel"]), Exit::NotAFile);
}

/// It would be wrong to say that nobody has it: whoever looks in the other way cannot know.
#[test]
fn a_pid_file_is_none_for_who_looks_for_locks_of_the_kernel() {
    let place = Place::of_pid_files("a_pid_file_is_none");
    let _holder = place.holder("job");
    let mut command = place.lockutils(&["who", "job"]);
    let said = command.env("LOCKUTILS_MECHANISM", "kernel").assert().code(code(Exit::NotAFile)).stdout("");
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(said.contains("it is a pid file; look with the `mechanism`"), "{said}");
    assert!(who(&place, &["job"]).starts_with("held by pid "));
}

/// Who waits for a permit shares what the holders have, and is listed among them: that is said.
#[test]
fn a_waiter_among_the_holders_of_permits_is_told_of() {
    let place = Place::new("a_waiter_among_the_holders");
    let _held = place.locks().semaphore("uploads", 1).external().acquire().expect("free");
    let mut waiter =
        place.lockutils(&["run", "--semaphore", "1", "uploads", "--", "true"]).spawn().expect("it starts");
    lockutils_tests::eventually("it is listed", || {
        let said = String::from_utf8(place.lockutils(&["who", "uploads"]).output().expect("it ends").stdout);
        said.expect("text").contains("1 of 1 permits are taken\none of these waits for its permit")
    });
    waiter.kill().expect("it waits");
    waiter.wait().expect("it was killed");
}
