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

    let cleaned = place.locks().clean("volume-*", Duration::ZERO).expect("no error");
    assert_eq!(cleaned.removed, ["volume-a", "volume-b"]);
    assert_eq!(cleaned.busy, ["volume-here", "volume-there"]);
    assert_eq!(cleaned.in_use, ["volume-open"]);
    let refused: Vec<&str> = cleaned.refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(refused, ["volume-directory", "volume-link"]);
    assert!(cleaned.refused.iter().all(|(_, why)| !why.is_empty()));
    assert!(!place.file("volume-a").exists() && !place.file("volume-b").exists());
    for name in ["other", "volume-here", "volume-there", "volume-open", "volume-directory", "volume-link"] {
        assert!(fs::symlink_metadata(place.file(name)).is_ok(), "{name} stays");
    }
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
