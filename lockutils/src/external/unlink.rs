//! Taking a lock file away without taking a lock away from anybody.
//!
//! Acquirers of this crate look, after locking, whether the path still leads to their file; oslo.concurrency
//! and `flock(1)` do not. So a file is removed only when nobody else has it open:
//!
//! 1. Take the lock, in this process and on the file, and see that the path leads to that file.
//! 2. Take a write lease (`fcntl(2)`, *Leases*): the kernel grants it only if nobody else has the file open.
//!    Whoever opens it from now on waits.
//! 3. Rename the file aside, so that nobody finds it by its name any more.
//! 4. Ask whether somebody came between 2 and 3. If so, or if the kernel refuses, rename it back; otherwise unlink
//!    it.
//!
//! A broken lease sends a signal to the owner of the descriptor. The owner is set to a thread that has ended:
//! the signal goes nowhere.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::fcntl::{RenameFlags, renameat2};
use nix::libc;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::directory::Existing;
use super::opening::Purpose;
use super::remove::{Manner, Removal, aside};
use super::{Directory, Opened, Sharing};
use crate::error::Error;

impl Directory {
    /// Takes the file away, unless somebody else has it open. The caller has the lock, and the path leads to it.
    pub(super) fn remove_locked(
        &self,
        name: &str,
        opened: &Opened,
        manner: Manner,
    ) -> Result<Removal, Error> {
        let failed = |errno| Error::io_at("remove lock file", opened.path(), errno);
        let lease = match Lease::take(opened) {
            Ok(lease) => lease,
            Err(Errno::EAGAIN) => return Ok(Removal::InUse),
            Err(Errno::EACCES) => {
                return Ok(Removal::Refused("only its owner can tell whether somebody has it open"));
            }
            Err(Errno::EINVAL | Errno::ENOLCK) => {
                return Ok(Removal::Refused("this file system cannot tell whether somebody has it open"));
            }
            Err(errno) => return Err(failed(errno)),
        };
        let (directory, _) = self.descriptor()?;
        let aside = aside();
        let rename =
            |from: &str, to: &str| renameat2(&directory, from, &directory, to, RenameFlags::RENAME_NOREPLACE);
        if !lease.is_unbroken().map_err(failed)? {
            return Ok(Removal::InUse);
        }
        if manner.only_asks {
            return self.may_remove().map(|()| Removal::Removed);
        }
        rename(name, &aside).map_err(failed)?;
        let unlink = || unlinkat(&directory, aside.as_str(), UnlinkatFlags::NoRemoveDir);
        let removal = match lease.is_unbroken() {
            Ok(true) => unlink().map(|()| Removal::Removed),
            Ok(false) => Ok(Removal::InUse),
            Err(errno) => Err(errno),
        };
        if removal == Ok(Removal::Removed) {
            return Ok(Removal::Removed);
        }
        match rename(&aside, name) {
            Ok(()) => {}
            // Somebody has made a new file in its place; the old one must not come back.
            Err(Errno::EEXIST) => unlink().map_err(failed)?,
            Err(errno) => return Err(failed(errno)),
        }
        removal.map_err(failed)
    }

    /// Nobody finds it by its name any more, so it goes as soon as nobody has it open.
    pub(super) fn remove_aside(&self, name: &str) -> Result<(), Error> {
        let Existing::Open(opened) = self.open_existing(name, Purpose::Lock)? else { return Ok(()) };
        let is_ours =
            opened.is_ours().map_err(|error| Error::io_at("read lock file", opened.path(), error))?;
        if is_ours && opened.try_lock(Sharing::Alone)? && Lease::take(&opened).is_ok() {
            let (directory, _) = self.descriptor()?;
            let removed = unlinkat(&directory, name, UnlinkatFlags::NoRemoveDir);
            removed.map_err(|errno| Error::io_at("remove lock file", opened.path(), errno))?;
        }
        Ok(())
    }
}

/// A write lease on an open file; it ends with the descriptor at the latest.
struct Lease<'a>(&'a Opened);

impl<'a> Lease<'a> {
    fn take(opened: &'a Opened) -> nix::Result<Self> {
        let descriptor = opened.file().as_raw_fd();
        own_by_thread_that_ends(descriptor)?;
        // SAFETY: `F_SETLEASE` takes an int; the descriptor is open.
        Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_WRLCK) })?;
        Ok(Self(opened))
    }

    /// Whether nobody has tried to open the file since.
    fn is_unbroken(&self) -> nix::Result<bool> {
        // SAFETY: `F_GETLEASE` takes nothing; the descriptor is open.
        let kind = Errno::result(unsafe { libc::fcntl(self.0.file().as_raw_fd(), libc::F_GETLEASE) })?;
        Ok(kind == libc::F_WRLCK)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // SAFETY: `F_SETLEASE` takes an int; the descriptor is open. Closing ends the lease as well.
        unsafe { libc::fcntl(self.0.file().as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    }
}

/// The kernel keeps an owner that is set already, and an owner that has ended receives no signals.
fn own_by_thread_that_ends(descriptor: libc::c_int) -> nix::Result<()> {
    let own = move || {
        // SAFETY: gettid(2) cannot fail and takes nothing.
        let owner = FOwner { kind: F_OWNER_TID, id: unsafe { libc::gettid() } };
        // SAFETY: `F_SETOWN_EX` reads one `struct f_owner_ex` (fcntl(2)), which `owner` is, and the
        // descriptor is open until the thread has been joined.
        Errno::result(unsafe { libc::fcntl(descriptor, F_SETOWN_EX, &raw const owner) }).map(drop)
    };
    let thread = std::thread::Builder::new().spawn(own).map_err(|_| Errno::EAGAIN)?;
    thread.join().unwrap_or(Err(Errno::EAGAIN))
}

/// `struct f_owner_ex` of fcntl(2).
#[repr(C)]
struct FOwner {
    kind: libc::c_int,
    id: libc::pid_t,
}

const F_SETOWN_EX: libc::c_int = 15;
const F_OWNER_TID: libc::c_int = 0;
