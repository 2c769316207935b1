//! What stands at the path of a lock file and is none; and a process without descriptors.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use lockutils_tests::Place;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// Makes it, has a process of ours take the lock in each way, and returns what it said.
fn refused(test: &str, make: impl FnOnce(&Place, &Path)) {
    let place = Place::new(test);
    make(&place, &place.file("job"));
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        let line = place.helper(&[&["take", "job"], words].concat()).line();
        assert!(line.starts_with("error not-a-file: "), "{words:?}: {line}");
        assert!(line.contains(&place.file("job").display().to_string()), "{line}");
    }
    let error = place.lock("job").try_acquire().expect_err("not a lock file");
    assert!(error.is_not_a_file(), "{error}");
    assert_eq!(error.path(), Some(&*place.file("job")));
}

/// A link is not followed, and what it leads to is neither made nor changed nor locked.
#[test]
fn a_symbolic_link() {
    refused("a_symbolic_link", |place, path| {
        fs::write(place.file("target"), "precious").expect("a file");
        symlink(place.file("target"), path).expect("a link");
    });
}

#[test]
fn a_dangling_link_makes_nothing() {
    let outside = Place::new("a_dangling_link_makes_nothing");
    refused("a_dangling_link_makes_nothing", |_, path| {
        symlink(outside.file("target"), path).expect("a link");
    });
    assert!(!outside.file("target").exists());
}

#[test]
fn a_directory() {
    refused("a_directory", |_, path| fs::create_dir(path).expect("a directory"));
}

/// Nobody has the other end, and nobody waits for it.
#[test]
fn a_fifo() {
    refused("a_fifo", |_, path| mkfifo(path, Mode::from_bits_truncate(0o600)).expect("a FIFO"));
}

#[test]
fn a_socket() {
    refused("a_socket", |_, path| drop(UnixListener::bind(path).expect("a socket")));
}

/// Without a descriptor there is no lock; with one there is, by the same handle.
#[test]
fn no_descriptors() {
    for words in [&[][..], &["read"], &["timeout=25000"], &["async"]] {
        let place = Place::new("no_descriptors");
        let mut child = place.helper(&[&["emfile", "job"], words].concat());
        let line = child.line();
        assert!(line.starts_with("error io: "), "{words:?}: {line}");
        assert!(line.contains("too many open files"), "{line}");
        child.expect("held");
        child.finish();
    }
}
