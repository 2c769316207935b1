//! Options and questions of locks that all hosts share.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use super::Lock;
use super::engine::{THREAD, block};
use crate::distributed::{Caller, Contender, Promise};
use crate::error::Error;
use crate::guard::LockGuard;

impl Lock {
    /// Excludes all who share the engine: the hosts of a cluster. The configuration says which engine that is
    /// ([`Config::backend_url`](crate::Config::backend_url)); if it names none, the lock files of this host take its place, as
    /// for an [`external`](Self::external) lock, and exclude nobody on other hosts: a warning is logged, once. Whoever must
    /// not come to that says what it [requires](Self::require).
    ///
    /// The threads and tasks of this process come first, as always, and then the engine: so they never compete over the
    /// network. With [`external`](Self::external) too, the lock file comes between: then those of this host who only take the file
    /// are excluded as well.
    ///
    /// A distributed lock is held by a lease that the process keeps alive in the background. When it cannot do so in time, the
    /// lock is lost while its guard lives: [`LockGuard::is_lost`], [`LockGuard::lost`], [`LockGuard::release`] say so, and the
    /// attribute returns it. No engine can do without that; what must not happen twice needs a
    /// [fencing token](LockGuard::fencing_token). See [`distributed`](crate::distributed).
    ///
    /// ```
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:distributed-example"))?;
    /// let guard = locks.lock("volumes").distributed().acquire()?;
    /// guard.release()?; // says if the lock was lost meanwhile; or drop it
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    #[inline]
    pub fn distributed(self) -> Self {
        self.with(super::Options::set_distributed)
    }

    /// Takes a distributed lock only from an engine that promises this: otherwise each acquire is an error
    /// ([`Error::is_unsupported`]). Say it once for each promise. Of locks that are not distributed it asks nothing.
    ///
    /// Where no engine is configured, it is an error whatever is required. Where `backend_url` says `file:`, the lock files of
    /// this host promise `Linearizable`, `ArrivalOrder`, `Leased`, `Wakes`, `Readers` and `Permits`, among the processes of this
    /// host; those of [`Mechanism::Pid`](crate::Mechanism::Pid) promise `Linearizable` and `Leased`.
    ///
    /// ```
    /// use lockutils::distributed::Promise;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:require-example"))?;
    /// let guard = locks.lock("ledger").distributed().require(Promise::Linearizable).acquire()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn require(self, promise: Promise) -> Self {
        self.with(|options| options.far_mut().required.push(promise))
    }

    /// Lets a distributed lock be lost after this time, however long its guard lives: nobody keeps it alive, and
    /// [`LockGuard::extend`] moves the time. For work that must not hold others up when it hangs. Of locks that are not
    /// distributed it changes nothing; where lock files take the place of an engine, each acquire is an error
    /// ([`Error::is_unsupported`]), and so it is with a time of zero.
    ///
    /// ```
    /// use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:expires-example"))?;
    /// let guard = locks.lock("report").distributed().expires(Duration::from_secs(30)).acquire()?;
    /// guard.extend(Duration::from_secs(30))?; // there is more to do
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn expires(self, after: Duration) -> Self {
        self.with(|options| options.far_mut().expires = Some(after))
    }

    /// Says who takes a distributed lock, for others to see: in [`contenders`](Self::contenders), in messages, and in kazoo's
    /// `contenders()`. Otherwise it is `host/pid/program`.
    ///
    /// ```
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:identifier-example"))?;
    /// let lock = locks.lock("leader").distributed().identifier("node-7");
    /// let guard = lock.acquire()?;
    /// assert_eq!(lock.contenders()?[0].identifier, "node-7");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn identifier(self, who: impl AsRef<str>) -> Self {
        self.with(|options| options.far_mut().identifier = Some(who.as_ref().into()))
    }

    /// With `false`, a distributed lock stays held when its process ends or is cut off, until somebody releases or
    /// [destroys](Self::destroy) it: for work that must be looked at by a person when it was interrupted. It cannot be lost for
    /// want of a sign of life. Lock files cannot do that: where they take the place of an engine, each acquire is an error
    /// ([`Error::is_unsupported`]).
    ///
    /// ```
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:ephemeral-example"))?;
    /// let guard = locks.lock("migration").distributed().ephemeral(false).acquire()?;
    /// assert_eq!(guard.remaining(), None);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn ephemeral(self, yes: bool) -> Self {
        self.with(|options| options.far_mut().ephemeral = yes)
    }

    /// Waits for contenders of other programs too, on ZooKeeper: those whose node is called so before its number. As kazoo's
    /// `extra_lock_patterns`. Say it once for each pattern. Other engines, and lock files in their place, have nothing of the
    /// kind: there each acquire is an error ([`Error::is_unsupported`]).
    ///
    /// ```
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:pattern-example"))?;
    /// let lock = locks.lock("x").distributed().contender_pattern("-lock-"); // Curator's
    /// assert!(lock.acquire().unwrap_err().is_unsupported(), "it is an engine in memory");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn contender_pattern(self, pattern: impl AsRef<str>) -> Self {
        self.with(|options| options.far_mut().patterns.push(pattern.as_ref().into()))
    }

    /// Takes the lock if that needs no wait, in a task: [`try_acquire`](Self::try_acquire) asks the engine of a distributed
    /// lock, and blocks the thread for that.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let guard = lockutils::lock("try-async-example").try_acquire_async().await?.expect("nobody has it");
    /// # Ok::<(), lockutils::Error>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn try_acquire_async(&self) -> impl Future<Output = Result<Option<LockGuard>, Error>> + Send + '_ {
        self.try_acquire_async_at(Location::caller())
    }

    /// Those who hold a distributed lock and those who wait for it, in the order of their turns, as its engine has them: all
    /// hosts. Of other locks, those who [hold](Self::holders) it. The thread waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`is_locked`](Self::is_locked).
    ///
    /// ```
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:contenders-example"))?;
    /// let lock = locks.lock("leader").distributed();
    /// assert!(lock.contenders()?.is_empty());
    /// let guard = lock.acquire()?;
    /// assert!(lock.contenders()?[0].holds);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn contenders(&self) -> Result<Vec<Contender>, Error> {
        match block(self.contenders_by(THREAD))? {
            Some(contenders) => Ok(contenders),
            None => self.local_contenders(),
        }
    }

    /// As [`contenders`](Self::contenders), in a task.
    ///
    /// # Errors
    ///
    /// As [`contenders`](Self::contenders).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:"))?;
    /// let waiting = locks.lock("leader").distributed().contenders_async().await?.len();
    /// # Ok::<(), lockutils::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn contenders_async(&self) -> Result<Vec<Contender>, Error> {
        match self.contenders_by(Caller::Task).await? {
            Some(contenders) => Ok(contenders),
            None => self.local_contenders(),
        }
    }

    fn local_contenders(&self) -> Result<Vec<Contender>, Error> {
        let share = self.request_share();
        let named = |holder: crate::holder::Holder| {
            let token = holder.fencing_token().unwrap_or_default();
            Contender::new("", share, true).identified(holder.to_string()).with_token(token)
        };
        Ok(self.holders()?.into_iter().map(named).collect())
    }

    /// As [`is_locked`](Self::is_locked), in a task: the engine of a distributed lock is asked.
    ///
    /// # Errors
    ///
    /// As [`is_locked`](Self::is_locked).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// assert!(!lockutils::lock("is-locked-async-example").is_locked_async().await?);
    /// # Ok::<(), lockutils::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn is_locked_async(&self) -> Result<bool, Error> {
        match self.contenders_by(Caller::Task).await? {
            Some(contenders) => Ok(contenders.iter().any(|contender| contender.holds)),
            None => self.is_locked(),
        }
    }

    /// Removes all that the engine has of a distributed lock, and takes it from whoever holds it: they
    /// [lose](LockGuard::is_lost) it. This handle, and all of this process that are in use, give errors for which
    /// [`Error::is_lost`] from then on; the name can be taken anew when they are gone. The thread waits for the answer.
    ///
    /// # Errors
    ///
    /// [`Error::is_unsupported`] for a lock that is not distributed, or that lock files keep in place of an engine;
    /// [`Error::is_engine`].
    ///
    /// ```
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:destroy-example"))?;
    /// let lock = locks.lock("old").distributed();
    /// let guard = lock.acquire()?;
    /// lock.destroy()?;
    /// assert!(guard.is_lost()?);
    /// assert!(lock.try_acquire().is_ok_and(|taken| taken.is_none()), "this process still has it");
    /// drop(guard);
    /// assert!(lock.acquire().unwrap_err().is_lost());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn destroy(&self) -> Result<(), Error> {
        block(self.destroy_by(THREAD))
    }

    /// As [`destroy`](Self::destroy), in a task.
    ///
    /// # Errors
    ///
    /// As [`destroy`](Self::destroy).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:destroy-async-example"))?;
    /// locks.lock("old").distributed().destroy_async().await
    /// # }).unwrap();
    /// ```
    pub async fn destroy_async(&self) -> Result<(), Error> {
        self.destroy_by(Caller::Task).await
    }
}
