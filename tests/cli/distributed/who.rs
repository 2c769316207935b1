//! `lockutils who --distributed`: who has a lock, and who waits for it.

use assert_cmd::assert::OutputAssertExt;
use lockutils::exit::Exit;
use lockutils_tests::{Child, eventually};

use super::{ENGINES, Engine, Site, status};
use crate::acting::stdout;
use crate::list::json::lines;

/// What is said of a lock that somebody has.
#[track_caller]
fn who(site: &Site, words: &[&str]) -> String {
    let done = site.lockutils(&[&["who", "--distributed"], words].concat()).assert().success().stderr("");
    stdout(done.get_output())
}

/// One that is about to take it, and the first line that tells of it.
fn waiter(site: &Site, options: &[&str], name: &str) -> Child {
    let words = [&["job", "--identifier", name], options, &["--", "true"]].concat();
    let waiter = Child::spawn(&mut site.run(&words));
    eventually("it waits", || who(site, &["job"]).contains(&format!("\n{name} waits")));
    waiter
}

#[test]
fn holders_and_waiters_are_lines_in_the_order_of_their_turns() {
    for engine in ENGINES {
        let site = engine("who");
        let holder = site.holder(&["job"]);
        let printed = who(&site, &["job"]);
        assert!(
            printed.starts_with("held by ") && printed.ends_with(&format!("/{}/lockutils\n", holder.pid()))
        );
        let _first = waiter(&site, &["--fair"], "first");
        let _second = waiter(&site, &["--fair", "-s"], "second");
        let printed = who(&site, &["job"]);
        assert!(printed.ends_with("\nfirst waits\nsecond waits to read\n"), "{printed}");

        let seen = lines(&who(&site, &["--json", "job"])).remove(0);
        assert_eq!((&seen["state"], &seen["mode"]), (&"held".into(), &"write".into()), "{seen}");
        assert_eq!(seen["holders"][0]["pid"].to_string(), holder.pid().to_string());
        assert_eq!(seen["holders"][0]["evidence"], "engine");
        assert_eq!(seen["waiters"], 2);
        assert_eq!(seen["waiting"][1]["identifier"], "second");
        assert_eq!(seen["waiting"][1]["mode"], "read");
        assert!(seen["engine"].as_str().is_some_and(|engine| engine.contains("127.0.0.1")), "{seen}");
    }
}

#[test]
fn readers_and_permits() {
    for engine in ENGINES {
        let site = engine("shares");
        let _readers = [site.holder(&["job", "-s", "--identifier", "a"]), site.holder(&["job", "-s"])];
        let printed = who(&site, &["job"]);
        assert!(printed.starts_with("read by a\nread by ") && printed.lines().count() == 2, "{printed}");
        let _permit = site.holder(&["uploads", "--semaphore", "3", "--identifier", "b"]);
        assert_eq!(who(&site, &["uploads"]), "1 of 3 permits are taken\na permit is held by b\n");
        let seen = lines(&who(&site, &["--json", "uploads"])).remove(0);
        assert_eq!((&seen["permits"]["taken"], &seen["permits"]["of"]), (&1.into(), &3.into()));
    }
}

#[test]
fn a_lock_that_nobody_has_is_1() {
    for engine in ENGINES {
        let site = engine("nobody");
        assert!(!site.is_busy(&["before"]));
        for name in ["never", "before", "a/b"] {
            let words = ["who", "--distributed", "--prefix", "nova", name];
            let done = site.lockutils(&words).assert().code(status(Exit::Conflict)).stderr("");
            let said = stdout(done.get_output());
            let full = name.replace('/', "_");
            assert!(said.starts_with(&format!("nobody has `nova-{full}` (")), "{said}");
        }
        let done = site.lockutils(&["who", "--distributed", "--json", "never"]).assert().code(1);
        let seen = lines(&stdout(done.get_output())).remove(0);
        assert_eq!((&seen["state"], &seen["waiters"]), (&"free".into(), &0.into()));
    }
}

/// Whoever can write to the engine chooses it.
#[test]
fn what_others_call_themselves_is_shown_without_its_orders() {
    let site = Site::etcd("orders");
    let Engine::Etcd(etcd) = &site.engine else { unreachable!("it is one") };
    etcd.ctl(&["put", "--", "job/7", "a\u{1b}[2Jb\nc"]);
    assert_eq!(who(&site, &["job"]), "held by a\\u{1b}[2Jb\\nc\n");
    let said = super::fails(&mut site.run(&["job", "-w.1", "--", "echo", "ran"]), Exit::Conflict);
    assert!(said.contains("held by a\\u{1b}[2Jb\\nc, as "), "{said}");
}
