//! What the attribute expands to. No part of the public interface.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::panic::Location;

use once_cell::sync::OnceCell;

use crate::error::Error;
use crate::guard::LockGuard;
pub use crate::guard::Pinned;
use crate::internal::Mode;
use crate::lock::Lock;
use crate::locks::Locks;
pub use crate::many::PinnedAll;
use crate::many::{LockAll, LockAllGuard};
use crate::name;
use crate::reentrant::{Reentrant, ReentrantGuard};

/// A lock of the process-wide registry whose name is rendered now.
#[inline]
pub fn lock(name: fmt::Arguments<'_>) -> Lock {
    lock_in(crate::locks(), name)
}

/// A lock of this registry.
#[inline]
pub fn lock_in(locks: &Locks, name: fmt::Arguments<'_>) -> Lock {
    rendered(locks, name)
}

/// A lock that cannot fail for its name: what cannot stand in one is replaced.
#[inline]
pub fn lock_lossy(name: fmt::Arguments<'_>) -> Lock {
    lock_lossy_in(crate::locks(), name)
}

/// The same in this registry.
#[inline]
pub fn lock_lossy_in(locks: &Locks, name: fmt::Arguments<'_>) -> Lock {
    rendered(locks, name).lossy()
}

/// The name is rendered straight into the lock.
#[inline]
fn rendered(locks: &Locks, name: fmt::Arguments<'_>) -> Lock {
    if let Some(literal) = name.as_str() {
        return Lock::new(locks.clone(), literal, Mode::Write);
    }
    let mut lock = Lock::new(locks.clone(), "", Mode::Write);
    // A name takes everything; a `Display` that fails leaves a shorter one.
    let _ = lock.name_mut().write_fmt(name);
    lock
}

/// The name of the lock as it was written, which metrics call it by.
#[cfg(feature = "metrics")]
#[inline]
pub fn labelled(lock: Lock, label: &'static str) -> Lock {
    lock.label(label)
}

/// Nobody counts.
#[cfg(not(feature = "metrics"))]
#[inline]
pub fn labelled(lock: Lock, _: &'static str) -> Lock {
    lock
}

/// A semaphore's permit instead of the lock.
pub fn permits(lock: Lock, permits: u32) -> Lock {
    lock.permits(permits)
}

/// A lock that is taken by the attribute of this function.
pub fn within(lock: Lock, function: &'static str) -> Lock {
    lock.within(function)
}

/// Several locks as one.
pub fn all<const N: usize>(locks: [Lock; N]) -> LockAll {
    LockAll::new(locks.into())
}

/// A lock that belongs to one place in the source and is made when that is first reached.
#[derive(Debug)]
pub struct Kept<T>(OnceCell<T>);

impl<T> Kept<T> {
    /// Not made yet.
    #[expect(clippy::new_without_default, reason = "it is made in statics only")]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// The lock.
    #[inline]
    pub fn get(&self, make: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(make)
    }
}

/// What an attribute can take.
pub trait Enter: Sync {
    /// What stays on the thread.
    type Guard;
    /// What a task holds.
    type TaskGuard: Send;

    /// Takes what is kept and free.
    #[doc(hidden)]
    #[inline]
    fn enter_at_once(&self, place: &'static Location<'static>) -> Option<Self::Guard> {
        let _ = place;
        None
    }
    /// Waits.
    #[doc(hidden)]
    fn enter_at(&self, place: &'static Location<'static>) -> Result<Self::Guard, Error>;
    /// Does not wait.
    #[doc(hidden)]
    fn enter_now_at(&self, place: &'static Location<'static>) -> Result<Self::Guard, Error>;
    /// Waits in a task.
    #[doc(hidden)]
    fn enter_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<Self::TaskGuard, Error>> + Send;
    /// Does not wait, in a task.
    #[doc(hidden)]
    fn enter_now_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<Self::TaskGuard, Error>> + Send;
}

/// What an attribute holds, and how it lets go of what it may have lost.
pub trait Finish {
    /// Lets go, and says whether it was lost.
    #[doc(hidden)]
    fn finish(self) -> Result<(), Error>;
}

/// The same in a task.
pub trait FinishAsync {
    /// Lets go, and says whether it was lost.
    #[doc(hidden)]
    fn finish_async(self) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Finish for Pinned {
    fn finish(self) -> Result<(), Error> {
        self.release()
    }
}

impl Finish for PinnedAll {
    fn finish(self) -> Result<(), Error> {
        self.release()
    }
}

impl Finish for ReentrantGuard {
    fn finish(self) -> Result<(), Error> {
        self.release()
    }
}

impl FinishAsync for LockGuard {
    fn finish_async(self) -> impl Future<Output = Result<(), Error>> + Send {
        self.release_async()
    }
}

impl FinishAsync for LockAllGuard {
    fn finish_async(self) -> impl Future<Output = Result<(), Error>> + Send {
        self.release_async()
    }
}

/// Lets go after the work.
///
/// # Errors
///
/// When the lock was lost. That it could not be confirmed that it is free again is logged.
pub fn finish(guard: impl Finish) -> Result<(), Error> {
    only_a_loss(guard.finish())
}

/// The same in a task.
///
/// # Errors
///
/// As [`finish`].
pub async fn finish_async(guard: impl FinishAsync) -> Result<(), Error> {
    only_a_loss(guard.finish_async().await)
}

/// What was done under the lock was done, unless it was lost.
fn only_a_loss(released: Result<(), Error>) -> Result<(), Error> {
    match released {
        Err(error) if !error.is_lost() => {
            crate::trace::not_unlocked(&error);
            Ok(())
        }
        released => released,
    }
}

impl Enter for Lock {
    type Guard = Pinned;
    type TaskGuard = LockGuard;

    #[inline]
    fn enter_at_once(&self, place: &'static Location<'static>) -> Option<Pinned> {
        self.enter_at_once(place)
    }

    #[inline]
    fn enter_at(&self, place: &'static Location<'static>) -> Result<Pinned, Error> {
        self.enter_pinned(place)
    }

    fn enter_now_at(&self, place: &'static Location<'static>) -> Result<Pinned, Error> {
        let taken = self.try_acquire_as(crate::registry::Owner::Pinned, place)?;
        taken.map(|guard| Pinned::new(guard, place)).ok_or_else(|| self.busy())
    }

    #[inline]
    async fn enter_async_at(&self, place: &'static Location<'static>) -> Result<LockGuard, Error> {
        self.acquire_async_at(place).await
    }

    async fn enter_now_async_at(&self, place: &'static Location<'static>) -> Result<LockGuard, Error> {
        self.try_acquire_async_at(place).await?.ok_or_else(|| self.busy())
    }
}

impl Enter for LockAll {
    type Guard = PinnedAll;
    type TaskGuard = LockAllGuard;

    fn enter_at(&self, place: &'static Location<'static>) -> Result<PinnedAll, Error> {
        self.enter_pinned(place)
    }

    fn enter_now_at(&self, place: &'static Location<'static>) -> Result<PinnedAll, Error> {
        self.try_pinned(place)
    }

    async fn enter_async_at(&self, place: &'static Location<'static>) -> Result<LockAllGuard, Error> {
        self.acquire_async_at(place).await
    }

    async fn enter_now_async_at(&self, place: &'static Location<'static>) -> Result<LockAllGuard, Error> {
        self.acquire_now_async(place).await
    }
}

impl Enter for Reentrant {
    type Guard = ReentrantGuard;
    /// A task has no thread: the attribute refuses this.
    type TaskGuard = LockGuard;

    fn enter_at(&self, place: &'static Location<'static>) -> Result<ReentrantGuard, Error> {
        self.acquire_at(place)
    }

    fn enter_now_at(&self, place: &'static Location<'static>) -> Result<ReentrantGuard, Error> {
        self.try_acquire_at(place)?.ok_or_else(|| self.lock().busy())
    }

    fn enter_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<LockGuard, Error>> + Send {
        self.lock().acquire_async_at(place)
    }

    fn enter_now_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> impl Future<Output = Result<LockGuard, Error>> + Send {
        self.lock().enter_now_async_at(place)
    }
}

/// Waits. Panics with the error's text when the thread would wait for itself.
#[inline]
#[track_caller]
pub fn enter<E: Enter>(lock: &E) -> E::Guard {
    match lock.enter_at_once(Location::caller()) {
        Some(guard) => guard,
        None => enter_otherwise(lock, Location::caller()),
    }
}

#[inline(never)]
#[track_caller]
fn enter_otherwise<E: Enter>(lock: &E, place: &'static Location<'static>) -> E::Guard {
    match lock.enter_at(place) {
        Ok(guard) => guard,
        Err(error) => fail(&error),
    }
}

/// Waits.
///
/// # Errors
///
/// As `acquire`.
#[inline]
#[track_caller]
pub fn try_enter<E: Enter>(lock: &E) -> Result<E::Guard, Error> {
    lock.enter_at(Location::caller())
}

/// Does not wait.
///
/// # Errors
///
/// As `try_acquire`, and `is_busy`.
#[inline]
#[track_caller]
pub fn enter_now<E: Enter>(lock: &E) -> Result<E::Guard, Error> {
    lock.enter_now_at(Location::caller())
}

/// Waits in a task. Panics with the error's text where there is one.
#[inline]
#[track_caller]
pub fn enter_async<E: Enter>(lock: &E) -> impl Future<Output = E::TaskGuard> + Send + '_ {
    let place = Location::caller();
    async move {
        match lock.enter_async_at(place).await {
            Ok(guard) => guard,
            Err(error) => fail(&error),
        }
    }
}

/// Waits in a task.
///
/// # Errors
///
/// As `acquire_async`.
#[inline]
#[track_caller]
pub fn try_enter_async<E: Enter>(lock: &E) -> impl Future<Output = Result<E::TaskGuard, Error>> + Send + '_ {
    lock.enter_async_at(Location::caller())
}

/// Does not wait, in a task.
///
/// # Errors
///
/// As `try_acquire`, and `is_busy`.
#[inline]
#[track_caller]
pub fn enter_now_async<E: Enter>(lock: &E) -> impl Future<Output = Result<E::TaskGuard, Error>> + Send + '_ {
    lock.enter_now_async_at(Location::caller())
}

/// What a function returns when the lock of its attribute fails: made through [`From`].
#[diagnostic::on_unimplemented(
    message = "this lock can fail, and `{Self}` cannot be made from `lockutils::Error`",
    label = "because of this, `#[synchronized]` may have to return an error",
    note = "if `{Self}` is a type of this crate, write `impl From<lockutils::Error> for {Self}`",
    note = "otherwise say `on_error = path::to::function`, or `on_error = panic`, in the attribute"
)]
pub trait FromError {
    #[doc(hidden)]
    fn from_error(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromError for E {
    fn from_error(error: Error) -> Self {
        error.into()
    }
}

/// Turns the error into that of the function.
#[cold]
pub fn into_error<E: FromError>(error: Error) -> E {
    E::from_error(error)
}

/// Ends a function that cannot return the error.
///
/// # Panics
///
/// Always, with the error's text.
#[cold]
#[track_caller]
pub fn fail(error: &Error) -> ! {
    panic!("{error}")
}

impl Lock {
    /// Neither the name nor a configured limit can make it fail from now on.
    fn lossy(self) -> Self {
        let lock = self.unlimited().hashed();
        if name::is_plain(lock.written_name()) {
            return lock;
        }
        let tame = name::tamed(lock.written_name());
        lock.renamed(tame)
    }
}

/// What the assertions of tests expand to.
#[cfg(feature = "testing")]
pub mod testing {
    pub use crate::testing::assertions::{Named, fail, free, held};
}
