//! Cleaning a directory up.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use lockutils::Removal;
use lockutils_tests::{Child, Place, python};

/// One directory with a file of every kind: each stands in the report where it belongs, and only the unused
/// ones are gone.
#[cfg_attr(
    lockutils_portable,
    ignore = "there are no leases there that tell whether somebody has the file open"
)]
#[test]
fn every_file_is_reported_once() {
    let place = Place::new("every_file_is_reported_once");
    for name in ["volume-a", "volume-b", "other"] {
        drop(place.try_acquire(name));
    }
    let _held_here = place.try_acquire("volume-here");
    let _held_there = place.holder("volume-there");
    let mut opener = Child::spawn(python("actor.py").arg("open").arg(place.file("volume-open")).arg("alone"));
    opener.take();
    fs::create_dir(place.file("volume-directory")).expect("a directory");
    symlink(place.file("other"), place.file("volume-link")).expect("a link");
    fs::write(place.file("volume-notes"), "4711\n").expect("a file of others");

    let cleaned = place.locks().clean("volume-*", Duration::ZERO).expect("no error");
    assert_eq!(cleaned.removed, ["volume-a", "volume-b"]);
    assert_eq!(cleaned.busy, ["volume-here", "volume-there"]);
    assert_eq!(cleaned.in_use, ["volume-open"]);
    let foreign = |name: &str, why: &str| (name.to_owned(), why.to_owned());
    let expected = [
        foreign("volume-directory", "it is not a regular file"),
        foreign("volume-link", "it is not a regular file"),
        foreign("volume-notes", "it has content that is not of this crate"),
    ];
    assert_eq!(cleaned.foreign, expected);
    assert_eq!(cleaned.refused, []);
    assert!(!place.file("volume-a").exists() && !place.file("volume-b").exists());
    let here =
        ["volume-here", "volume-there", "volume-open", "volume-directory", "volume-link", "volume-notes"];
    for name in here.into_iter().chain(["other"]) {
        assert!(fs::symlink_metadata(place.file(name)).is_ok(), "{name} stays");
    }
}

/// What cannot be removed stays, and the report says why.
#[test]
fn what_cannot_be_removed_is_reported_with_its_reason() {
    let place = Place::with("what_cannot_be_removed_is_reported_with_its_reason", |config| {
        config.disable_process_locking(true)
    });
    fs::write(place.file("volume-a"), "").expect("a file");
    let cleaned = place.locks().clean("*", Duration::ZERO).expect("no error");
    let why = "external locks are disabled here, so it is not for this process to remove";
    assert_eq!(cleaned.refused, [("volume-a".to_owned(), why.to_owned())]);
    assert!(place.file("volume-a").exists());
}

/// Files that are not old enough stay, and are not even reported.
#[test]
fn young_files_stay() {
    let place = Place::new("young_files_stay");
    drop(place.try_acquire("young"));
    let old = fs::File::create(place.file("old")).expect("a file");
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    old.set_modified(std::time::SystemTime::now() - hours(2)).expect("a time");
    drop(old);
    let cleaned = place.locks().clean("*", hours(1)).expect("no error");
    assert_eq!(cleaned.removed, ["old"]);
    assert!(place.file("young").exists());
}

/// The pattern is matched behind the prefix, and files without it are not this service's.
#[test]
fn only_files_of_the_prefix() {
    let place = Place::with("only_files_of_the_prefix", |config| config.lock_file_prefix("nova"));
    drop(place.try_acquire("a"));
    fs::write(place.file("cinder-a"), "").expect("a file");
    fs::write(place.file("a"), "").expect("a file");
    let cleaned = place.locks().clean("a", Duration::ZERO).expect("no error");
    assert_eq!(cleaned.removed, ["nova-a"]);
    assert!(place.file("cinder-a").exists() && place.file("a").exists());
}

#[test]
fn a_missing_directory_has_nothing_to_clean() {
    let place = Place::new("a_missing_directory_has_nothing_to_clean");
    fs::remove_dir(place.path()).expect("an empty directory");
    let cleaned = place.locks().clean("*", Duration::ZERO).expect("no error");
    assert_eq!(cleaned, lockutils::Cleaned::default());
    assert!(!place.path().exists(), "it is not made");
    fs::create_dir(place.path()).expect("the fixture removes it");
}

#[test]
fn a_pattern_that_cannot_be_parsed_is_refused() {
    let place = Place::new("a_pattern_that_cannot_be_parsed_is_refused");
    let error = place.locks().clean("[", Duration::ZERO).expect_err("not a pattern");
    assert!(error.is_config(), "{error}");
}

/// Asked first and done then: the same answers, and nothing is gone before it is done.
#[test]
fn a_dry_run_removes_nothing() {
    let place = Place::new("a_dry_run_removes_nothing");
    for name in ["a", "b"] {
        drop(place.try_acquire(name));
    }
    let _held = place.try_acquire("held");
    fs::write(place.file(".lockutils-removed-1-0"), "").expect("a file");
    let answers = |dry_run: bool| -> Vec<(String, Removal)> {
        let removals = place.locks().cleaner("*").dry_run(dry_run).removals().expect("no error");
        removals.map(|(name, removal)| (name, removal.expect("no error"))).collect()
    };
    let would = answers(true);
    assert_eq!(fs::read_dir(place.path()).expect("there").count(), 4);
    assert!(place.try_acquire("a").is_some(), "it is free again");
    assert_eq!(answers(false), would);
    assert_eq!(would.iter().filter(|(_, removal)| *removal == Removal::Removed).count(), 2);
    assert_eq!(fs::read_dir(place.path()).expect("there").count(), 1);
}

/// Whoever stops to iterate leaves the others alone.
#[test]
fn files_go_one_by_one() {
    let place = Place::new("files_go_one_by_one");
    for name in ["a", "b", "c"] {
        drop(place.try_acquire(name));
    }
    let locks = place.locks().clone();
    let mut removals = locks.cleaner("*").removals().expect("no error");
    assert!(place.file("a").exists(), "nothing is done before");
    assert!(matches!(removals.next(), Some((name, Ok(Removal::Removed))) if name == "a"));
    fs::remove_file(place.file("b")).expect("it is there");
    assert!(matches!(removals.next(), Some((_, Ok(Removal::Missing)))));
    drop(removals);
    assert!(place.file("c").exists());
}

/// Nothing tells whose an empty file is; but one that is held is busy, not foreign.
#[test]
fn empty_files_can_be_kept() {
    let place = Place::new("empty_files_can_be_kept");
    drop(place.try_acquire("used"));
    fs::write(place.file("empty"), "").expect("a file");
    fs::write(place.file("held"), "").expect("a file");
    let script = "exec 9<\"$1\"; flock 9; echo held; read -r _";
    let mut holder = Child::spawn(Command::new("bash").args(["-c", script, "bash"]).arg(place.file("held")));
    holder.expect("held");
    let removals = place.locks().cleaner("*").keep_empty(true).removals().expect("no error");
    let removals: Vec<_> = removals.map(|(_, removal)| removal.expect("no error")).collect();
    let foreign = Removal::Foreign("it is empty, so that nothing tells whose it is");
    assert_eq!(removals, [foreign, Removal::Busy, Removal::Removed]);
    assert_eq!(place.locks().clean("empty", Duration::ZERO).expect("no error").removed, ["empty"]);
}

/// A file whose name no lock can have is nobody's failure.
#[test]
fn names_that_no_lock_can_have_are_foreign() {
    let place = Place::new("names_that_no_lock_can_have_are_foreign");
    fs::write(place.file("two\nlines"), "").expect("a file");
    let cleaned = place.locks().clean("*", Duration::ZERO).expect("no error");
    assert_eq!(cleaned.foreign, [("two\nlines".to_owned(), "its name cannot be that of a lock".to_owned())]);
    assert!(cleaned.refused.is_empty());
}

/// One error for the directory, and not one for each file.
#[test]
fn a_directory_that_must_not_be_used_is_an_error() {
    let place = Place::new("a_directory_that_must_not_be_used_is_an_error");
    drop(place.try_acquire("job"));
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(place.path(), everybody).expect("a mode");
    let other =
        lockutils::Locks::new(lockutils::Config::new().lock_path(place.path())).expect("a configuration");
    assert!(other.clean("*", Duration::ZERO).expect_err("everybody may write to it").is_config());
    assert!(place.file("job").exists());
}

/// What is called so and is none of ours stays, and keeps nobody from the rest.
#[cfg(not(lockutils_portable))]
#[test]
fn what_only_looks_like_a_leftover_stays() {
    let place = Place::new("looks_like_a_leftover");
    let (precious, left) = (place.file(".lockutils-removed-data"), place.file(".lockutils-removed-1-0"));
    std::fs::write(&precious, "precious").expect("written");
    std::fs::write(&left, "").expect("written");
    std::fs::create_dir(place.file(".lockutils-removed-dir")).expect("made");
    drop(place.try_acquire("x"));
    let cleaned = place.locks().clean("*", std::time::Duration::ZERO).expect("it goes on");
    assert_eq!(cleaned.removed, ["x"]);
    assert_eq!(std::fs::read_to_string(&precious).expect("it is there"), "precious");
    assert!(!left.exists());
}
