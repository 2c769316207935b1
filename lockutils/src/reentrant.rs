//! Locks that the thread which has them may take again.

mod guard;

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::{Error, Kind};
use crate::external::OuterLock;
use crate::guard::far::Far;
use crate::guard::{LockGuard, Parts, Pinned};
use crate::internal::{HeldAs, Mode};
use crate::lock::Lock;
use crate::observe::Watched;
use crate::reads;
use crate::registry::{CellId, CellRef, Owner};
use crate::trace;

/// A lock that belongs to the thread that has it, which may take it again up to a limit.
///
/// Made by [`Lock::reentrant`]; a semaphore cannot be one ([`Error::is_unsupported`]). It excludes, and is
/// excluded by, every other way to take the name. The thread that writes may also read; a thread that reads
/// may not go on to write, since two that do would wait for each other ([`Error::is_would_deadlock`]).
///
/// A task has no thread, so there is no async verb.
///
/// ```
/// let lock = lockutils::lock("tree").reentrant(16);
/// fn walk(lock: &lockutils::Reentrant, depth: u32) -> Result<(), lockutils::Error> {
///     let _guard = lock.acquire()?;
///     if depth > 0 { walk(lock, depth - 1) } else { Ok(()) }
/// }
/// walk(&lock, 8)?;
/// # Ok::<(), lockutils::Error>(())
/// ```
#[must_use = "a lock does nothing until it is acquired"]
#[derive(Clone)]
pub struct Reentrant {
    lock: Lock,
    limit: u32,
}

impl Reentrant {
    pub(crate) fn new(lock: Lock, limit: u32) -> Self {
        Self { lock, limit }
    }

    /// Waits for the lock and takes it; the thread that has it takes it once more without a wait.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire`], and [`Error::is_limit_reached`].
    ///
    /// ```
    /// let lock = lockutils::lock("reentrant-acquire-example").reentrant(2);
    /// let outer = lock.acquire()?;
    /// let inner = lock.acquire()?;
    /// # drop((outer, inner));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Result<ReentrantGuard, Error> {
        self.acquire_at(Location::caller())
    }

    pub(crate) fn acquire_at(&self, place: &'static Location<'static>) -> Result<ReentrantGuard, Error> {
        match self.again(true, place)? {
            Again::Held(guard) => Ok(guard),
            Again::New | Again::Busy => {
                self.lock.acquire_as(Owner::Reentrant, place).map(|guard| ReentrantGuard::first(guard, place))
            }
        }
    }

    /// Takes the lock if that needs no wait; `None` if somebody else has it or the limit is reached.
    ///
    /// # Errors
    ///
    /// As [`Lock::try_acquire`].
    ///
    /// ```
    /// let lock = lockutils::lock("reentrant-try-example").reentrant(1);
    /// let guard = lock.try_acquire()?.expect("free");
    /// assert!(lock.try_acquire()?.is_none());
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Option<ReentrantGuard>, Error> {
        self.try_acquire_at(Location::caller())
    }

    pub(crate) fn try_acquire_at(
        &self,
        place: &'static Location<'static>,
    ) -> Result<Option<ReentrantGuard>, Error> {
        match self.again(false, place) {
            Ok(Again::Busy) => Ok(None),
            Ok(Again::Held(guard)) => Ok(Some(guard)),
            Ok(Again::New) => {
                let taken = self.lock.try_acquire_as(Owner::Reentrant, place)?;
                Ok(taken.map(|guard| ReentrantGuard::first(guard, place)))
            }
            Err(error) if error.is_limit_reached() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Runs `body` under the lock, and says what it returned.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); `body` has not run then.
    ///
    /// ```
    /// let lock = lockutils::lock("reentrant-run-example").reentrant(2);
    /// assert_eq!(lock.run(|| lock.run(|| 1))??, 1);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> Result<R, Error> {
        let _guard = self.acquire()?;
        Ok(body())
    }

    pub(crate) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Takes the lock once more for the thread that has it. It may still have to take the file, and wait for
    /// that.
    fn again(&self, waits: bool, place: &'static Location<'static>) -> Result<Again, Error> {
        if let Mode::Permit(_) = self.lock.mode() {
            let what = "the permits of a semaphore belong to nobody, so it cannot be re-entrant";
            let instead = "use a lock, or leave `reentrant` out";
            return Err(Kind::Unsupported { name: self.lock.full_name(), what, instead }.into());
        }
        let cell = self.lock.keep()?.clone();
        if let Some(depth) = cell.reentrant_depth() {
            let times = depth.load(Relaxed);
            self.check_limit(times)?;
            let Some((file, far)) = self.lock.take_again(&cell, waits, place)? else {
                return Ok(Again::Busy);
            };
            depth.store(times + 1, Relaxed);
            return Ok(Again::Held(ReentrantGuard::write(cell, file, far)));
        }
        if self.lock.mode() == Mode::Read
            && let Some((times, _)) = reads::of(cell.id())
        {
            self.check_limit(times)?;
        }
        Ok(Again::New)
    }

    fn check_limit(&self, times: u32) -> Result<(), Error> {
        if times < self.limit {
            return Ok(());
        }
        Err(Kind::LimitReached { name: self.lock.full_name(), limit: self.limit }.into())
    }
}

enum Again {
    Held(ReentrantGuard),
    /// The thread does not have the lock.
    New,
    /// Another process has the file, and the caller does not wait.
    Busy,
}

impl fmt::Debug for Reentrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reentrant").field("lock", &self.lock).field("limit", &self.limit).finish()
    }
}

/// One of the holds of a re-entrant lock. The lock is free when the last one is dropped, in whatever order.
///
/// It stays on its thread: it is not [`Send`].
///
/// ```compile_fail
/// let guard = lockutils::lock("x").reentrant(2).acquire().unwrap();
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "the lock is let go as soon as the guard is dropped"]
#[clippy::has_significant_drop]
pub struct ReentrantGuard {
    held: Held,
    _stays: PhantomData<*const ()>,
}

enum Held {
    /// One level of the thread's write lock, with the file or without.
    Write {
        cell: CellRef,
        file: bool,
        far: Option<Far>,
    },
    Read(Pinned),
}

impl ReentrantGuard {
    fn first(guard: LockGuard, place: &'static Location<'static>) -> Self {
        if guard.kind() != HeldAs::Write {
            return Self { held: Held::Read(Pinned::new(guard, place)), _stays: PhantomData };
        }
        let Parts { cell, file, watched, far } = guard.into_parts();
        if let Some(depth) = cell.reentrant_depth() {
            depth.store(1, Relaxed);
        }
        if let Some(watched) = watched {
            // A thread that ends takes no more locks.
            let _ = WATCHED.try_with(|all| all.borrow_mut().push((cell.id(), watched)));
        }
        Self::write(cell, file, far)
    }

    fn write(cell: CellRef, file: bool, far: Option<Far>) -> Self {
        Self { held: Held::Write { cell, file, far }, _stays: PhantomData }
    }

    /// As [`LockGuard::fencing_token`]. All holds of the thread have the same one; an external one within an internal
    /// one draws its own.
    ///
    /// ```
    /// let lock = lockutils::lock("reentrant-token-example").reentrant(2);
    /// let (outer, inner) = (lock.acquire()?, lock.acquire()?);
    /// assert_eq!(outer.fencing_token(), inner.fencing_token());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn fencing_token(&self) -> u64 {
        match (&self.held, self.far(), self.file()) {
            (Held::Read(guard), ..) => guard.as_guard().fencing_token(),
            (_, Some(far), _) => far.token(),
            (_, None, Some(file)) => file.token(),
            (Held::Write { cell, .. }, None, None) => cell.fencing_token(),
        }
    }

    /// Lets go of this hold, as dropping does, and says whether all went well; of a distributed lock, whether it was lost. The
    /// thread waits for the engine if this is its last hold.
    ///
    /// # Errors
    ///
    /// As [`LockGuard::release`].
    ///
    /// ```
    /// let lock = lockutils::lock("reentrant-release-example").reentrant(2);
    /// lock.acquire()?.release()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn release(mut self) -> Result<(), Error> {
        self.let_go_outside()
    }

    /// The engine first, then the file; what is left is that of this process.
    fn let_go_outside(&mut self) -> Result<(), Error> {
        let (cell, file, far) = match &mut self.held {
            Held::Write { cell, file, far } => (cell, std::mem::take(file), far.take()),
            Held::Read(guard) => return guard.let_go_outside(),
        };
        let left = far.map_or(Ok(()), |far| far.release(cell.name()));
        let released = cell.file().filter(|_| file).map_or(Ok(()), OuterLock::release);
        left.and(released)
    }
}

impl Drop for ReentrantGuard {
    fn drop(&mut self) {
        if let Err(error) = self.let_go_outside() {
            trace::not_unlocked(&error);
        }
        let Held::Write { cell, .. } = &self.held else { return };
        let Some(depth) = cell.reentrant_depth() else { return };
        let left = depth.load(Relaxed) - 1;
        depth.store(left, Relaxed);
        if left == 0 {
            let watched = take_watched(cell.id()).map(|watched| (watched.held(), watched));
            drop(cell.assume_held(Mode::Write));
            if let Some((held, watched)) = watched {
                watched.end(held);
            }
        }
    }
}

thread_local! {
    /// What is to be told of the re-entrant locks of this thread when the last level of each is let go, in whatever order
    /// that is. Their guards stay on the thread.
    static WATCHED: RefCell<Vec<(CellId, Watched)>> = const { RefCell::new(Vec::new()) };
}

/// `None` also for a guard that is dropped when the thread has ended and all this is gone.
fn take_watched(id: CellId) -> Option<Watched> {
    let take = |all: &RefCell<Vec<(CellId, Watched)>>| {
        let mut all = all.borrow_mut();
        let at = all.iter().position(|(of, _)| *of == id)?;
        Some(all.swap_remove(at).1)
    };
    WATCHED.try_with(take).ok().flatten()
}

impl fmt::Debug for ReentrantGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReentrantGuard").field("name", &self.name()).finish_non_exhaustive()
    }
}
