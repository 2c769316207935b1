//! What a holder holds.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use crate::clock::Coarse;
use crate::error::Error;
use crate::internal::Mode;
use crate::reads;
use crate::registry::{CellRef, Hold, Owner};
use crate::trace;

/// A held lock. Dropping it lets go: first the file, then the threads and tasks of this process.
///
/// It is owned and [`Send`]: store it, return it, send it to another thread or hold it across an `.await` (when it
/// came from [`acquire_async`](crate::Lock::acquire_async) or not). It may be dropped anywhere: on any thread, while
/// a panic unwinds, with or without a runtime. A panic does not poison the lock.
///
/// - A guard that is forgotten ([`std::mem::forget`]) leaves the lock held until the process ends, and
///   [`Lock::is_locked`](crate::Lock::is_locked) says so.
/// - When the process dies, in whatever way, the kernel lets go of the file.
/// - A guard that a forked child has inherited lets nothing go there: the lock stays the parent's.
///
/// Bind it to a name: `let _ = lock.acquire()?` lets go at once.
///
/// ```
/// let guard = lockutils::lock("volumes").acquire()?;
/// assert_eq!(guard.name(), "volumes");
/// drop(guard); // or let it go out of scope
/// # Ok::<(), lockutils::Error>(())
/// ```
#[must_use = "the lock is let go as soon as the guard is dropped"]
#[clippy::has_significant_drop]
pub struct LockGuard {
    /// Whether the file is held too.
    file: bool,
    waited: Duration,
    since: Coarse,
    /// The narrowest: let go last, by its own drop.
    hold: Hold,
}

impl LockGuard {
    /// The caller holds what it says.
    #[inline]
    pub(crate) fn new(
        hold: Hold, file: bool, owner: Owner, place: &'static Location<'static>, waited: Duration,
    ) -> Self {
        let since = Coarse::now();
        hold.claim(owner, place, since);
        Self { file, waited, since, hold }
    }

    /// The hold itself becomes the caller's to give back: a reference, and whether the file is held.
    pub(crate) fn into_parts(self) -> (CellRef, bool) {
        let guard = ManuallyDrop::new(self);
        (guard.hold.cell_ref(), guard.file)
    }

    pub(crate) fn hold(&self) -> &Hold {
        &self.hold
    }

    /// The full name of the lock: with its prefix, as the lock file is called.
    ///
    /// ```
    /// let guard = lockutils::lock("a/b").prefix("nova").acquire()?;
    /// assert_eq!(guard.name(), "nova-a_b");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        self.hold.cell().name()
    }

    /// The path of the lock file, for an external lock.
    ///
    /// ```
    /// let guard = lockutils::lock("internal-has-no-path").acquire()?;
    /// assert!(guard.path().is_none());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn path(&self) -> Option<&Path> {
        if !self.file {
            return None;
        }
        self.hold.cell().file().get().map(|file| file.path())
    }

    /// Whether others may share the lock: a read lock or a permit of a semaphore.
    ///
    /// ```
    /// let guard = lockutils::lock("shared-example").read().acquire()?;
    /// assert!(guard.is_shared());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_shared(&self) -> bool {
        self.hold.mode() != Mode::Write
    }

    /// How long the acquire waited; zero when the lock was free.
    ///
    /// ```
    /// let guard = lockutils::lock("waited-example").acquire()?;
    /// assert_eq!(guard.waited(), std::time::Duration::ZERO);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How long the lock has been held, on the coarse clock: exact to a few milliseconds.
    ///
    /// ```
    /// let guard = lockutils::lock("held-example").acquire()?;
    /// assert!(guard.held() < std::time::Duration::from_secs(60));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn held(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether the lock no longer excludes other processes, because its file was removed or replaced by somebody who
    /// did not take the lock for it. Always `false` for an internal lock.
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when the path cannot be looked at.
    ///
    /// ```
    /// let guard = lockutils::lock("is-lost-example").acquire()?;
    /// assert!(!guard.is_lost()?);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_lost(&self) -> Result<bool, Error> {
        match self.hold.cell().file().get() {
            Some(file) if self.file => file.is_current().map(|current| !current),
            _ => Ok(false),
        }
    }

    /// Turns a write lock into a read lock, without a moment in which somebody else could write. A read lock and a
    /// permit stay what they are.
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when the kernel refuses for the file of an external lock; the lock has been let go then.
    ///
    /// ```
    /// let lock = lockutils::lock("downgrade-example");
    /// let guard = lock.acquire()?.downgrade()?;
    /// assert!(lock.clone().read().try_acquire()?.is_some());
    /// assert!(lock.try_acquire()?.is_none());
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn downgrade(mut self) -> Result<Self, Error> {
        if self.hold.mode() == Mode::Write {
            if let Some(file) = self.hold.cell().file().get().filter(|_| self.file) {
                file.share()?;
            }
            self.hold.downgrade();
        }
        Ok(self)
    }

    /// Lets go, as dropping does, and says whether the kernel agreed.
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when the file could not be unlocked; it has been closed instead, which lets go too.
    ///
    /// ```
    /// lockutils::lock("release-example").acquire()?.release()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn release(mut self) -> Result<(), Error> {
        self.release_file()
    }

    fn release_file(&mut self) -> Result<(), Error> {
        let held = std::mem::replace(&mut self.file, false);
        self.hold.cell().file().get().filter(|_| held).map_or(Ok(()), |file| file.release())
    }
}

impl Drop for LockGuard {
    #[inline]
    fn drop(&mut self) {
        if self.file
            && let Err(error) = self.release_file()
        {
            trace::not_unlocked(&error);
        }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("name", &self.name()).field("path", &self.path()).finish_non_exhaustive()
    }
}

/// A guard that stays on its thread: that of a closure or of a synchronous function's attribute.
pub struct Pinned {
    guard: LockGuard,
    _stays: PhantomData<*const ()>,
}

impl Pinned {
    #[inline]
    pub(crate) fn new(guard: LockGuard, place: &'static Location<'static>) -> Self {
        if guard.hold.mode() == Mode::Read {
            reads::begin(guard.hold.id(), place);
        }
        Self { guard, _stays: PhantomData }
    }
}

impl Drop for Pinned {
    #[inline]
    fn drop(&mut self) {
        if self.guard.hold.mode() == Mode::Read {
            reads::end(self.guard.hold.id());
        }
    }
}
