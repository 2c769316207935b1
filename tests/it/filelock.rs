//! What is worth copying of filelock's tests, by their names, and of those of tooz and cinder that concern
//! lock files.
//!
//! A name that upstream shortens with dots stands here in full. What is about its other kinds of lock (marker
//! files, leases, `SQLite`) has no counterpart.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::{Barrier, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use lockutils::{Cancel, Config, Error, Lock, Locks, synchronized};
use lockutils_tests::{Peer, Place, asleep};
use nix::unistd::gettid;

const LIMIT: Duration = Duration::from_millis(10);

fn is_free(lock: &Lock) -> bool {
    lock.try_acquire().expect("no error").is_some()
}

/// Somebody who waits on a file that is removed right after it was let go ends up with the others.
#[test]
fn waiter_fd_cannot_split_lock_after_release() {
    let place = Place::new("waiter_fd_cannot_split_lock_after_release");
    let mut holder = place.holder("lock");
    let mut waiter = place.waiter("lock", &[]);
    holder.release();
    waiter.expect("held");
    let _ = place.lock("lock").remove_file().expect("no error");
    assert!(!holder.try_take(), "the waiter has it");
    waiter.release();
    assert!(holder.try_take());
    assert!(place.try_acquire("lock").is_none());
}

/// Whoever gets the lock of a file that was removed meanwhile takes the one that is there now.
#[test]
fn stale_inode_retry_on_unlinked_lock() {
    let place = Place::new("stale_inode_retry_on_unlinked_lock");
    let mut holder = place.holder("lock");
    let mut waiter = place.waiter("lock", &[]);
    fs::remove_file(place.file("lock")).expect("it is there");
    holder.release();
    waiter.expect("held");
    assert!(place.file("lock").exists(), "the waiter has made it anew");
    assert!(!holder.try_take());
}

/// A kept handle whose file was replaced while it was not held takes the new file.
#[test]
fn stale_inode_retry_of_a_kept_handle() {
    let place = Place::new("stale_inode_retry_of_a_kept_handle");
    let lock = place.lock("lock");
    for _ in 0..3 {
        drop(lock.acquire().expect("a free lock"));
        fs::remove_file(place.file("lock")).expect("it is there");
        let mut other = place.holder("lock");
        assert!(!is_free(&lock), "the other one holds the new file");
        other.release();
    }
}

/// Taking and letting go by many leaves one and the same file.
#[test]
fn concurrent_acquire_release_keeps_lock_file() {
    let place = Place::new("concurrent_acquire_release_keeps_lock_file");
    drop(place.try_acquire("lock"));
    let inode = || fs::metadata(place.file("lock")).expect("it is there").ino();
    let before = inode();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| drop(place.lock("lock").acquire().expect("the lock"))));
        }
    });
    assert_eq!(inode(), before);
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1);
}

/// Who finds the lock busy changes neither the content nor the mode of the holder's file.
fn contend(place: &Place) {
    let _holder = place.holder("lock");
    let contender = place.locks().lock("lock").external();
    assert!(!is_free(&contender));
    assert!(contender.timeout(LIMIT).acquire().expect_err("held").is_timeout());
}

#[test]
fn contender_preserves_holder_contents() {
    let place = Place::new("contender_preserves_holder_contents");
    fs::write(place.file("lock"), "the holder's").expect("a file");
    contend(&place);
    assert_eq!(fs::read_to_string(place.file("lock")).expect("a file"), "the holder's");
}

#[test]
fn contender_preserves_holder_mode() {
    let place = Place::with("contender_preserves_holder_mode", |config| config.lock_file_mode(0o666));
    fs::write(place.file("lock"), "").expect("a file");
    fs::set_permissions(place.file("lock"), fs::Permissions::from_mode(0o640)).expect("it is ours");
    contend(&place);
    let mode = fs::metadata(place.file("lock")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// What a process of ours asks the kernel for about a lock file that is there.
fn calls(test: &str, busy: bool) -> String {
    let place = Place::new(test);
    drop(place.try_acquire("lock"));
    let _holder = busy.then(|| place.holder("lock"));
    let file = place.file("lock").display().to_string();
    let (mut child, log) = place.strace(&["-P", "lock", "-P", &file], &["take", "lock", "timeout=10"]);
    child.expect(if busy { "timeout" } else { "held" });
    child.finish();
    fs::read_to_string(log).expect("a log")
}

#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn contender_does_not_fchmod() {
    let log = calls("contender_does_not_fchmod", true);
    assert!(log.contains("F_OFD_SETLK") && log.contains("EAGAIN"), "{log}");
    for change in ["chmod(", "chown(", "truncate(", "write(", "O_TRUNC", "unlink", "rename"] {
        assert!(!log.contains(change), "{change}:\n{log}");
    }
}

/// A file that is there is opened without `O_CREAT`, which a sticky directory refuses for the file of another
/// user.
#[test]
fn permission_error_fallback_without_o_creat() {
    let log = calls("permission_error_fallback_without_o_creat", false);
    let opened = log.lines().find(|line| line.contains("openat(")).expect("it was opened");
    assert!(!opened.contains("O_CREAT"), "{opened}");
    assert!(opened.contains("O_NOFOLLOW") && opened.contains("O_CLOEXEC"), "{opened}");
}

/// Two handles, one thread: what can only wait for itself is refused.
#[test]
fn same_thread_different_instances_raises() {
    let place = Place::new("same_thread_different_instances_raises");
    let inner = place.lock("lock").run(|| place.lock("lock").acquire().map(drop));
    assert!(inner.expect("a free lock").expect_err("it would wait for itself").is_would_deadlock());
    assert!(place.actor("lock", &[]).try_take(), "it is free");
}

#[test]
fn finite_timeout_gives_timeout_not_deadlock() {
    let place = Place::new("finite_timeout_gives_timeout_not_deadlock");
    let inner = place.lock("lock").run(|| place.lock("lock").timeout(LIMIT).acquire().map(drop));
    assert!(inner.expect("a free lock").expect_err("this thread has it").is_timeout());
}

/// Another thread that waits is no deadlock.
#[test]
fn different_threads_no_false_positive() {
    let place = Place::new("different_threads_no_false_positive");
    let (started, other) = mpsc::channel();
    let wait = || {
        started.send(gettid()).expect("the test listens");
        place.lock("lock").acquire().map(drop)
    };
    thread::scope(|scope| {
        let waiter = place
            .lock("lock")
            .run(|| {
                let waiter = scope.spawn(wait);
                asleep(other.recv().expect("it starts"));
                waiter
            })
            .expect("a free lock");
        waiter.join().expect("no panic").expect("the lock");
    });
}

/// Two paths to one directory are one lock, also within a process.
#[test]
fn symlink_same_canonical_path() {
    let place = Place::new("symlink_same_canonical_path");
    let (there, link) = (place.file("there"), place.file("link"));
    fs::create_dir(&there).expect("a directory");
    symlink(&there, &link).expect("a link");
    let through = |path| place.lock("lock").lock_path(path);
    let guard = through(&there).acquire().expect("a free lock");
    assert!(!is_free(&through(&link)));
    drop(guard);
    let guard = through(&link).acquire().expect("a free lock");
    assert!(!is_free(&through(&there)));
    drop(guard);
    assert!(is_free(&through(&link)));
}

/// Many threads make the first handle of a name at once: they have one lock.
#[test]
fn singleton_locks_survive_concurrent_first_construction() {
    let place = Place::new("singleton_locks_survive_concurrent_first_construction");
    for round in 0..20 {
        let (start, inside) = (Barrier::new(8), AtomicI32::new(0));
        let enter = || {
            start.wait();
            let _guard = place.lock(&format!("lock-{round}")).acquire().expect("the lock");
            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two are inside");
            thread::yield_now();
            inside.fetch_sub(1, SeqCst);
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(enter))));
        assert_eq!(place.locks().len(), 0);
    }
}

/// Spellings that give one file are one lock.
#[test]
fn singleton_shares_across_equivalent_spellings() {
    let place = Place::new("singleton_shares_across_equivalent_spellings");
    let lock = |prefix: &str, name: &str| place.lock(name).prefix(prefix);
    let dotted = place.path().join(".").join("nova-a_b");
    for (one, other) in [
        (lock("nova", "a/b"), lock("nova-", "a_b")),
        (lock("nova", "a-b"), lock("nova-a", "b")),
        (lock("", "nova-a/b"), lock("nova", "a_b")),
        (lock("nova", "a/b"), lock("nova", "a/b").lock_path(dotted.parent().expect("a directory"))),
    ] {
        let guard = one.acquire().expect("a free lock");
        assert!(!is_free(&other), "{} is another lock for {other:?}", guard.name());
        assert_eq!(place.locks().len(), 1);
    }
}

#[test]
fn singleton_deleted_when_no_external_references_exist() {
    let place = Place::new("singleton_deleted_when_no_external_references_exist");
    let lock = place.lock("lock");
    (0..2).for_each(|_| drop(lock.acquire().expect("a free lock")));
    assert_eq!(place.locks().len(), 1, "the handle keeps it");
    drop(lock);
    assert_eq!(place.locks().len(), 0);
}

/// Upstream keeps the lock when the kernel refuses to unlock. Here the file is closed, which lets go too, and
/// the error is told; dropping the guard does the same without it.
#[cfg_attr(
    lockutils_portable,
    ignore = "it counts, kills at or lets fail calls by name, and those are others there"
)]
#[test]
fn release_keeps_lock_held_when_unlock_fails() {
    for (call, when) in [("flock", "2"), ("fcntl", "3")] {
        let place = Place::new("release_keeps_lock_held_when_unlock_fails");
        let (trace, file) = (format!("trace={call}"), place.file("lock").display().to_string());
        let inject = format!("inject={call}:error=EIO:when={when}");
        let (mut child, _) = place.strace(&["-e", &trace, "-e", &inject, "-P", &file], &["release", "lock"]);
        let line = child.line();
        assert!(line.starts_with("error io: cannot unlock"), "{call}: {line}");
        assert!(place.try_acquire("lock").is_some(), "{call}: it is free for us");
        for peer in [Peer::alone("lockf"), Peer::alone("flock(1)")] {
            assert!(peer.actor(&place.file("lock")).try_take(), "{call}: it is free for {peer:?}");
        }
    }
}

/// What fails just after the lock was taken lets it go.
#[test]
fn on_acquired_failure_releases_lock() {
    let place = Place::new("on_acquired_failure_releases_lock");
    let fails = catch_unwind(AssertUnwindSafe(|| place.lock("lock").run(|| panic!("just after"))));
    assert!(fails.is_err());
    assert!(place.actor("lock", &[]).try_take());
}

#[test]
fn final_symlink_backend_refuses_to_lock() {
    let place = Place::new("final_symlink_backend_refuses_to_lock");
    fs::write(place.file("target"), "").expect("a file");
    symlink("target", place.file("lock")).expect("a link");
    let error = place.lock("lock").acquire().expect_err("a link is not followed");
    assert!(error.is_not_a_file(), "{error}");
    assert!(place.holder("target").finish().is_empty());
}

#[test]
fn child_cleanup_preserves_parent_lock() {
    let place = Place::new("child_cleanup_preserves_parent_lock");
    let mut parent = place.helper(&["fork-drop", "lock"]);
    parent.expect("busy");
    parent.expect("held");
    assert!(place.try_acquire("lock").is_none());
}

#[test]
fn child_interpreter_exit_preserves_parent_lock() {
    let place = Place::new("child_interpreter_exit_preserves_parent_lock");
    let mut parent = place.helper(&["fork-exit", "lock"]);
    parent.expect("held");
    assert!(place.try_acquire("lock").is_none());
    parent.finish();
    assert!(place.try_acquire("lock").is_some());
}

/// Upstream refuses a handle that was inherited while it was not held. Here the child opens the file anew, so
/// that its parent, with the same handle, finds it busy.
#[test]
fn inherited_idle_lock_rejects_acquire() {
    let place = Place::new("inherited_idle_lock_rejects_acquire");
    let mut parent = place.helper(&["fork-idle", "lock"]);
    parent.expect("busy");
    assert!(place.try_acquire("lock").is_none());
    parent.finish();
    assert!(place.try_acquire("lock").is_some());
}

#[test]
fn cancel_check_triggers() {
    let place = Place::new("cancel_check_triggers");
    let _holder = place.holder("lock");
    let cancel = Cancel::new();
    let lock = place.lock("lock").cancel_on(&cancel);
    let waiter = thread::spawn(move || lock.acquire().map(drop));
    place.has_waiters("lock", 1);
    cancel.cancel();
    assert!(waiter.join().expect("no panic").expect_err("cancelled").is_cancelled());
}

#[test]
fn cancel_check_not_called_when_available() {
    let place = Place::new("cancel_check_not_called_when_available");
    let cancel = Cancel::new();
    assert!(place.lock("lock").cancel_on(&cancel).acquire().is_ok());
    assert!(!cancel.is_cancelled());
}

/// A future that is dropped at any moment of its wait leaves no half of the lock.
#[test]
fn async_cancellation_during_acquire_leaves_no_half_held_lock() {
    let place = Place::new("async_cancellation_during_acquire_leaves_no_half_held_lock");
    let mut holder = place.holder("lock");
    for polls in 0..4 {
        let lock = place.lock("lock");
        let mut acquire = pin!(lock.acquire_async());
        for _ in 0..polls {
            assert!(acquire.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    assert!(!place.lock("lock").internal().is_locked().expect("no error"));
    holder.release();
    holder.take();
    holder.release();
    assert!(place.comes_free("lock", Duration::from_secs(10)));
}

/// cinder: names are rendered from the arguments, taken once each, and in the order of their full names.
#[test]
fn test_synchronized_multiple_templates() {
    struct Volume {
        id: u32,
    }

    #[synchronized("lock-{volume.id}", "{fn}-{snapshot}", "lock-{other}", external, locks = locks)]
    fn method(locks: &Locks, volume: &Volume, snapshot: &str, other: u32) -> BTreeSet<String> {
        let names = ["lock-1", "lock-2", "method-snap"];
        let held = names.into_iter().filter(|name| !is_free(&locks.lock(name).external()));
        held.map(str::to_owned).collect()
    }

    let place = Place::new("test_synchronized_multiple_templates");
    let held = method(place.locks(), &Volume { id: 2 }, "snap", 1);
    assert_eq!(held, ["lock-1", "lock-2", "method-snap"].map(str::to_owned).into());
    let held = method(place.locks(), &Volume { id: 2 }, "snap", 2);
    assert_eq!(held, ["lock-2", "method-snap"].map(str::to_owned).into(), "one name twice is one lock");
}

/// cinder: whatever order the names are written in, two who want the same ones never wait for each other.
#[test]
fn test_synchronized_multiple_sorted() -> Result<(), Error> {
    let place = Place::new("test_synchronized_multiple_sorted");
    let guards = place.locks().lock_all(["b", "c", "a", "b"]).external().acquire()?;
    assert_eq!(guards.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    drop(guards);
    thread::scope(|scope| {
        for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
            let place = &place;
            scope.spawn(move || {
                for _ in 0..50 {
                    drop(place.locks().lock_all(order).external().acquire().expect("the locks"));
                }
            });
        }
    });
    Ok(())
}

/// cinder: what is to be removed by a pattern and is gone already is no error.
#[test]
fn test_remove_lock_missing() {
    let place = Place::new("test_remove_lock_missing");
    let cleaned = place.locks().clean("volume-*", Duration::ZERO).expect("no error");
    assert_eq!(cleaned, lockutils::Cleaned::default());
}

/// cinder: what cannot be removed is told once for each file, and the others are removed.
#[test]
fn test_remove_lock_failure() {
    let place = Place::new("test_remove_lock_failure");
    fs::create_dir(place.file("volume-1")).expect("a directory");
    drop(place.try_acquire("volume-2"));
    let cleaned = place.locks().clean("volume-*", Duration::ZERO).expect("no error");
    assert_eq!(cleaned.removed, ["volume-2"]);
    assert_eq!(cleaned.foreign, [("volume-1".to_owned(), "it is not a regular file".to_owned())]);
}

/// tooz: whose lock was broken from outside takes nothing away from its successor when it lets go.
#[test]
fn get_lock_release_broken() {
    let place = Place::new("get_lock_release_broken");
    let broken = place.try_acquire("lock").expect("a free lock");
    fs::remove_file(place.file("lock")).expect("it is there");
    let successor = place.holder("lock");
    assert!(broken.is_lost().expect("no error"));
    drop(broken);
    assert!(place.try_acquire("lock").is_none(), "the successor has it");
    successor.finish();
    assert!(place.try_acquire("lock").is_some());
}

/// tooz: who shares and who excludes, between processes.
#[test]
fn get_shared_lock() {
    let place = Place::new("get_shared_lock");
    let _reader = place.holder_with("lock", &["read"]);
    assert!(place.actor("lock", &["read"]).try_take());
    assert!(!place.actor("lock", &[]).try_take());
    assert!(is_free(&place.lock("lock").read()));
    assert!(!is_free(&place.lock("lock")));
    let elsewhere = Locks::new(Config::new().lock_path(place.file("elsewhere"))).expect("a registry");
    assert!(is_free(&elsewhere.lock("lock").external()));
}
