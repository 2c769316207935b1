//! The only place that knows the logging crate. Normal acquires say nothing: only waits (trace) and what a
//! user should know of (warn).

use std::panic::Location;

use crate::error::Error;

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

/// A wait for a lock file begins: another process holds it.
pub(crate) fn waiting_for_file(path: &std::path::Path, place: &'static Location<'static>) {
    trace!(target: "lockutils", path = %path.display(), at = %place, "waiting for a lock file");
}

/// The thread that waits took this lock itself. The guard may have moved to another thread since.
pub(crate) fn may_deadlock(name: &str, place: &'static Location<'static>) {
    warn!(target: "lockutils", lock = %name, at = %place, "this thread waits for a lock that it took itself, and for ever if it still has the guard");
}

/// The kernel refused to unlock; the file was closed instead.
pub(crate) fn not_unlocked(error: &Error) {
    warn!(target: "lockutils", error = %error, "a lock file could not be unlocked and was closed");
}
