//! `flock(2)`, through fs4. By the name of its trait, since `File` has methods of the same names.

use std::fs::File;
use std::io;

use fs4::{FileExt, TryLockError};

use super::Sharing;

/// Takes it if it is free at this moment.
pub(super) fn try_lock(file: &File, sharing: Sharing) -> io::Result<bool> {
    retried(|| {
        let tried = match sharing {
            Sharing::Alone => FileExt::try_lock(file),
            Sharing::Shared => FileExt::try_lock_shared(file),
        };
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    })
}

/// Takes it, and waits in the kernel. Signals do not end the wait.
#[cfg_attr(lockutils_portable, expect(dead_code, reason = "nobody waits in the kernel"))]
pub(super) fn lock(file: &File, sharing: Sharing) -> io::Result<()> {
    retried(|| match sharing {
        Sharing::Alone => FileExt::lock(file),
        Sharing::Shared => FileExt::lock_shared(file),
    })
}

pub(super) fn unlock(file: &File) -> io::Result<()> {
    retried(|| FileExt::unlock(file))
}

/// Repeats a call that a signal has interrupted. Never used for `close`.
pub(super) fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
