//! Where a setting comes from, which one counts, and what is refused.

mod formats;
mod ini;
mod races;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lockutils::{Config, Error, Locks, synchronized};
use tempfile::TempDir;

use crate::conformance::support::{TINY, elsewhere, own};

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// What a process of its own prints, line by line, with this environment and no other of ours.
fn told(scenario: &[&str], environment: &[(&str, &str)], working: &Path) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_config_helper"));
    for key in [
        "LOCKUTILS_LOCK_PATH",
        "OSLO_LOCK_PATH",
        "LOCKUTILS_LOCK_FILE_PREFIX",
        "LOCKUTILS_DISABLE_PROCESS_LOCKING",
    ] {
        command.env_remove(key);
    }
    let command = command.args(scenario).envs(environment.iter().copied()).current_dir(working);
    let output = command.output().expect("the helper was built with the tests");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8").lines().map(ToOwned::to_owned).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary directory is UTF-8")
}

/// What `take` prints for a lock in `path`.
fn taken(name: &str, path: &Path) -> String {
    format!("{name} {}", path.join(name).display())
}

#[test]
fn the_call_comes_before_the_registry_and_that_before_the_configuration() {
    let (configured, called) = (directory(), directory());
    let config = Config::new().lock_path(configured.path()).lock_file_prefix("config");
    let locks = Locks::new(config).expect("a registry");
    let named = locks.with_prefix("locks");
    let name = |lock: lockutils::Lock| lock.acquire().expect("free").name().to_owned();
    assert_eq!(name(locks.lock("x")), "config-x");
    assert_eq!(name(named.lock("x")), "locks-x");
    assert_eq!(name(named.lock("x").prefix("call")), "call-x");
    assert_eq!(name(named.lock("x").prefix("")), "x");
    assert_eq!(name(named.with_prefix("other").lock("x")), "other-x");
    assert_eq!(name(locks.with_prefix("").lock("x")), "x");
    assert_eq!(name(locks.semaphore("x", 2)), "config-x");
    let all = locks.lock_all(["x", "y"]).acquire().expect("free");
    assert_eq!(all.names().collect::<Vec<_>>(), ["config-x", "config-y"]);
    let guard = locks.lock("x").prefix("p").external().lock_path(called.path()).acquire().expect("free");
    assert_eq!(guard.path(), Some(&*called.path().join("p-x")));
    let guard = locks.lock("y").prefix("p").external().acquire().expect("free");
    assert_eq!(guard.path(), Some(&*configured.path().join("p-y")));
}

#[test]
fn the_attribute_comes_before_the_registry() {
    #[synchronized("x", locks = locks, prefix = "attribute")]
    fn annotated(locks: &Locks) -> bool {
        let busy = |prefix| locks.lock("x").prefix(prefix).try_acquire().expect("a valid name").is_none();
        busy("attribute") && !busy("locks") && !busy("config")
    }
    let locks =
        Locks::new(Config::new().lock_file_prefix("config")).expect("a registry").with_prefix("locks");
    assert!(elsewhere(|| annotated(&locks)));
}

#[test]
fn a_limit_of_the_call_comes_before_that_of_the_configuration() {
    let locks = Locks::new(Config::new().timeout(TINY)).expect("a registry");
    let held = locks.lock("x").acquire().expect("free");
    for lock in [locks.lock("x"), locks.lock("x").read(), locks.lock("x").fair()] {
        assert!(lock.acquire().expect_err("busy").is_timeout());
        assert!(crate::conformance::support::block_on(lock.acquire_async()).expect_err("busy").is_timeout());
    }
    assert!(locks.lock_all(["w", "x"]).acquire().expect_err("busy").is_timeout());
    assert!(locks.lock("x").run(|| ()).expect_err("busy").is_timeout());
    let long = locks.lock("x").timeout(Duration::MAX);
    let waiter = crate::conformance::support::Worker::waiting(move || long.acquire().map(drop));
    let zero = locks.lock("x").timeout(Duration::ZERO).acquire().expect_err("busy");
    assert!(zero.is_timeout());
    drop(held);
    waiter.join().expect("no limit");
}

/// Nothing is skipped without being asked: no directory is an error, and the lock is not taken inside either.
#[test]
fn without_a_directory_there_is_no_external_lock() {
    for config in [Config::new(), Config::new().lock_path("")] {
        let locks = Locks::new(config).expect("a registry");
        assert_eq!(locks.lock_path(), None);
        assert!(locks.lock("x").external().acquire().expect_err("no directory").is_no_lock_path());
        assert!(locks.clean("*", Duration::ZERO).expect_err("no directory").is_no_lock_path());
        assert!(locks.is_empty());
        drop(locks.lock("x").acquire().expect("an internal lock needs none"));
    }
}

/// An empty directory of a call is no directory: as in oslo, where it counts as unset, the configured one is
/// used.
#[test]
fn empty_texts_count_as_unset() {
    let configured = directory();
    let config = Config::new().lock_path(configured.path()).lock_file_prefix("");
    let locks = Locks::new(config).expect("a registry");
    let guard = locks.lock("x").external().acquire().expect("free");
    assert_eq!(guard.name(), "x");
    drop(guard);
    let guard = locks.lock("x").external().lock_path("").acquire();
    let path = guard.map(|guard| guard.path().map(Path::to_owned));
    match path {
        Ok(path) => assert_eq!(path, Some(configured.path().join("x"))),
        // To refuse it is sound as well, but the text has to say what is wrong.
        Err(error) => assert!(error.to_string().contains("lock_path"), "{error}"),
    }
}

#[test]
fn without_process_locking_there_are_no_files() {
    let configured = directory();
    let config = Config::new().lock_path(configured.path()).disable_process_locking(true);
    let locks = Locks::new(config).expect("a registry");
    let guard = locks.lock("x").external().acquire().expect("free");
    assert!(guard.path().is_none());
    assert!(locks.lock("x").try_acquire().expect("busy is no error").is_none(), "inside it excludes as ever");
    assert!(locks.lock("x").external().try_acquire().expect("busy is no error").is_none());
    assert!(locks.lock("x").external().is_locked().expect("a valid name"));
    drop(guard);
    drop(locks.lock("x").external().timeout(TINY).acquire().expect("free"));
    drop(crate::conformance::support::block_on(locks.lock("x").external().acquire_async()).expect("free"));
    let error = locks.lock("x").external().run(|| locks.lock("x").external().acquire().map(drop));
    assert!(error.expect("free").expect_err("held by this thread").is_would_deadlock());
    assert!(matches!(
        locks.lock("x").remove_file().expect("nothing is done"),
        lockutils::Removal::Refused(_)
    ));
    assert_eq!(std::fs::read_dir(configured.path()).expect("it is there").count(), 0);
    let no_directory = Locks::new(Config::new().disable_process_locking(true)).expect("a registry");
    drop(no_directory.lock("x").external().acquire().expect("it needs no directory"));
    drop(no_directory.semaphore("x", 2).external().acquire().expect("it is internal"));
}

#[test]
fn files_and_directories_have_their_modes() {
    use std::os::unix::fs::PermissionsExt;
    let outer = directory();
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o7777;
    for (number, (configured, expected)) in
        [(None, 0o600), (Some(0o660), 0o660), (Some(0o666), 0o666)].iter().enumerate()
    {
        let path = outer.path().join(format!("a/{number}"));
        let config = Config::new().lock_path(&path);
        let config = configured.map_or(config.clone(), |mode| config.lock_file_mode(mode));
        let locks = Locks::new(config).expect("a registry");
        assert!(!path.exists(), "nothing is made before it is needed");
        drop(locks.lock("x").acquire().expect("free"));
        assert!(!path.exists(), "an internal lock makes no directory");
        drop(locks.lock("x").external().acquire().expect("free"));
        assert_eq!((mode(&path), mode(&path.join("x"))), (0o700, *expected));
    }
}

/// A file that is there keeps its mode and its content.
#[test]
fn files_of_others_are_left_as_they_are() {
    use std::os::unix::fs::PermissionsExt;
    let configured = directory();
    let file = configured.path().join("x");
    std::fs::write(&file, "theirs").expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let locks = Locks::new(Config::new().lock_path(configured.path())).expect("a registry");
    drop(locks.lock("x").external().acquire().expect("free"));
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "theirs");
    assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_registry_keeps_to_its_configuration() {
    let here = std::env::current_dir().expect("there is one");
    let locks = Locks::new(Config::new().lock_path("relative/locks")).expect("a registry");
    assert_eq!(locks.lock_path(), Some(here.join("relative/locks")));
    assert!(!here.join("relative").exists());
    assert_eq!(own().lock_path(), None);
}

#[test]
fn wrong_configurations_are_refused_at_once() {
    for config in [
        Config::new().lock_file_prefix("a/b"),
        Config::new().lock_file_prefix("../up"),
        Config::new().lock_file_prefix("a\nb"),
        Config::new().lock_file_prefix("p".repeat(300)),
        Config::new().lock_file_mode(0o400),
        Config::new().lock_file_mode(0o1777),
    ] {
        let shown = format!("{config:?}");
        let error: Error = Locks::new(config).map(drop).expect_err("it cannot be used");
        assert!(error.is_config(), "{shown}: {error}");
    }
}

/// A prefix of a static registry cannot be refused before its first use.
#[test]
fn wrong_prefixes_of_registries_are_refused_by_each_acquire() {
    static WRONG: Locks = lockutils::with_prefix("a/b");
    for _ in 0..2 {
        assert!(WRONG.lock("x").acquire().expect_err("no such prefix").is_invalid_name());
        assert!(WRONG.lock("x").try_acquire().expect_err("no such prefix").is_invalid_name());
    }
}

#[test]
fn the_environment_is_read() {
    let here = directory();
    let read = |environment: &[(&str, &str)]| -> serde_json::Value {
        serde_json::from_str(&told(&["environment"], environment, here.path())[0]).expect("it prints JSON")
    };
    let path = |environment: &[(&str, &str)]| read(environment)["lock_path"].as_str().map(ToOwned::to_owned);
    assert_eq!(path(&[]), None);
    assert_eq!(path(&[("LOCKUTILS_LOCK_PATH", "/a")]).as_deref(), Some("/a"));
    assert_eq!(path(&[("OSLO_LOCK_PATH", "/b")]).as_deref(), Some("/b"));
    assert_eq!(path(&[("LOCKUTILS_LOCK_PATH", "/a"), ("OSLO_LOCK_PATH", "/b")]).as_deref(), Some("/a"));
    assert_eq!(path(&[("LOCKUTILS_LOCK_PATH", ""), ("OSLO_LOCK_PATH", "/b")]).as_deref(), Some("/b"));
    assert_eq!(path(&[("LOCKUTILS_LOCK_PATH", ""), ("OSLO_LOCK_PATH", "")]), None);
    let prefix = |value| read(&[("LOCKUTILS_LOCK_FILE_PREFIX", value)])["lock_file_prefix"].clone();
    assert_eq!((prefix("nova"), prefix("")), ("nova".into(), serde_json::Value::Null));
    let disabled =
        |value| read(&[("LOCKUTILS_DISABLE_PROCESS_LOCKING", value)])["disable_process_locking"].clone();
    for yes in ["1", "true", "TRUE", "Yes", "on"] {
        assert_eq!(disabled(yes), true, "{yes}");
    }
    for no in ["", "0", "false", "False", "no", "OFF"] {
        assert_eq!(disabled(no), false, "{no}");
    }
}

#[test]
fn the_mechanism_is_read() {
    let here = directory();
    let read = |environment: &[(&str, &str)]| -> serde_json::Value {
        serde_json::from_str(&told(&["environment"], environment, here.path())[0]).expect("it prints JSON")
    };
    for (said, mechanism) in
        [("pid", "pid".into()), ("kernel", serde_json::Value::Null), ("", serde_json::Value::Null)]
    {
        assert_eq!(read(&[("LOCKUTILS_MECHANISM", said)])["mechanism"], mechanism, "{said}");
    }
    let environment = [("LOCKUTILS_LOCK_PATH", text(here.path())), ("LOCKUTILS_MECHANISM", "Pid")];
    let expected = "error: the environment variable LOCKUTILS_MECHANISM is \"Pid\", which is no mechanism: set it to kernel \
                    or pid";
    assert_eq!(told(&["take"], &environment, here.path()), [expected]);
}

/// What is no boolean is not taken for one: not by external locks, and not by others of that configuration.
#[test]
fn a_switch_that_is_no_boolean_is_refused() {
    let here = directory();
    for wrong in ["maybe", "2", "y", " 1"] {
        let switch = ("LOCKUTILS_DISABLE_PROCESS_LOCKING", wrong);
        let environment = [("LOCKUTILS_LOCK_PATH", text(here.path())), switch];
        let expected = format!(
            "error: the environment variable LOCKUTILS_DISABLE_PROCESS_LOCKING is {wrong:?}, which is no boolean: set \
             it to true, yes, on or 1, or to false, no, off or 0"
        );
        let printed = told(&["take"], &environment, here.path());
        assert_eq!(printed, [&*expected], "{wrong}");
        let printed = told(&["new"], &environment, here.path());
        assert_eq!(printed, [&*expected, "config", "ok"], "{wrong}");
        // `init` says it all, so that nobody asks the environment but for the directory.
        let printed = told(&["init", text(here.path()), ""], &environment, here.path());
        assert_eq!(printed, ["ok".to_owned(), taken("x", here.path())], "{wrong}");
    }
}

#[test]
fn the_environment_configures_the_process() {
    let (here, other) = (directory(), directory());
    let take = |environment: &[(&str, &str)]| told(&["take"], environment, here.path()).remove(0);
    let path = text(other.path());
    assert_eq!(take(&[("LOCKUTILS_LOCK_PATH", path)]), taken("x", other.path()));
    assert_eq!(take(&[("OSLO_LOCK_PATH", path)]), taken("x", other.path()));
    let prefixed = [("LOCKUTILS_LOCK_PATH", path), ("LOCKUTILS_LOCK_FILE_PREFIX", "nova-")];
    assert_eq!(take(&prefixed), taken("nova-x", other.path()));
    assert_eq!(take(&[("LOCKUTILS_LOCK_PATH", "relative")]), taken("x", &here.path().join("relative")));
    assert_eq!(take(&[("LOCKUTILS_DISABLE_PROCESS_LOCKING", "1")]), "x -");
    assert!(take(&[]).starts_with("error: no directory for the lock file of `x`: "));
    let wrong = [("LOCKUTILS_LOCK_PATH", path), ("LOCKUTILS_LOCK_FILE_PREFIX", "../up")];
    assert!(take(&wrong).starts_with("error: lock_file_prefix \"../up\" cannot be used: "));
}

/// Under a prefix that cannot be read, other locks would be taken than were meant.
#[test]
fn a_prefix_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let here = directory();
    let output = Command::new(env!("CARGO_BIN_EXE_config_helper"))
        .arg("take")
        .env("LOCKUTILS_LOCK_PATH", here.path())
        .env("LOCKUTILS_LOCK_FILE_PREFIX", std::ffi::OsStr::from_bytes(b"nova\xff"))
        .output()
        .expect("the helper was built with the tests");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.starts_with("error: "), "the prefix was left out: {printed}");
}

#[test]
fn code_comes_before_the_environment() {
    let (here, other) = (directory(), directory());
    let environment =
        [("LOCKUTILS_LOCK_PATH", text(other.path())), ("LOCKUTILS_LOCK_FILE_PREFIX", "environment")];
    let printed = told(&["init", text(here.path()), "code"], &environment, here.path());
    assert_eq!(printed, ["ok".to_owned(), taken("code-x", here.path())]);
}

/// Whoever takes the directory of the environment uses it as all others do.
#[cfg_attr(lockutils_portable, ignore = "there are no pid files there")]
#[test]
fn the_mechanism_comes_with_the_directory() {
    let here = directory();
    let (path, mechanism) = (("LOCKUTILS_LOCK_PATH", text(here.path())), "LOCKUTILS_MECHANISM");
    assert_eq!(told(&["init-without-directory"], &[path, (mechanism, "pid")], here.path()), ["ok", "pid"]);
    let printed = told(&["init-without-directory"], &[path, (mechanism, "Pid")], here.path());
    assert!(printed[0].starts_with("error: the environment variable LOCKUTILS_MECHANISM is "), "{printed:?}");
    assert_eq!(told(&["init-without-directory"], &[path], here.path()), ["ok", "kernel"]);
    let elsewhere = told(&["init", text(here.path()), ""], &[(mechanism, "pid")], here.path());
    assert_eq!(elsewhere, ["ok".to_owned(), taken("x", here.path())], "another directory, which code names");
}

#[test]
fn init_is_called_once() {
    let here = directory();
    let printed = told(&["init-twice", text(here.path())], &[], here.path());
    assert!(printed[0].starts_with("error: lock_file_mode 0o0 cannot be used: "), "{printed:?}");
    assert_eq!(printed[1], "ok", "what was refused does not count");
    assert_eq!(
        printed[2],
        "late: the process has its lock configuration already; call `lockutils::init` once, before the first lock \
         is taken"
    );
    assert_eq!(printed[3], taken("x", here.path()));
}

/// Where the environment has switched lock files off, an external lock has none; another configuration would split it.
#[test]
fn external_locks_without_files_come_too_early() {
    let here = directory();
    let variables = [("LOCKUTILS_DISABLE_PROCESS_LOCKING", "true")];
    let printed = told(&["external-then-init", text(here.path())], &variables, here.path());
    assert_eq!(printed[0], "x -");
    assert!(printed[1].starts_with("late: "), "{printed:?}");
    assert_eq!(printed[2], "x -");
}

#[test]
fn internal_locks_do_not_come_too_early() {
    let here = directory();
    let printed = told(&["internal-then-init", text(here.path()), ""], &[], here.path());
    assert_eq!(printed, ["ok".to_owned(), "busy".to_owned(), taken("x", here.path())]);
    let prefix = [("LOCKUTILS_LOCK_FILE_PREFIX", "nova")];
    let printed = told(&["internal-then-init", text(here.path()), "nova"], &prefix, here.path());
    assert_eq!(printed, ["ok".to_owned(), "busy".to_owned(), taken("nova-x", here.path())]);
}

/// `nova` and `nova-` are one prefix, so nothing changes.
#[test]
fn a_prefix_may_be_spelled_in_another_way_later() {
    let here = directory();
    let prefix = [("LOCKUTILS_LOCK_FILE_PREFIX", "nova")];
    let other_form = told(&["internal-then-init", text(here.path()), "nova-"], &prefix, here.path());
    assert_eq!(other_form, ["ok".to_owned(), "busy".to_owned(), taken("nova-x", here.path())]);
}

/// The lock that is held would be another one afterwards.
#[test]
fn a_prefix_does_not_come_after_the_first_lock() {
    let here = directory();
    let environment = [("LOCKUTILS_LOCK_PATH", text(here.path()))];
    let printed = told(&["internal-then-init", text(here.path()), "nova"], &environment, here.path());
    assert_eq!(
        printed[0],
        "late: locks were taken before the configuration gave them a prefix; call `lockutils::init` once, before \
         the first lock is taken"
    );
    assert_eq!(printed[1..], ["busy".to_owned(), taken("x", here.path())]);
}

#[test]
fn external_locks_settle_the_configuration() {
    let (here, other) = (directory(), directory());
    let environment = [("LOCKUTILS_LOCK_PATH", text(here.path()))];
    let printed = told(&["external-then-init", text(other.path())], &environment, here.path());
    assert_eq!((&printed[0], &printed[2]), (&taken("x", here.path()), &taken("x", here.path())));
    assert!(printed[1].starts_with("late: the process has its lock configuration already"), "{printed:?}");
}

#[test]
fn a_directory_in_use_cannot_become_the_configured_one() {
    let here = directory();
    let (real, link) = (here.path().join("real"), here.path().join("link"));
    std::fs::create_dir(&real).expect("a directory");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    for (named, configured) in [(&real, &real), (&real, &real.join(".")), (&real, &link), (&link, &real)] {
        let printed = told(&["named-then-init", text(named), text(configured)], &[], here.path());
        assert!(
            printed[0].starts_with("late: a lock in use has named the configured directory"),
            "{printed:?}"
        );
        assert_eq!(printed[1], "busy");
    }
}

#[test]
fn attributes_are_bound_late() {
    let here = directory();
    let printed = told(&["attribute-then-init", text(here.path())], &[], here.path());
    assert_eq!(printed, ["ok", "Some(true)", "true"]);
}

#[test]
fn a_registry_with_a_prefix_of_its_own_follows_init() {
    let here = directory();
    let printed = told(&["prefix-then-init", text(here.path())], &[], here.path());
    assert_eq!(printed, ["ok".to_owned(), taken("nova-x", here.path())]);
}

#[test]
fn questions_are_not_too_early() {
    let here = directory();
    let printed = told(&["asked-then-init", text(here.path())], &[], here.path());
    assert_eq!(printed, ["ok".to_owned(), taken("late-x", here.path())]);
}

#[test]
fn a_named_relative_directory_is_resolved_by_the_call() {
    let (here, other) = (directory(), directory());
    let printed = told(&["named-relative", text(other.path())], &[], here.path());
    assert_eq!(printed, [(); 3].map(|()| taken("x", &here.path().join("locks"))));
}

#[test]
fn a_relative_directory_is_resolved_once() {
    let (here, other) = (directory(), directory());
    let environment = [("LOCKUTILS_LOCK_PATH", "locks")];
    let printed = told(&["relative", text(other.path())], &environment, here.path());
    assert_eq!(printed, [taken("x", &here.path().join("locks")), taken("x", &here.path().join("locks"))]);
}

#[test]
fn the_environment_is_read_once() {
    let (here, other) = (directory(), directory());
    let environment = [("LOCKUTILS_LOCK_PATH", text(here.path()))];
    let printed = told(&["changed", text(other.path())], &environment, here.path());
    assert_eq!(printed, [taken("x", here.path()), taken("x", here.path())]);
}

#[test]
fn tests_have_a_directory_for_their_process() {
    let here = directory();
    assert_eq!(told(&["fixture"], &[], here.path()), ["true", "true", "true"]);
}
