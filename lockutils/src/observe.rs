//! What is told of acquires and releases: to `tracing`, to `metrics`, and of waits and holds that take too long.
//!
//! Nobody listens most of the time. So an acquire asks [`is_wanted`] and goes a way of its own if so; its guard then has
//! a [`Watched`] in a box, with what other guards know of themselves.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "observe/no_metrics.rs"]
mod metrics;

use std::future::Future;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[cfg(feature = "metrics")]
pub use self::metrics::record_metrics;
pub(crate) use self::metrics::{Label, Waiting, contended, timed_out};
use crate::error::Error;
use crate::guard::LockGuard;
use crate::snapshot::Mode;
use crate::trace;

/// Somebody has configured how long a wait or a hold may take, or has begun to count. It is not taken back.
static WANTED: AtomicBool = AtomicBool::new(false);

/// Whether anybody wants to know of acquires that are nothing special. Asked on the fast path.
#[inline]
pub(crate) fn is_wanted() -> bool {
    trace::is_heard() || WANTED.load(Relaxed)
}

/// From now on, all acquires of the process go the way of those that are told of.
fn want() {
    WANTED.store(true, Relaxed);
}

/// How long a wait and a hold may take before that is worth a warning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) wait: Option<Duration>,
    pub(crate) hold: Option<Duration>,
}

impl Limits {
    /// From now on, acquires look whether they have limits.
    pub(crate) fn announce(self) {
        if self.wait.is_some() || self.hold.is_some() {
            want();
        }
    }
}

/// How and where a lock is taken.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    expect(dead_code, reason = "there is nobody to be told")
)]
pub(crate) struct Way {
    pub(crate) scope: &'static str,
    pub(crate) mode: Mode,
    pub(crate) place: &'static Location<'static>,
    #[cfg_attr(
        all(feature = "tracing", not(feature = "metrics")),
        expect(dead_code, reason = "for metrics")
    )]
    pub(crate) label: Label,
}

/// The same, and which lock it is.
#[derive(Debug)]
pub(crate) struct About {
    #[cfg_attr(
        not(feature = "tracing"),
        expect(dead_code, reason = "metrics have no names of single locks")
    )]
    pub(crate) name: String,
    pub(crate) way: Way,
}

/// An acquire that somebody wants to know of.
pub(crate) struct Acquire {
    about: About,
    span: trace::Span,
    limits: Limits,
}

impl Acquire {
    pub(crate) fn begin(about: About, limits: Limits) -> Self {
        let span = trace::Span::new(&about);
        Self { about, span, limits }
    }

    /// Takes the lock by `take`.
    pub(crate) fn watch<T: Taken>(self, take: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let taken = self.span.around(take);
        self.end(taken)
    }

    /// The same in a task.
    pub(crate) async fn watch_async<T: Taken>(
        self,
        take: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let taken = self.span.around_async(take).await;
        self.end(taken)
    }

    fn end<T: Taken>(self, taken: Result<T, Error>) -> Result<T, Error> {
        let mut taken = taken?;
        match taken.guard() {
            Some(guard) => {
                let waited = guard.waited();
                guard.watch(Watched::begin(self, waited));
            }
            None => metrics::contended(&self.about.way),
        }
        Ok(taken)
    }
}

/// What an acquire gives: a guard, or perhaps none.
pub(crate) trait Taken {
    fn guard(&mut self) -> Option<&mut LockGuard>;
}

impl Taken for LockGuard {
    fn guard(&mut self) -> Option<&mut LockGuard> {
        Some(self)
    }
}

impl Taken for Option<LockGuard> {
    fn guard(&mut self) -> Option<&mut LockGuard> {
        self.as_mut()
    }
}

/// A hold that somebody wants to know of: what its guard knows.
pub(crate) struct Watched {
    about: About,
    since: Instant,
    limit: Option<Duration>,
    is_counted: bool,
}

impl Watched {
    fn begin(acquire: Acquire, waited: Duration) -> Self {
        let Acquire { about, span, limits } = acquire;
        span.acquired(&about, waited);
        let is_counted = metrics::acquired(&about.way, waited);
        if limits.wait.is_some_and(|limit| waited >= limit && !waited.is_zero()) {
            trace::waited_long(&about, waited);
        }
        Self { about, since: Instant::now(), limit: limits.hold, is_counted }
    }

    pub(crate) fn held(&self) -> Duration {
        self.since.elapsed()
    }

    /// The lock has been let go, a moment after this was asked how long it has been [`held`](Self::held). What is told
    /// may run code of the user, which may want the lock.
    pub(crate) fn end(&self, held: Duration) {
        trace::released(&self.about, held);
        if self.is_counted {
            metrics::released(&self.about.way, held);
        }
        if let Some(limit) = self.limit.filter(|limit| held >= *limit) {
            trace::held_long(&self.about, held, limit);
        }
    }
}
