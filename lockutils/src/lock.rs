//! A name and how it is to be taken: options and verbs.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::cancel::Cancel;
use crate::clock::Coarse;
use crate::config::Config;
use crate::error::{Error, Kind, Wait};
use crate::external::remove::Removal;
use crate::external::{LockFile, Sharing};
use crate::guard::{LockGuard, Pinned};
use crate::internal::Mode;
use crate::internal::wait::{Waiting, spin};
use crate::limit::{Ended, Limit, Span};
use crate::locks::Locks;
use crate::name::{self, Text};
use crate::reads;
use crate::reentrant::Reentrant;
use crate::registry::{Cell, CellRef, Disagreed, Hold, Home, Namespace, Owner, Relation, Taken};
use crate::trace;

/// Names a lock of the process-wide registry; nothing is taken yet.
///
/// The same name is the same lock, wherever and however it is taken: by a thread or a task, here or by
/// [`#[synchronized]`](macro@crate::synchronized), alone or shared, internal or external.
///
/// ```
/// let guard = lockutils::lock("volumes").acquire()?;
/// assert!(lockutils::lock("volumes").try_acquire()?.is_none()); // busy is no error
/// # drop(guard);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[inline]
pub fn lock(name: impl AsRef<str>) -> Lock {
    crate::locks().lock(name)
}

/// Names a counting semaphore of the process-wide registry: at most `permits` holders at once.
///
/// The number belongs to the name: as long as the name is in use, another number is an error
/// ([`Error::is_mismatch`]). A lock of the same name and a permit exclude each other, so a plain
/// [`lock`] of the name waits for all permits to be back.
///
/// ```
/// let a = lockutils::semaphore("uploads", 2).acquire()?;
/// let b = lockutils::semaphore("uploads", 2).acquire()?;
/// assert!(lockutils::semaphore("uploads", 2).try_acquire()?.is_none());
/// assert!(lockutils::semaphore("uploads", 3).try_acquire().unwrap_err().is_mismatch());
/// # drop((a, b));
/// # Ok::<(), lockutils::Error>(())
/// ```
pub fn semaphore(name: impl AsRef<str>, permits: u32) -> Lock {
    crate::locks().semaphore(name, permits)
}

/// A name and how it is to be taken.
///
/// Made by [`lock`] or [`Locks::lock`](crate::Locks::lock); options chain; acquiring takes `&self`, so that it can be
/// kept, shared between threads and used again and again. A kept one that is used more than once remembers its
/// place in the registry, which makes it the fastest way to take a lock.
///
/// | option | what | default |
/// |---|---|---|
/// | [`external`](Self::external) | between the processes of this host, by a lock file | internal: this process |
/// | [`read`](Self::read) | shares with other readers | alone |
/// | [`fair`](Self::fair) | strict order of arrival | a writer may overtake for a bounded time |
/// | [`timeout`](Self::timeout), [`deadline`](Self::deadline), [`cancel_on`](Self::cancel_on) | what ends a wait | the configured limit, or none |
/// | [`reentrant`](Self::reentrant) | the thread that has it may take it again | a second time is a deadlock, and refused where it is certain |
/// | [`prefix`](Self::prefix), [`lock_path`](Self::lock_path) | other than the configured ones | |
/// | [`hashed`](Self::hashed) | makes long names short | long names are refused |
///
/// # Which way to wait
///
/// [`acquire`](Self::acquire) blocks the thread, [`acquire_async`](Self::acquire_async) waits in a task on any runtime
/// or none, [`try_acquire`](Self::try_acquire) never waits. They exclude each other and wait in one queue.
///
/// # Fairness
///
/// Without [`fair`](Self::fair), a thread that comes just when the lock is free may take it before those who wait.
/// The first in the queue bears that a few times and then gets the next turn, so nobody starves. Readers never
/// overtake anybody who waits, so a writer is not starved by readers, nor readers by writers.
///
/// ```
/// use std::time::Duration;
///
/// let lock = lockutils::lock("volumes").timeout(Duration::from_secs(5));
/// for _ in 0..3 {
///     let guard = lock.acquire()?;
/// }
/// # Ok::<(), lockutils::Error>(())
/// ```
#[must_use = "a lock does nothing until it is acquired"]
pub struct Lock {
    locks: Locks,
    name: Text,
    options: Options,
    /// Filled at the second acquire: a lock that is used once need not pay for being kept.
    kept: OnceCell<CellRef>,
    used: AtomicBool,
}

#[derive(Clone)]
struct Options {
    mode: Mode,
    external: bool,
    fair: bool,
    hashed: bool,
    span: Span,
    /// Kept apart, so that a lock without them is small.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Default)]
struct Rare {
    prefix: Option<Box<str>>,
    path: Option<Box<Path>>,
    cancel: Option<Cancel>,
}

impl Options {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    fn prefix(&self) -> Option<&str> {
        self.rare.as_ref()?.prefix.as_deref()
    }

    #[inline]
    fn path(&self) -> Option<&Path> {
        self.rare.as_ref()?.path.as_deref()
    }

    fn cancel(&self) -> Option<&Cancel> {
        self.rare.as_ref()?.cancel.as_ref()
    }
}

impl Lock {
    /// The name is written where it stays: to move it right after would cost more than to write it.
    #[inline]
    pub(crate) fn new(locks: Locks, name: &str, mode: Mode) -> Self {
        let options =
            Options { mode, external: false, fair: false, hashed: false, span: Span::Unsaid, rare: None };
        let (kept, used) = (OnceCell::new(), AtomicBool::new(false));
        let mut lock = Self { locks, name: Text::new(), options, kept, used };
        lock.name.push_str(name);
        lock
    }

    /// The same name with other options is a new handle.
    #[inline]
    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self.kept = OnceCell::new();
        self
    }

    /// Excludes the other processes of this host too, by a lock file `lock_path/prefix-name`.
    ///
    /// The threads and tasks of this process come first, then the file. The file stays when the lock is let go;
    /// [`remove_file`](Self::remove_file) and [`Locks::clean`](crate::Locks::clean) remove files safely. With
    /// [`disable_process_locking`](crate::Config::disable_process_locking) in the configuration, the lock is internal.
    ///
    /// What else takes the same file is excluded: oslo.concurrency, fasteners, `flock(1)`, filelock,
    /// [`File::lock`](std::fs::File::lock).
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let guard = locks.lock("volumes").external().acquire()?;
    /// assert!(guard.path().unwrap().exists());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn external(self) -> Self {
        self.with(|options| options.external = true)
    }

    /// Excludes the threads and tasks of this process only: the default.
    ///
    /// ```
    /// let guard = lockutils::lock("internal-example").external().internal().acquire()?;
    /// assert!(guard.path().is_none());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn internal(self) -> Self {
        self.with(|options| options.external = false)
    }

    /// Shares with other read locks of the name, and with nothing else.
    ///
    /// A reader waits behind a writer that waits. A thread that already reads under a guard that cannot leave it
    /// (attribute, [`run`](Self::run), re-entrant) passes it, since that writer waits for it.
    ///
    /// ```
    /// let one = lockutils::lock("read-example").read().acquire()?;
    /// let two = lockutils::lock("read-example").read().acquire()?;
    /// assert!(lockutils::lock("read-example").try_acquire()?.is_none());
    /// # drop((one, two));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn read(self) -> Self {
        self.with(|options| options.mode = Mode::Read)
    }

    /// Takes the lock alone: the default.
    ///
    /// ```
    /// let guard = lockutils::lock("write-example").write().acquire()?;
    /// assert!(!guard.is_shared());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn write(self) -> Self {
        self.with(|options| options.mode = Mode::Write)
    }

    /// Waits in strict order of arrival: nobody who comes later is let in earlier, and while this waits, nobody
    /// overtakes anybody. Under contention that costs a change of threads for each turn. The order is that of this
    /// process. Between processes the kernel wakes in the order of arrival, but a process that lets go and comes again at
    /// once may be faster than the one that was woken; how often is not bounded.
    ///
    /// ```
    /// let guard = lockutils::lock("fair-example").fair().acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn fair(self) -> Self {
        self.with(|options| options.fair = true)
    }

    /// Limits each wait. Zero is one try; what no clock can express is no limit.
    ///
    /// With the feature `async`, the limit of an async wait is met within a millisecond; without it, such a wait looks
    /// at the clock every 20 ms.
    ///
    /// ```
    /// use std::time::Duration;
    /// let held = lockutils::lock("timeout-example").acquire()?;
    /// let error = lockutils::lock("timeout-example").timeout(Duration::from_millis(5)).acquire().unwrap_err();
    /// assert!(error.is_timeout());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn timeout(self, limit: Duration) -> Self {
        self.with(|options| options.span = Span::For(limit))
    }

    /// Ends each wait at a moment.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// let lock = lockutils::lock("deadline-example").deadline(Instant::now() + Duration::from_secs(1));
    /// let guard = lock.acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn deadline(self, end: Instant) -> Self {
        self.with(|options| options.span = Span::Until(end))
    }

    /// Ends each wait when `cancel` is cancelled.
    ///
    /// ```
    /// let cancel = lockutils::Cancel::new();
    /// cancel.cancel();
    /// let held = lockutils::lock("cancel-on-example").acquire()?;
    /// let waits = lockutils::lock("cancel-on-example").cancel_on(&cancel);
    /// assert!(waits.acquire().unwrap_err().is_cancelled());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn cancel_on(self, cancel: &Cancel) -> Self {
        self.with(|options| options.rare().cancel = Some(cancel.clone()))
    }

    /// Puts a prefix before the name, instead of the configured one.
    ///
    /// ```
    /// assert_eq!(lockutils::lock("x").prefix("nova").acquire()?.name(), "nova-x");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn prefix(self, prefix: impl AsRef<str>) -> Self {
        self.with(|options| options.rare().prefix = Some(prefix.as_ref().into()))
    }

    /// Uses another directory than the configured one. An empty path counts as unset.
    ///
    /// ```
    /// # let dir = std::env::temp_dir().join(format!("lockutils-doc-path-{}", std::process::id()));
    /// let guard = lockutils::lock("x").external().lock_path(&dir).acquire()?;
    /// assert_eq!(guard.path().unwrap(), dir.join("x"));
    /// # drop(guard);
    /// # std::fs::remove_dir_all(dir).ok();
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn lock_path(self, path: impl AsRef<Path>) -> Self {
        let path = Some(path.as_ref()).filter(|path| !path.as_os_str().is_empty());
        self.with(|options| options.rare().path = path.map(Into::into))
    }

    /// Makes a name that is too long for a file short: its beginning and a 128-bit hash (FNV-1a) of the whole. Names
    /// that fit stay as they are.
    ///
    /// ```
    /// let guard = lockutils::lock("v".repeat(1000)).hashed().acquire()?;
    /// assert_eq!(guard.name().len(), 255);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn hashed(self) -> Self {
        self.with(|options| options.hashed = true)
    }

    /// Lets the thread that has the lock take it again, at most `limit` times at once. Say it last: what it gives
    /// has no options.
    ///
    /// ```
    /// let lock = lockutils::lock("reentrant-example").reentrant(2);
    /// let one = lock.acquire()?;
    /// let two = lock.acquire()?;
    /// assert!(lock.acquire().unwrap_err().is_limit_reached());
    /// # drop((one, two));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn reentrant(self, limit: u32) -> Reentrant {
        Reentrant::new(self, limit)
    }

    /// Waits for the lock and takes it. The thread sleeps meanwhile.
    ///
    /// # Errors
    ///
    /// - [`Error::is_timeout`], [`Error::is_cancelled`]: the wait ended first.
    /// - [`Error::is_would_deadlock`]: this thread has the lock under a guard that cannot have left it (attribute,
    ///   [`run`](Self::run), re-entrant), and the call sets no limit of its own.
    /// - [`Error::is_invalid_name`], [`Error::is_no_lock_path`], [`Error::is_mismatch`].
    /// - [`Error::is_io`], [`Error::is_not_a_file`], [`Error::is_permission`], [`Error::is_unsupported`]: the lock
    ///   file. It is never skipped.
    ///
    /// Nothing is held then.
    ///
    /// ```
    /// let guard = lockutils::lock("volumes").acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Result<LockGuard, Error> {
        self.acquire_as(Owner::Thread, Location::caller())
    }

    /// Takes the lock if that needs no wait; `None` if it is busy.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), but for those that end a wait.
    ///
    /// ```
    /// let guard = lockutils::lock("try-example").try_acquire()?.expect("nobody has it");
    /// assert!(lockutils::lock("try-example").try_acquire()?.is_none());
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Option<LockGuard>, Error> {
        self.try_acquire_as(Owner::Thread, Location::caller())
    }

    /// Waits for the lock in a task, on any runtime or none; no thread of the runtime is ever blocked.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). A deadlock of a task with itself is not detected.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the place in the queue up and leaves nothing behind. A future that has been polled
    /// keeps its place until it is ready or dropped: poll it or drop it, or it may hold up those behind it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let guard = lockutils::lock("volumes").acquire_async().await?;
    /// # Ok::<(), lockutils::Error>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_async(&self) -> impl Future<Output = Result<LockGuard, Error>> + Send + '_ {
        self.acquire_async_at(Location::caller())
    }

    /// Runs `body` under the lock, and says what it returned.
    ///
    /// The guard cannot leave the thread, so taking the lock again inside `body` is refused at once instead of
    /// waiting for ever.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); `body` has not run then.
    ///
    /// ```
    /// let lock = lockutils::lock("run-example");
    /// let sum = lock.run(|| 1 + 1)?;
    /// assert_eq!(sum, 2);
    /// let inner = lock.run(|| lock.acquire().map(drop))?;
    /// assert!(inner.unwrap_err().is_would_deadlock());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> Result<R, Error> {
        let _guard = self.enter_pinned(Location::caller())?;
        Ok(body())
    }

    /// Removes the lock file, unless that could take the lock away from somebody: one who holds it, or one who has
    /// the file open. Never waits. [`Locks::clean`](crate::Locks::clean) does it for many.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire) of an external lock. That the file cannot be removed is no error: see
    /// [`Removal`].
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// use lockutils::Removal;
    ///
    /// let lock = locks.lock("volumes").external();
    /// let guard = lock.acquire()?;
    /// assert_eq!(lock.remove_file()?, Removal::Busy);
    /// drop(guard);
    /// assert_eq!(lock.remove_file()?, Removal::Removed);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn remove_file(&self) -> Result<Removal, Error> {
        let here = self.clone().write().external();
        let hold = match here.look_up(Some(Mode::Write))? {
            Taken::Held(hold) => hold,
            Taken::Busy(_) => return Ok(Removal::Busy),
        };
        hold.claim(Owner::Thread, Location::caller(), Coarse::now());
        match here.file(hold.cell())? {
            Some(file) => file.remove(),
            None => Ok(Removal::Refused(
                "external locks are disabled here, so it is not for this process to remove",
            )),
        }
    }

    /// Whether somebody holds the lock at this moment: in this process or, for an external lock, in any. Takes
    /// nothing and disturbs nobody.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// ```
    /// let lock = lockutils::lock("is-locked-example");
    /// assert!(!lock.is_locked()?);
    /// let guard = lock.acquire()?;
    /// assert!(lock.is_locked()?);
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_locked(&self) -> Result<bool, Error> {
        let (home, full) = self.identity()?;
        let here = match self.look(&home, &full, None)? {
            Some(Taken::Busy(cell)) => cell.raw().is_held(),
            _ => false,
        };
        if here || !self.is_external()? {
            return Ok(here);
        }
        home.directory.get().map_or(Ok(false), |directory| directory.is_locked(&full))
    }

    /// Whether the calling thread has the lock: under a write guard that it took itself, or under a read guard that
    /// cannot have left it (attribute, [`run`](Self::run), re-entrant). Guards that were taken in tasks do not count.
    ///
    /// ```
    /// let lock = lockutils::lock("held-by-example");
    /// let guard = lock.acquire()?;
    /// assert!(lock.held_by_current_thread());
    /// assert!(!std::thread::scope(|s| s.spawn(|| lock.held_by_current_thread()).join().unwrap()));
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn held_by_current_thread(&self) -> bool {
        self.hold_count() > 0
    }

    /// How often the calling thread has the lock, as [`held_by_current_thread`](Self::held_by_current_thread) knows it: more than once only if it is re-entrant or read again.
    ///
    /// ```
    /// let lock = lockutils::lock("hold-count-example").reentrant(9);
    /// let one = lock.acquire()?;
    /// let two = lock.acquire()?;
    /// assert_eq!(lockutils::lock("hold-count-example").hold_count(), 2);
    /// # drop((one, two));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn hold_count(&self) -> u32 {
        let Ok((home, full)) = self.identity() else { return 0 };
        let Ok(Some(Taken::Busy(cell))) = self.look(&home, &full, None) else { return 0 };
        let writes = match cell.reentrant_depth() {
            Some(depth) => depth.load(Relaxed),
            None => u32::from(cell.relation() != Relation::Other),
        };
        writes + reads::of(cell.id()).map_or(0, |(times, _)| times)
    }
}

/// The steps that the verbs are made of.
impl Lock {
    #[inline]
    pub(crate) fn acquire_as(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        match self.at_once() {
            Some(hold) => Ok(LockGuard::at_once(hold, owner, place)),
            None => self.acquire_unkept(owner, place),
        }
    }

    /// The first use of a handle: what it takes it need not keep.
    #[inline(never)]
    fn acquire_unkept(&self, owner: Owner, place: &'static Location<'static>) -> Result<LockGuard, Error> {
        match self.take_ordinary() {
            Some(hold) => Ok(LockGuard::at_once(hold, owner, place)),
            None => self.acquire_otherwise(owner, place),
        }
    }

    /// The lock, when it is free and nothing about its name is out of the ordinary.
    #[inline]
    fn take_ordinary(&self) -> Option<Hold> {
        let ordinary = !self.options.external && self.options.rare.is_none() && !self.name.is_empty();
        if !ordinary || self.used.load(Relaxed) {
            return None;
        }
        let shared = self.locks.shared();
        let prefix = self.locks.prefix(shared.known()?);
        let Options { mode, fair, .. } = self.options;
        let taken = if prefix.is_empty() {
            Namespace::take(shared.main(), &self.name, mode, fair)
        } else {
            Namespace::take(shared.main(), &name::join(prefix, &self.name), mode, fair)
        };
        self.used.store(taken.is_some(), Relaxed);
        taken
    }

    /// A kept internal lock that is free: one exchange of the word, and nothing that does not fit into registers.
    #[inline]
    fn at_once(&self) -> Option<Hold> {
        let cell = self.kept.get().filter(|_| !self.options.external)?;
        cell.try_hold(self.options.mode, self.options.fair)
    }

    #[inline(never)]
    fn acquire_otherwise(&self, owner: Owner, place: &'static Location<'static>) -> Result<LockGuard, Error> {
        match self.begin()? {
            Taken::Held(hold) if !self.options.external => Ok(LockGuard::at_once(hold, owner, place)),
            taken => self.acquire_slow(taken, owner, place),
        }
    }

    #[inline]
    pub(crate) async fn acquire_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        if let Some(hold) = self.at_once().or_else(|| self.take_ordinary()) {
            return Ok(LockGuard::at_once(hold, Owner::Task, place));
        }
        match self.begin()? {
            Taken::Held(hold) if !self.options.external => Ok(LockGuard::at_once(hold, Owner::Task, place)),
            taken => self.acquire_async_slow(taken, place).await,
        }
    }

    /// The way of an attribute whose name is a literal.
    #[inline]
    pub(crate) fn enter_at_once(&self, place: &'static Location<'static>) -> Option<Pinned> {
        let cell = self.kept.get().filter(|_| self.options.mode == Mode::Write && !self.options.external)?;
        let hold = cell.try_write(self.options.fair)?;
        Some(Pinned::writing(LockGuard::at_once(hold, Owner::Pinned, place)))
    }

    #[inline]
    pub(crate) fn enter_pinned(&self, place: &'static Location<'static>) -> Result<Pinned, Error> {
        match self.at_once() {
            Some(hold) => Ok(Pinned::new(LockGuard::at_once(hold, Owner::Pinned, place), place)),
            None => self.enter_otherwise(place),
        }
    }

    #[inline(never)]
    fn enter_otherwise(&self, place: &'static Location<'static>) -> Result<Pinned, Error> {
        self.acquire_unkept(Owner::Pinned, place).map(|guard| Pinned::new(guard, place))
    }

    pub(crate) fn try_acquire_as(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, Error> {
        let hold = match self.begin()? {
            Taken::Held(hold) => hold,
            Taken::Busy(cell) => match self.rejoin(&cell) {
                Some(hold) => hold,
                None => return Ok(None),
            },
        };
        let Some(file) = self.file(hold.cell())? else {
            return Ok(Some(LockGuard::at_once(hold, owner, place)));
        };
        let free = file.try_acquire(self.sharing())?;
        Ok(free.then(|| LockGuard::new(hold, true, owner, place, Duration::ZERO)))
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(
        &self,
        taken: Taken,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        let started = Instant::now();
        let limit = self.limit()?;
        let mut has_waited = matches!(taken, Taken::Busy(_));
        let hold = match taken {
            Taken::Held(hold) => hold,
            Taken::Busy(cell) => self.wait(&cell, &limit, started, place)?,
        };
        let file = self.file(hold.cell())?;
        if let Some(file) = file {
            hold.claim(owner, place, Coarse::now());
            let free = file.try_acquire(self.sharing())?;
            has_waited |= !free;
            if !free {
                trace::waiting_for_file(file.path(), place);
            }
            if !free && let Err(ended) = file.acquire(self.sharing(), &limit)? {
                return Err(self.gave_up(ended, hold.cell(), started, WaitOf::File));
            }
        }
        let waited = if has_waited { started.elapsed() } else { Duration::ZERO };
        let file = file.is_some();
        Ok(LockGuard::new(hold, file, owner, place, waited))
    }

    /// Takes the file alone, for the one writer of this process, whatever this handle's mode is. Says whether it is held
    /// now; `false` only if the caller does not wait.
    pub(crate) fn acquire_file(&self, cell: &Cell, file: &LockFile, waits: bool) -> Result<bool, Error> {
        let started = Instant::now();
        if !waits {
            return file.try_acquire(Sharing::Alone);
        }
        match file.acquire(Sharing::Alone, &self.limit()?)? {
            Ok(()) => Ok(true),
            Err(ended) => Err(self.gave_up(ended, cell, started, WaitOf::File)),
        }
    }

    /// Waits for the in-process half on this thread.
    fn wait(
        &self,
        cell: &CellRef,
        limit: &Limit<'_>,
        started: Instant,
        place: &'static Location<'static>,
    ) -> Result<Hold, Error> {
        if let Some(hold) = self.rejoin(cell) {
            return Ok(hold);
        }
        // A configured limit would end this too, but only to say what is known now.
        let configured = limit.cancel.is_none() && self.options.span == Span::Unsaid;
        if limit.is_none() || configured {
            refuse_deadlock(cell, place)?;
        }
        cell.note_wait();
        trace::waiting(cell.name(), place);
        let Options { mode, fair, .. } = self.options;
        if !fair && spin(cell.raw(), mode) {
            return Ok(cell.assume_held(mode));
        }
        match limit.block(Waiting::new(cell.raw(), mode, fair)) {
            Ok(()) => Ok(cell.assume_held(mode)),
            Err(ended) => Err(self.gave_up(ended, cell, started, WaitOf::Process)),
        }
    }

    async fn acquire_async_slow(
        &self,
        taken: Taken,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        let started = Instant::now();
        let limit = self.limit()?;
        let mut has_waited = matches!(taken, Taken::Busy(_));
        let hold = match taken {
            Taken::Held(hold) => hold,
            Taken::Busy(cell) => self.wait_async(cell, &limit, started, place).await?,
        };
        hold.claim(Owner::Task, place, Coarse::now());
        let file = self.file(hold.cell())?;
        if let Some(file) = file
            && !file.try_acquire(self.sharing())?
        {
            has_waited = true;
            trace::waiting_for_file(file.path(), place);
            if limit.is_over() {
                return Err(self.gave_up(Ended::Time, hold.cell(), started, WaitOf::File));
            }
            match limit.watch(file.acquire_async(self.sharing())).await {
                Ok(acquired) => acquired?,
                Err(ended) => return Err(self.gave_up(ended, hold.cell(), started, WaitOf::File)),
            }
        }
        let waited = if has_waited { started.elapsed() } else { Duration::ZERO };
        let file = file.is_some();
        Ok(LockGuard::new(hold, file, Owner::Task, place, waited))
    }

    async fn wait_async(
        &self,
        cell: CellRef,
        limit: &Limit<'_>,
        started: Instant,
        place: &'static Location<'static>,
    ) -> Result<Hold, Error> {
        cell.note_wait();
        trace::waiting(cell.name(), place);
        let Options { mode, fair, .. } = self.options;
        match limit.watch(Waiting::new(cell.raw(), mode, fair)).await {
            Ok(()) => Ok(cell.assume_held(mode)),
            Err(ended) => Err(self.gave_up(ended, &cell, started, WaitOf::Process)),
        }
    }

    /// One more read for a thread that reads already.
    fn rejoin(&self, cell: &CellRef) -> Option<Hold> {
        let reads = self.options.mode == Mode::Read && reads::of(cell.id()).is_some();
        (reads && cell.raw().rejoin(Mode::Read)).then(|| cell.assume_held(Mode::Read))
    }

    fn limit(&self) -> Result<Limit<'_>, Error> {
        let default = self.locks.shared().effective()?.timeout;
        Ok(Limit::begin(self.options.span, default, self.options.cancel()))
    }

    #[cold]
    fn gave_up(&self, ended: Ended, cell: &Cell, started: Instant, of: WaitOf) -> Error {
        let wait = self.wait_so_far(cell, started.elapsed(), of);
        match ended {
            Ended::Time => Kind::Timeout(wait).into(),
            Ended::Cancel => Kind::Cancelled(wait).into(),
        }
    }

    /// The error of those who do not want to wait: of the process if that is busy, otherwise of the file.
    #[cold]
    pub(crate) fn busy(&self) -> Error {
        let cell = match self.cell() {
            Ok(cell) => cell,
            Err(error) => return error,
        };
        let of = if cell.raw().is_held() { WaitOf::Process } else { WaitOf::File };
        Kind::Busy(self.wait_so_far(&cell, Duration::ZERO, of)).into()
    }

    fn wait_so_far(&self, cell: &Cell, waited: Duration, of: WaitOf) -> Wait {
        let file = self.file(cell).ok().flatten();
        let held = cell.held().filter(|_| of == WaitOf::Process);
        Wait {
            name: cell.name().to_owned(),
            path: file.map(|file| file.path().to_owned()),
            waited,
            holder: held.map(|held| (held.place, held.since.elapsed())),
            own: of == WaitOf::Process && cell.relation() == Relation::HasIt,
            external: of == WaitOf::File,
        }
    }

    fn sharing(&self) -> Sharing {
        if self.options.mode == Mode::Write { Sharing::Alone } else { Sharing::Shared }
    }
}

/// How the name becomes a lock.
impl Lock {
    /// Takes the in-process half if it is free, or a reference to it.
    #[inline]
    fn begin(&self) -> Result<Taken, Error> {
        match self.kept.get() {
            Some(cell) => Ok(self.begin_at(cell)),
            None => self.begin_unkept(),
        }
    }

    #[inline]
    fn begin_at(&self, cell: &CellRef) -> Taken {
        match cell.try_hold(self.options.mode, self.options.fair) {
            Some(hold) => Taken::Held(hold),
            None => Taken::Busy(cell.clone()),
        }
    }

    #[inline(never)]
    fn begin_unkept(&self) -> Result<Taken, Error> {
        self.check_permits()?;
        if !self.used.swap(true, Relaxed) {
            return self.look_up(Some(self.options.mode));
        }
        self.keep().map(|cell| self.begin_at(cell))
    }

    fn check_permits(&self) -> Result<(), Error> {
        if self.options.mode == Mode::Permit(0) {
            return Err(Kind::ZeroPermits { name: self.full_name() }.into());
        }
        Ok(())
    }

    /// The lock's place in the registry, from now on without a look-up.
    pub(crate) fn keep(&self) -> Result<&CellRef, Error> {
        self.kept.get_or_try_init(|| self.agreed_cell())
    }

    /// A reference to the live lock, which agrees with this handle on the number of permits.
    pub(crate) fn agreed_cell(&self) -> Result<CellRef, Error> {
        self.check_permits()?;
        let cell = self.cell()?;
        cell.agree(Some(self.options.mode)).map_err(|agreed| self.mismatch(&Disagreed(agreed)))?;
        Ok(cell)
    }

    /// A reference to the live lock of this name, made if need be.
    pub(crate) fn cell(&self) -> Result<CellRef, Error> {
        if let Some(cell) = self.kept.get() {
            return Ok(cell.clone());
        }
        match self.look_up(None)? {
            Taken::Busy(cell) => Ok(cell),
            Taken::Held(_) => unreachable!("nothing was to be held"),
        }
    }

    /// Checks the name, finds the directory, and finds or makes the lock.
    fn look_up(&self, mode: Option<Mode>) -> Result<Taken, Error> {
        let (home, full) = self.identity()?;
        Namespace::get(&home, &full, mode, self.options.fair).map_err(|agreed| self.mismatch(&agreed))
    }

    #[inline]
    fn look(&self, home: &Namespace, full: &str, mode: Option<Mode>) -> Result<Option<Taken>, Error> {
        home.find(full, mode, self.options.fair).transpose().map_err(|agreed| self.mismatch(&agreed))
    }

    fn identity(&self) -> Result<(Home, Text), Error> {
        let full = self.identity_name()?;
        Ok((self.home()?, full))
    }

    fn identity_name(&self) -> Result<Text, Error> {
        let config = self.locks.shared().effective()?;
        let prefix = self.prefix_in(config);
        name::checked(prefix, &self.name, self.options.hashed).map_err(|rule| {
            Kind::Name { name: self.name.to_string(), prefix: prefix.to_owned(), rule }.into()
        })
    }

    fn home(&self) -> Result<Home, Error> {
        let shared = self.locks.shared();
        match self.options.path() {
            Some(path) => shared.named(path),
            None if self.is_external()? => match shared.configured()? {
                Some(home) => Ok(home.clone()),
                None => Err(Kind::NoLockPath { name: self.name.to_string() }.into()),
            },
            None => Ok(shared.main().clone()),
        }
    }

    #[inline]
    fn prefix_in<'a>(&'a self, config: &'a Config) -> &'a str {
        self.options.prefix().unwrap_or_else(|| self.locks.prefix(config))
    }

    fn is_external(&self) -> Result<bool, Error> {
        Ok(self.options.external && !self.locks.shared().effective()?.disable_process_locking)
    }

    /// The lock's file, if it is external.
    pub(crate) fn file<'a>(&self, cell: &'a Cell) -> Result<Option<&'a LockFile>, Error> {
        if !self.is_external()? {
            return Ok(None);
        }
        if matches!(self.options.mode, Mode::Permit(_)) {
            let what = "semaphores between processes are not available in this version";
            let instead = "use an internal semaphore or an external lock";
            return Err(Kind::Unsupported { name: cell.name().to_owned(), what, instead }.into());
        }
        let Some(directory) = cell.home().directory.get() else {
            return Err(Kind::NoLockPath { name: cell.name().to_owned() }.into());
        };
        Ok(Some(cell.file().get_or_init(|| Box::new(LockFile::new(Arc::clone(directory), cell.name())))))
    }

    fn mismatch(&self, agreed: &Disagreed) -> Error {
        let asked = if let Mode::Permit(permits) = self.options.mode { permits } else { 0 };
        Kind::Mismatch { name: self.full_name(), asked, agreed: agreed.0 }.into()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.options.mode
    }

    /// The full name for a message; as it was written, where it is no valid one.
    pub(crate) fn full_name(&self) -> String {
        self.identity_name().map_or_else(|_| self.name.to_string(), |full| full.to_string())
    }

    pub(crate) fn written_name(&self) -> &str {
        &self.name
    }

    /// The same with the end of its waits settled now, for several waits that share it.
    pub(crate) fn begun(&self) -> Result<Self, Error> {
        let end = self.limit()?.end;
        Ok(self.clone().with(|options| {
            if let Some(end) = end {
                options.span = Span::Until(end);
            }
        }))
    }

    /// A handle to `cell`, which is this lock's.
    pub(crate) fn kept_at(self, cell: CellRef) -> Self {
        Self { kept: OnceCell::with_value(cell), ..self }
    }

    pub(crate) fn name_mut(&mut self) -> &mut Text {
        &mut self.name
    }

    /// Waits as long as it takes, whatever the configuration says.
    pub(crate) fn unlimited(self) -> Self {
        self.with(|options| options.span = Span::Never)
    }

    pub(crate) fn renamed(self, name: Text) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn permits(self, permits: u32) -> Self {
        self.with(|options| options.mode = Mode::Permit(permits))
    }
}

/// Which half was waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitOf {
    Process,
    File,
}

/// The thread would wait for itself: refused where that is certain, warned of where it may be.
fn refuse_deadlock(cell: &CellRef, asked_at: &'static Location<'static>) -> Result<(), Error> {
    let refused = |held_at, reads| {
        Err(Kind::WouldDeadlock { name: cell.name().to_owned(), held_at, asked_at, reads }.into())
    };
    match cell.relation() {
        Relation::HasIt => return refused(cell.held().and_then(|held| held.place), false),
        Relation::TookIt => trace::may_deadlock(cell.name(), asked_at),
        Relation::Other => {}
    }
    match reads::of(cell.id()) {
        Some((_, held_at)) => refused(Some(held_at), true),
        None => Ok(()),
    }
}

/// A new handle for the same lock with the same options.
impl Clone for Lock {
    fn clone(&self) -> Self {
        Self {
            locks: self.locks.clone(),
            name: self.name.clone(),
            options: self.options.clone(),
            kept: OnceCell::new(),
            used: AtomicBool::new(false),
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("name", &self.name)
            .field("external", &self.options.external)
            .finish_non_exhaustive()
    }
}
