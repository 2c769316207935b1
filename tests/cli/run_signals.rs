//! Signals that are sent to `lockutils run`, and what its command begins with.

use std::fs;
use std::process::Command;

use assert_cmd::assert::OutputAssertExt;
use lockutils_tests::{BOUND, Child, Place, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::{holder, run};

/// Says its number and then each signal that it gets; ends by TERM with 3, and by itself after a minute.
const LISTENER: &str = "for name in HUP INT QUIT USR1 USR2 ALRM WINCH; do trap \"echo $name\" $name; done
    trap 'echo TERM; exit 3' TERM; echo $$; i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done";

fn listener(place: &Place, options: &[&str]) -> (Child, Pid) {
    let mut runner = Child::spawn(&mut run(place, &[options, &["--", "bash", "-c", LISTENER]].concat()));
    let pid = runner.line().parse().expect("a number");
    (runner, Pid::from_raw(pid))
}

fn is_gone(pid: Pid) -> bool {
    matches!(lockutils_tests::state(format!("/proc/{pid}")), None | Some('Z'))
}

#[test]
fn signals_are_passed_on_once() {
    let place = Place::new("passed_on");
    for options in [&["job"][..], &["job", "--close"]] {
        let (mut runner, _) = listener(&place, options);
        for name in ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "WINCH"] {
            kill(runner.pid(), format!("SIG{name}").parse::<Signal>().expect("a signal")).expect("it lives");
            runner.expect(name);
            assert!(place.try_acquire("job").is_none(), "{name}");
        }
        kill(runner.pid(), Signal::SIGTERM).expect("it lives");
        runner.expect("TERM");
        assert_eq!(runner.status().code(), Some(3));
        assert!(runner.is_silent() && place.try_acquire("job").is_some());
    }
}

#[test]
fn a_signal_that_ends_the_command_is_128_and_its_number() {
    let place = Place::new("ended");
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let mut runner = holder(&place, &["job"]);
        kill(runner.pid(), signal).expect("it lives");
        assert_eq!(runner.status().code(), Some(code));
        assert!(place.try_acquire("job").is_some());
    }
}

#[test]
fn who_waits_is_ended_like_any_other_program() {
    let place = Place::new("waits");
    let _held = place.holder("job");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for options in [&["job"][..], &["job", "-w", "30"]] {
            let mut waiting = Child::spawn(&mut run(&place, &[options, &["--", "echo", "ran"]].concat()));
            place.has_waiters("job", 1);
            kill(waiting.pid(), signal).expect("it lives");
            let status = waiting.status();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(signal as i32));
            place.has_waiters("job", 0);
            assert_eq!(waiting.said_within(BOUND), None);
        }
    }
}

/// Stopped and continued by its number, the command does the same.
#[test]
fn a_stop_that_is_sent_stops_the_command_too() {
    let place = Place::new("stopped");
    let (mut runner, command) = listener(&place, &["job"]);
    kill(command, Signal::SIGSTOP).expect("it lives");
    eventually("it has stopped", || lockutils_tests::state(format!("/proc/{command}")) == Some('T'));
    // This one still listens.
    kill(runner.pid(), Signal::SIGUSR1).expect("it lives");
    assert!(place.try_acquire("job").is_none());
    kill(runner.pid(), Signal::SIGCONT).expect("it lives");
    runner.expect("USR1");
    kill(runner.pid(), Signal::SIGTERM).expect("it lives");
    runner.expect("TERM");
    assert_eq!(runner.status().code(), Some(3));
}

/// The runner is killed: the command goes on, and the lock is its own until it ends.
#[test]
fn kill_9_lets_nobody_in_before_the_command_has_ended() {
    for options in
        [&["job"][..], &["job", "--shared"], &["job", "--semaphore", "1"], &["job", "other", "--fair"]]
    {
        let place = Place::new("killed");
        let mut runner = holder(&place, options);
        runner.kill();
        assert!(place.try_acquire("job").is_none(), "{options:?}");
        run(&place, &["job", "-n", "--", "echo", "ran"]).assert().code(1).stdout("");
        let file = place.file("job");
        Command::new("flock").arg("-n").arg(&file).args(["-c", "echo ran"]).assert().code(1).stdout("");
        let by = place.lock("job").holder().expect("no error").expect("somebody has it").to_string();
        // Where the kernel shows the numbers of the dead.
        let named = by.contains(&format!("pid {}, which has ended and left it to a process", runner.pid()));
        assert!(named || by.contains("a process that the kernel does not name"), "{by}");
        runner.say("go");
        runner.expect("told go");
        assert!(place.comes_free("job", BOUND), "{options:?}");
        run(&place, &["job", "-n", "--", "true"]).assert().success();
    }
}

/// Where nothing can be inherited, the command is killed too.
#[test]
fn kill_9_kills_a_command_that_has_inherited_nothing() {
    for (mechanism, options) in
        [("kernel", &["job", "-o"][..]), ("kernel", &["job", "--close"]), ("pid", &["job"])]
    {
        let place = Place::new("tied");
        let mut command = run(&place, &[options, &["--", "bash", "-c", LISTENER]].concat());
        let mut runner = Child::spawn(command.env("LOCKUTILS_MECHANISM", mechanism));
        let pid = Pid::from_raw(runner.line().parse().expect("a number"));
        assert!(!is_gone(pid));
        runner.kill();
        eventually("the command is gone", || is_gone(pid));
        let mut next = run(&place, &["job", "-w", "30", "--", "true"]);
        next.env("LOCKUTILS_MECHANISM", mechanism).assert().success();
    }
}

/// A daemon that the command leaves behind has the file open, and not the lock.
#[test]
fn a_process_that_is_left_behind_does_not_keep_the_lock() {
    let place = Place::new("left_behind");
    for options in [&["job"][..], &["job", "--close"]] {
        let leaves = "sleep 60 >/dev/null 2>&1 & echo $!";
        let done = run(&place, &[options, &["--", "sh", "-c", leaves]].concat()).assert().success();
        let pid = String::from_utf8_lossy(&done.get_output().stdout).trim().parse().expect("a number");
        let pid = Pid::from_raw(pid);
        let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").flatten();
        let has_it =
            open.filter_map(|one| fs::read_link(one.path()).ok()).any(|target| target == place.file("job"));
        assert_eq!(has_it, options.len() == 1, "{options:?}");
        assert!(place.try_acquire("job").is_some());
        Command::new("flock").arg("-n").arg(place.file("job")).arg("true").assert().success();
        kill(pid, Signal::SIGKILL).expect("it lives");
    }
}

/// Blocked and ignored signals of a process, without those that the C library keeps for itself.
fn signals(command: &mut Command) -> [u64; 2] {
    let done = command.output().expect("it can be started");
    let status = String::from_utf8_lossy(&done.stdout).into_owned();
    ["SigBlk:", "SigIgn:"].map(|field| {
        let set = status.lines().find_map(|line| line.strip_prefix(field)).expect("a line").trim();
        u64::from_str_radix(set, 16).expect("a set") & !(0b11 << 31)
    })
}

/// As it would without `lockutils`: what this blocks and ignores is its own business, what it was started with is not.
#[test]
fn the_command_begins_with_the_signals_of_whoever_started_the_runner() {
    let place = Place::new("clean");
    let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
    for option in ["--", "--close"] {
        let words = ["job", "-v", option, "--", "cat", "/proc/self/status"];
        let words = if option == "--" { [&words[..2], &words[3..]].concat() } else { words.to_vec() };
        let inner = run(&place, &words);
        let through = |options: &[&str]| {
            let mut command = Command::new("env");
            command.args(options).arg(inner.get_program()).args(inner.get_args());
            signals(command.env("LOCKUTILS_LOCK_PATH", place.path()))
        };
        assert_eq!(through(&["--default-signal"]), [0, 0]);
        let nohup = through(&["--default-signal", "--ignore-signal=HUP", "--block-signal=USR1"]);
        assert_eq!(nohup, [bit(Signal::SIGUSR1), bit(Signal::SIGHUP)]);
    }
}

/// Whoever ignores the end of children, as some supervisors do, does not keep it from us.
#[test]
fn the_end_of_the_command_is_seen_whatever_is_ignored() {
    let place = Place::new("ignored");
    let inner = run(&place, &["job", "--", "sh", "-c", "exit 7"]);
    let mut command = Command::new("env");
    command.args(["--ignore-signal=CHLD"]).arg(inner.get_program()).args(inner.get_args());
    command.env("LOCKUTILS_LOCK_PATH", place.path()).assert().code(7).stderr("");
}
