//! What is taken, by how many, and what others are told meanwhile.

use std::process::Command;
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Child, eventually};
use nix::sys::signal::{Signal, kill};

use super::{ENGINES, Site, fails, nowhere, status};
use crate::acting::{stderr, stdout};

#[test]
fn one_excludes_the_other_while_its_command_runs() {
    for engine in ENGINES {
        let site = engine("excludes");
        assert!(!site.is_busy(&["job"]));
        let mut holder = site.holder(&["job"]);
        assert!(site.is_busy(&["job"]) && !site.is_busy(&["other"]));
        site.run(&["job", "-n", "-E", "9", "--", "echo", "ran"]).assert().code(9).stdout("").stderr("");
        let mut waiter = Child::spawn(&mut site.run(&["job", "--", "echo", "mine"]));
        eventually("it waits", || {
            stdout(&site.lockutils(&["who", "--distributed", "job"]).output().expect("it starts"))
                .contains(" waits\n")
        });
        assert!(waiter.is_silent());
        holder.say("go");
        assert!(holder.status().success());
        waiter.expect("mine");
        assert!(waiter.status().success());
        assert!(!site.is_busy(&["job"]), "it is let go before the command ends");
    }
}

#[test]
fn a_time_out_says_who_has_it() {
    for engine in ENGINES {
        let site = engine("time_out");
        let holder = site.holder(&["job"]);
        let started = Instant::now();
        let said = fails(&mut site.run(&["job", "-w", "300ms", "--", "echo", "ran"]), Exit::Conflict);
        assert!(started.elapsed() >= Duration::from_millis(300));
        assert!(said.starts_with("lockutils: gave up on lock `job` after "), "{said}");
        assert!(said.contains(&format!("/{}/lockutils, as ", holder.pid())), "{said}");
        let _named = site.holder(&["named", "--identifier", "the one on web-3"]);
        let said = fails(&mut site.run(&["named", "-w.1", "--", "echo", "ran"]), Exit::Conflict);
        assert!(said.contains("it is held by the one on web-3, as "), "{said}");
    }
}

/// The engine would keep the place of a process that is gone for as long as a session lasts, in front of all others.
#[test]
fn who_gives_up_and_ends_stands_in_nobodys_way() {
    for engine in [Site::etcd, Site::zookeeper] {
        let site = engine("gives_up");
        let _holder = site.holder(&["job"]);
        for _ in 0..6 {
            fails(&mut site.run(&["job", "-w", "50ms", "--", "true"]), Exit::Conflict);
            let seen = site.lockutils(&["who", "--distributed", "job"]).output().expect("it starts");
            assert_eq!(stdout(&seen).lines().count(), 1, "{}", stdout(&seen));
        }
    }
}

#[test]
fn verbose_says_who_is_waited_for() {
    for engine in ENGINES {
        let site = engine("verbose");
        let mut holder = site.holder(&["job"]);
        let mut command = site.run(&["job", "-v", "--", "true"]);
        let waiter = std::thread::spawn(move || command.output().expect("it starts"));
        eventually("it waits", || {
            let output = site.lockutils(&["who", "--distributed", "job"]).output().expect("it starts");
            stdout(&output).contains(" waits\n")
        });
        holder.say("go");
        let said = stderr(&waiter.join().expect("no panic"));
        let lines: Vec<_> = said.lines().collect();
        let [waits, got, executes] = lines[..] else { panic!("{said}") };
        let by = format!("lockutils: waiting for lock `job`, held by pid {} (lockutils)", holder.pid());
        assert_eq!(waits, by);
        assert!(got.starts_with("lockutils: got lock `job` after "), "{said}");
        assert_eq!(executes, "lockutils: executing true");
    }
}

#[test]
fn those_who_share_run_together_and_with_nobody_else() {
    for engine in ENGINES {
        let site = engine("shared");
        let mut readers = [site.holder(&["job", "-s"]), site.holder(&["job", "--shared", "--fair"])];
        assert!(!site.is_busy(&["job", "-s"]) && site.is_busy(&["job"]));
        for reader in &mut readers {
            reader.say("go");
            assert!(reader.status().success());
        }
        let _writer = site.holder(&["job"]);
        assert!(site.is_busy(&["job", "-s"]));
    }
}

#[test]
fn a_semaphore_lets_so_many_in() {
    for engine in ENGINES {
        let site = engine("semaphore");
        let mut one = site.holder(&["job", "--semaphore", "2"]);
        let _two = site.holder(&["job", "--semaphore", "2", "--fair"]);
        assert!(site.is_busy(&["job", "--semaphore", "2"]));
        let said = fails(&mut site.run(&["job", "--semaphore", "3", "--", "echo", "ran"]), Exit::Usage);
        assert!(said.contains("semaphore `job`"), "{said}");
        one.say("go");
        assert!(one.status().success());
        assert!(!site.is_busy(&["job", "--semaphore", "2"]));
    }
}

#[test]
fn several_names_are_all_held() {
    for engine in ENGINES {
        let site = engine("several");
        let mut holder = site.holder(&["b", "a", "b"]);
        assert!(site.is_busy(&["a"]) && site.is_busy(&["b"]) && site.is_busy(&["c", "b"]));
        assert!(!site.is_busy(&["c"]), "all or nothing");
        holder.say("go");
        assert!(holder.status().success());
        assert!(!site.is_busy(&["a", "b"]));
    }
}

#[test]
fn the_token_grows_from_run_to_run() {
    for engine in ENGINES {
        let site = engine("token");
        let token = |names: &[&str]| -> u64 {
            let words = [names, &["--set-env", "--", "printenv", "LOCKUTILS_FENCING_TOKEN"]].concat();
            let done = site.run(&words).assert().success().stderr("");
            stdout(done.get_output()).trim().parse().expect("a number")
        };
        let (one, two, both) = (token(&["job"]), token(&["job"]), token(&["job", "other"]));
        assert!(0 < one && one < two && two < both, "{one} {two} {both}");
    }
}

/// Its threads must not get what is meant for the command.
#[test]
fn signals_are_passed_on() {
    for engine in ENGINES {
        let site = engine("signals");
        let script = "trap 'echo HUP' HUP; trap 'echo TERM; exit 3' TERM; echo started
            i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done";
        let mut runner = Child::spawn(&mut site.run(&["job", "--", "bash", "-c", script]));
        runner.expect("started");
        for _ in 0..6 {
            kill(runner.pid(), Signal::SIGHUP).expect("it lives");
            runner.expect("HUP");
        }
        kill(runner.pid(), Signal::SIGTERM).expect("it lives");
        runner.expect("TERM");
        assert_eq!(runner.status().code(), Some(3));
        assert!(!site.is_busy(&["job"]));
    }
}

#[test]
fn the_lock_file_is_taken_beside_it() {
    let site = Site::redis("beside");
    let here = |words: &[&str]| -> Command {
        let mut command = site.run(words);
        command.env("LOCKUTILS_LOCK_PATH", site.place.path());
        command
    };
    let both = ["job", "--external", "--", "sh", "-c", "echo started; read line"];
    let mut holder = Child::spawn(&mut here(&both));
    holder.expect("started");
    assert!(site.place.try_acquire("job").is_none() && site.is_busy(&["job"]));
    holder.say("go");
    assert!(holder.status().success());
    let alone = ["job", "--", "sh", "-c", "echo started; read line"];
    let mut holder = Child::spawn(&mut here(&alone));
    holder.expect("started");
    assert!(site.place.try_acquire("job").is_some(), "the file is not asked for");
    here(&["job", "--external", "-n", "--", "true"]).assert().code(status(Exit::Conflict));
    let said = fails(&mut site.run(&["job", "--external", "--", "echo", "ran"]), Exit::Config);
    assert!(said.starts_with("lockutils: no lock directory; "), "{said}");
}

#[test]
fn without_an_engine_lock_files_take_its_place() {
    let site = Site::redis("without");
    let words = ["run", "--distributed", "job", "--", "sh", "-c", "echo started; read line"];
    for url in [None, Some(format!("file://{}", site.place.path().display()))] {
        let mut command = nowhere(&site.place, &words);
        match &url {
            Some(url) => command.env("LOCKUTILS_BACKEND_URL", url),
            None => command.env("LOCKUTILS_LOCK_PATH", site.place.path()),
        };
        let mut holder = Child::spawn(&mut command);
        holder.expect("started");
        assert!(site.place.try_acquire("job").is_none() && !site.is_busy(&["job"]), "{url:?}");
        // The command has inherited the file, and goes on without its runner.
        holder.kill();
        assert!(site.place.try_acquire("job").is_none(), "{url:?}");
        holder.say("go");
        assert!(site.place.comes_free("job", lockutils_tests::BOUND), "{url:?}");
    }
}
