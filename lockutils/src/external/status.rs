//! What is to be known of one lock file at a moment.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::holder::Holder;

/// In which way a lock file is held, if it is. See [`FileStatus::state`].
///
/// ```
/// # let dir = lockutils::testing::temp_locks()?;
/// # let locks = dir.locks();
/// use lockutils::FileState;
///
/// let held = locks.lock("volumes").external().acquire()?;
/// let status = locks.lock("volumes").external().file_status()?.expect("it is external");
/// assert_eq!(status.state(), FileState::Write);
/// # drop(held);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// Nobody has it or waits for it.
    Free,
    /// Nobody has it, and somebody is about to take it.
    Waited,
    /// One has it alone.
    Write,
    /// Readers share it.
    Read,
    /// Permits of a semaphore are taken.
    Permits {
        /// So many.
        taken: u32,
        /// Of so many.
        of: u32,
    },
    /// It is no lock file of this crate and this [mechanism](crate::Mechanism), for the reason in [`FileStatus::why`], and
    /// nobody has a lock on it.
    Foreign,
    /// It cannot be told, for the reason in [`FileStatus::why`].
    Unknown,
}

/// A lock file, as [`Locks::files`](crate::Locks::files) and [`Lock::file_status`](crate::Lock::file_status) find it.
///
/// ```
/// # let dir = lockutils::testing::temp_locks()?;
/// # let locks = dir.locks();
/// let held = locks.lock("volumes").external().acquire()?;
/// for status in locks.files()? {
///     let status = status?;
///     for holder in status.holders() {
///         println!("{}: {holder}", status.name());
///     }
/// }
/// # drop(held);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    pub(super) path: PathBuf,
    pub(super) state: FileState,
    pub(super) why: Option<Cow<'static, str>>,
    pub(super) holders: Vec<Holder>,
    pub(super) waiters: Option<usize>,
    pub(super) token: Option<u64>,
    pub(super) changed: Option<SystemTime>,
}

impl FileStatus {
    /// The full name of the lock, which is that of its file. What is no text in it, as it may be in the name of a file that is
    /// [foreign](FileState::Foreign), is replaced; the [path](Self::path) has it.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// drop(locks.lock("a/b").external().acquire()?);
    /// assert_eq!(locks.files()?.next().unwrap()?.name(), "a_b");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn name(&self) -> Cow<'_, str> {
        self.path.file_name().map(OsStr::to_string_lossy).unwrap_or_default()
    }

    /// Where it is.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// drop(locks.lock("volumes").external().acquire()?);
    /// assert_eq!(locks.files()?.next().unwrap()?.path(), dir.path().join("volumes"));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// In which way it is held, if it is. A file that others have written into is held like every other by whoever has a lock on
    /// it, and keeps out all who come for the lock of its name: it is [foreign](FileState::Foreign) only if nobody has.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let permit = locks.semaphore("uploads", 4).external().acquire()?;
    /// let status = locks.files()?.next().unwrap()?;
    /// assert_eq!(status.state(), lockutils::FileState::Permits { taken: 1, of: 4 });
    /// # drop(permit);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn state(&self) -> FileState {
        self.state
    }

    /// Whether somebody has the lock, or a permit.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// drop(locks.lock("volumes").external().acquire()?);
    /// assert!(!locks.files()?.next().unwrap()?.is_held());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_held(&self) -> bool {
        matches!(self.state, FileState::Write | FileState::Read | FileState::Permits { .. })
    }

    /// Why it is [foreign](FileState::Foreign) or [unknown](FileState::Unknown): a sentence without a period.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// std::fs::create_dir(dir.path().join("old")).unwrap();
    /// assert_eq!(locks.files()?.next().unwrap()?.why(), Some("it is not a regular file"));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Who has it: processes, as [`Lock::holders`](crate::Lock::holders) knows them. The first one to wait for a permit may be
    /// among those who have some: the kernel does not tell them apart.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let held = locks.lock("volumes").external().acquire()?;
    /// let status = locks.files()?.next().unwrap()?;
    /// assert_eq!(status.holders()[0].pid(), Some(std::process::id()));
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// How many wait: one for each process of this crate that waits for the file, whatever the number of its threads and tasks
    /// that wait behind each other in it, and one for each thread of another program that waits in the kernel. Of those who use
    /// `flock(2)` or record locks, the ones in other pid namespaces are not seen. Programs that look again and again
    /// (oslo.concurrency, filelock) are never seen to wait. `None` if nobody can tell: of
    /// [pid files](crate::Mechanism::Pid), and of files that are foreign or unknown.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let held = locks.lock("volumes").external().acquire()?;
    /// assert_eq!(locks.files()?.next().unwrap()?.waiters(), Some(0));
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn waiters(&self) -> Option<usize> {
        self.waiters
    }

    /// The last [fencing token](crate::LockGuard::fencing_token) that the file has kept: that of its holders, or of the one
    /// before. `None` if there is none in it.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let held = locks.lock("volumes").external().acquire()?;
    /// let status = locks.files()?.next().unwrap()?;
    /// assert_eq!(status.fencing_token(), Some(held.fencing_token()));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn fencing_token(&self) -> Option<u64> {
        self.token
    }

    /// When it was changed last: for a lock file, when somebody took it alone or let it go. `None` if there is no file, or it
    /// cannot be looked at.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// drop(locks.lock("volumes").external().acquire()?);
    /// let changed = locks.files()?.next().unwrap()?.changed().expect("it can be looked at");
    /// assert!(changed.elapsed().unwrap_or_default().as_secs() < 60);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn changed(&self) -> Option<SystemTime> {
        self.changed
    }
}
