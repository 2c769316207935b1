//! Several locks as one: de-duplicated, in the order of their names, all or nothing.

use std::fmt;
use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::cancel::Cancel;
use crate::distributed::{Loss, Promise};
use crate::error::Error;
use crate::guard::{LockGuard, Pinned};
use crate::lock::Lock;
use crate::registry::Owner;

/// Names several locks of the process-wide registry that are taken together.
///
/// They are de-duplicated and taken in the order of their full names, whatever order they are written in, so
/// that two who want the same locks never wait for each other. It is all or nothing, within one limit.
///
/// ```
/// let guards = lockutils::lock_all(["b", "a", "b"]).acquire()?;
/// assert_eq!(guards.names().collect::<Vec<_>>(), ["a", "b"]);
/// # Ok::<(), lockutils::Error>(())
/// ```
pub fn lock_all<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> LockAll {
    crate::locks().lock_all(names)
}

/// Several names and how they are to be taken. The options are those of [`Lock`], for all of them.
///
/// ```
/// let both = lockutils::lock_all(["source", "target"]).fair();
/// let guards = both.acquire()?;
/// # Ok::<(), lockutils::Error>(())
/// ```
#[must_use = "locks do nothing until they are acquired"]
#[derive(Clone)]
pub struct LockAll {
    locks: Vec<Lock>,
}

macro_rules! option {
    ($(#[$docs:meta])* $name:ident($($argument:ident: $kind:ty)?)) => {
        $(#[$docs])*
        pub fn $name(self $(, $argument: $kind)?) -> Self {
            self.each(|lock| lock.$name($($argument)?))
        }
    };
}

impl LockAll {
    pub(crate) fn new(locks: Vec<Lock>) -> Self {
        Self { locks }
    }

    fn each(self, option: impl Fn(Lock) -> Lock) -> Self {
        Self { locks: self.locks.into_iter().map(option).collect() }
    }

    option! {
        /// As [`Lock::external`].
        ///
        /// ```
        /// # let dir = lockutils::testing::temp_locks()?;
        /// let guards = dir.locks().lock_all(["a", "b"]).external().acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        external()
    }
    option! {
        /// As [`Lock::internal`].
        ///
        /// ```
        /// let guards = lockutils::lock_all(["a", "b"]).internal().acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        internal()
    }
    option! {
        /// As [`Lock::distributed`].
        ///
        /// ```
        /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:all-example"))?;
        /// let guards = locks.lock_all(["a", "b"]).distributed().acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        distributed()
    }
    option! {
        /// As [`Lock::require`].
        ///
        /// ```
        /// use lockutils::distributed::Promise;
        /// let all = lockutils::lock_all(["a", "b"]).distributed().require(Promise::Fenced);
        /// ```
        require(promise: Promise)
    }
    option! {
        /// As [`Lock::expires`].
        ///
        /// ```
        /// let all = lockutils::lock_all(["a", "b"]).distributed().expires(std::time::Duration::from_secs(30));
        /// ```
        expires(after: Duration)
    }
    option! {
        /// As [`Lock::ephemeral`].
        ///
        /// ```
        /// let all = lockutils::lock_all(["a", "b"]).distributed().ephemeral(false);
        /// ```
        ephemeral(yes: bool)
    }
    option! {
        /// As [`Lock::read`].
        ///
        /// ```
        /// let guards = lockutils::lock_all(["a", "b"]).read().acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        read()
    }
    option! {
        /// As [`Lock::write`].
        ///
        /// ```
        /// let guards = lockutils::lock_all(["a", "b"]).write().acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        write()
    }
    option! {
        /// As [`Lock::fair`].
        ///
        /// ```
        /// let guards = lockutils::lock_all(["a", "b"]).fair().acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        fair()
    }
    option! {
        /// As [`Lock::hashed`].
        ///
        /// ```
        /// let guards = lockutils::lock_all(["a", "b"]).hashed().acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        hashed()
    }
    option! {
        /// As [`Lock::timeout`], for all of them together.
        ///
        /// ```
        /// use std::time::Duration;
        /// let guards = lockutils::lock_all(["a", "b"]).timeout(Duration::from_secs(5)).acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        timeout(limit: Duration)
    }
    option! {
        /// As [`Lock::deadline`].
        ///
        /// ```
        /// let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        /// let guards = lockutils::lock_all(["a", "b"]).deadline(end).acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        deadline(end: Instant)
    }
    option! {
        /// As [`Lock::cancel_on`].
        ///
        /// ```
        /// let cancel = lockutils::Cancel::new();
        /// let guards = lockutils::lock_all(["a", "b"]).cancel_on(&cancel).acquire()?;
        /// # Ok::<(), lockutils::Error>(())
        /// ```
        cancel_on(cancel: &Cancel)
    }

    /// As [`Lock::prefix`].
    ///
    /// ```
    /// let guards = lockutils::lock_all(["a"]).prefix("nova").acquire()?;
    /// assert_eq!(guards.names().next(), Some("nova-a"));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn prefix(self, prefix: impl AsRef<str>) -> Self {
        self.each(|lock| lock.prefix(prefix.as_ref()))
    }

    /// As [`Lock::identifier`], for each of them.
    ///
    /// ```
    /// let all = lockutils::lock_all(["a", "b"]).distributed().identifier("node-7");
    /// ```
    pub fn identifier(self, who: impl AsRef<str>) -> Self {
        self.each(|lock| lock.identifier(who.as_ref()))
    }

    /// As [`Lock::purpose`], for each of them.
    ///
    /// ```
    /// let guards = lockutils::lock_all(["a", "b"]).purpose("run backup.sh").acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn purpose(self, what: impl AsRef<str>) -> Self {
        self.each(|lock| lock.purpose(what.as_ref()))
    }

    /// As [`Lock::lock_path`].
    ///
    /// ```
    /// # let dir = std::env::temp_dir().join(format!("lockutils-doc-all-{}", std::process::id()));
    /// let guards = lockutils::lock_all(["a"]).external().lock_path(&dir).acquire()?;
    /// # drop(guards);
    /// # std::fs::remove_dir_all(dir).ok();
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn lock_path(self, path: impl AsRef<Path>) -> Self {
        self.each(|lock| lock.lock_path(path.as_ref()))
    }

    /// Waits for all of them and takes them.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire`], for the first one that fails; those before it have been let go.
    ///
    /// ```
    /// let guards = lockutils::lock_all(["a", "b"]).acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Result<LockAllGuard, Error> {
        self.acquire_as(Owner::Thread, Location::caller())
    }

    /// Takes all of them if none is busy; `None` otherwise, and nothing is held.
    ///
    /// # Errors
    ///
    /// As [`Lock::try_acquire`].
    ///
    /// ```
    /// let held = lockutils::lock("all-try-b").acquire()?;
    /// assert!(lockutils::lock_all(["all-try-a", "all-try-b"]).try_acquire()?.is_none());
    /// assert!(lockutils::lock("all-try-a").try_acquire()?.is_some());
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Option<LockAllGuard>, Error> {
        match self.acquire_now(Owner::Thread, Location::caller()) {
            Ok(guards) => Ok(Some(guards)),
            Err(error) if error.is_busy() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for all of them in a task. See [`Lock::acquire_async`].
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future lets go of those that it had taken.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let guards = lockutils::lock_all(["a", "b"]).acquire_async().await?;
    /// # Ok::<(), lockutils::Error>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_async(&self) -> impl Future<Output = Result<LockAllGuard, Error>> + Send + '_ {
        self.acquire_async_at(Location::caller())
    }

    /// Takes all of them if that needs no wait, in a task. As [`Lock::try_acquire_async`].
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future lets go of those that it had taken.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let guards = lockutils::lock_all(["a", "b"]).try_acquire_async().await?.expect("nobody has one");
    /// # Ok::<(), lockutils::Error>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn try_acquire_async(&self) -> impl Future<Output = Result<Option<LockAllGuard>, Error>> + Send + '_ {
        let place = Location::caller();
        async move {
            match self.acquire_now_async(place).await {
                Ok(guards) => Ok(Some(guards)),
                Err(error) if error.is_busy() => Ok(None),
                Err(error) => Err(error),
            }
        }
    }

    pub(crate) async fn acquire_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> Result<LockAllGuard, Error> {
        let mut guards = LockAllGuard(Vec::new());
        for lock in self.in_order()? {
            guards.0.push(lock.acquire_async_at(place).await?);
        }
        Ok(guards)
    }

    fn acquire_as(&self, owner: Owner, place: &'static Location<'static>) -> Result<LockAllGuard, Error> {
        let mut guards = LockAllGuard(Vec::new());
        for lock in self.in_order()? {
            guards.0.push(lock.acquire_as(owner, place)?);
        }
        Ok(guards)
    }

    /// All of them at once, or the error of the one that is busy.
    pub(crate) fn acquire_now(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<LockAllGuard, Error> {
        let mut guards = LockAllGuard(Vec::new());
        for lock in self.in_order()? {
            let taken = lock.try_acquire_as(owner, place)?;
            guards.0.push(taken.ok_or_else(|| lock.busy())?);
        }
        Ok(guards)
    }

    /// The same in a task.
    pub(crate) async fn acquire_now_async(
        &self,
        place: &'static Location<'static>,
    ) -> Result<LockAllGuard, Error> {
        let mut guards = LockAllGuard(Vec::new());
        for lock in self.in_order()? {
            let taken = lock.try_acquire_async_at(place).await?;
            guards.0.push(taken.ok_or_else(|| lock.busy())?);
        }
        Ok(guards)
    }

    pub(crate) fn try_pinned(&self, place: &'static Location<'static>) -> Result<PinnedAll, Error> {
        self.acquire_now(Owner::Pinned, place).map(|guards| PinnedAll::new(guards, place))
    }

    pub(crate) fn enter_pinned(&self, place: &'static Location<'static>) -> Result<PinnedAll, Error> {
        self.acquire_as(Owner::Pinned, place).map(|guards| PinnedAll::new(guards, place))
    }

    /// Each identity once, in the order of full names and, for one name in several directories, of those;
    /// with one deadline for all.
    fn in_order(&self) -> Result<Vec<Lock>, Error> {
        let mut cells = self
            .locks
            .iter()
            .map(|lock| lock.agreed_cell().map(|cell| (cell, lock)))
            .collect::<Result<Vec<_>, _>>()?;
        cells.sort_by(|(one, _), (other, _)| one.order().cmp(&other.order()));
        cells.dedup_by(|(later, _), (earlier, _)| later.id() == earlier.id());
        cells.into_iter().map(|(cell, lock)| lock.begun().map(|lock| lock.kept_at(cell))).collect()
    }
}

impl fmt::Debug for LockAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.locks).finish()
    }
}

/// Several held locks. Dropping it lets go of them in reverse order.
///
/// ```
/// let guards = lockutils::lock_all(["a", "b"]).acquire()?;
/// assert_eq!(guards.names().count(), 2);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[must_use = "the locks are let go as soon as the guard is dropped"]
#[clippy::has_significant_drop]
pub struct LockAllGuard(Vec<LockGuard>);

impl LockAllGuard {
    /// The full names, in the order in which they were taken.
    ///
    /// ```
    /// let guards = lockutils::lock_all(["b", "a"]).acquire()?;
    /// assert_eq!(guards.names().collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(LockGuard::name)
    }

    /// The single guards, in the order in which they were taken: for their fencing tokens, and to
    /// [extend](LockGuard::extend) those that expire.
    ///
    /// ```
    /// let guards = lockutils::lock_all(["a"]).acquire()?;
    /// assert!(!guards.guards()[0].is_shared());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn guards(&self) -> &[LockGuard] {
        &self.0
    }

    /// Duplicates of the descriptors of all lock files for a program that is about to be started: as
    /// [`LockGuard::inheritable`].
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when there are no descriptors left.
    ///
    /// ```
    /// use std::process::Command;
    ///
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let guards = locks.lock_all(["source", "target"]).external().acquire()?;
    /// let inherited = guards.inheritable()?;
    /// assert_eq!(inherited.len(), 2);
    /// let mut child = Command::new("true").spawn().expect("it can be started");
    /// drop(inherited);
    /// child.wait().expect("it ends");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn inheritable(&self) -> Result<Vec<OwnedFd>, Error> {
        self.0.iter().filter_map(|guard| guard.inheritable().transpose()).collect()
    }

    /// Whether one of them is lost. As [`LockGuard::is_lost`].
    ///
    /// # Errors
    ///
    /// As [`LockGuard::is_lost`].
    ///
    /// ```
    /// assert!(!lockutils::lock_all(["a", "b"]).acquire()?.is_lost()?);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_lost(&self) -> Result<bool, Error> {
        self.0.iter().try_fold(false, |lost, guard| Ok(lost || guard.is_lost()?))
    }

    /// Says whether all of them still exclude others. As [`LockGuard::check`], for each of them.
    ///
    /// # Errors
    ///
    /// The first one of [`LockGuard::check`]; a loss before all others.
    ///
    /// ```
    /// lockutils::lock_all(["a", "b"]).acquire()?.check()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let mut checked = Ok(());
        for guard in &self.0 {
            checked = worse(checked, guard.check());
        }
        checked
    }

    /// As [`check`](Self::check), in a task.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// lockutils::lock_all(["a", "b"]).acquire_async().await?.check_async().await
    /// # })?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub async fn check_async(&self) -> Result<(), Error> {
        let mut checked = Ok(());
        for guard in &self.0 {
            checked = worse(checked, guard.check_async().await);
        }
        checked
    }

    /// Is ready when one of them is lost, and says why. As [`LockGuard::lost`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:all-lost-example"))?;
    /// let guards = locks.lock_all(["a", "b"]).distributed().expires(Duration::from_millis(20)).acquire()?;
    /// println!("{}", futures_lite::future::block_on(guards.lost()));
    /// assert!(guards.is_lost()?);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static + use<> {
        let mut each: Vec<_> = self.0.iter().map(|guard| Box::pin(guard.lost())).collect();
        poll_fn(move |context| {
            let lost = each.iter_mut().map(|lost| lost.as_mut().poll(context));
            lost.into_iter().find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
    }

    /// Calls `tell` once if one of them is lost while this guard lives. As [`LockGuard::on_lost`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:all-on-lost-example"))?;
    /// let guards = locks.lock_all(["a", "b"]).distributed().expires(Duration::from_millis(20)).acquire()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// guards.on_lost(move |why| tell.send(why).unwrap());
    /// println!("stop the work: {}", told.recv().unwrap());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn on_lost(&self, tell: impl FnOnce(Loss) + Send + 'static) {
        let once = Arc::new(Mutex::new(Some(tell)));
        for guard in &self.0 {
            let once = Arc::clone(&once);
            guard.on_lost(move |why| {
                let tell = once.lock().take();
                if let Some(tell) = tell {
                    tell(why);
                }
            });
        }
    }

    /// Lets go of all of them in reverse order, as dropping does, and says whether all went well. As
    /// [`LockGuard::release`].
    ///
    /// # Errors
    ///
    /// The first one of [`LockGuard::release`]; a loss before all others.
    ///
    /// ```
    /// lockutils::lock_all(["a", "b"]).acquire()?.release()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn release(mut self) -> Result<(), Error> {
        let mut released = Ok(());
        while let Some(guard) = self.0.pop() {
            released = worse(released, guard.release());
        }
        released
    }

    /// As [`release`](Self::release), in a task.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// lockutils::lock_all(["a", "b"]).acquire_async().await?.release_async().await
    /// # }).unwrap();
    /// ```
    pub async fn release_async(mut self) -> Result<(), Error> {
        let mut released = Ok(());
        while let Some(guard) = self.0.pop() {
            released = worse(released, guard.release_async().await);
        }
        released
    }
}

/// The first error; a loss before all others.
fn worse(one: Result<(), Error>, other: Result<(), Error>) -> Result<(), Error> {
    match (&one, &other) {
        (Err(first), Err(second)) if second.is_lost() && !first.is_lost() => other,
        (Err(_), _) => one,
        (Ok(()), _) => other,
    }
}

impl Drop for LockAllGuard {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

impl fmt::Debug for LockAllGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// Guards that stay on their thread.
pub struct PinnedAll(Vec<Pinned>);

impl PinnedAll {
    fn new(mut guards: LockAllGuard, place: &'static Location<'static>) -> Self {
        Self(guards.0.drain(..).map(|guard| Pinned::new(guard, place)).collect())
    }

    /// Lets go, and says whether all went well.
    pub(crate) fn release(mut self) -> Result<(), Error> {
        let mut released = Ok(());
        while let Some(guard) = self.0.pop() {
            released = worse(released, guard.release());
        }
        released
    }
}

impl Drop for PinnedAll {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}
