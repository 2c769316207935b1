//! A clock that goes on while the system sleeps.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A moment on a clock that never goes back and does not stop while the system is suspended (`CLOCK_BOOTTIME`, see
/// `clock_gettime(2)`). Leases are counted on it, since an engine counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// No moment is later.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// This moment.
    pub fn now() -> Self {
        // It cannot fail for a clock that the system has; a lease that began at 0 would be lost, and so no harm is done.
        let now = clock_gettime(CLOCK).map(Duration::from).unwrap_or_default();
        Self(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX - 1))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, length: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long it is from `earlier` until this.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

#[cfg(not(lockutils_portable))]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
/// It may stand still while the system sleeps.
#[cfg(lockutils_portable)]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;
