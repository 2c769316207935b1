//! The directory of the lock files: missing, renewed, relative, forbidden; and the modes of what is made.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lockutils_tests::{Child, Place, eventually};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// A cleaner or a reboot takes the directory away while the service goes on: whoever comes next meets in the
/// new one.
#[test]
fn a_renewed_directory_is_noticed() {
    let place = Place::new("a_renewed_directory_is_noticed");
    let lock = place.lock("job");
    for _ in 0..3 {
        drop(lock.acquire().expect("a free lock"));
        drop(lock.acquire().expect("a free lock"));
        place.renew();
        let guard = lock.acquire().expect("a lock in the new directory");
        assert!(place.file("job").exists());
        assert!(!place.actor("job", &[]).try_take(), "another process meets us there");
        drop(guard);
    }
}

#[test]
fn a_guard_of_a_renewed_directory_is_lost() {
    let place = Place::new("a_guard_of_a_renewed_directory_is_lost");
    let guard = place.try_acquire("job").expect("a free lock");
    place.renew();
    assert!(guard.is_lost().expect("no error"));
    drop(guard);
    let again = place.try_acquire("job").expect("a free lock");
    assert!(!again.is_lost().expect("no error"));
}

/// Whoever waits on a file of the old directory gets its lock in the new one, where all others are.
#[test]
fn a_waiter_moves_to_the_new_directory() {
    for words in [&[][..], &["timeout=25000"], &["async"]] {
        let place = Place::new("a_waiter_moves_to_the_new_directory");
        let mut holder = place.holder("job");
        let mut waiter = place.waiter("job", words);
        place.renew();
        holder.release();
        waiter.expect("held");
        assert!(place.try_acquire("job").is_none(), "{words:?} has it in the new directory");
    }
}

/// The directory is missing again and again: it is made, for its owner alone.
#[test]
fn a_missing_directory_is_made() {
    let place = Place::new("a_missing_directory_is_made");
    let locks =
        lockutils::Locks::new(lockutils::Config::new().lock_path(place.file("a/b"))).expect("a registry");
    for _ in 0..2 {
        drop(locks.lock("job").external().acquire().expect("a free lock"));
        assert!(place.file("a/b/job").exists());
        assert_eq!(mode(&place.file("a/b")), 0o700);
        fs::remove_dir_all(place.file("a")).expect("it is there");
    }
}

/// A relative directory is resolved once: the service may go elsewhere.
#[test]
fn a_relative_directory_stays_where_it_was() {
    let place = Place::new("a_relative_directory_stays_where_it_was");
    let mut command = place.command(&["chdir", "first", "second"]);
    command.env("LOCKUTILS_LOCK_PATH", "locks").current_dir(place.path());
    let mut child = Child::spawn(&mut command);
    let there = place.path().canonicalize().expect("it is there").join("locks");
    for name in ["first", "second"] {
        child.expect(&there.join(name).display().to_string());
        assert!(there.join(name).exists());
    }
}

/// The mode of a new file is the configured one, whatever the umask says; that of a new directory is 0700.
#[test]
fn the_umask_changes_nothing() {
    for mask in ["0777", "0000", "0077", "0022"] {
        for (words, expected) in [("600", 0o600), ("660", 0o660), ("666", 0o666)] {
            let place = Place::new("the_umask_changes_nothing");
            let directory = place.file("new");
            let mut command = place.command(&["umask", mask, words, "job"]);
            let mut child = Child::spawn(command.env("LOCKUTILS_LOCK_PATH", &directory));
            child.expect("held");
            assert_eq!(mode(&directory.join("job")), expected, "umask {mask}");
            assert_eq!(mode(&directory), 0o700, "umask {mask}");
        }
    }
}

/// A file that is there already keeps its mode and its content: others have made it.
#[test]
fn the_mode_and_content_of_an_old_file_stay() {
    let place = Place::new("the_mode_and_content_of_an_old_file_stay");
    fs::write(place.file("job"), "theirs").expect("a file");
    set_mode(&place.file("job"), 0o664);
    drop(place.try_acquire("job").expect("a free lock"));
    assert_eq!(mode(&place.file("job")), 0o664);
    assert_eq!(fs::read_to_string(place.file("job")).expect("a file"), "theirs");
}

/// What another user may not do is an error that says so, and no lock.
#[test]
fn a_user_without_rights_gets_an_error() {
    let place = Place::new("a_user_without_rights_gets_an_error");
    fs::write(place.file("closed"), "").expect("a file");
    set_mode(&place.file("closed"), 0o000);
    set_mode(place.path(), 0o555);
    for (name, what) in [("new", "may not be made"), ("closed", "may not be opened")] {
        let line = place.helper(&["as-nobody", "take", name]).line();
        assert!(line.starts_with("error permission io: "), "{what}: {line}");
        assert!(line.contains("check the owner and the mode"), "{what}: {line}");
    }
    assert!(!place.file("new").exists());
    set_mode(place.path(), 0o755);
}

/// The same for the directory: the way out is another one, or to give this one away.
#[test]
fn a_user_without_a_directory_gets_the_way_out() {
    let place = Place::new("a_user_without_a_directory_gets_the_way_out");
    fs::create_dir(place.file("closed")).expect("a directory");
    set_mode(&place.file("closed"), 0o000);
    set_mode(place.path(), 0o555);
    for (name, start, way_out) in [
        (
            "new",
            "make",
            "choose another `lock_path`, or make the directory beforehand and give it to this user",
        ),
        (
            "closed/below",
            "open",
            "choose another `lock_path`, or change the owner or the mode of the directory",
        ),
    ] {
        let mut command = place.command(&["as-nobody", "take", "job"]);
        command.env("LOCKUTILS_LOCK_PATH", place.file(name));
        let line = Child::spawn(&mut command).line();
        let start = format!(
            "error permission io: cannot {start} the lock directory {}: ",
            place.file(name).display()
        );
        assert!(line.starts_with(&start) && line.contains(way_out), "{line}");
    }
    set_mode(place.path(), 0o755);
}

/// A file that everybody may open can be locked where none may be made.
#[test]
fn an_old_file_in_a_read_only_directory_can_be_locked() {
    let place = Place::new("an_old_file_in_a_read_only_directory_can_be_locked");
    fs::write(place.file("job"), "").expect("a file");
    set_mode(&place.file("job"), 0o666);
    set_mode(place.path(), 0o555);
    let mut nobody = place.helper(&["as-nobody", "take", "job"]);
    nobody.expect("held");
    assert!(place.try_acquire("job").is_none());
    set_mode(place.path(), 0o755);
}

/// Files can be made in a directory that may not be listed, and locked.
#[test]
fn a_directory_need_not_be_readable() {
    let place = Place::new("a_directory_need_not_be_readable");
    set_mode(place.path(), 0o1333);
    let line = place.helper(&["as-nobody", "take", "job"]).line();
    set_mode(place.path(), 0o755);
    assert_eq!(line, "held");
    assert!(place.file("job").exists());
}

/// A new file has its mode from the beginning: another user, whom that mode admits, does not come too early.
#[test]
fn a_new_file_is_never_seen_with_another_mode() {
    let place = Place::new("a_new_file_is_never_seen_with_another_mode");
    set_mode(place.path(), 0o755);
    let slow = ["-e", "trace=fchmod,fchmodat", "-e", "inject=fchmod,fchmodat:delay_enter=2000000"];
    let (mut maker, _) = place.strace(&slow, &["umask", "0077", "666", "job"]);
    eventually("the file is there", || place.file("job").exists());
    let line = place.helper(&["as-nobody", "take", "job", "timeout=10"]).line();
    assert!(line == "held" || line == "timeout", "{line}");
    maker.expect("held");
}
