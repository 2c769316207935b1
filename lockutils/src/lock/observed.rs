//! What the verbs do when somebody wants to know of them: the same, and tell it.

use std::panic::Location;
use std::time::Instant;

use super::Lock;
use super::acquire::WaitOf;
use crate::config::Config;
use crate::error::Error;
use crate::guard::{LockGuard, Pinned};
use crate::observe::{self, About, Acquire, Limits, Waiting, Way};
use crate::registry::{Cell, Owner};
use crate::trace;

impl Lock {
    #[cold]
    #[inline(never)]
    pub(super) fn acquire_observed(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        self.observed(place).watch(|| self.acquire_unobserved(owner, place))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn try_acquire_observed(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, Error> {
        self.observed(place).watch(|| self.try_acquire_unobserved(owner, place))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn enter_observed(&self, place: &'static Location<'static>) -> Result<Pinned, Error> {
        self.acquire_observed(Owner::Pinned, place).map(|guard| Pinned::new(guard, place))
    }

    pub(super) async fn acquire_async_observed(
        &self,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        self.observed(place).watch_async(self.acquire_async_unobserved(place)).await
    }

    pub(super) async fn try_acquire_async_observed(
        &self,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, Error> {
        self.observed(place).watch_async(self.try_acquire_async_unobserved(place)).await
    }

    fn observed(&self, place: &'static Location<'static>) -> Acquire {
        Acquire::begin(About { name: self.full_name(), way: self.way(place) }, self.limits())
    }

    pub(super) fn way(&self, place: &'static Location<'static>) -> Way {
        let scope = match &self.options {
            options if options.is_distributed() => "distributed",
            options if options.is_external() => "external",
            _ => "internal",
        };
        Way { scope, mode: self.options.mode().kind().into(), place, label: self.options.label }
    }

    fn limits(&self) -> Limits {
        self.locks.shared().asked().map(Config::limits).unwrap_or_default()
    }

    /// A wait begins: the first one of an acquire, or that for the file after that for those of this process.
    pub(super) fn begin_wait(&self, place: &'static Location<'static>, is_first: bool) -> Waiting {
        let way = self.way(place);
        if is_first {
            observe::contended(&way);
        }
        Waiting::begin(&way)
    }

    /// When a wait that began then has lasted so long that it is told of.
    pub(super) fn long_after(&self, started: Instant) -> Option<Instant> {
        self.limits().wait.and_then(|limit| started.checked_add(limit))
    }

    /// What tells of a long wait.
    pub(super) fn tell_long<'a>(
        &'a self,
        cell: &'a Cell,
        started: Instant,
        of: WaitOf,
        place: &'static Location<'static>,
    ) -> impl Fn() + Send + Sync + 'a {
        move || trace::still_waiting(place, || self.wait_so_far(cell, started.elapsed(), of))
    }
}
