//! A peer: the file locks of the standard library.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::say;

/// Does what the lines of the input say.
pub(crate) fn act(path: &str, shared: bool) {
    let mut held = None;
    for line in io::stdin().lines().map_while(Result::ok) {
        held = match &*line {
            "release" => {
                drop(held.take());
                say("released");
                continue;
            }
            "wait" => Some(wait(open(path), shared)),
            _ => attempt(open(path), shared),
        };
        say(if held.is_some() { "held" } else { "busy" });
    }
}

/// Opens a file to lock it, and makes it if it is missing.
pub(crate) fn open(path: impl AsRef<Path>) -> File {
    File::options().append(true).create(true).open(path).expect("a lock file")
}

#[expect(clippy::disallowed_methods, reason = "the standard library's own locks are the peer here")]
fn wait(file: File, shared: bool) -> File {
    let locked = if shared { file.lock_shared() } else { file.lock() };
    locked.map(|()| file).expect("the lock")
}

/// The file, if its lock is free.
#[expect(clippy::disallowed_methods, reason = "the standard library's own locks are the peer here")]
pub(crate) fn attempt(file: File, shared: bool) -> Option<File> {
    match if shared { file.try_lock_shared() } else { file.try_lock() } {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => panic!("cannot try the lock: {error}"),
    }
}
