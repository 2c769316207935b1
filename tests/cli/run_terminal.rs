//! `lockutils run` in front of a terminal.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use lockutils_tests::{Place, Terminal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::{LOOP, run};

/// What terminals understand as: forget this line.
const WIPED: &str = "\u{1b}[2K";

#[test]
fn a_wait_shows_who_has_the_lock_and_wipes_that_away() {
    let place = Place::new("shown");
    let held = place.holder("job");
    let mut terminal = Terminal::spawn(&run(&place, &["job", "--", "echo", "it ran"]));
    terminal.shows(&format!("waiting for lock `job`, held by pid {} (helper) for ", held.pid()));
    // It is asked anew.
    terminal.shows("(helper) for 1.");
    held.finish();
    terminal.shows("it ran");
    assert!(terminal.status().success());
    let shown = terminal.shown();
    let (before, after) = shown.split_at(shown.rfind("waiting for").expect("it was shown"));
    assert!(before.contains("waiting for") && after.contains(WIPED), "{shown:?}");
    assert!(after.find(WIPED) < after.find("it ran"), "{shown:?}");
    assert!(after.ends_with("it ran\r\n"), "{shown:?}");
}

#[test]
fn a_lock_that_is_free_shows_nothing() {
    let place = Place::new("nothing");
    let mut terminal = Terminal::spawn(&run(&place, &["job", "--", "echo", "it ran"]));
    terminal.shows("it ran");
    assert!(terminal.status().success());
    assert_eq!(terminal.shown(), "it ran\r\n");
}

#[test]
fn the_line_is_wiped_before_a_time_out_is_told() {
    let place = Place::new("told");
    let _held = place.holder("job");
    let mut terminal = Terminal::spawn(&run(&place, &["job", "-w", "1", "--", "echo", "it ran"]));
    terminal.shows("gave up on lock `job`");
    assert_eq!(terminal.status().code(), Some(1));
    let shown = terminal.shown();
    assert!(
        shown.contains("waiting for lock `job`") && shown.find("gave up") > shown.rfind(WIPED),
        "{shown:?}"
    );
}

#[test]
fn ctrl_c_ends_a_wait() {
    let place = Place::new("wait");
    let _held = place.holder("job");
    let mut terminal = Terminal::spawn(&run(&place, &["job", "--", "echo", "it ran"]));
    terminal.shows("waiting for lock `job`");
    terminal.types("\u{3}");
    assert_eq!(terminal.status().signal(), Some(Signal::SIGINT as i32));
    place.has_waiters("job", 0);
    assert!(!terminal.shown().contains("it ran"));
}

/// The command gets what its terminal sends by itself, and does not get it again from us. Two that come at once would be
/// one to it, so that it is seen what is sent.
#[test]
fn ctrl_c_comes_to_the_command_once() {
    let place = Place::new("once");
    let script =
        format!("trap 'echo interrupted' INT; trap 'echo asked; exit 9' USR1; echo of $PPID.; {LOOP}");
    let inner = run(&place, &["job", "--", "sh", "-c", &script]);
    let (mut traced, log) = (Command::new("strace"), place.file("strace.log"));
    traced.args(["-qq", "-e", "trace=kill", "-e", "signal=none", "-o"]).arg(&log);
    traced.arg(inner.get_program()).args(inner.get_args()).env("LOCKUTILS_LOCK_PATH", place.path());
    let mut terminal = Terminal::spawn(&traced);
    terminal.shows("started");
    let runner =
        terminal.shown().split(['\u{20}', '.']).nth(1).expect("its number").parse().expect("a number");
    terminal.types("\u{3}");
    terminal.shows("interrupted");
    // What comes later shows that nothing is on its way.
    kill(Pid::from_raw(runner), Signal::SIGUSR1).expect("it lives");
    terminal.shows("asked");
    assert_eq!(terminal.status().code(), Some(9));
    let sent = fs::read_to_string(log).expect("a log");
    assert!(sent.contains("SIGUSR1") && !sent.contains("SIGINT"), "{sent}");
}

#[test]
fn ctrl_c_ends_a_command_that_does_not_care() {
    let place = Place::new("ends");
    let mut terminal =
        Terminal::spawn(&run(&place, &["job", "--", "sh", "-c", "echo started; exec sleep 60"]));
    terminal.shows("started");
    terminal.types("\u{3}");
    assert_eq!(terminal.status().code(), Some(130));
    assert!(place.try_acquire("job").is_some());
}

/// A command that has left the group in front would not hear of the key.
#[test]
fn ctrl_c_is_passed_on_to_a_command_in_a_session_of_its_own() {
    let place = Place::new("session");
    let script = format!("trap 'echo interrupted; exit 8' INT; {LOOP}");
    let mut terminal = Terminal::spawn(&run(&place, &["job", "--", "setsid", "sh", "-c", &script]));
    terminal.shows("started");
    terminal.types("\u{3}");
    terminal.shows("interrupted");
    assert_eq!(terminal.status().code(), Some(8));
}

/// The shell sees the whole job stopped, has its terminal back, and continues all of it.
#[test]
fn ctrl_z_stops_both_and_fg_continues_both() {
    let place = Place::new("job_control");
    let script = "set -m; \"$@\"; echo \"stopped with $?\"; jobs -l; fg >/dev/null; echo \"ended with $?\"";
    for (stop, command) in [
        // The key, to all of the group; the command itself, as a program that has the keys for itself does.
        ("\u{1a}", "echo started; read line; echo \"told $line\"; exit 4"),
        ("", "echo started; kill -TSTP $$; read line; echo \"told $line\"; exit 4"),
    ] {
        let inner = run(&place, &["job", "--", "bash", "-c", command]);
        let mut shell = Command::new("bash");
        shell.args(["-c", script, "bash"]).arg(inner.get_program()).args(inner.get_args());
        shell.env("LOCKUTILS_LOCK_PATH", place.path());
        let mut terminal = Terminal::spawn(&shell);
        terminal.shows("started");
        terminal.types(stop);
        terminal.shows("stopped with 148");
        assert!(place.try_acquire("job").is_none(), "it is stopped with its lock");
        terminal.types("on\n");
        terminal.shows("told on");
        terminal.shows("ended with 4");
        assert!(terminal.status().success());
        assert!(place.try_acquire("job").is_some());
    }
}
