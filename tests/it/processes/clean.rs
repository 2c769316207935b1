//! Cleaning a directory up.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

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
