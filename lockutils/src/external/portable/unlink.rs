//! Taking a lock file away without taking a lock away from anybody who looks, after locking, whether the path still
//! leads to their file: all of this crate do.
//!
//! 1. Take the lock, in this process and on the file, and see that the path leads to that file.
//! 2. Rename the file aside, so that nobody finds it by its name any more.
//! 3. See that it is that file which has been renamed, and unlink it; otherwise give it its name back.
//!
//! Nobody of this crate makes another file at the path before step 2 is done: the path leads to one, and only who has its
//! lock removes it. Whoever has the file open meanwhile gets its lock when it is gone, looks, and opens the new one.
//!
//! Who does *not* look (oslo.concurrency, `flock(1)`) and has the file open may so get a lock that excludes
//! nobody who comes later: there are no leases that would tell of him.

use std::fs;
use std::io;
use std::path::Path;

use super::directory::Existing;
use super::file::FileId;
use super::opening::Purpose;
use super::remove::{Manner, Removal, aside};
use super::{Directory, Opened, Sharing};
use crate::error::Error;

impl Directory {
    /// Takes the file away. The caller has the lock, and the path leads to it.
    pub(super) fn remove_locked(&self, _: &str, opened: &Opened, manner: Manner) -> Result<Removal, Error> {
        if manner.only_asks {
            return self.may_remove().map(|()| Removal::Removed);
        }
        let failed = |error| Error::io_at("remove lock file", opened.path(), error);
        let aside = self.path().join(aside());
        fs::rename(opened.path(), &aside).map_err(failed)?;
        let renamed = fs::symlink_metadata(&aside).map_err(failed)?;
        if FileId::from(renamed) == opened.id() {
            fs::remove_file(&aside).map_err(failed)?;
            return Ok(Removal::Removed);
        }
        give_back(&aside, opened.path()).map_err(failed)?;
        Ok(Removal::InUse)
    }

    /// Nobody finds it by its name any more, so it goes as soon as nobody has its lock.
    pub(super) fn remove_aside(&self, name: &str) -> Result<(), Error> {
        let Existing::Open(opened) = self.open_existing(name, Purpose::Lock)? else { return Ok(()) };
        if opened.try_lock(Sharing::Alone)? {
            fs::remove_file(opened.path())
                .map_err(|error| Error::io_at("remove lock file", opened.path(), error))?;
        }
        Ok(())
    }
}

/// Somebody who does not ask for locks has put another file at the path. It gets its name back, unless there is a
/// third one by now, which must stay.
fn give_back(aside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(aside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::remove_file(aside),
    }
}
