//! Looking at all pid files of a directory.

use std::fs;

use lockutils::{Evidence, FileState, FileStatus};
use lockutils_tests::Place;

fn files(place: &Place) -> Vec<FileStatus> {
    place.locks().files().expect("no error").map(|file| file.expect("no error")).collect()
}

#[test]
fn pid_files_tell_who_has_them() {
    let place = Place::of_pid_files("pid_files_tell_who_has_them");
    let other = place.holder("other");
    let own = place.try_acquire("own").expect("free");
    let files = files(&place);
    let [theirs, ours] = &*files else { panic!("{files:?}") };
    assert_eq!((theirs.state(), theirs.waiters()), (FileState::Write, None));
    assert_eq!(theirs.holders()[0].pid(), Some(other.pid().as_raw().cast_unsigned()));
    assert_eq!(theirs.holders()[0].evidence(), Evidence::Record);
    assert_eq!(ours.fencing_token(), Some(own.fencing_token()));
    assert_eq!(ours.holders()[0].evidence(), Evidence::Own);
}

#[test]
fn a_file_of_the_dead_is_free() {
    let place = Place::of_pid_files("a_file_of_the_dead_is_free");
    place.holder("job").kill();
    let files = files(&place);
    assert_eq!((files[0].state(), files[0].holders().len()), (FileState::Free, 0));
    assert!(files[0].fencing_token().is_some(), "the next one goes on from there");
}

#[test]
fn other_files_are_foreign() {
    let place = Place::of_pid_files("other_files_are_foreign");
    fs::write(place.file("kernel"), "lockutils 1 free token=00000000000000000001\n").expect("a file");
    fs::write(place.file("notes"), "not a pid\n").expect("a file");
    fs::create_dir(place.file("directory")).expect("a directory");
    let files = files(&place);
    let whys: Vec<_> = files.iter().map(|file| (file.state(), file.why().expect("a reason"))).collect();
    let expected = [
        "it is not a regular file",
        "it was made for a lock of the kernel",
        "it does not say who has it, as pid files do",
    ];
    assert_eq!(whys, expected.map(|why| (FileState::Foreign, why)));
}
