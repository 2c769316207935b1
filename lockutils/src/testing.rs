//! For tests of services that take locks (feature `testing`).

pub(crate) mod assertions;

use std::io;
use std::path::Path;

use once_cell::sync::OnceCell;
use tempfile::TempDir;

use crate::config::Config;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::locks::Locks;

/// A registry of its own in a temporary directory, which is removed with it.
///
/// ```
/// let temp = lockutils::testing::temp_locks()?;
/// let guard = temp.locks().lock("x").external().acquire()?;
/// assert!(guard.path().unwrap().starts_with(temp.path()));
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Debug)]
pub struct TempLocks {
    locks: Locks,
    directory: TempDir,
}

/// Makes a registry of its own in a temporary directory: what a test should use where it can choose.
///
/// # Errors
///
/// [`Error::is_io`] when there is no temporary directory to be had.
///
/// ```
/// let temp = lockutils::testing::temp_locks()?;
/// assert!(temp.locks().is_empty());
/// # Ok::<(), lockutils::Error>(())
/// ```
pub fn temp_locks() -> Result<TempLocks, Error> {
    let directory = temp_dir()?;
    let locks = Locks::new(Config::new().lock_path(directory.path()))?;
    Ok(TempLocks { locks, directory })
}

impl TempLocks {
    /// The registry.
    ///
    /// ```
    /// let temp = lockutils::testing::temp_locks()?;
    /// assert_eq!(temp.locks().lock_path().unwrap(), temp.path());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// The directory of its lock files.
    ///
    /// ```
    /// assert!(lockutils::testing::temp_locks()?.path().is_dir());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Gives the process-wide registry a temporary directory, for tests of code that uses it: once for all tests
/// of the process, which all get the same one. Call it before the first lock is taken. The directory stays
/// behind when the process ends, for the system to clean up; that of [`temp_locks`] does not.
///
/// # Errors
///
/// [`Error::is_already_initialized`] when the process has another configuration already; [`Error::is_io`].
///
/// ```
/// let path = lockutils::testing::temp_lock_path()?;
/// let guard = lockutils::lock("x").external().acquire()?;
/// assert_eq!(guard.path().unwrap(), path.join("x"));
/// # Ok::<(), lockutils::Error>(())
/// ```
pub fn temp_lock_path() -> Result<&'static Path, Error> {
    static DIRECTORY: OnceCell<TempDir> = OnceCell::new();
    let directory = DIRECTORY.get_or_try_init(|| {
        let directory = temp_dir()?;
        crate::init(Config::new().lock_path(directory.path())).map(|()| directory)
    })?;
    Ok(directory.path())
}

/// Holds an external lock of the process-wide registry as long as it lives: for a test that must not run
/// while another process uses the same thing. oslo's fixture of this name.
///
/// ```
/// lockutils::testing::temp_lock_path()?;
/// let fixture = lockutils::testing::LockFixture::new("database")?;
/// assert!(lockutils::lock("database").external().try_acquire()?.is_none());
/// # drop(fixture);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the lock is let go as soon as the fixture is dropped"]
pub struct LockFixture {
    guard: LockGuard,
}

impl LockFixture {
    /// Waits for the lock and takes it.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire`](crate::Lock::acquire).
    ///
    /// ```
    /// lockutils::testing::temp_lock_path()?;
    /// let _database = lockutils::testing::LockFixture::new("fixture-example")?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn new(name: impl AsRef<str>) -> Result<Self, Error> {
        crate::lock(name).external().acquire().map(|guard| Self { guard })
    }

    /// The guard.
    ///
    /// ```
    /// lockutils::testing::temp_lock_path()?;
    /// let fixture = lockutils::testing::LockFixture::new("fixture-guard-example")?;
    /// assert!(fixture.guard().path().unwrap().exists());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn guard(&self) -> &LockGuard {
        &self.guard
    }
}

/// Panics if anybody holds a lock, in this process or another, and says who. The opposite of [`assert_held!`].
///
/// # Panics
///
/// When somebody holds it, and when that cannot be found out.
///
/// ```
/// lockutils::testing::assert_free!("nobody-holds-this");
/// ```
#[doc(inline)]
pub use crate::__assert_free as assert_free;
/// Panics unless this process holds a lock, and says who holds it instead. For tests, and for functions that only make
/// sense under a lock.
///
/// It takes a [`Lock`](crate::Lock), or the name of an internal lock of the process-wide registry, and perhaps a message
/// with its arguments. It cannot tell which thread or task of the process holds the lock:
/// [`Lock::held_by_current_thread`](crate::Lock::held_by_current_thread) does for threads.
///
/// # Panics
///
/// When another process or nobody holds it, and when that cannot be found out.
///
/// ```
/// use lockutils::testing::{assert_free, assert_held};
///
/// fn shrink(volume: u32) {
///     assert_held!(format!("volume-{volume}"));
///     // ...
/// }
///
/// let lock = lockutils::lock("volume-7");
/// let guard = lock.acquire()?;
/// shrink(7);
/// assert_held!(lock, "shrinking needs it");
/// # drop(guard);
/// assert_free!(lock);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[doc(inline)]
pub use crate::__assert_held as assert_held;

fn temp_dir() -> Result<TempDir, Error> {
    let made = tempfile::Builder::new().prefix("lockutils-").tempdir();
    made.map_err(|error: io::Error| {
        Error::io_at("make a temporary directory in", &std::env::temp_dir(), error)
    })
}
