//! A name and how it is to be taken: options and verbs.

mod acquire;
mod acquire_async;
mod distributed;
mod engine;
mod identity;
mod observed;
mod options;
mod stand_in;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use self::options::Options;
use crate::cancel::Cancel;
use crate::clock::Coarse;
use crate::distributed::EngineLock;
use crate::error::{Error, Kind};
use crate::external::remove::{Manner, Removal};
use crate::external::status::FileStatus;
use crate::guard::LockGuard;
use crate::holder::{Evidence, Holder};
use crate::internal::Mode;
use crate::limit::Span;
use crate::locks::Locks;
use crate::reads;
use crate::reentrant::Reentrant;
use crate::registry::{CellRef, Owner, Relation, Taken};
use crate::text::Text;

/// Names a lock of the process-wide registry; nothing is taken yet.
///
/// The same name is the same lock, wherever and however it is taken: by a thread or a task, here or by
/// [`#[synchronized]`](macro@crate::synchronized), alone or shared, internal, external or distributed.
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
/// With [`external`](Lock::external) the permits are those of the whole host, at most 1048576 of them: the kernel frees
/// those of a process that dies, and who waits is woken by the one that lets go. Who shares the file by
/// `flock -s` is not kept out by permits, nor keeps them out.
///
/// With [`distributed`](Lock::distributed) they are those of all who share the engine, which has to
/// [promise](crate::distributed::Promise::Permits) them; they come back with the session of a process that dies.
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
/// Made by [`lock`] or [`Locks::lock`](crate::Locks::lock); options chain; acquiring takes `&self`, so that
/// it can be kept, shared between threads and used again and again. A kept one that is used more than once
/// remembers its place in the registry, which makes it the fastest way to take a lock.
///
/// | option | what | default |
/// |---|---|---|
/// | [`external`](Self::external) | between the processes of this host, by a lock file | internal: this process |
/// | [`distributed`](Self::distributed) | between the hosts of a cluster, by an engine | |
/// | [`read`](Self::read) | shares with other readers | alone |
/// | [`fair`](Self::fair) | strict order of arrival | a writer may overtake for a bounded time |
/// | [`timeout`](Self::timeout), [`deadline`](Self::deadline), [`cancel_on`](Self::cancel_on) | what ends a wait | the configured limit, or none |
/// | [`reentrant`](Self::reentrant) | the thread that has it may take it again | a second time is a deadlock, and refused where it is certain |
/// | [`prefix`](Self::prefix), [`lock_path`](Self::lock_path) | other than the configured ones | |
/// | [`expires`](Self::expires) | how long a distributed lock lasts, kept alive by nobody | as long as its guard, kept alive |
/// | [`identifier`](Self::identifier) | who has a distributed lock, for others to see | `host/pid/program` |
/// | [`require`](Self::require) | what the engine must promise | nothing |
/// | [`ephemeral`](Self::ephemeral) | whether a distributed lock goes with its process | it does |
/// | [`contender_pattern`](Self::contender_pattern) | whom else to wait for, on ZooKeeper | |
/// | [`purpose`](Self::purpose) | what it is taken for, for others to see | |
/// | [`hashed`](Self::hashed) | makes long names short | long names are refused |
/// | [`timed`](Self::timed) | notes when the lock was taken | external locks, and those that were waited for |
///
/// # Which way to wait
///
/// [`acquire`](Self::acquire) blocks the thread, [`acquire_async`](Self::acquire_async) waits in a task on
/// any runtime or none, [`try_acquire`](Self::try_acquire) never waits. They exclude each other and wait in
/// one queue.
///
/// # Fairness
///
/// Without [`fair`](Self::fair), a thread that comes just when the lock is free may take it before those who
/// wait. The first in the queue bears that a few times, or some milliseconds if it waits for another process, and
/// then gets the next turn, so nobody starves.
/// Readers never overtake anybody who waits, so a writer is not starved by readers, nor readers by writers.
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

impl Lock {
    /// Inlined, the lock is written where it stays: to move it right after would cost more than to write it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: out of line it costs as much as the look-up")]
    pub(crate) fn new(locks: Locks, name: &str, mode: Mode) -> Self {
        let (options, name) = (Options::new(mode), name.into());
        Self { locks, name, options, kept: OnceCell::new(), used: AtomicBool::new(false) }
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
    /// The threads and tasks of this process come first, then the file. The file stays when the lock is let
    /// go; [`remove_file`](Self::remove_file) and [`Locks::clean`](crate::Locks::clean) remove files safely.
    /// With [`disable_process_locking`](crate::Config::disable_process_locking) in the configuration, the
    /// lock is internal.
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
        self.with(Options::set_external)
    }

    /// Excludes the threads and tasks of this process only: the default. Takes [`external`](Self::external) and
    /// [`distributed`](Self::distributed) back.
    ///
    /// ```
    /// let guard = lockutils::lock("internal-example").external().internal().acquire()?;
    /// assert!(guard.path().is_none());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn internal(self) -> Self {
        self.with(Options::set_internal)
    }

    /// Shares with other read locks of the name, and with nothing else.
    ///
    /// A reader waits behind a writer that waits. A thread that already reads under a guard that cannot leave
    /// it (attribute, [`run`](Self::run), re-entrant) passes it, since that writer waits for it.
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
        self.with(|options| options.set_mode(Mode::Read))
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
        self.with(|options| options.set_mode(Mode::Write))
    }

    /// Waits in strict order of arrival: nobody who comes later is let in earlier, and while this waits,
    /// nobody overtakes anybody. Under contention that costs a change of threads for each turn.
    ///
    /// Between processes the order is that in which their threads have come to the lock file, and those who
    /// ask for it keep it: they do not overtake anybody. Those who do not ask for it may overtake for some
    /// milliseconds. Who dies or gives up while it waits is skipped. Programs that are not of this crate have
    /// an order of their own.
    ///
    /// ```
    /// let guard = lockutils::lock("fair-example").fair().acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn fair(self) -> Self {
        self.with(Options::set_fair)
    }

    /// Limits each wait. Zero is one try; what no clock can express is no limit.
    ///
    /// It is others that it waits for, not an engine that is down: when the engine of a [distributed](Self::distributed) lock does
    /// not answer within its `request_timeout` (a third of [`session_ttl`](crate::Config::session_ttl), 5 s at most), the acquire fails
    /// with [`Error::is_unreachable`], however long the limit is. A wait that has its place in the queue outlasts that.
    ///
    /// With the feature `async`, the limit of an async wait is met within a millisecond; without it, such a
    /// wait looks at the clock every 20 ms.
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

    /// Uses another directory than the configured one. An empty path counts as unset; a relative one is below the
    /// current directory of this moment.
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
        // Where there is no current directory, the acquire says so.
        let path = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        self.with(|options| options.rare().path = path.map(Into::into))
    }

    /// Makes a name that is too long for a file short: its beginning and a 128-bit hash (FNV-1a) of the
    /// whole. Names that fit stay as they are.
    ///
    /// ```
    /// let guard = lockutils::lock("v".repeat(1000)).hashed().acquire()?;
    /// assert_eq!(guard.name().len(), 255);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn hashed(self) -> Self {
        self.with(Options::set_hashed)
    }

    /// Says what an external lock is taken for, in place of the line in the source, the function and the thread: for programs
    /// that take locks on behalf of others, as `lockutils run` does. It stands in the record of the lock file, and in what
    /// others see of the [holder](Holder::purpose): `pid 4711 (lockutils) for 12s, to run backup.sh`. Up to 160 bytes of it
    /// are kept. Those who share a lock leave no record.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let lock = locks.lock("nightly").external().purpose("run backup.sh");
    /// let guard = lock.acquire()?;
    /// assert_eq!(lock.holder()?.unwrap().purpose(), Some("run backup.sh"));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn purpose(self, what: impl AsRef<str>) -> Self {
        self.with(|options| options.rare().purpose = Some(what.as_ref().into()))
    }

    /// Looks at the clock when the lock is taken, so that [`LockGuard::held`] knows how long it has been held. An
    /// external lock and one that was waited for are timed anyway; for an internal lock that is free, the look
    /// costs as much as the lock.
    ///
    /// ```
    /// let lock = lockutils::lock("timed-example");
    /// assert_eq!(lock.acquire()?.held(), None);
    /// assert!(lock.timed().acquire()?.held().is_some());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn timed(self) -> Self {
        self.with(Options::set_timed)
    }

    /// Gives the lock a name in metrics: [`record_metrics`](crate::record_metrics) says what it is for. For names that
    /// are made at run time, so that a million of them are one there; an attribute has its template for that.
    ///
    /// ```
    /// # let id = 7;
    /// let guard = lockutils::lock(format!("volume-{id}")).label("volume").acquire()?;
    /// assert_eq!(guard.name(), "volume-7");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn label(self, label: &'static str) -> Self {
        self.with(|options| options.label = crate::observe::Label(Some(label)))
    }

    /// Lets the thread that has the lock take it again, at most `limit` times at once. Say it last: what it
    /// gives has no options.
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
    /// - [`Error::is_would_deadlock`]: this thread has the lock under a guard that cannot move to another
    ///   (attribute, [`run`](Self::run), re-entrant), and the call sets no limit of its own.
    /// - [`Error::is_invalid_name`], [`Error::is_no_lock_path`], [`Error::is_mismatch`].
    /// - [`Error::is_io`], [`Error::is_not_a_file`], [`Error::is_permission`], [`Error::is_unsupported`]: the
    ///   lock file. It is never skipped.
    /// - Of a [distributed](Self::distributed) lock, [`Error::is_no_backend`] when nothing is configured, and
    ///   [`Error::is_engine`] when its engine does not do it: also [`Error::is_unreachable`] when that has not answered in time,
    ///   whatever the [`timeout`](Self::timeout) is, [`Error::is_permission`] when it does not let this user in, and [`Error::is_config`]
    ///   when its certificate is not trusted. [`Error::is_unsupported`] when it has no such lock, or does not promise what is
    ///   [required](Self::require); [`Error::is_lost`] when this process has [destroyed](Self::destroy) it.
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
    /// Dropping the future gives the place in the queue up and leaves nothing behind. A future that has been
    /// polled keeps its place until it is ready or dropped: poll it or drop it, or it may hold up those
    /// behind it.
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
    /// The guard cannot leave the thread, so taking the lock again inside `body` is refused at once instead
    /// of waiting for ever.
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

    /// Removes the lock file, unless that could take the lock away from somebody: one who holds it, or one
    /// who has the file open. Never waits. [`Locks::clean`](crate::Locks::clean) does it for many.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire) of an external lock; [`Error::is_unsupported`] for a lock that an engine has,
    /// which has no file. That the file cannot be removed is no error: see [`Removal`].
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
        self.remove_file_in(Manner::default())
    }

    /// The same, in a manner of the caller's.
    #[track_caller]
    pub(crate) fn remove_file_in(&self, manner: Manner) -> Result<Removal, Error> {
        if self.is_only_in_engine()? {
            let (name, what) = (self.full_name(), "a distributed lock has no file");
            let instead = "use `destroy` to remove what its engine has of it";
            return Err(Kind::Unsupported { name, what, instead }.into());
        }
        let here = self.clone().write().external();
        let hold = match here.look_up(Some(Mode::Write))? {
            Taken::Held(hold) => hold,
            Taken::Busy(_) => return Ok(Removal::Busy),
        };
        hold.claim(Owner::Thread, Location::caller(), Coarse::now());
        match here.file(hold.cell())? {
            Some(file) => file.remove(manner),
            None => Ok(Removal::Refused(
                "external locks are disabled here, so it is not for this process to remove",
            )),
        }
    }

    /// Whether somebody holds the lock at this moment: in this process or, for an external lock, in any; for a distributed
    /// one, on any host. Takes nothing and disturbs nobody. The engine of a distributed lock is asked unless this process has the
    /// lock, and the thread waits for its answer: in a task, [`is_locked_async`](Self::is_locked_async).
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
        let here = home.find(&full).is_some_and(|cell| cell.raw().is_held());
        if here {
            return Ok(true);
        }
        if let Some(contenders) = engine::block(self.contenders_by(engine::THREAD))?
            && contenders.iter().any(|contender| contender.holds)
        {
            return Ok(true);
        }
        if !self.is_external()? {
            return Ok(false);
        }
        home.directory.get().map_or(Ok(false), |directory| directory.is_locked(&full))
    }

    /// Who has the lock at this moment; `None` if nobody has it. Takes nothing and disturbs nobody. Of several who
    /// share it, one: see [`holders`](Self::holders).
    ///
    /// For an external lock, the kernel says whether it is held and, for most holders, by which process, also one
    /// that is not of this crate; the record in the file says the rest. [`Holder::evidence`] tells which of them
    /// it comes from. A process of another host or pid namespace is known by its record alone.
    ///
    /// The engine of a distributed lock is asked, and the thread waits for its answer. It knows holders by their
    /// [identifiers](Self::identifier); [`contenders`](Self::contenders) has all that it says.
    ///
    /// # Errors
    ///
    /// As [`is_locked`](Self::is_locked).
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let lock = locks.lock("volumes").external();
    /// assert!(lock.holder()?.is_none());
    /// let guard = lock.acquire()?;
    /// let holder = lock.holder()?.expect("it is held");
    /// assert_eq!(holder.pid(), Some(std::process::id()));
    /// println!("held by {holder}");
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn holder(&self) -> Result<Option<Holder>, Error> {
        Ok(self.holders()?.into_iter().next())
    }

    /// All who have the lock at this moment, as far as they are known: this process counts as one, and so does each
    /// other process.
    ///
    /// # Errors
    ///
    /// As [`is_locked`](Self::is_locked).
    ///
    /// ```
    /// let lock = lockutils::lock("holders-example").read();
    /// let (one, two) = (lock.acquire()?, lock.acquire()?);
    /// assert_eq!(lock.holders()?.len(), 1, "both are here");
    /// # drop((one, two));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn holders(&self) -> Result<Vec<Holder>, Error> {
        let (home, full) = self.identity()?;
        let here = home.find(&full).and_then(|cell| self.holder_here(&cell));
        if let Some(contenders) = engine::block(self.contenders_by(engine::THREAD))? {
            return Ok(Holder::of_contenders(here, contenders));
        }
        if !self.is_external()? {
            return Ok(here.into_iter().collect());
        }
        let Some(directory) = home.directory.get() else { return Ok(here.into_iter().collect()) };
        let Some(here) = here else { return directory.holders(&full) };
        // The file says more of this process than the registry knows.
        let (own, others): (Vec<_>, Vec<_>) =
            directory.holders(&full)?.into_iter().partition(|holder| holder.pid() == here.pid());
        let noted = own.into_iter().find(|own| matches!(own.evidence(), Evidence::Both | Evidence::Record));
        Ok([noted.map_or(here, Holder::into_own)].into_iter().chain(others).collect())
    }

    /// What is to be known of the lock file at this moment: in which way it is held, by whom, how many wait; `None` for an
    /// internal lock. A file that is missing is free. Takes nothing and makes nothing. For all files of a directory
    /// there is [`Locks::files`].
    ///
    /// # Errors
    ///
    /// As [`is_locked`](Self::is_locked); but what cannot be a lock file is a [status](crate::FileState::Foreign) too.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let lock = locks.lock("volumes").external();
    /// let guard = lock.acquire()?;
    /// let status = lock.file_status()?.expect("it is external");
    /// assert_eq!((status.state(), status.holders().len()), (lockutils::FileState::Write, 1));
    /// # assert!(locks.lock("volumes").file_status()?.is_none());
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn file_status(&self) -> Result<Option<FileStatus>, Error> {
        let (home, full) = self.identity()?;
        if !self.is_external()? {
            return Ok(None);
        }
        home.directory.get().map(|directory| directory.status(&full)).transpose()
    }

    /// Whether the calling thread has the lock, and has not lost it: under a write guard that it took itself, or under a read
    /// guard that cannot move to another thread (attribute, [`run`](Self::run), re-entrant). Guards that were
    /// taken in tasks do not count.
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

    /// How often the calling thread has the lock, as [`held_by_current_thread`](Self::held_by_current_thread)
    /// knows it: more than once only if it is re-entrant or read again.
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
        let Some(cell) = home.find(&full) else { return 0 };
        if self.options.is_distributed() && cell.engine().is_some_and(EngineLock::is_lost) {
            return 0;
        }
        let writes = match cell.reentrant_depth() {
            Some(depth) => depth.load(Relaxed),
            None => u32::from(cell.relation() != Relation::Other),
        };
        writes + reads::of(cell.id()).map_or(0, |(times, _)| times)
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
            .field("external", &self.options.is_external())
            .field("distributed", &self.options.is_distributed())
            .finish_non_exhaustive()
    }
}
