//! Looking at all lock files of a directory.

use std::path::Path;

use crate::config::Config;
use crate::error::{Error, Kind};
use crate::external::{Directory, Files};
use crate::locks::Locks;
use crate::name;

impl Locks {
    /// All files in the configured directory whose names begin with this registry's prefix, in the order of their names (byte by
    /// byte), with who holds each and how many wait.
    ///
    /// It looks, and does nothing else: no lock is taken, nothing is made, and a directory that is missing has no files. Each
    /// file is told as it was or came to be while the iterator was at it, not all at one moment. A file that vanishes
    /// meanwhile is left out; one that comes meanwhile may be missed. Files that belong to this crate and are no locks
    /// (`.lockutils-…`) are left out too. Directories and whatever else stands there are told as
    /// [foreign](crate::FileState::Foreign): no lock of that name can be taken.
    ///
    /// It is made for directories of any size. The memory that it needs does not grow with them: the names are read in
    /// passes of 32,768, and the kernel's list of locks (`/proc/locks`) once for each pass. Each file costs a handful of system
    /// calls, and a few more for each holder.
    ///
    /// A file that this process may not read is looked at from outside: if the kernel names holders, they are told, otherwise it
    /// is [unknown](crate::FileState::Unknown).
    ///
    /// # Errors
    ///
    /// [`Error::is_no_lock_path`]; [`Error::is_config`]; [`Error::is_io`] when the directory or `/proc/locks` cannot be read, also
    /// as the last item. [`Error::is_unsupported`] for [pid files](crate::Mechanism::Pid) where there are none.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let (a, b) = (locks.lock("a").external().acquire()?, locks.lock("b").external().acquire()?);
    /// drop(a);
    /// for status in locks.files()? {
    ///     let status = status?;
    ///     assert_eq!(status.is_held(), status.name() == "b");
    /// }
    /// # drop(b);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn files(&self) -> Result<Files, Error> {
        let config = self.shared().asked()?;
        let missing = || Kind::NoLockPath { name: "*".to_owned() };
        let path = config.path().map(Path::to_owned).ok_or_else(missing)?;
        let prefix = self.said_prefix().unwrap_or_else(|| Config::prefix(config));
        // One of its own: what has been opened for locks must not be touched by a look.
        let directory = Directory::new(path, config.mode(), config.rules());
        Files::new(directory, name::join(prefix, "").to_string())
    }
}
