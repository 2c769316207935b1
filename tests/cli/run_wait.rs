//! How `lockutils run` waits for a lock that somebody else has, and gives up.

use std::process::Stdio;
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use lockutils_tests::{Child, Peer, Place};

use crate::run::{holder, run};

#[test]
fn who_does_not_want_to_wait_ends_at_once_and_says_nothing() {
    let place = Place::new("no_wait");
    let _held = place.holder("job");
    for option in ["-n", "--no-wait", "--nonblock", "--nb", "-w0", "--timeout=0ms", "--wait=0"] {
        run(&place, &["job", option, "--", "echo", "ran"]).assert().code(1).stdout("").stderr("");
    }
    let waits_and_does_not = ["job", "-n", "-w", "30", "--", "true"];
    run(&place, &waits_and_does_not).assert().code(1).stderr("");
}

#[test]
fn a_time_out_says_who_has_the_lock_and_what_helps() {
    let place = Place::new("time_out");
    let held = place.holder("job");
    for (option, limit) in [("-w.2", 200), ("--timeout=300ms", 300), ("--wait=0.1s", 100)] {
        let started = Instant::now();
        let failed = run(&place, &["job", option, "--", "echo", "ran"]).assert().code(1).stdout("");
        assert!(started.elapsed() >= Duration::from_millis(limit), "{option}");
        let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        let file = place.file("job").display().to_string();
        assert!(said.starts_with(&format!("lockutils: gave up on lock `job` ({file}) after ")), "{said}");
        assert!(said.contains(&format!("held by pid {} (helper)", held.pid())), "{said}");
        assert!(said.ends_with("a longer timeout may help\n") && said.lines().count() == 1, "{said}");
    }
}

/// The command, not a line of the source of the one who runs it.
#[test]
fn who_waits_is_told_what_runs() {
    let place = Place::new("what_runs");
    let mut command = run(&place, &["job", "--", "sh", "-c", "echo runs; exec cat"]);
    let mut runner = Child::spawn(&mut command);
    runner.expect("runs");
    let failed = run(&place, &["job", "-w.1", "--", "true"]).assert().code(1);
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains(", to run sh -c \"echo runs; exec cat\"; a longer timeout"), "{said}");
    assert!(!said.contains(".rs:"), "{said}");
    let listed = place.lockutils(&["list"]).assert().success().get_output().stdout.clone();
    assert!(String::from_utf8_lossy(&listed).contains(" run sh -c "), "{listed:?}");
}

#[test]
fn the_exit_status_of_a_conflict_can_be_chosen() {
    let place = Place::new("conflict");
    let _held = place.holder("job");
    for words in
        [&["job", "-n", "-E", "99"][..], &["job", "-w", "0.05", "--conflict-exit-code=99"], &["job", "-nE99"]]
    {
        run(&place, &[words, &["--", "true"]].concat()).assert().code(99);
    }
    run(&place, &["job", "-n", "-E", "0", "--", "echo", "ran"]).assert().code(0).stdout("");
    run(&place, &["free", "-n", "-E", "99", "--", "false"]).assert().code(1);
}

#[test]
fn with_verbose_who_does_not_wait_says_why() {
    let place = Place::new("why");
    let held = place.holder("job");
    let failed = run(&place, &["job", "-nv", "--", "true"]).assert().code(1).stdout("");
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains("lock `job`") && said.contains(&format!("held by pid {}", held.pid())), "{said}");
}

#[test]
fn who_waits_gets_it_when_it_comes_free_and_says_nothing_of_that() {
    let place = Place::new("waits");
    for options in [&["job"][..], &["job", "-w", "30"], &["job", "--fair"], &["job", "-s"], &["job", "other"]]
    {
        let held = place.holder("job");
        let command = &mut run(&place, &[options, &["--", "echo", "in"]].concat());
        let mut waiting =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
        place.has_waiters("job", 1);
        assert!(waiting.try_wait().expect("it is a child").is_none());
        held.finish();
        waiting.wait_with_output().expect("it ends").assert().success().stdout("in\n").stderr("");
    }
}

#[test]
fn with_verbose_it_says_who_is_waited_for() {
    let place = Place::new("waited_for");
    let held = holder(&place, &["b"]);
    let command = &mut run(&place, &["a", "b", "-v", "--", "true"]);
    let waiting = command.stderr(Stdio::piped()).spawn().expect("it can be started");
    place.has_waiters("b", 1);
    let (pid, _) = (held.pid(), held.finish());
    let done = waiting.wait_with_output().expect("it ends").assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    let lines: Vec<_> = said.lines().collect();
    assert!(
        lines[0].starts_with(&format!("lockutils: waiting for lock `b`, held by pid {pid} (lockutils) for ")),
        "{said}"
    );
    assert!(lines[1].starts_with("lockutils: got locks `a`, `b` after "), "{said}");
    assert_eq!(lines[2..], ["lockutils: executing true"]);
}

/// Whoever has the file, and however: also the programs of others.
#[test]
fn every_peer_is_waited_for() {
    for peer in Peer::ALL {
        let place = Place::new("peers");
        let held = peer.holder(&place.file("job"));
        run(&place, &["job", "-n", "--", "true"]).assert().code(1);
        held.finish();
        run(&place, &["job", "-n", "--", "true"]).assert().success();
        let _running = holder(&place, &["job"]);
        assert!(!Child::try_take(&mut peer.actor(&place.file("job"))), "{peer:?}");
    }
}
