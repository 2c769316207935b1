//! `lockutils doctor` on an engine.

use std::fs;

use lockutils_tests::Place;
use lockutils_tests::server::{Redis, RedisOptions};

use super::{ENGINES, Engine, nowhere};
use crate::doctor::Found;

#[test]
fn an_engine_that_is_well() {
    for engine in ENGINES {
        let site = engine("well");
        let found = Found::by(site.lockutils(&["doctor"]));
        assert_eq!(found.only("problem").len(), 0, "{found:?}");
        found.has("configuration", "ok", "no lock directory");
        found.has("engine", "ok", &format!(":{}", site.port()));
        found.has("engine", "ok", ", from the environment variable LOCKUTILS_BACKEND_URL");
        found.has("distributed", "ok", "a lock was taken and let go in ");
        found.has("cluster", "ok", "");
        found.has("session", "ok", "`session_ttl` is not set: a lock lasts ");
        match &site.engine {
            Engine::Redis(redis) => {
                let way_out =
                    found.has("promises", "warning", "; not linearizable, fenced, survives-failover");
                assert!(way_out.contains("fencing tokens"), "{way_out}");
                found.has("cluster", "ok", &run_id(redis));
                assert_eq!(redis.cli(&["KEYS", "*"]), "", "it leaves nothing behind");
            }
            Engine::Etcd(etcd) => {
                found.has("promises", "ok", "linearizable, fenced, survives-failover, ");
                assert_eq!(etcd.keys(""), Vec::<String>::new(), "it leaves nothing behind");
            }
            Engine::ZooKeeper(zookeeper) => {
                found.has("promises", "ok", "linearizable, ");
                assert_eq!(zookeeper.ls("/"), Some(vec!["zookeeper".to_owned()]), "it leaves nothing behind");
            }
        }
    }
}

fn run_id(redis: &Redis) -> String {
    let told = redis.cli(&["INFO", "server"]);
    told.lines().find_map(|line| line.strip_prefix("run_id:")).expect("it has one").trim().to_owned()
}

#[test]
fn an_engine_that_is_ill() {
    for engine in ENGINES {
        let site = engine("ill");
        site.kill();
        let found = Found::by(site.lockutils(&["doctor", "--session-ttl", "1s"]));
        let way_out = found.has_one_problem("distributed", "it cannot be reached");
        assert!(way_out.contains("`backend_url`"), "{way_out}");
        let is_told = |check| found.has_check(check);
        assert!(is_told("engine") && !is_told("promises") && !is_told("session"), "{found:?}");
    }
    let redis = Redis::start_with(RedisOptions::new().password("right"));
    let mut wrong = nowhere(&Place::new("ill"), &["doctor"]);
    wrong.env("LOCKUTILS_BACKEND_URL", redis.url().replace(":right@", ":wrong@"));
    let found = Found::by(wrong);
    assert!(found.has_one_problem("distributed", "it refuses").contains("the password"));
}

#[test]
fn a_url_that_cannot_be_used() {
    let place = Place::new("unusable");
    for (url, check, text) in [
        ("nothing", "configuration", "it has no scheme"),
        ("redis://h?databse=3", "engine", "has no key `databse`"),
        ("memory:", "distributed", "excludes nobody outside of one process"),
    ] {
        let mut command = nowhere(&place, &["doctor"]);
        command.env("LOCKUTILS_BACKEND_URL", url);
        let found = Found::by(command);
        found.has_one_problem(check, text);
        assert!(check != "engine" || !found.is_ok(check), "{found:?}");
    }
}

#[test]
fn who_can_read_the_password() {
    let redis = Redis::start_with(RedisOptions::new().password("right"));
    let (place, url) = (Place::new("read"), redis.url());
    let found = Found::by(nowhere(&place, &["doctor", "--backend-url", &url]));
    found.has("engine", "ok", ", from --backend-url");
    assert!(found.has("password", "warning", "on the command line").contains("LOCKUTILS_BACKEND_URL"));

    let file = place.file("service.toml");
    fs::write(&file, format!("[lockutils]\nbackend_url = \"{url}\"\n")).expect("a file");
    let words = ["doctor", "--config", file.to_str().expect("text")];
    crate::acting::set_mode(&file, 0o644);
    Found::by(nowhere(&place, &words)).has("password", "warning", "every user of this host can read");
    crate::acting::set_mode(&file, 0o600);
    let found = Found::by(nowhere(&place, &words));
    found.has("engine", "ok", &format!(", from {}", file.display()));
    assert!(found.only("warning").iter().all(|finding| finding.check != "password"), "{found:?}");

    let mut far = nowhere(&place, &["doctor", "--session-ttl", "1s"]);
    // Nobody is there, and nobody answers.
    far.env("LOCKUTILS_BACKEND_URL", "redis://:secret@192.0.2.1");
    let found = Found::by(far);
    assert!(found.has("password", "warning", "sent as it is").contains("rediss:"));
}

#[test]
fn lock_files_in_its_place() {
    let place = Place::new("files");
    Found::of(&place, &[]).has("engine", "ok", "none is configured");
    let mut command = place.lockutils(&["doctor"]);
    command.env("LOCKUTILS_BACKEND_URL", "file:///run/nova");
    Found::by(command).has(
        "distributed",
        "ok",
        "lock files in /run/nova, which exclude nobody on other hosts",
    );
}
