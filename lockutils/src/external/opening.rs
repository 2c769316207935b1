//! What opening a lock file has in common on all systems.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// What a file that is there is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Lock,
    /// For which less is asked of its mode.
    Look,
}

/// Why a file could not be opened.
pub(super) enum Unopened {
    /// It is not a regular file, but this.
    NotAFile(&'static str),
    /// Somebody has a lease on it for a moment, and the caller did not want to wait.
    Leased,
    Failed(Errno),
}

impl From<Errno> for Unopened {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ELOOP => Self::NotAFile("a symbolic link"),
            Errno::EISDIR => Self::NotAFile("a directory"),
            Errno::ENXIO => Self::NotAFile("a socket or a device"),
            Errno::EAGAIN => Self::Leased,
            errno => Self::Failed(errno),
        }
    }
}

/// A duplicate that programs which are started from now on inherit. Its number has two digits: scripts of the shell give
/// those of one digit to what they open.
pub(super) fn inheritable(descriptor: impl AsFd) -> nix::Result<OwnedFd> {
    let duplicate = fcntl(descriptor, FcntlArg::F_DUPFD(10))?;
    // SAFETY: the system has just made the descriptor `duplicate`, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}

/// A daemon may have closed the first three; a library that prints to "standard error" must not meet a lock
/// file.
pub(super) fn above_stdio(descriptor: OwnedFd) -> nix::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    let high = fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: the system has just made the descriptor `high`, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(high) })
}
