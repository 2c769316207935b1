//! What a hold of a re-entrant lock knows, as every guard does.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use super::{Held, ReentrantGuard};
use crate::distributed::Loss;
use crate::error::Error;
use crate::external::OuterLock;
use crate::guard::far::{self, Far};
use crate::guard::{check_file, is_lost};

impl ReentrantGuard {
    /// What it has of an engine.
    pub(super) fn far(&self) -> Option<&Far> {
        match &self.held {
            Held::Write { far, .. } => far.as_ref(),
            Held::Read(guard) => guard.as_guard().far(),
        }
    }

    /// The file, if it is held too.
    pub(super) fn file(&self) -> Option<&OuterLock> {
        match &self.held {
            Held::Write { cell, file, .. } => cell.file().filter(|_| *file),
            Held::Read(guard) => guard.as_guard().file(),
        }
    }

    /// As [`LockGuard::name`](crate::LockGuard::name).
    ///
    /// ```
    /// let guard = lockutils::lock("a/b").prefix("nova").reentrant(2).acquire()?;
    /// assert_eq!(guard.name(), "nova-a_b");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        match &self.held {
            Held::Write { cell, .. } => cell.name(),
            Held::Read(guard) => guard.as_guard().name(),
        }
    }

    /// As [`LockGuard::path`](crate::LockGuard::path).
    ///
    /// ```
    /// let guard = lockutils::lock("reentrant-path-example").reentrant(2).acquire()?;
    /// assert!(guard.path().is_none());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn path(&self) -> Option<&Path> {
        self.file().map(OuterLock::path)
    }

    /// Whether a distributed lock is lost, or the file of an external one. As
    /// [`LockGuard::is_lost`](crate::LockGuard::is_lost).
    ///
    /// # Errors
    ///
    /// As [`LockGuard::is_lost`](crate::LockGuard::is_lost).
    ///
    /// ```
    /// let lock = lockutils::lock("reentrant-is-lost-example").reentrant(2);
    /// assert!(!lock.acquire()?.is_lost()?);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_lost(&self) -> Result<bool, Error> {
        is_lost(self.far(), self.file())
    }

    /// Says whether the lock still excludes others, and asks the engine for that. As
    /// [`LockGuard::check`](crate::LockGuard::check).
    ///
    /// # Errors
    ///
    /// As [`LockGuard::check`](crate::LockGuard::check).
    ///
    /// ```
    /// let guard = lockutils::lock("reentrant-check-example").reentrant(2).acquire()?;
    /// guard.check()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        self.far().map_or(Ok(()), |far| far.check(self.name()))?;
        check_file(self.file(), self.name())
    }

    /// Is ready when a distributed lock is lost. As [`LockGuard::lost`](crate::LockGuard::lost).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:reentrant-lost-example"))?;
    /// let lock = locks.lock("x").distributed().expires(Duration::from_millis(20)).reentrant(2);
    /// let guard = lock.acquire()?;
    /// println!("{}", futures_lite::future::block_on(guard.lost()));
    /// assert!(guard.is_lost()?);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static + use<> {
        far::lost(self.far())
    }

    /// Calls `tell` once if a distributed lock is lost while this hold lives. As
    /// [`LockGuard::on_lost`](crate::LockGuard::on_lost).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:reentrant-on-lost-example"))?;
    /// let guard = locks.lock("x").distributed().expires(Duration::from_millis(20)).reentrant(2).acquire()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// guard.on_lost(move |why| tell.send(why).unwrap());
    /// println!("stop the work: {}", told.recv().unwrap());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn on_lost(&self, tell: impl FnOnce(Loss) + Send + 'static) {
        if let Some(far) = self.far() {
            far.on_lost(tell);
        }
    }

    /// How long a distributed lock is surely held. As [`LockGuard::remaining`](crate::LockGuard::remaining).
    ///
    /// ```
    /// let guard = lockutils::lock("reentrant-remaining-example").reentrant(2).acquire()?;
    /// assert_eq!(guard.remaining(), None, "no engine has it");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.far()?.remaining()
    }

    /// Lets a lock that [expires](crate::Lock::expires) last for `length` from now on: all holds of the thread. As
    /// [`LockGuard::extend`](crate::LockGuard::extend).
    ///
    /// # Errors
    ///
    /// As [`LockGuard::extend`](crate::LockGuard::extend).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:reentrant-extend-example"))?;
    /// let lock = locks.lock("x").distributed().expires(Duration::from_secs(10)).reentrant(2);
    /// let (outer, inner) = (lock.acquire()?, lock.acquire()?);
    /// inner.extend(Duration::from_secs(60))?;
    /// assert!(outer.remaining().unwrap() > Duration::from_secs(50));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn extend(&self, length: Duration) -> Result<(), Error> {
        far::expiring(self.far(), self.name())?.extend_here(self.name(), length)
    }
}
