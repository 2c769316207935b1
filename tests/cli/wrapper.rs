//! `lockutils wrapper`: a lock directory for one run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Child, Place};
use nix::sys::signal::{Signal, kill};

/// The wrapper, with its directories in that of the place.
fn wrapper(place: &Place, words: &[&str]) -> Command {
    let mut command = place.lockutils(&[&["wrapper"], words].concat());
    command.env("TMPDIR", place.path());
    command
}

fn is_clean(place: &Place) -> bool {
    fs::read_dir(place.path()).expect("it is there").next().is_none()
}

#[test]
fn the_command_has_a_directory_of_its_own() {
    let place = Place::new("own");
    let script =
        "echo \"$LOCKUTILS_LOCK_PATH\"; echo \"$OSLO_LOCK_PATH\"; touch \"$OSLO_LOCK_PATH/job\"; read line";
    let mut running = Child::spawn(&mut wrapper(&place, &["--", "sh", "-c", script]));
    let (ours, oslos) = (running.line(), running.line());
    assert_eq!(ours, oslos);
    let directory = PathBuf::from(ours);
    assert_eq!(directory.parent(), Some(place.path()));
    assert_eq!(fs::metadata(&directory).expect("it is there").permissions().mode() & 0o777, 0o700);
    running.say("end");
    assert!(running.status().success());
    assert!(is_clean(&place));
}

/// A test run that took the locks of the services there would be in their way.
#[test]
fn the_command_has_no_engine() {
    let place = Place::new("no_engine");
    let mut command = wrapper(&place, &["--", "sh", "-c", "echo \"${LOCKUTILS_BACKEND_URL-unset}\""]);
    command.env("LOCKUTILS_BACKEND_URL", "redis://production").assert().success().stdout("unset\n");
    let words = ["--", "env", "LOCKUTILS_BACKEND_URL=redis://tests", "printenv", "LOCKUTILS_BACKEND_URL"];
    wrapper(&place, &words).assert().success().stdout("redis://tests\n");
}

#[test]
fn locks_of_two_runs_are_not_in_each_others_way() {
    let place = Place::new("two");
    let inner = place.lockutils(&["run", "job", "--", "sh", "-c", "echo started; read line; true"]);
    let start = || {
        let mut command = wrapper(&place, &[]);
        Child::spawn(command.arg("--").arg(inner.get_program()).args(inner.get_args()))
    };
    let (mut one, mut two) = (start(), start());
    one.expect("started");
    two.expect("started");
    one.finish();
    two.finish();
    assert!(is_clean(&place));
}

#[test]
fn the_exit_status_is_that_of_the_command_and_the_directory_is_removed_however_it_ends() {
    let place = Place::new("status");
    for (words, code) in [
        (&["--", "true"][..], 0),
        // As with oslo's.
        (&["sh", "-c", "exit 3"], 3),
        (&["--", "sh", "-c", "kill -KILL $$"], 137),
        (&["--", "no-such-command"], 127),
        (&["--", "/"], 126),
        (&["--", "sh", "-c", "touch \"$OSLO_LOCK_PATH/job\"; mkdir \"$OSLO_LOCK_PATH/below\"; exit 5"], 5),
        (&["--", "sh", "-c", "rmdir \"$OSLO_LOCK_PATH\""], 0),
    ] {
        wrapper(&place, words).assert().code(code).stdout("");
        assert!(is_clean(&place), "{words:?}");
    }
    wrapper(&place, &[]).assert().code(i32::from(Exit::Usage.code())).stdout("");
}

#[test]
fn signals_are_passed_on_and_the_directory_is_removed() {
    let place = Place::new("signals");
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let mut running =
            Child::spawn(&mut wrapper(&place, &["--", "sh", "-c", "echo started; exec sleep 60"]));
        running.expect("started");
        kill(running.pid(), signal).expect("it lives");
        assert_eq!(running.status().code(), Some(code));
        assert!(is_clean(&place), "{signal}");
    }
}

#[test]
fn no_directory_to_be_had_is_73() {
    let place = Place::new("nowhere");
    let mut command = wrapper(&place, &["--", "echo", "ran"]);
    command.env("TMPDIR", place.file("missing"));
    let failed = command.assert().code(i32::from(Exit::CannotCreate.code())).stdout("");
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(
        said.starts_with("lockutils: cannot make a directory in ") && said.lines().count() == 1,
        "{said}"
    );
}
