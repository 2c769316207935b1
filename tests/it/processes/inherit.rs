//! Descriptors that other programs inherit: until the guard lets go, and no longer.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use lockutils::Error;
use lockutils_tests::{Child, Peer, Place};
use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};

fn is_inherited(descriptor: &OwnedFd) -> bool {
    let flags = fcntl(descriptor, FcntlArg::F_GETFD).expect("it is open");
    !FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC)
}

/// A program that has inherited what there is to inherit.
fn heir() -> Child {
    Child::spawn(&mut Command::new("cat"))
}

#[test]
fn an_heir_keeps_the_lock_no_longer_than_the_guard() -> Result<(), Error> {
    let place = Place::new("an_heir_keeps_the_lock_no_longer_than_the_guard");
    let held = [place.lock("job").acquire()?, place.lock("reader").read().acquire()?];
    let inherited: Vec<_> = held.iter().map(|guard| guard.inheritable().expect("no error")).collect();
    for descriptor in inherited.iter().flatten() {
        // Scripts of the shell name descriptors of one digit.
        assert!(is_inherited(descriptor) && descriptor.as_raw_fd() > 9);
    }
    let heir = heir();
    assert_eq!(inherited.iter().flatten().count(), 2);
    drop(inherited);
    for name in ["job", "reader"] {
        assert!(!Peer::alone("std").actor(&place.file(name)).try_take(), "{name}");
    }
    drop(held);
    for name in ["job", "reader"] {
        assert!(Peer::alone("std").actor(&place.file(name)).try_take(), "{name}");
    }
    heir.finish();
    Ok(())
}

/// The descriptor is not used again: an heir of an earlier hold would have the next one too.
#[test]
fn an_heir_has_no_part_in_the_next_lock() -> Result<(), Error> {
    let place = Place::new("an_heir_has_no_part_in_the_next_lock");
    let lock = place.lock("job");
    // From its second use on, a handle keeps the lock, and that its file.
    lock.acquire()?.release()?;
    let guard = lock.acquire()?;
    let earlier = guard.inheritable()?.expect("it has a descriptor");
    guard.release()?;
    let next = lock.acquire()?;
    let tried = Flock::lock(File::from(earlier), FlockArg::LockSharedNonblock);
    assert!(tried.is_err(), "it is the same open file, so it has the lock already");
    drop(tried);
    next.check()?;
    assert!(!Peer::alone("std").actor(&place.file("job")).try_take());
    next.release()
}

#[test]
fn all_of_several_locks_are_inherited() -> Result<(), Error> {
    let place = Place::new("all_of_several_locks_are_inherited");
    let held = place.locks().lock_all(["b", "a"]).external().acquire()?;
    let inherited = held.inheritable()?;
    assert_eq!(inherited.iter().filter(|descriptor| is_inherited(descriptor)).count(), 2);
    Ok(())
}

/// Without a descriptor of the kernel there is nothing to inherit.
#[test]
fn internal_locks_have_nothing_to_inherit() -> Result<(), Error> {
    let place = Place::new("internal_locks_have_nothing_to_inherit");
    assert!(place.locks().lock("job").acquire()?.inheritable()?.is_none());
    assert!(place.locks().lock_all(["a", "b"]).acquire()?.inheritable()?.is_empty());
    Ok(())
}
