//! What cannot be had, and with which exit status.

use lockutils::exit::Exit;
use lockutils_tests::Place;
use lockutils_tests::server::{Etcd, EtcdOptions, Redis, RedisOptions};

use super::{ENGINES, Engine, Site, fails, nowhere};

#[test]
fn options_of_distributed_locks_need_one() {
    let place = Place::new("need_one");
    for option in [
        ["--backend-url", "memory:"],
        ["--session-ttl", "5s"],
        ["--expires", "5s"],
        ["--identifier", "me"],
        ["--require", "fenced"],
    ] {
        let mut command = place.lockutils(&[&["run", "job"], &option[..], &["--", "echo", "ran"]].concat());
        let said = fails(&mut command, Exit::Usage);
        assert_eq!(said, format!("lockutils: {} is for distributed locks; add --distributed\n", option[0]));
    }
    let said = fails(&mut place.lockutils(&["who", "job", "--session-ttl", "5s"]), Exit::Usage);
    assert_eq!(said, "lockutils: --session-ttl is for distributed locks; add --distributed\n");
    for wrong in
        [["--require", "everything"], ["--identifier", ""], ["--expires", "soon"], ["--expires", "0"]]
    {
        let words = [&["run", "--distributed", "job"], &wrong[..], &["--", "echo", "ran"]].concat();
        fails(&mut place.lockutils(&words), Exit::Usage);
    }
}

#[test]
fn an_engine_that_cannot_be_reached_is_68() {
    for engine in ENGINES {
        let site = engine("unreachable");
        site.kill();
        for words in [&["run", "job", "--", "echo", "ran"][..], &["who", "job"]] {
            let words =
                [words[0..1].as_ref(), &["--distributed", "--session-ttl", "1s"], &words[1..]].concat();
            let said = fails(&mut site.lockutils(&words), Exit::Unreachable);
            assert!(
                said.contains("distributed lock `job` (") && said.contains("it cannot be reached"),
                "{said}"
            );
        }
    }
}

#[test]
fn an_engine_that_does_not_let_one_in_is_77() {
    let redis = Redis::start_with(RedisOptions::new().password("right"));
    let etcd = Etcd::start_with(EtcdOptions::new().root_password("right"));
    let place = Place::new("denied");
    for url in [redis.url(), etcd.url()] {
        let mut command = nowhere(&place, &["run", "--distributed", "job", "--", "echo", "ran"]);
        let said = fails(
            command.env("LOCKUTILS_BACKEND_URL", url.replace(":right@", ":wrong@")),
            Exit::NotPermitted,
        );
        assert!(said.contains("it refuses: ") && !said.contains("wrong"), "{said}");
        let mut command = nowhere(&place, &["run", "--distributed", "job", "--", "true"]);
        assert!(command.env("LOCKUTILS_BACKEND_URL", url).status().expect("it starts").success());
    }
}

#[test]
fn something_else_in_its_place_is_66() {
    let site = Site::redis("foreign");
    let Engine::Redis(redis) = &site.engine else { unreachable!("it is one") };
    redis.cli(&["LPUSH", "{job}/queue", "a job to be done"]);
    let said = fails(&mut site.run(&["job", "--", "echo", "ran"]), Exit::NotAFile);
    assert!(said.contains("in the place of the lock there is "), "{said}");
}

#[test]
fn an_engine_that_refuses_for_a_reason_of_its_own_is_76() {
    let site = Site::redis("refuses");
    let Engine::Redis(redis) = &site.engine else { unreachable!("it is one") };
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let said = fails(&mut site.run(&["job", "--", "echo", "ran"]), Exit::Engine);
    assert!(said.contains("cannot take distributed lock `job` ("), "{said}");
}

#[test]
fn a_promise_that_the_engine_does_not_give_is_69() {
    let redis = Site::redis("promise");
    let said = fails(
        &mut redis.run(&["job", "--require", "leased", "--require", "linearizable", "--", "echo", "ran"]),
        Exit::Unsupported,
    );
    assert!(said.contains("distributed lock `job` requires Linearizable, "), "{said}");
    assert!(!redis.is_busy(&["job", "--require", "arrival-order", "--require", "leased"]));
    let etcd = Site::etcd("promise");
    assert!(!etcd.is_busy(&["job", "--require", "linearizable", "--require", "survives-failover"]));
}

#[test]
fn lock_files_are_not_taken_for_what_an_engine_promises() {
    let place = Place::new("files");
    let run = |option: [&str; 2]| {
        place.lockutils(&[&["run", "--distributed", "job"], &option[..], &["--", "echo", "ran"]].concat())
    };
    let files = format!("file://{}", place.path().display());
    let said = fails(&mut run(["--require", "linearizable"]), Exit::Unsupported);
    let lead = "lockutils: distributed lock `job` requires Linearizable, and no engine is configured: lock files of this host ";
    assert!(said.starts_with(lead) && said.contains("LOCKUTILS_BACKEND_URL"), "{said}");
    let said = fails(&mut run(["--expires", "1"]), Exit::Unsupported);
    assert!(said.contains("lock files do not expire") && said.contains("no engine is configured"), "{said}");
    let meant = |option| {
        let mut command = run(option);
        command.env("LOCKUTILS_BACKEND_URL", &files);
        command
    };
    assert!(meant(["--require", "linearizable"]).output().expect("it starts").status.success());
    let said = fails(&mut meant(["--require", "fenced"]), Exit::Unsupported);
    assert!(said.contains("which its engine (file:///"), "{said}");
    fails(&mut meant(["--expires", "1"]), Exit::Unsupported);
}

/// The locks would end with the command, and nobody else would see them.
#[test]
fn an_engine_in_memory_is_refused() {
    let place = Place::new("memory");
    for words in [&["run", "--distributed", "job", "--", "echo", "ran"][..], &["who", "--distributed", "job"]]
    {
        let mut command = nowhere(&place, words);
        let said = fails(command.env("LOCKUTILS_BACKEND_URL", "memory:jobs"), Exit::Config);
        assert!(
            said.starts_with("lockutils: memory:jobs excludes nobody outside of one process; "),
            "{said}"
        );
    }
}

#[test]
fn what_is_no_engine_is_said() {
    let place = Place::new("no_engine");
    let words = ["run", "--distributed", "job", "--", "echo", "ran"];
    let said = fails(&mut nowhere(&place, &words), Exit::Config);
    for way in ["no engine for distributed locks; ", "--backend-url", "LOCKUTILS_BACKEND_URL", "--lock-path"]
    {
        assert!(said.contains(way), "{said}");
    }
    fails(&mut nowhere(&place, &["who", "--distributed", "job"]), Exit::Config);
    for (url, part) in [
        ("hazelcast://h", "there is no engine for `hazelcast:`; there are "),
        ("redis://h?databse=3", "has no key `databse`"),
        ("redis:", "it has no host"),
    ] {
        let mut command = nowhere(&place, &words);
        let said = fails(command.env("LOCKUTILS_BACKEND_URL", url), Exit::Config);
        assert!(said.contains(part), "{said}");
    }
    let words = ["run", "--distributed", "--backend-url", "nothing", "job", "--", "echo", "ran"];
    let said = fails(&mut nowhere(&place, &words), Exit::Usage);
    assert!(said.contains("it has no scheme"), "{said}");
}
