//! With the feature `tracing`: all is said.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use tracing::field::{Empty, display};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::{Instrument, Level, enabled, error, trace, trace_span, warn};

use crate::distributed::Loss;
use crate::error::{Error, Seconds};
use crate::holder::Holders;
use crate::observe::{About, Way};

/// Whether anybody can be told.
pub(crate) const IS_TOLD: bool = true;

/// Whether anybody may want to hear of normal acquires.
#[inline]
pub(crate) fn is_heard() -> bool {
    STATIC_MAX_LEVEL >= LevelFilter::TRACE && LevelFilter::current() >= LevelFilter::TRACE
}

/// An acquire.
pub(crate) struct Span(tracing::Span);

impl Span {
    pub(crate) fn new(about: &About) -> Self {
        let About { name, way: Way { scope, mode, place, .. } } = about;
        Self(trace_span!(
            target: "lockutils", "lock.acquire", lock = %name, scope, mode = %mode, at = %place, waited = Empty
        ))
    }

    pub(crate) fn around<R>(&self, work: impl FnOnce() -> R) -> R {
        self.0.in_scope(work)
    }

    pub(crate) async fn around_async<F: Future>(&self, work: F) -> F::Output {
        work.instrument(self.0.clone()).await
    }

    /// The lock is held, after a wait of this length.
    pub(crate) fn acquired(&self, about: &About, waited: Duration) {
        let About { name, way: Way { scope, mode, place, .. } } = about;
        self.0.record("waited", display(Seconds(waited)));
        trace!(
            target: "lockutils", lock = %name, scope, mode = %mode, at = %place, waited = %Seconds(waited),
            "acquired a lock"
        );
    }
}

/// The lock has been let go.
pub(crate) fn released(about: &About, held: Duration) {
    let About { name, way: Way { scope, mode, place, .. } } = about;
    trace!(
        target: "lockutils", lock = %name, scope, mode = %mode, at = %place, held = %Seconds(held), "released a lock"
    );
}

/// A wait begins.
pub(crate) fn waiting(name: &str, place: &'static Location<'static>) {
    trace!(target: "lockutils", lock = %name, at = %place, "waiting for a lock");
}

/// A wait for a lock file begins: another process holds it. Who that is, is asked only if somebody listens.
pub(crate) fn waiting_for_file(
    path: &Path,
    place: &'static Location<'static>,
    holder: impl FnOnce() -> Option<Holders>,
) {
    if enabled!(target: "lockutils", Level::TRACE) {
        let holder = holder().map_or_else(|| "nobody any more".to_owned(), |holder| holder.to_string());
        trace!(target: "lockutils", path = %path.display(), at = %place, holder = %holder, "waiting for a lock file");
    }
}

/// A wait for an engine begins: somebody else holds the lock.
pub(crate) fn waiting_for_engine(name: &str, place: &'static Location<'static>, location: &str) {
    trace!(target: "lockutils", lock = %name, at = %place, engine = %location, "waiting for a distributed lock");
}

/// A distributed lock was lost while it was held. Whoever works under it does not know of that unless it asks.
pub(crate) fn lost(name: &str, location: &str, why: Loss) {
    error!(target: "lockutils", lock = %name, engine = %location, why = %why, "a distributed lock was lost while it was held");
}

/// A wait takes longer than the configuration has for normal. What it says of the lock and of its holder is looked up
/// only if somebody listens.
pub(crate) fn still_waiting(place: &'static Location<'static>, wait: impl FnOnce() -> crate::error::Wait) {
    if enabled!(target: "lockutils", Level::WARN) {
        let wait = wait();
        let (name, waited) = (&wait.name, Seconds(wait.waited));
        warn!(target: "lockutils", lock = %name, at = %place, waited = %waited, "still waiting for {wait}");
    }
}

/// A wait that was told of by [`still_waiting`] is over.
pub(crate) fn waited_long(about: &About, waited: Duration) {
    let About { name, way: Way { place, .. } } = about;
    warn!(target: "lockutils", lock = %name, at = %place, waited = %Seconds(waited), "got a lock after a long wait");
}

/// A lock was held longer than the configuration has for normal.
pub(crate) fn held_long(about: &About, held: Duration, limit: Duration) {
    let About { name, way: Way { place, .. } } = about;
    warn!(
        target: "lockutils", lock = %name, at = %place, held = %Seconds(held), limit = %Seconds(limit),
        "a lock was held for a long time"
    );
}

/// The thread that waits took this lock itself. The guard may have moved to another thread since.
pub(crate) fn may_deadlock(name: &str, place: &'static Location<'static>) {
    warn!(target: "lockutils", lock = %name, at = %place, "this thread waits for a lock that it took itself, and in vain if it still has the guard");
}

/// The kernel refused to unlock, so that the file was closed; or a pid file had been removed, or could not be; or an engine did
/// not confirm it.
pub(crate) fn not_unlocked(error: &Error) {
    warn!(target: "lockutils", error = %error, "a lock was not let go as it should be");
}

/// Nothing could be written into a lock file that is held.
pub(crate) fn not_noted(path: &Path, why: &dyn Display) {
    warn!(target: "lockutils", path = %path.display(), why = %why, "a lock file is held, but does not say by whom");
}

/// A distributed lock is used, and nobody has named an engine.
pub(crate) fn no_engine(name: &str) {
    warn!(
        target: "lockutils", lock = %name,
        "no engine is configured (backend_url): distributed locks exclude nobody on other hosts"
    );
}

/// Locks are taken on a file system that may not keep them.
pub(crate) fn on_network(path: &Path, name: &'static str, why: &'static str) {
    warn!(target: "lockutils", path = %path.display(), filesystem = %name, why = %why, "the lock directory is on a network file system");
}
