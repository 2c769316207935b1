//! Paths that lead to one file in several ways, or to another one than before.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Config, Locks};
use lockutils_tests::{BOUND, Mounts, Place, eventually};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::record::polled;

const LIMIT: Duration = Duration::from_millis(50);

/// Two hard links are one file to the kernel: other processes are kept out under both names. So is this one,
/// which has two locks by name: it finds the other name busy, and a wait for itself runs out.
#[test]
fn two_names_of_one_file_exclude_each_other() {
    let place = Place::new("two_names_of_one_file_exclude_each_other");
    fs::write(place.file("one"), "").expect("a file");
    fs::hard_link(place.file("one"), place.file("two")).expect("a link");
    for (name, other) in [("one", "two"), ("two", "one")] {
        let guard = place.try_acquire(name).expect("free");
        assert!(place.try_acquire(other).is_none(), "this process has it");
        assert!(!place.comes_free(other, LIMIT), "this process has it");
        // Having opened and closed the file under the other name has let nothing go.
        assert!(!place.actor(name, &[]).try_take() && !place.actor(other, &[]).try_take());
        drop(guard);
        let mut holder = place.holder(name);
        assert!(place.try_acquire(other).is_none());
        holder.release();
        assert!(place.comes_free(other, BOUND));
    }
}

/// The lock came to a task before its file was removed, or the directory replaced; and the task looks only afterwards.
#[cfg_attr(lockutils_portable, ignore = "a lock there comes to nobody who does not look")]
#[test]
fn a_task_that_looks_late_takes_the_lock_where_it_is_by_then() {
    for removed in ["file", "directory"] {
        let place = Place::new("a_task_that_looks_late_takes_the_lock_where_it_is_by_then");
        let registry =
            || Locks::new(Config::new().lock_path(place.path())).expect("a registry").lock("job").external();
        let [holder, late, other] = [registry(), registry(), registry()];
        let held = holder.acquire().expect("free");
        let mut waiting = pin!(late.acquire_async());
        assert!(polled(waiting.as_mut()).is_none());
        place.has_waiters("job", 1);
        drop(held);
        let noted = || fs::read_to_string(place.file("job")).expect("text").contains("\nin task\n");
        eventually("the lock has come", noted);
        if removed == "file" {
            fs::remove_file(place.file("job")).expect("it can be removed");
        } else {
            place.renew();
        }
        let guard = other.acquire().expect("a new file");
        // Longer than a thread is kept from the processor; a task may do so for any time.
        thread::sleep(Duration::from_millis(50));
        assert!(polled(waiting.as_mut()).is_none(), "{removed}: another has it");
        guard.release().expect("it is there");
        let guard = block_on(waiting).expect("free");
        assert!(!guard.is_lost().expect("no error"), "{removed}");
    }
}

/// A directory that is mounted in two places is one lock. A file that is, is one file: busy under the other
/// name, for its own process too.
#[test]
fn bind_mounts_exclude_each_other() {
    let place = Place::new("bind_mounts_exclude_each_other");
    let mounts = Mounts::new(
        &place,
        "mkdir one two; mount --bind one two; touch one/file one/bound; mount --bind one/file one/bound",
    );
    for (first, second) in [("one/job", "two/job"), ("one/file", "one/bound"), ("one/bound", "two/file")] {
        let paths = [place.file(first), place.file(second)].map(|path| path.display().to_string());
        let mut both = mounts.helper("one", &["two", &paths[0], &paths[1]]);
        both.expect("busy");
        both.expect("timeout");
    }
    let mut holder = mounts.helper("one", &["actor", "job"]);
    holder.take();
    assert!(!mounts.helper("two", &["actor", "job"]).try_take());
}

/// The directory may be a symbolic link, which leads elsewhere later: guards of the old directory are lost, and whoever
/// comes next meets in the new one.
#[test]
fn a_link_to_the_directory_may_be_changed() {
    let place = Place::new("a_link_to_the_directory_may_be_changed");
    let lead = |to: &str| {
        fs::create_dir_all(place.file(to)).expect("a directory");
        symlink(to, place.file("next")).expect("a link");
        fs::rename(place.file("next"), place.file("link")).expect("links can be replaced");
    };
    lead("one");
    let locks = Locks::new(Config::new().lock_path(place.file("link"))).expect("a registry");
    let lock = locks.lock("job").external();
    let guard = lock.acquire().expect("free");
    lead("two");
    assert!(guard.is_lost().expect("no error"));
    let mut other = place.helper_at("link", &["actor", "job"]);
    assert!(other.try_take(), "nobody has the file of the new directory");
    drop(guard);
    assert!(lock.try_acquire().expect("no error").is_none(), "the other process has it");
    other.release();
    let guard = lock.acquire().expect("free");
    assert!(!place.helper_at("two", &["actor", "job"]).try_take(), "we are in the new directory");
    assert!(!guard.is_lost().expect("no error"));
}

/// Who waits behind the link gets the lock where the link leads when its turn comes.
#[test]
fn a_waiter_follows_the_link() {
    for words in [&[][..], &["timeout=25000"], &["async"]] {
        let place = Place::new("a_waiter_follows_the_link");
        fs::create_dir(place.file("one")).expect("a directory");
        fs::create_dir(place.file("two")).expect("a directory");
        symlink("one", place.file("link")).expect("a link");
        let mut holder = place.helper_at("link", &["actor", "job"]);
        holder.take();
        let mut waiter = place.helper_at("link", &[&["actor", "job"], words].concat());
        waiter.say("wait");
        place.has_waiters("one/job", 1);
        fs::remove_file(place.file("link")).expect("it is there");
        symlink("two", place.file("link")).expect("a link");
        holder.release();
        waiter.expect("held");
        assert!(!place.helper_at("two", &["actor", "job"]).try_take(), "{words:?}");
    }
}

/// Two directories change places all the time: every acquire ends well, and the last one is where the path
/// leads.
#[test]
fn a_directory_that_is_swapped_all_the_time() {
    let place = Place::new("a_directory_that_is_swapped_all_the_time");
    let (one, two) = (place.file("one"), place.file("two"));
    fs::create_dir(&one).expect("a directory");
    fs::create_dir(&two).expect("a directory");
    let locks = Locks::new(Config::new().lock_path(&one)).expect("a registry");
    let take = |_| drop(locks.lock("job").external().timeout(BOUND).acquire().expect("the lock"));
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(SeqCst) {
                renameat2(AT_FDCWD, &one, AT_FDCWD, &two, RenameFlags::RENAME_EXCHANGE).expect("swapped");
                thread::yield_now();
            }
        });
        let takers: Vec<_> = (0..2).map(|_| scope.spawn(|| (0..200).for_each(take))).collect();
        let ended: Vec<_> = takers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        end.store(true, SeqCst);
        assert!(ended.iter().all(Result::is_ok));
    });
    let guard = locks.lock("job").external().acquire().expect("free");
    assert!(!guard.is_lost().expect("no error"));
    assert!(!place.helper_at("one", &["actor", "job"]).try_take());
}

/// A held file that is renamed is lost, and is not when it is back.
#[test]
fn a_renamed_file_is_lost_until_it_is_back() {
    let place = Place::new("a_renamed_file_is_lost_until_it_is_back");
    let guard = place.try_acquire("job").expect("free");
    fs::rename(place.file("job"), place.file("away")).expect("it is there");
    assert!(guard.is_lost().expect("no error"));
    assert!(guard.check().expect_err("it is lost").is_lost());
    assert!(!place.actor("away", &[]).try_take(), "the lock went along with the file");
    fs::rename(place.file("away"), place.file("job")).expect("it is there");
    guard.check().expect("it is back");
    assert!(!place.actor("job", &[]).try_take());
}

/// A path that the kernel does not take is an error, and no panic; so is a part of it.
#[test]
fn a_path_that_is_too_long() {
    for path in ["long/".repeat(900), "l".repeat(256)] {
        let place = Place::with("a_path_that_is_too_long", |config| config);
        let lock = place.lock("job").lock_path(place.file(&path));
        let error = lock.try_acquire().expect_err("no such path");
        assert!(error.is_io() && error.to_string().contains("(os error 36)"), "{error}");
    }
}

/// A directory may have any name that the kernel takes, also one that is no text.
#[test]
fn a_directory_whose_name_is_no_text() {
    let place = Place::new("a_directory_whose_name_is_no_text");
    let directory = place.path().join(OsStr::from_bytes(b"\xff\n \xc3"));
    let guard = place.lock("job").lock_path(&directory).acquire().expect("free");
    assert_eq!(guard.path(), Some(&*directory.join("job")));
    let mut command = place.command(&["actor", "job"]);
    let mut other = lockutils_tests::Child::spawn(command.env("LOCKUTILS_LOCK_PATH", &directory));
    assert!(!other.try_take());
    drop(guard);
    assert!(other.try_take());
}
