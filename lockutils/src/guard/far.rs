//! What a guard has of an engine.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::LockGuard;
use crate::distributed::{Answer, Caller, EngineHold, Failure, Lease, Loss, OnLoss};
use crate::error::{Error, Kind};
use crate::internal::park;
use crate::trace;

/// The distributed half of a guard.
pub(crate) struct Far {
    hold: EngineHold,
    /// Taken by a task: to drop it must not block the thread.
    in_task: bool,
    /// Whom to tell when it is lost, as long as the guard lives.
    told: Mutex<Vec<OnLoss>>,
}

/// A thread that waits for its answer.
const THREAD: Caller = Caller::Thread { until: None };

impl Far {
    pub(crate) fn new(hold: EngineHold, in_task: bool) -> Self {
        Self { hold, in_task, told: Mutex::default() }
    }

    pub(crate) fn token(&self) -> u64 {
        self.hold.grant().token()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lease().is_lost()
    }

    fn lease(&self) -> &Arc<Lease> {
        self.hold.lease()
    }

    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.lease().remaining()
    }

    pub(crate) fn on_lost(&self, tell: impl FnOnce(Loss) + Send + 'static) {
        let told = self.lease().while_held(Box::new(tell));
        self.told.lock().push(told);
    }

    fn verify(&self, caller: Caller) -> Answer<()> {
        self.hold.verify(caller)
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        block(self.verify(THREAD)).map_err(|failure| self.error(name, "check", failure))
    }

    fn extend(&self, length: Duration, caller: Caller) -> Answer<()> {
        self.hold.extend(length, caller)
    }

    /// The same, on this thread.
    pub(crate) fn extend_here(&self, name: &str, length: Duration) -> Result<(), Error> {
        block(self.extend(length, THREAD)).map_err(|failure| self.error(name, "extend", failure))
    }

    /// Lets go, and waits for it on this thread.
    pub(crate) fn release(self, name: &str) -> Result<(), Error> {
        let location = self.hold.engine().location().to_owned();
        let released = block(self.hold.release(THREAD));
        released.map_err(|failure| Error::of_engine(name, &location, "let go of", failure))
    }

    fn release_async(self, name: String) -> impl Future<Output = Result<(), Error>> + Send {
        let location = self.hold.engine().location().to_owned();
        let released = self.hold.release_in_task();
        async move { released.await.map_err(|failure| Error::of_engine(&name, &location, "let go of", failure)) }
    }

    /// Lets go, with nobody to be told. What a thread has taken is free when it goes on; a task does not wait for that, and
    /// neither does one that has lost it.
    pub(crate) fn drop_from(self, name: &str) {
        if self.in_task || self.is_lost() {
            return self.hold.release_later();
        }
        if let Err(error) = self.release(name) {
            trace::not_unlocked(&error);
        }
    }

    fn error(&self, name: &str, doing: &'static str, failure: Failure) -> Error {
        Error::of_engine(name, self.hold.engine().location(), doing, failure)
    }
}

/// Engines answer within their own limits.
fn block<T>(answer: Answer<T>) -> Result<T, Failure> {
    match park::block_on(answer, None) {
        Some(answer) => answer,
        None => Err(Failure::unreachable("the wait for its answer has ended")),
    }
}

/// Is ready when this is lost; never where there is nothing to lose.
pub(crate) fn lost(far: Option<&Far>) -> impl Future<Output = Loss> + Send + 'static + use<> {
    let lease = far.map(|far| Arc::clone(far.lease()));
    async move {
        match lease {
            Some(lease) => lease.lost().await,
            None => std::future::pending().await,
        }
    }
}

/// What may be extended, if there is anything.
pub(crate) fn expiring<'a>(far: Option<&'a Far>, name: &str) -> Result<&'a Far, Error> {
    far.ok_or_else(|| {
        let (name, what) = (name.to_owned(), "only a lock that an engine keeps can be extended");
        let instead = "take it with `distributed` and `expires`, and name an engine in `backend_url`";
        Kind::Unsupported { name, what, instead }.into()
    })
}

impl LockGuard {
    /// Is ready when a [distributed](crate::Lock::distributed) lock is lost, and says why; never for other locks.
    ///
    /// Work that must not go on without the lock is raced against it. It needs no timer and no runtime.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:lost-example"))?;
    /// # futures_lite::future::block_on(async {
    /// let guard = locks.lock("x").distributed().expires(Duration::from_millis(20)).acquire_async().await?;
    /// println!("{}", guard.lost().await); // "its lease has run out, since …"
    /// assert!(guard.is_lost()?);
    /// # Ok::<(), lockutils::Error>(())
    /// # })?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static + use<> {
        lost(self.far())
    }

    /// Calls `tell` once if a distributed lock is lost while this guard lives, on a thread of this crate; at once if it is lost.
    /// It should be quick. Never called for other locks.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:on-lost-example"))?;
    /// let guard = locks.lock("x").distributed().expires(Duration::from_millis(20)).acquire()?;
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

    /// How long a distributed lock is surely held if its engine confirms nothing from now on: zero if it is lost. `None` for
    /// other locks, and for one that no time ends.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:remaining-example"))?;
    /// let guard = locks.lock("x").distributed().expires(Duration::from_secs(60)).acquire()?;
    /// assert!(guard.remaining().unwrap() > Duration::from_secs(50));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.far()?.remaining()
    }

    /// Lets a lock that [expires](crate::Lock::expires) last for `length` from now on, which may also be shorter. A lock that
    /// somebody else has by now is not touched.
    ///
    /// # Errors
    ///
    /// [`Error::is_lost`]; [`Error::is_unsupported`] for a lock that was not taken to expire, or that no engine keeps;
    /// [`Error::is_unreachable`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:extend-example"))?;
    /// let guard = locks.lock("x").distributed().expires(Duration::from_secs(10)).acquire()?;
    /// guard.extend(Duration::from_secs(60))?;
    /// assert!(guard.remaining().unwrap() > Duration::from_secs(50));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn extend(&self, length: Duration) -> Result<(), Error> {
        expiring(self.far(), self.name())?.extend_here(self.name(), length)
    }

    /// As [`extend`](Self::extend), in a task.
    ///
    /// # Errors
    ///
    /// As [`extend`](Self::extend).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let locks = lockutils::Locks::new(lockutils::Config::new().backend_url("memory:extend-async-example"))?;
    /// # futures_lite::future::block_on(async {
    /// let guard = locks.lock("x").distributed().expires(Duration::from_secs(10)).acquire_async().await?;
    /// guard.extend_async(Duration::from_secs(60)).await
    /// # })?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub async fn extend_async(&self, length: Duration) -> Result<(), Error> {
        let far = expiring(self.far(), self.name())?;
        far.extend(length, Caller::Task).await.map_err(|failure| far.error(self.name(), "extend", failure))
    }

    /// As [`check`](Self::check), in a task.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let guard = lockutils::lock("check-async-example").acquire_async().await?;
    /// guard.check_async().await
    /// # })?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub async fn check_async(&self) -> Result<(), Error> {
        if let Some(far) = self.far() {
            far.verify(Caller::Task).await.map_err(|failure| far.error(self.name(), "check", failure))?;
        }
        self.check_file()
    }

    /// As [`release`](Self::release), in a task. To drop the future does not hold the release up.
    ///
    /// A guard that a task has taken is let go in the background when it is dropped: a program that ends right after that
    /// may leave a distributed lock to its lease. This waits until the engine has confirmed it.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let guard = lockutils::lock("release-async-example").acquire_async().await?;
    /// guard.release_async().await
    /// # })?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn release_async(mut self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let name = self.name().to_owned();
        let left = self.take_far().map(|far| far.release_async(name));
        // Nobody in this process comes in before the engine has been left.
        async move {
            let left = if let Some(left) = left { left.await } else { Ok(()) };
            left.and(self.release())
        }
    }
}

impl fmt::Debug for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Far").field("lease", self.lease()).finish_non_exhaustive()
    }
}
