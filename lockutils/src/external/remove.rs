//! Taking a lock file away without taking a lock away from anybody: who may, and what is left behind. The last step
//! is that of [`unlink`](super::unlink).

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::directory::Existing;
use super::opening::Purpose;
use super::{Directory, LockFile, Mechanism, Sharing};
use crate::error::Error;
use crate::name::RESERVED;

/// What became of a lock file that was to be removed.
///
/// ```
/// # let dir = lockutils::testing::temp_locks()?;
/// # let locks = dir.locks();
/// let lock = locks.lock("volumes").external();
/// assert_eq!(lock.remove_file()?, lockutils::Removal::Missing);
/// drop(lock.acquire()?);
/// assert_eq!(lock.remove_file()?, lockutils::Removal::Removed);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// It is gone.
    Removed,
    /// There was none.
    Missing,
    /// Somebody holds the lock, in this process or another.
    Busy,
    /// Nobody holds the lock, but somebody else has the file open and may be about to lock it.
    InUse,
    /// It is left alone, since it is no lock file of this crate and this [mechanism](crate::Mechanism), for this reason: it is
    /// not a regular file, or has content of others.
    Foreign(&'static str),
    /// It is left alone for this reason: nobody can tell whether somebody has it open, or it is not for this process.
    Refused(&'static str),
}

/// How a file is to be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Not at all: it is only asked what would become of it.
    pub(crate) only_asks: bool,
    /// Not if there is nothing in it, since nothing tells then whose it is.
    pub(crate) keeps_empty: bool,
}

impl LockFile {
    /// Removes the file. The caller has the lock alone in this process.
    pub(crate) fn remove(&self, manner: Manner) -> Result<Removal, Error> {
        // The kept descriptor would count as somebody who has the file open.
        self.state.lock().opened = None;
        self.directory.remove(&self.name, manner)
    }
}

impl Directory {
    fn remove(&self, name: &str, manner: Manner) -> Result<Removal, Error> {
        let opened = match self.open_existing(name, Purpose::Lock)? {
            Existing::Open(opened) => opened,
            Existing::Missing => return Ok(Removal::Missing),
            Existing::Leased => return Ok(Removal::InUse),
            Existing::NotAFile(..) => return Ok(Removal::Foreign("it is not a regular file")),
        };
        let failed = |error| Error::io_at("read lock file", opened.path(), error);
        if !opened.is_ours().map_err(failed)? {
            let why = opened.refuse_pid_file().err().and_then(|error| error.foreign());
            return Ok(Removal::Foreign(why.unwrap_or("it has content that is not of this crate")));
        }
        if !opened.try_lock(Sharing::Alone)? {
            return Ok(Removal::Busy);
        }
        // Looked at under the lock: whoever has just made the file writes into it before it lets go.
        let removal = if manner.keeps_empty && opened.is_empty().map_err(failed)? {
            Ok(Removal::Foreign("it is empty, so that nothing tells whose it is"))
        } else if opened.is_current()? {
            self.remove_locked(name, &opened, manner)
        } else {
            Ok(Removal::InUse)
        };
        opened.unlock().and(removal)
    }

    /// Whether files can be removed from it at all, for one who only asks.
    pub(super) fn may_remove(&self) -> Result<(), Error> {
        let asked =
            faccessat(AT_FDCWD, self.path(), AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS);
        asked.map_err(|errno| Error::io_at("remove files from the lock directory", self.path(), errno))
    }

    /// Removes what removers have left behind that were killed before they could unlink it.
    pub(crate) fn remove_asides(&self) -> Result<(), Error> {
        if self.mechanism() == Mechanism::Pid {
            return self.sweep_pid_files();
        }
        let Ok(entries) = std::fs::read_dir(self.path()) else { return Ok(()) };
        for name in entries.flatten().map(|entry| entry.file_name()) {
            if let Some(name) = name.to_str().filter(|name| is_aside(OsStr::new(name))) {
                // That of another user is none of ours, and no reason to leave the rest alone.
                let _ = self.remove_aside(name);
            }
        }
        Ok(())
    }
}

/// Names of files on their way out; [`is_aside`] knows them.
const ASIDE: &str = ".lockutils-removed-";

pub(super) fn aside() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{ASIDE}{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed))
}

/// Whether a file is none that a lock is on, but one of ours beside them.
pub(crate) fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(RESERVED.as_bytes())
}

/// Whether a file is one that a remover has left behind when it was killed.
fn is_aside(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(ASIDE.as_bytes())
}
