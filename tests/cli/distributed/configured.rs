//! Which engine is meant: the command line, a configuration file, the environment.

use std::fs;

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::Child;

use super::{Site, nowhere, status};
use crate::acting::stdout;

#[test]
fn the_command_line_comes_before_the_file_and_that_before_the_environment() {
    let [argument, file, environment] = ["argument", "file", "environment"].map(Site::redis);
    let sites = [&argument, &file, &environment];
    let _held =
        sites.map(|site| site.holder(&["job", "--identifier", site.place.path().to_str().expect("text")]));
    let config = file.place.file("service.toml");
    fs::write(&config, format!("[lockutils]\nbackend_url = \"{}\"\n", file.url())).expect("a file");
    let config = config.display().to_string();
    let url = argument.url();
    let all = ["--backend-url", &url, "--config", &config];
    for (words, site) in [(&all[..], &argument), (&all[2..], &file), (&[], &environment)] {
        let done =
            environment.lockutils(&[&["who", "--distributed", "job"], words].concat()).assert().success();
        assert_eq!(stdout(done.get_output()), format!("held by {}\n", site.place.path().display()));
    }
}

#[test]
fn every_format_of_a_file_and_its_prefix() {
    let site = Site::redis("formats");
    let _held = site.holder(&["job", "--prefix", "nova"]);
    let url = site.url();
    for (name, content) in [
        (
            "a.toml",
            format!(
                "[lockutils]\nbackend_url = \"{url}\"\nlock_file_prefix = \"nova\"\nsession_ttl = \"5s\"\n"
            ),
        ),
        (
            "a.yaml",
            format!("lockutils:\n  backend_url: {url}\n  lock_file_prefix: nova-\n  session_ttl: 5s\n"),
        ),
        (
            "a.json",
            format!("{{\"lockutils\": {{\"backend_url\": \"{url}\", \"lock_file_prefix\": \"nova\"}}}}"),
        ),
    ] {
        let file = site.place.file(name);
        fs::write(&file, content).expect("a file");
        let file = file.display().to_string();
        let words = ["run", "--distributed", "-n", "job", "--config", &file, "--", "echo", "ran"];
        nowhere(&site.place, &words).assert().code(status(Exit::Conflict)).stdout("").stderr("");
        let words = [&words[..4], &["--config", &file, "--prefix", "", "--", "true"]].concat();
        nowhere(&site.place, &words).assert().success();
    }
}

/// What a holder that is killed leaves is there so long.
#[test]
fn the_time_of_the_session_is_that_which_was_said() {
    let site = Site::redis("session");
    let super::Engine::Redis(redis) = &site.engine else { unreachable!("it is one") };
    let left = || redis.cli(&["PTTL", "job"]).parse::<u64>().expect("a number");
    let _long = site.holder(&["job", "--session-ttl", "5min"]);
    assert!((200_000..=300_000).contains(&left()), "{}", left());
    let mut command = site.run(&["job", "--", "true"]);
    let wrong = command.env("LOCKUTILS_SESSION_TTL", "for ever").assert().code(status(Exit::Config));
    assert!(String::from_utf8_lossy(&wrong.get_output().stderr).contains("LOCKUTILS_SESSION_TTL"));
    // A number is one of seconds, as in a file.
    let script = "echo \"$LOCKUTILS_SESSION_TTL\"; read line";
    let mut numbered = site.run(&["numbered", "--", "sh", "-c", script]);
    let mut numbered = Child::spawn(numbered.env("LOCKUTILS_SESSION_TTL", "30"));
    numbered.expect("30");
    let left = redis.cli(&["PTTL", "numbered"]).parse::<u64>().expect("a number");
    assert!((15_000..=30_000).contains(&left), "{left}");
    numbered.say("go on");
    assert_eq!(numbered.status().code(), Some(0));
    site.run(&["job", "--session-ttl", "1ms", "--", "true"]).assert().code(status(Exit::Config));
}
