//! What flock(1) is expected to do, of `lockutils run`; with flock(1) itself on the other side, in both directions.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use lockutils_tests::{Child, Place};

use crate::run::{holder, run};

/// The two programs, with the words that both understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Flock,
    Ours,
}

use Program::{Flock, Ours};

/// Who has the lock, and who comes.
const PAIRS: [(Program, Program); 3] = [(Flock, Ours), (Ours, Flock), (Ours, Ours)];

impl Program {
    fn command(self, place: &Place, options: &[&str], words: &[&str]) -> Command {
        match self {
            Ours => run(place, &[options, &["job", "--"], words].concat()),
            Flock => {
                let mut command = Command::new("flock");
                command.args(options).arg(place.file("job")).args(words);
                command
            }
        }
    }

    /// One that has the lock until it is told a line.
    fn holder(self, place: &Place, options: &[&str]) -> Child {
        let words = ["sh", "-c", "echo started; read line; echo \"told $line\""];
        let mut holder = Child::spawn(&mut self.command(place, options, &words));
        holder.expect("started");
        holder
    }
}

/// Every pair, the one holding and the other trying with these options; expects the exit status.
#[track_caller]
fn expect(holding: &[&str], trying: &[&str], code: i32) {
    for (one, other) in PAIRS {
        let place = Place::new("flock");
        let held = one.holder(&place, holding);
        let tried = other.command(&place, trying, &["echo", "in"]).output().expect("it can be started");
        assert_eq!(tried.status.code(), Some(code), "{one:?} has it, {other:?} tries: {tried:?}");
        assert_eq!(tried.stdout == b"in\n", code == 0, "{one:?} has it, {other:?} tries");
        held.finish();
        other.command(&place, trying, &["echo", "in"]).assert().success().stdout("in\n");
    }
}

#[test]
fn non_block() {
    for option in ["-n", "--nonblock", "--nb"] {
        expect(&[], &[option], 1);
    }
}

#[test]
fn shared() {
    for option in ["-s", "--shared"] {
        expect(&[option], &[option, "-n"], 0);
    }
}

#[test]
fn exclusive() {
    expect(&["-x"], &["-n", "-s"], 1);
    expect(&["--exclusive"], &["-n", "-x"], 1);
    expect(&["-s"], &["-n", "-e"], 1);
    expect(&["-s"], &["-n"], 1);
}

#[test]
fn timeout() {
    for option in ["-w", "--timeout", "--wait"] {
        expect(&[], &[option, "0.1"], 1);
    }
    expect(&[], &["-w", "0"], 1);
}

#[test]
fn conflict_exit_code() {
    expect(&[], &["-n", "-E", "123"], 123);
    expect(&[], &["--timeout", "0.1", "--conflict-exit-code", "123"], 123);
}

/// Who waits is in when the other one has ended, and not earlier.
#[test]
fn time_check() {
    for (one, other) in PAIRS {
        let place = Place::new("time_check");
        let mut first = one.command(&place, &[], &["sh", "-c", "echo started; sleep 1"]);
        let mut held = Child::spawn(&mut first);
        held.expect("started");
        let began = Instant::now();
        other.command(&place, &["-w", "30"], &["true"]).assert().success();
        let waited = began.elapsed();
        assert!(waited > Duration::from_millis(800), "{one:?}, {other:?}: {waited:?}");
        assert!(held.status().success());
    }
}

/// The command does not get the file.
#[test]
fn close() {
    for program in [Flock, Ours] {
        let place = Place::new("close");
        let list = ["sh", "-c", "ls -l /proc/$$/fd"];
        for option in ["-o", "--close"] {
            let done = program.command(&place, &[option, "-n"], &list).assert().success();
            assert!(!shows(&done.get_output().stdout, &place.file("job")), "{program:?}");
        }
        let done = program.command(&place, &["-n"], &list).assert().success();
        assert!(shows(&done.get_output().stdout, &place.file("job")), "{program:?}");
    }
}

fn shows(listing: &[u8], file: &Path) -> bool {
    String::from_utf8_lossy(listing).contains(&*file.display().to_string())
}

/// A line for the shell, with the options on either side of the name.
#[test]
fn command_line() {
    let place = Place::new("command_line");
    let file = place.file("job").display().to_string();
    for shell in ["/bin/sh", "/bin/bash"] {
        let mut theirs = Command::new("flock");
        let theirs = theirs
            .args(["-x", &file, "-c", "echo $0; exit 5"])
            .env("SHELL", shell)
            .output()
            .expect("started");
        let mut ours = run(&place, &["-x", "job", "-c", "echo $0; exit 5"]);
        let ours = ours.env("SHELL", shell).output().expect("started");
        assert_eq!((theirs.status, theirs.stdout), (ours.status, ours.stdout));
    }
}

/// Both wait in the kernel, each for the other.
#[test]
fn each_waits_for_the_other() {
    let place = Place::new("each");
    let held = holder(&place, &["job"]);
    let wait = |program: Program, place: &Place| {
        let mut command = program.command(place, &["--verbose"], &["echo", "in"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it can be started")
    };
    let waiting = [Flock, Ours, Flock, Ours].map(|program| wait(program, &place));
    place.has_waiters("job", 4);
    held.finish();
    for waited in waiting {
        let done = waited.wait_with_output().expect("it ends");
        assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("in\n"), "{done:?}");
    }
}
