//! A password in a URL is shown nowhere.

use std::fs;
use std::process::{Command, Output};

use lockutils_tests::Place;
use lockutils_tests::server::{Redis, RedisOptions};

use super::nowhere;
use crate::acting::{stderr, stdout};

const SECRET: &str = "hunter2";

#[track_caller]
fn is_silent(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    for said in [stdout(&output), stderr(&output)] {
        assert!(!said.contains(SECRET), "{command:?}: {said}");
    }
    output
}

/// Each command, with a URL from the environment, from the command line, and from each kind of file.
fn commands(place: &Place, url: &str, ttl: &str) -> Vec<Command> {
    let files = [
        ("a.toml", format!("[lockutils]\nbackend_url = \"{url}\"\n")),
        ("a.yaml", format!("lockutils:\n  backend_url: \"{url}\"\n")),
        ("a.json", format!("{{\"lockutils\": {{\n\"backend_url\": \"{url}\"}}}}")),
    ];
    let files = files.map(|(name, content)| {
        fs::write(place.file(name), content).expect("a file");
        place.file(name).display().to_string()
    });
    let mut commands = Vec::new();
    for words in [
        &["run", "--distributed", "job", "-v", "-w1"][..],
        &["who", "--distributed", "job"],
        &["who", "--distributed", "job", "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let end: &[&str] = if words[0] == "run" { &["--", "true"] } else { &[] };
        let mut add = |more: &[&str], value: Option<&str>| {
            let mut command = nowhere(place, &[words, &["--session-ttl", ttl], more, end].concat());
            command.envs(value.map(|value| ("LOCKUTILS_BACKEND_URL", value)));
            commands.push(command);
        };
        add(&[], Some(url));
        add(&["--backend-url", url], None);
        for file in &files {
            add(&["--config", file], None);
        }
    }
    commands
}

#[test]
fn not_where_all_is_well() {
    let redis = Redis::start_with(RedisOptions::new().password(SECRET));
    let place = Place::new("well");
    for mut command in commands(&place, &redis.url(), "10s") {
        let output = is_silent(&mut command);
        let has_run = output.status.success()
            || stdout(&output).contains("nobody has ")
            || stdout(&output).contains("\"free\"");
        assert!(has_run, "{command:?}: {} {}", stdout(&output), stderr(&output));
    }
}

#[test]
fn not_where_something_is_wrong() {
    let (redis, place) = (Redis::start_with(RedisOptions::new().password("right")), Place::new("wrong"));
    let denied = redis.url().replace(":right@", &format!(":{SECRET}@"));
    for url in [
        &*denied,
        "redis://root:hunter2@127.0.0.1:1/0",
        "etcd://root:hunter2@127.0.0.1:1",
        "zookeeper://root:hunter2@127.0.0.1:1",
        "redis://:hunter2@127.0.0.1:port",
        "redis://:hunter2/@127.0.0.1",
        "redis://:%hunter2@127.0.0.1",
        "redis://:hunter2@127.0.0.1?request_timeout=soon",
        "redis://:hunter2@",
        "hunter2",
        "sql://:hunter2@h",
    ] {
        for mut command in commands(&place, url, "1s") {
            assert!(!is_silent(&mut command).status.success(), "{command:?}");
        }
    }
}

/// The holder's URL is its own affair, and those who wait are told of it too.
#[test]
fn not_where_somebody_waits() {
    let redis = Redis::start_with(RedisOptions::new().password(SECRET));
    let place = Place::new("waits");
    let mut command =
        nowhere(&place, &["run", "--distributed", "job", "--", "sh", "-c", "echo started; read line"]);
    let mut holder = lockutils_tests::Child::spawn(command.env("LOCKUTILS_BACKEND_URL", redis.url()));
    holder.expect("started");
    for mut command in commands(&place, &redis.url(), "10s") {
        is_silent(&mut command);
    }
}
