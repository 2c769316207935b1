//! Every error as a user meets it: what it says, which questions it answers, and what it becomes.

mod table;

use std::error::Error as _;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use lockutils::{Cancel, Config, Error, Locks, synchronized};
use nix::sys::stat::Mode;
use tempfile::TempDir;

use self::table::{Answers, Expected, check};
use crate::conformance::support::{TINY, Worker, elsewhere, own};

/// A registry with a directory, and a second one of the same directory that stands for another process.
struct Place {
    directory: TempDir,
    locks: Locks,
    other: Locks,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let locks = || Locks::new(Config::new().lock_path(directory.path())).expect("a registry");
        Self { locks: locks(), other: locks(), directory }
    }

    fn check(&self, error: Error, expected: &Expected<'_>) {
        check(error, self.directory.path(), expected);
    }
}

const NAME: Expected<'_> =
    Expected { is: &["is_invalid_name"], kind: io::ErrorKind::InvalidInput, ..Expected::ANY };

#[test]
fn names_that_cannot_be() {
    let refused =
        |name: &str, prefix: &str| own().lock(name).prefix(prefix).acquire().expect_err("no such name");
    let (long, wide, longer) = ("x".repeat(256), "ä".repeat(150), "x".repeat(251));
    let start = "x".repeat(60);
    for (name, prefix, text) in [
        ("", "", r#""" cannot be the name of a lock: a name has at least one byte"#.to_owned()),
        (".", "", r#""." cannot be the name of a lock: `.` and `..` are directories"#.to_owned()),
        ("..", "", r#"".." cannot be the name of a lock: `.` and `..` are directories"#.to_owned()),
        ("a\0b", "", r#""a\0b" cannot be the name of a lock: byte 1 is a control character"#.to_owned()),
        (
            ".lockutils-x",
            "",
            r#"".lockutils-x" cannot be the name of a lock: files that begin with `.lockutils-` are no locks, but stand beside them"#
                .to_owned(),
        ),
        ("é\n", "", r#""é\n" cannot be the name of a lock: byte 2 is a control character"#.to_owned()),
        (
            &long,
            "",
            format!(
                "\"{start}\"… (256 bytes) cannot be the name of a lock: a file name has at most 255 bytes and this \
                 one would have 256; `hashed()` makes long names short"
            ),
        ),
        (
            &wide,
            "",
            format!(
                "\"{}\"… (300 bytes) cannot be the name of a lock: a file name has at most 255 bytes and this one \
                 would have 300; `hashed()` makes long names short",
                "ä".repeat(30)
            ),
        ),
        (
            &longer,
            "nova",
            format!(
                "\"{start}\"… (251 bytes) with the prefix \"nova\" cannot be the name of a lock: a file name has at \
                 most 255 bytes and this one would have 256; `hashed()` makes long names short"
            ),
        ),
        (
            "x",
            "../up",
            r#""x" with the prefix "../up" cannot be the name of a lock: byte 2 of its prefix is a `/`; use `lock_path` for another directory"#
                .to_owned(),
        ),
        (
            "",
            "nova",
            r#""" with the prefix "nova" cannot be the name of a lock: a name has at least one byte"#.to_owned(),
        ),
    ] {
        let place = Place::new();
        place.check(refused(name, prefix), &Expected { text: &text, name: Some(name), ..NAME });
    }
}

#[test]
fn no_directory() {
    let expected = Expected {
        text: "no directory for the lock file of `x`: set `lock_path` in the configuration given to \
               `lockutils::init`, or the environment variable LOCKUTILS_LOCK_PATH (OSLO_LOCK_PATH is read too), or \
               call `.lock_path(…)` on the lock",
        is: &["is_no_lock_path"],
        name: Some("x"),
        kind: io::ErrorKind::InvalidInput,
        ..Expected::ANY
    };
    let place = Place::new();
    place.check(own().lock("x").external().acquire().expect_err("no directory"), &expected);
    place.check(own().lock("x").external().try_acquire().expect_err("no directory"), &expected);
    place.check(own().lock("x").external().is_locked().expect_err("no directory"), &expected);
    place.check(own().lock("x").external().remove_file().expect_err("no directory"), &expected);
    let long = own().lock("x".repeat(300)).hashed().external().acquire().expect_err("no directory");
    let start = format!("no directory for the lock file of `{}`… (300 bytes): set", "x".repeat(60));
    assert!(long.to_string().starts_with(&start), "{long}");
}

const TIMEOUT: Expected<'_> = Expected {
    is: &["is_timeout"],
    name: Some("x"),
    kind: io::ErrorKind::TimedOut,
    waited: true,
    ..Expected::ANY
};

#[test]
fn a_wait_ran_out_on_a_writer() {
    let place = Place::new();
    let held = place.locks.lock("x").acquire().expect("free");
    let error = place.locks.lock("x").timeout(TINY).acquire().expect_err("busy");
    assert!(error.waited().expect("it waited") >= TINY);
    let text = "gave up on lock `x` after <time>; this process has held it for <time> or longer, taken at <place>; a longer \
                timeout or `fair` may help";
    place.check(error, &Expected { text, ..TIMEOUT });
    drop(held);
}

#[test]
fn a_wait_ran_out_on_readers() {
    let place = Place::new();
    let held = place.locks.lock("x").read().acquire().expect("free");
    let text = "gave up on lock `x` after <time>; others in this process read it; a longer timeout or `fair` may help";
    let error = place.locks.lock("x").timeout(TINY).acquire().expect_err("busy");
    place.check(error, &Expected { text, ..TIMEOUT });
    drop(held);
}

/// As many have come in as may.
#[test]
fn a_wait_ran_out_on_permits() {
    let place = Place::new();
    let uploads = place.locks.semaphore("x", 2);
    let held = [uploads.acquire(), uploads.acquire()].map(|permit| permit.expect("free"));
    let text = "gave up on lock `x` after <time>; all its 2 permits are taken in this process; a longer timeout or \
                `fair` may help";
    place.check(uploads.timeout(TINY).acquire().expect_err("busy"), &Expected { text, ..TIMEOUT });
    drop(held);
}

#[test]
fn a_wait_ran_out_on_the_one_permit() {
    let place = Place::new();
    let upload = place.locks.semaphore("x", 1);
    let held = upload.acquire().expect("free");
    let text = "gave up on lock `x` after <time>; its one permit is taken in this process; a longer timeout or \
                `fair` may help";
    place.check(upload.timeout(TINY).acquire().expect_err("busy"), &Expected { text, ..TIMEOUT });
    drop(held);
}

/// One who wants the lock alone waits for all permits.
#[test]
fn a_writer_s_wait_ran_out_on_permits() {
    let place = Place::new();
    let held = place.locks.semaphore("x", 2).acquire().expect("free");
    let text = "gave up on lock `x` after <time>; others in this process have permits of it; a longer timeout or \
                `fair` may help";
    let error = place.locks.lock("x").timeout(TINY).acquire().expect_err("busy");
    place.check(error, &Expected { text, ..TIMEOUT });
    drop(held);
}

/// The file is free: it is this process that is in the way, and nobody should look for another one.
#[test]
fn an_external_wait_ran_out_on_readers_of_this_process() {
    let place = Place::new();
    let held = place.locks.lock("x").read().acquire().expect("free");
    let text = "gave up on lock `x` (<dir>/x) after <time>; others in this process read it; a longer \
                timeout or `fair` may help";
    let error = place.locks.lock("x").external().timeout(TINY).acquire().expect_err("busy");
    place.check(error, &Expected { text, path: Some("x"), ..TIMEOUT });
    drop(held);
}

#[test]
fn an_external_wait_ran_out_in_this_process() {
    let place = Place::new();
    let held = place.locks.lock("x").external().acquire().expect("free");
    let text = "gave up on lock `x` (<dir>/x) after <time>; this process has held it for <time>, taken at <place>; a \
                longer timeout or `fair` may help";
    let error = place.locks.lock("x").external().timeout(TINY).acquire().expect_err("busy");
    place.check(error, &Expected { text, path: Some("x"), ..TIMEOUT });
    drop(held);
}

#[test]
fn a_wait_for_the_file_ran_out() {
    let place = Place::new();
    let held = place.other.lock("x").external().acquire().expect("free");
    let text = "gave up on lock `x` (<dir>/x) after <time>; its file is held by <this process> for <time>, at <place>, thread ait_for_the_file_ran_out; a longer timeout may help";
    let error = place.locks.lock("x").external().timeout(TINY).acquire().expect_err("busy");
    place.check(error, &Expected { text, path: Some("x"), ..TIMEOUT });
    drop(held);
}

/// Of a holder who looked at the clock it is known exactly.
#[test]
fn a_wait_ran_out_on_a_timed_writer() {
    let place = Place::new();
    let held = place.locks.lock("x").timed().acquire().expect("free");
    let error = place.locks.lock("x").timeout(TINY).acquire().expect_err("busy");
    let text = "gave up on lock `x` after <time>; this process has held it for <time>, taken at <place>; a longer \
                timeout or `fair` may help";
    place.check(error, &Expected { text, ..TIMEOUT });
    drop(held);
}

#[test]
fn a_task_s_wait_ran_out() {
    let place = Place::new();
    let held = place.locks.lock("x").acquire().expect("free");
    let wait = place.locks.lock("x").timeout(TINY);
    let error = crate::conformance::support::block_on(wait.acquire_async()).expect_err("busy");
    let text = "gave up on lock `x` after <time>; this process has held it for <time> or longer, taken at <place>; a longer \
                timeout or `fair` may help";
    place.check(error, &Expected { text, ..TIMEOUT });
    drop(held);
}

/// The full name, as the file is called: the prefix is a part of it.
#[test]
fn names_in_errors_are_full() {
    let place = Place::new();
    let nova = place.locks.with_prefix("nova");
    let held = nova.semaphore("x", 2).acquire().expect("free");
    let timeout = nova.lock("x").timeout(TINY).acquire().expect_err("busy");
    let mismatch = nova.semaphore("x", 3).acquire().expect_err("another number");
    assert_eq!((timeout.name(), mismatch.name()), (Some("nova-x"), Some("nova-x")));
    drop(held);
    let reentrant = nova.lock("x").reentrant(1);
    let held = reentrant.acquire().expect("free");
    let limit = reentrant.acquire().expect_err("once only");
    assert_eq!(limit.name(), Some("nova-x"));
    drop(held);
}

const CANCELLED: Expected<'_> = Expected {
    is: &["is_cancelled"],
    name: Some("x"),
    kind: io::ErrorKind::Interrupted,
    waited: true,
    ..Expected::ANY
};

#[test]
fn a_wait_was_cancelled() {
    let place = Place::new();
    let held = place.locks.lock("x").acquire().expect("free");
    let cancel = Cancel::new();
    let waits = place.locks.lock("x").cancel_on(&cancel);
    let waiter = Worker::waiting(move || waits.acquire().map(drop));
    cancel.cancel();
    let text = "the wait was cancelled for lock `x` after <time>; this process has held it for <time> or longer, taken at <place>";
    place.check(waiter.join().expect_err("cancelled"), &Expected { text, ..CANCELLED });
    drop(held);
}

#[test]
fn a_wait_for_the_file_was_cancelled() {
    let place = Place::new();
    let held = place.other.lock("x").external().acquire().expect("free");
    let cancel = Cancel::new();
    let waits = place.locks.lock("x").external().cancel_on(&cancel);
    let waiter = Worker::waiting(move || waits.acquire().map(drop));
    cancel.cancel();
    let text = "the wait was cancelled for lock `x` (<dir>/x) after <time>; its file is held by <this process> for <time>, at <place>, thread r_the_file_was_cancelled";
    place.check(waiter.join().expect_err("cancelled"), &Expected { text, path: Some("x"), ..CANCELLED });
    drop(held);
}

const BUSY: Expected<'_> = Expected {
    is: &["is_busy"],
    name: Some("x"),
    kind: io::ErrorKind::WouldBlock,
    waited: true,
    ..Expected::ANY
};

#[test]
fn nobody_wanted_to_wait() {
    #[synchronized("x", locks = locks, blocking = false)]
    fn now(locks: &Locks) -> Result<(), Error> {
        Ok(())
    }
    let place = Place::new();
    let held = place.locks.lock("x").acquire().expect("free");
    let error = elsewhere(|| now(&place.locks)).expect_err("busy");
    assert_eq!(error.waited(), Some(Duration::ZERO));
    let text = "did not wait for lock `x`; this process has it, taken at <place>; try \
                again, or leave `blocking = false` out to wait";
    place.check(error, &Expected { text, ..BUSY });
    drop(held);
}

#[test]
fn nobody_wanted_to_wait_for_the_file() {
    #[synchronized("x", locks = locks, external, blocking = false)]
    fn now(locks: &Locks) -> Result<(), Error> {
        Ok(())
    }
    let place = Place::new();
    let held = place.other.lock("x").external().acquire().expect("free");
    let text = "did not wait for lock `x` (<dir>/x); its file is held by <this process> for <time>, at <place>, thread ted_to_wait_for_the_file; try again, or \
                leave `blocking = false` out to wait";
    place.check(now(&place.locks).expect_err("busy"), &Expected { text, path: Some("x"), ..BUSY });
    drop(held);
}

#[test]
fn a_thread_would_wait_for_itself() {
    let place = Place::new();
    let lock = place.locks.lock("x");
    let error = lock.run(|| lock.acquire().map(drop)).expect("free").expect_err("held by this thread");
    let text = "this thread already holds lock `x`, taken at <place>, and would wait for itself at <place>; let go \
                first, or make both `reentrant`";
    let is: Answers = &["is_would_deadlock"];
    place.check(
        error,
        &Expected { text, is, name: Some("x"), kind: io::ErrorKind::Deadlock, ..Expected::ANY },
    );
}

#[test]
fn as_often_as_it_may() {
    let place = Place::new();
    let lock = place.locks.lock("x").reentrant(1);
    let held = lock.acquire().expect("free");
    let text = "this thread holds re-entrant lock `x` 1 times, which is its limit; raise it or nest less";
    let is: Answers = &["is_limit_reached"];
    let error = lock.acquire().expect_err("the limit");
    place.check(error, &Expected { text, is, name: Some("x"), ..Expected::ANY });
    drop(held);
}

const MISMATCH: Expected<'_> = Expected { is: &["is_mismatch"], name: Some("x"), ..Expected::ANY };

#[test]
fn one_number_for_one_name() {
    let place = Place::new();
    let held = place.locks.semaphore("x", 4).acquire().expect("free");
    let text = "semaphore `x` is in use with 4 permits, but 3 were asked for; use one number for one name";
    let error = place.locks.semaphore("x", 3).acquire().expect_err("another number");
    place.check(error, &Expected { text, ..MISMATCH });
    drop(held);
    let text = "semaphore `x` was asked for with 0 permits; the least is 1";
    let error = place.locks.semaphore("x", 0).acquire().expect_err("no permits");
    place.check(error, &Expected { text, kind: io::ErrorKind::InvalidInput, ..MISMATCH });
}

#[test]
fn what_cannot_be_done() {
    let place = Place::new();
    let expected = Expected {
        text: "a semaphore between processes has at most 1048576 permits (lock `x`); ask for fewer, or leave `external` \
               out",
        is: &["is_unsupported"],
        name: Some("x"),
        kind: io::ErrorKind::Unsupported,
        ..Expected::ANY
    };
    let error = place.locks.semaphore("x", 1_048_577).external().acquire().expect_err("too many");
    place.check(error, &expected);
    assert!(place.locks.is_empty());
}

#[test]
fn not_a_lock_file() {
    let place = Place::new();
    let path = |name: &str| place.directory.path().join(name);
    symlink(path("nowhere"), path("link")).expect("a link");
    std::fs::create_dir(path("dir")).expect("a directory");
    nix::unistd::mkfifo(&path("pipe"), Mode::S_IRWXU).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
    for (name, what) in [
        ("link", "a symbolic link"),
        ("dir", "a directory"),
        ("pipe", "a FIFO"),
        ("socket", "a socket or a device"),
    ] {
        let text = format!(
            "lock file <dir>/{name} is {what}, not a regular file; move it away or choose another name"
        );
        let expected = Expected { text: &text, is: &["is_not_a_file"], path: Some(name), ..Expected::ANY };
        place.check(place.locks.lock(name).external().acquire().expect_err(what), &expected);
        place.check(place.locks.lock(name).external().try_acquire().expect_err(what), &expected);
        let limited = place.locks.lock(name).external().timeout(TINY).acquire();
        place.check(limited.expect_err(what), &expected);
    }
    assert!(!path("nowhere").exists(), "a link has been followed");
    assert!(place.locks.is_empty());
}

#[test]
fn a_device_is_no_lock_file() {
    let place = Place::new();
    let error = place.locks.lock("null").external().lock_path("/dev").acquire().expect_err("a device");
    let text = "lock file /dev/null is a device, not a regular file; move it away or choose another name";
    place.check(error, &Expected { text, is: &["is_not_a_file"], path: Some("/dev/null"), ..Expected::ANY });
}

#[test]
fn a_directory_that_is_a_file() {
    let place = Place::new();
    std::fs::write(place.directory.path().join("file"), "").expect("a file");
    for (at, error) in [("file", 20), ("file/below", 20)] {
        let path = place.directory.path().join(at);
        let lock = place.locks.lock("x").external().lock_path(&path);
        let failed = lock.acquire().expect_err("no directory");
        let source = failed.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.and_then(io::Error::raw_os_error), Some(error), "{at}");
        let text = format!(
            "cannot open the lock directory <dir>/{at}: Not a directory (os error 20); a part of `lock_path` is not \
             a directory"
        );
        let kind = io::ErrorKind::NotADirectory;
        place.check(
            failed,
            &Expected { text: &text, is: &["is_io"], path: Some(at), kind, source: true, ..Expected::ANY },
        );
    }
}

#[test]
fn a_name_that_the_system_refuses() {
    let place = Place::new();
    let path = place.directory.path().join("d".repeat(300));
    let failed = place.locks.lock("x").external().lock_path(&path).acquire().expect_err("too long");
    let long = "d".repeat(300);
    let text = format!(
        "cannot open the lock directory <dir>/{long}: File name too long (os error 36); choose a shorter `lock_path`, \
         or say `hashed()` for a long name"
    );
    let kind = io::ErrorKind::InvalidFilename;
    place.check(
        failed,
        &Expected { text: &text, is: &["is_io"], path: Some(&long), kind, source: true, ..Expected::ANY },
    );
}

/// Root may write everywhere but below /sys; anybody else may not write below /.
#[test]
fn a_directory_of_somebody_else() {
    let place = Place::new();
    let above = if nix::unistd::geteuid().is_root() { "/sys" } else { "/" };
    let failed =
        place.locks.lock("lockutils-test").external().lock_path(above).acquire().expect_err("not ours");
    assert!(failed.is_permission() && failed.is_io(), "{failed}");
    let text = failed.to_string();
    let path = failed.path().expect("it is about a file").display().to_string();
    assert!(text.starts_with(&format!("cannot open lock file {path}: ")), "{text}");
    assert!(
        text.contains("; check the owner and the mode of") || text.contains("; the file system is mounted"),
        "{text}"
    );
    let kind = io::Error::from(failed).kind();
    assert!(matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem), "{kind}");
}

/// Root may make a directory everywhere but below /sys; anybody else may not below /.
#[test]
fn a_directory_that_may_not_be_made() {
    let place = Place::new();
    let above = if nix::unistd::geteuid().is_root() { "/sys" } else { "/" };
    let path = Path::new(above).join("lockutils-test");
    let failed = place.locks.lock("x").external().lock_path(&path).acquire().expect_err("not ours");
    assert!(failed.is_permission() && failed.is_io(), "{failed}");
    let text = failed.to_string();
    assert!(text.starts_with(&format!("cannot make the lock directory {}: ", path.display())), "{text}");
    assert!(
        text.contains("; choose another `lock_path`, or make the directory beforehand")
            || text.ends_with("choose another `lock_path`"),
        "{text}"
    );
}

const CONFIG: Expected<'_> =
    Expected { is: &["is_config"], kind: io::ErrorKind::InvalidInput, ..Expected::ANY };

#[test]
fn configurations_that_cannot_be() {
    let place = Place::new();
    let refused = |config: Config| Locks::new(config).expect_err("no such configuration");
    let text = "lock_file_prefix \"a/b\" cannot be used: byte 1 of its prefix is a `/`; use `lock_path` for another \
                directory";
    place.check(refused(Config::new().lock_file_prefix("a/b")), &Expected { text, ..CONFIG });
    let text = format!(
        "lock_file_prefix \"{}\"… (300 bytes) cannot be used: a file name has at most 255 bytes, and it leaves none \
         for a name",
        "p".repeat(60)
    );
    place
        .check(refused(Config::new().lock_file_prefix("p".repeat(300))), &Expected { text: &text, ..CONFIG });
    let text = "lock_path \"/a\\0b\" cannot be used: it has a NUL in it";
    place.check(refused(Config::new().lock_path("/a\0b")), &Expected { text, ..CONFIG });
    let named = own().lock("x").external().lock_path("/a\0b").acquire();
    place.check(named.expect_err("no such directory"), &Expected { text, ..CONFIG });
    for (mode, shown) in [(0o400, "0o400"), (0o1600, "0o1600"), (600, "0o1130")] {
        let text = format!(
            "lock_file_mode {shown} cannot be used: it is made of permission bits, and the owner must be able to \
             read and write; write it in octal digits, such as \"0660\" (0o660)"
        );
        place.check(refused(Config::new().lock_file_mode(mode)), &Expected { text: &text, ..CONFIG });
    }
}

#[test]
fn patterns_that_cannot_be() {
    let place = Place::new();
    let error = place.locks.clean("[", Duration::ZERO).expect_err("no pattern");
    let source = error.source().map(ToString::to_string).expect("the parser says why");
    let text = format!("pattern \"[\" cannot be used: {source}");
    place.check(error, &Expected { text: &text, source: true, ..CONFIG });
}

/// `?` takes it along, in the types that people use.
#[test]
fn errors_travel() {
    fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        drop(own().lock("").acquire()?);
        Ok(())
    }
    fn io() -> io::Result<()> {
        drop(own().lock("").acquire()?);
        Ok(())
    }
    assert!(boxed().expect_err("no name").downcast_ref::<Error>().is_some_and(Error::is_invalid_name));
    let error = io().expect_err("no name");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    assert!(inner.is_some_and(Error::is_invalid_name));
    assert_eq!(error.to_string(), inner.map(ToString::to_string).unwrap_or_default());
}

#[test]
fn a_held_file_was_removed() {
    let place = Place::new();
    let held = place.locks.lock("x").external().acquire().expect("free");
    std::fs::remove_file(place.directory.path().join("x")).expect("it is there");
    let text = "lock `x` is lost: its file <dir>/x was removed or replaced while it was held, and somebody else may \
                hold it now; stop what it protects, and take it again";
    let expected = Expected { text, is: &["is_lost"], name: Some("x"), path: Some("x"), ..Expected::ANY };
    place.check(held.check().expect_err("it is gone"), &expected);
}

#[test]
fn a_token_is_out_of_date() {
    let text =
        "fencing token 1 is out of date: 2 was seen, so somebody else has had the lock since; take it again";
    let expected = Expected { text, is: &["is_fenced"], ..Expected::ANY };
    Place::new().check(lockutils::Fence::from_highest(2).check(1).expect_err("it is smaller"), &expected);
}

#[test]
fn everybody_may_write_to_the_directory() {
    let place = Place::new();
    std::fs::set_permissions(place.directory.path(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
    let text = "everybody may write to the lock directory <dir>, and so remove the files of others: take that right away \
                (chmod o-w), or set the sticky bit (chmod +t), or say `insecure_lock_path = true` in the configuration";
    let (is, kind) = (&["is_config"], io::ErrorKind::PermissionDenied);
    let expected = Expected { text, is, path: Some(""), kind, ..Expected::ANY };
    let lock = place.locks.lock("x").external();
    place.check(lock.acquire().expect_err("not safe"), &expected);
    place.check(lock.try_acquire().expect_err("not safe"), &expected);
}
