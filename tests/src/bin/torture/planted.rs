//! Protocols that are not of this crate: some that are sound, and some with a fault that is often made.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::protocol::Protocol;

/// As `struct flock` has them.
#[expect(clippy::cast_possible_truncation, reason = "both are small")]
const F_WRLCK: libc::c_short = libc::F_WRLCK as libc::c_short;
#[expect(clippy::cast_possible_truncation, reason = "both are small")]
const SEEK_SET: libc::c_short = libc::SEEK_SET as libc::c_short;

/// What is held: the locked file, or a file that says it all by being there.
pub(crate) struct Held {
    shared: bool,
    #[expect(dead_code, reason = "held for its drop")]
    file: Option<Box<dyn Any + Send>>,
}

impl Held {
    /// Whether others may have it too.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }
}

/// Waits for the lock, which is shared if it `reads`.
pub(crate) fn take(protocol: Protocol, path: &Path, reads: bool) -> io::Result<Held> {
    let held = |file| Ok(Held { shared: reads, file });
    match protocol {
        Protocol::BreakStale => {
            make_pid_file(path)?;
            return held(None);
        }
        Protocol::RecordThreads => return held(Some(Box::new(record_locked(path)?))),
        _ => {}
    }
    let kind = if reads { FlockArg::LockShared } else { FlockArg::LockExclusive };
    loop {
        let file = locked(path, kind)?;
        if protocol == Protocol::ReadersLook && reads {
            return held(None);
        }
        if protocol != Protocol::RemoveAndLook || is_current(&file, path)? {
            return held(Some(Box::new(file)));
        }
    }
}

/// Lets go.
pub(crate) fn release(protocol: Protocol, path: &Path, held: Held) -> io::Result<()> {
    match protocol {
        Protocol::RemoveAfter => {
            drop(held);
            remove(path)
        }
        Protocol::RemoveUnder | Protocol::RemoveAndLook | Protocol::BreakStale => {
            let removed = remove(path);
            drop(held);
            removed
        }
        _ => Ok(()),
    }
}

fn locked(path: &Path, kind: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(open(path)?, kind).map_err(|(_, errno)| errno.into())
}

fn record_locked(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    let whole = libc::flock { l_type: F_WRLCK, l_whence: SEEK_SET, l_start: 0, l_len: 0, l_pid: 0 };
    loop {
        match fcntl(&file, FcntlArg::F_SETLKW(&whole)) {
            Ok(_) => return Ok(file),
            // Threads that wait for each other's process look like a circle to the kernel.
            Err(Errno::EDEADLK) => thread::yield_now(),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(path)
}

fn is_current(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok(there.ino() == file.metadata()?.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Somebody else may have been faster: that is the fault, where it is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn make_pid_file(path: &Path) -> io::Result<()> {
    loop {
        match File::options().write(true).create_new(true).open(path) {
            Ok(mut file) => return write!(file, "{}", std::process::id()),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) if is_stale(path) => remove(path)?,
            Err(_) => thread::yield_now(),
        }
    }
}

/// Whether the process in the file has ended. The file of one that was killed before it could write is stale too.
fn is_stale(path: &Path) -> bool {
    let Ok(content) = fs::read_to_string(path) else { return false };
    content.parse().map_or(true, |pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
}
