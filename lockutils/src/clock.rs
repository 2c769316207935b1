//! The coarse clock: a few nanoseconds a look, a few milliseconds exact. Good enough for "since when".

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A moment on the coarse monotonic clock of the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Coarse(u64);

impl Coarse {
    #[inline]
    pub(crate) fn now() -> Self {
        // The call cannot fail for a clock that every Linux has; without it, durations would be zero.
        clock_gettime(CLOCK).map_or(Self(0), |time| {
            let (seconds, nanos) = (time.tv_sec().cast_unsigned(), time.tv_nsec().cast_unsigned());
            Self(seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos))
        })
    }

    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }

    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC_COARSE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;
