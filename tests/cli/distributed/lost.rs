//! Locks that are lost while the command runs, and what is left of those who are killed.

use std::time::{Duration, Instant};

use lockutils::exit::Exit;
use lockutils_tests::{BOUND, Child, eventually, state};

use super::{ENGINES, Engine, Site, status};
use crate::acting::stderr;
use crate::run::LOOP;
use crate::run_lost::Said;

/// As long as ZooKeeper allows here: shorter, and a machine that is busy loses locks that it should not.
const TTL: Duration = Duration::from_secs(4);

/// One that says when it is ended, with what it says on standard error.
fn listener(site: &Site, options: &[&str]) -> (Child, Said) {
    let script = format!("trap 'echo ended; exit 0' TERM; {LOOP}");
    let words = [&["job", "--session-ttl", "4s"], options, &["--", "sh", "-c", &script]].concat();
    let mut command = site.run(&words);
    let said = Said::of(&site.place, &mut command);
    let mut runner = Child::spawn(&mut command);
    runner.expect("started");
    (runner, said)
}

#[track_caller]
fn is_ended(runner: &mut Child, said: &Said, why: &str) {
    runner.expect("ended");
    assert_eq!(runner.status().code(), Some(status(Exit::Lost)));
    let said = said.text();
    assert!(said.starts_with("lockutils: distributed lock `job` (") && said.contains(why), "{said}");
    assert!(
        said.trim_end().ends_with("the command gets SIGTERM now, and SIGKILL if it has not ended in 10s"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_server_that_is_gone_ends_the_command_before_its_lease_does() {
    for engine in ENGINES {
        let site = engine("gone");
        let (mut runner, said) = listener(&site, &[]);
        let killed = Instant::now();
        site.kill();
        is_ended(
            &mut runner,
            &said,
            ") is lost: its lease has run out, since the engine has confirmed nothing in time",
        );
        // The rest is what a busy machine needs to end it.
        assert!(killed.elapsed() < TTL + Duration::from_secs(5), "{:?}", killed.elapsed());
    }
}

#[test]
fn a_server_that_does_not_answer_is_like_one_that_is_gone() {
    for engine in ENGINES {
        let site = engine("frozen");
        let (mut runner, said) = listener(&site, &[]);
        site.freeze();
        is_ended(
            &mut runner,
            &said,
            ") is lost: its lease has run out, since the engine has confirmed nothing in time",
        );
        site.thaw();
    }
}

#[test]
fn a_lock_that_is_taken_away_ends_the_command() {
    for engine in ENGINES {
        let site = engine("taken_away");
        let (mut runner, said) = listener(&site, &[]);
        match &site.engine {
            Engine::Redis(redis) => assert_eq!(redis.cli(&["DEL", "job"]), "1"),
            Engine::Etcd(etcd) => assert_eq!(etcd.ctl(&["del", "--prefix", "job/"]), "1"),
            Engine::ZooKeeper(zookeeper) => {
                let all = zookeeper.ls("/job").expect("it is there");
                assert!(all.iter().all(|node| zookeeper.delete(&format!("/job/{node}"))), "{all:?}");
            }
        }
        is_ended(&mut runner, &said, ") is lost: ");
    }
}

#[test]
fn one_of_several_that_is_lost_ends_the_command_once() {
    let site = Site::redis("one_of_several");
    let (mut runner, said) = listener(&site, &["another"]);
    let Engine::Redis(redis) = &site.engine else { unreachable!("it is one") };
    assert_eq!(redis.cli(&["DEL", "job", "another"]), "2");
    runner.expect("ended");
    assert_eq!(runner.status().code(), Some(status(Exit::Lost)));
    assert_eq!(said.text().lines().count(), 1, "{}", said.text());
}

#[test]
fn an_end_that_was_set_comes_although_the_engine_lives() {
    for engine in ENGINES {
        let site = engine("expires");
        let started = Instant::now();
        let (mut runner, said) = listener(&site, &["--expires", "1500ms"]);
        is_ended(&mut runner, &said, ") is lost: the time that it was taken for (`expires`) is over");
        assert!(started.elapsed() >= Duration::from_millis(1400), "{:?}", started.elapsed());
        eventually("it is free", || !site.is_busy(&["job"]));
    }
}

#[test]
fn a_command_that_does_not_listen_is_killed() {
    let site = Site::redis("deaf");
    let script = format!("trap '' TERM; {LOOP}");
    let words = ["job", "--expires", "1s", "--kill-after", "200ms", "--", "sh", "-c", &script];
    let mut command = site.run(&words);
    let said = Said::of(&site.place, &mut command);
    let mut runner = Child::spawn(&mut command);
    runner.expect("started");
    assert_eq!(runner.status().code(), Some(status(Exit::Lost)));
    assert!(said.text().contains("SIGKILL if it has not ended in 200ms"), "{}", said.text());
}

#[test]
fn with_warn_it_is_said_once_and_the_command_goes_on() {
    let site = Site::redis("warned");
    let script = "echo started; read line; echo \"told $line\"; exit 6";
    let words = ["job", "--on-lost", "warn", "--expires", "1s", "--", "sh", "-c", script];
    let mut command = site.run(&words);
    let said = Said::of(&site.place, &mut command);
    let mut runner = Child::spawn(&mut command);
    runner.expect("started");
    eventually("it is said", || {
        said.text().contains(") is lost: the time that it was taken for (`expires`) is over")
    });
    runner.say("go on");
    runner.expect("told go on");
    assert_eq!(runner.status().code(), Some(6));
    assert_eq!(said.text().lines().count(), 1, "{}", said.text());
}

/// Nobody has seen it yet: the engine says so when the lock is let go.
#[test]
fn a_lock_that_is_lost_at_the_end_is_told() {
    let site = Site::redis("late");
    let Engine::Redis(redis) = &site.engine else { unreachable!("it is one") };
    let delete = format!("redis-cli -p {} DEL job >/dev/null; exit 5", redis.port());
    let done = site.run(&["job", "--", "sh", "-c", &delete]).output().expect("it starts");
    assert_eq!(done.status.code(), Some(5));
    let said = stderr(&done);
    assert!(said.starts_with("lockutils: distributed lock `job` (") && said.contains(" is lost: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// The command was done under the lock: that nobody confirms its end changes nothing for it.
#[test]
fn an_end_that_is_not_confirmed_is_told() {
    for engine in ENGINES {
        let site = engine("unconfirmed");
        let mut command = site.run(&["job", "--", "sh", "-c", "echo started; read line; exit 7"]);
        let said = Said::of(&site.place, &mut command);
        let mut runner = Child::spawn(&mut command);
        runner.expect("started");
        site.kill();
        runner.say("end");
        assert_eq!(runner.status().code(), Some(7));
        let said = said.text();
        let begin = "lockutils: the engine has not confirmed that lock `job` was let go: ";
        assert!(said.starts_with(begin) && said.lines().count() == 1, "{said}");
    }
}

/// Nothing keeps the lock then: the command must not go on.
#[test]
fn a_runner_that_is_killed_takes_the_command_with_it() {
    for engine in ENGINES {
        let site = engine("killed");
        let words = ["job", "--session-ttl", "3s", "--", "sh", "-c", "echo $$; read line; echo alive"];
        let mut runner = Child::spawn(&mut site.run(&words));
        let command = runner.line();
        assert!(site.is_busy(&["job"]));
        runner.kill();
        eventually("the command is dead", || matches!(state(format!("/proc/{command}")), None | Some('Z')));
        assert!(runner.said_within(Duration::ZERO).is_none());
        let started = Instant::now();
        eventually("it is free", || !site.is_busy(&["job"]));
        assert!(started.elapsed() < BOUND / 2, "{:?}", started.elapsed());
    }
}
