//! The only place that knows the logging crate. Normal acquires say nothing: only waits (trace) and what a user
//! should know of (warn).

use std::panic::Location;

use crate::error::Error;

/// Nothing is said, but the values count as used.
#[cfg(not(feature = "tracing"))]
macro_rules! nothing {
    ($($field:ident = % $value:expr,)* $text:literal) => {{ $(let _ = $value;)* }};
}
#[cfg(not(feature = "tracing"))]
use nothing as trace;
#[cfg(not(feature = "tracing"))]
use nothing as warn;
#[cfg(feature = "tracing")]
use tracing::{trace, warn};

/// A wait begins.
pub(crate) fn waiting(name: &str, place: &'static Location<'static>) {
    trace!(lock = %name, at = %place, "waiting for a lock");
}

/// The thread that waits took this lock itself. The guard may have moved to another thread since.
pub(crate) fn may_deadlock(name: &str, place: &'static Location<'static>) {
    warn!(lock = %name, at = %place, "this thread waits for a lock that it took itself, and for ever if it still has the guard");
}

/// The kernel refused to unlock; the file was closed instead.
pub(crate) fn not_unlocked(error: &Error) {
    warn!(error = %error, "a lock file could not be unlocked and was closed");
}
