//! The only place that knows the logging crate. Normal acquires say nothing: only waits (trace) and what a
//! user should know of (warn).

use std::panic::Location;

use crate::error::Error;
use crate::holder::Holders;

/// Nothing is said, but the values count as used.
#[cfg(not(feature = "tracing"))]
macro_rules! nothing {
    (target: $target:literal, $($field:ident = % $value:expr,)* $text:literal) => {{ $(let _ = $value;)* }};
}
#[cfg(not(feature = "tracing"))]
use nothing as trace;
#[cfg(not(feature = "tracing"))]
use nothing as warn;
#[cfg(feature = "tracing")]
use tracing::{trace, warn};

/// A wait begins.
pub(crate) fn waiting(name: &str, place: &'static Location<'static>) {
    trace!(target: "lockutils", lock = %name, at = %place, "waiting for a lock");
}

/// A wait for a lock file begins: another process holds it. Who that is, is asked only if somebody listens.
pub(crate) fn waiting_for_file(
    path: &std::path::Path,
    place: &'static Location<'static>,
    holder: impl FnOnce() -> Option<Holders>,
) {
    #[cfg(feature = "tracing")]
    if tracing::enabled!(target: "lockutils", tracing::Level::TRACE) {
        let holder = holder().map_or_else(|| "nobody any more".to_owned(), |holder| holder.to_string());
        trace!(target: "lockutils", path = %path.display(), at = %place, holder = %holder, "waiting for a lock file");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (path, place, holder);
}

/// The thread that waits took this lock itself. The guard may have moved to another thread since.
pub(crate) fn may_deadlock(name: &str, place: &'static Location<'static>) {
    warn!(target: "lockutils", lock = %name, at = %place, "this thread waits for a lock that it took itself, and in vain if it still has the guard");
}

/// The kernel refused to unlock, so that the file was closed; or a pid file had been removed, or could not be.
pub(crate) fn not_unlocked(error: &Error) {
    warn!(target: "lockutils", error = %error, "a lock file was not let go as it should be");
}

/// Nothing could be written into a lock file that is held.
pub(crate) fn not_noted(path: &std::path::Path, why: &dyn std::fmt::Display) {
    warn!(target: "lockutils", path = %path.display(), why = %why, "a lock file is held, but does not say by whom");
}

/// Locks are taken on a file system that may not keep them.
pub(crate) fn on_network(path: &std::path::Path, name: &'static str, why: &'static str) {
    warn!(target: "lockutils", path = %path.display(), filesystem = %name, why = %why, "the lock directory is on a network file system");
}
