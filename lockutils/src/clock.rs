//! The coarse clock: a few nanoseconds a look, a few milliseconds exact. Good enough for "since when".

use std::time::Duration;

use nix::libc;

/// A moment on the coarse monotonic clock of the system, in units of 2^20 ns (1.05 ms); 0 when nobody has
/// looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coarse(u64);

impl Coarse {
    /// Called on the fast path of every scoped acquire, where a wrapper would cost as much as the call.
    #[inline]
    pub(crate) fn now() -> Self {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: clock_gettime(2) writes one `timespec`, which `time` is. It cannot fail for a clock that
        // every such system has; if it did, the time would be 0, which means unknown.
        unsafe { libc::clock_gettime(CLOCK, &raw mut time) };
        let nanos = time
            .tv_sec
            .cast_unsigned()
            .wrapping_mul(1_000_000_000)
            .wrapping_add(time.tv_nsec.cast_unsigned());
        Self(nanos >> UNIT)
    }

    #[inline]
    pub(crate) fn is_known(self) -> bool {
        self.0 != 0
    }

    /// How long ago that was; zero when nobody has looked.
    pub(crate) fn elapsed(self) -> Duration {
        let units = if self.is_known() { Self::now().0.saturating_sub(self.0) } else { 0 };
        Duration::from_nanos(units << UNIT)
    }

    pub(crate) fn units(self) -> u64 {
        self.0
    }

    pub(crate) fn from_units(units: u64) -> Self {
        Self(units)
    }
}

const UNIT: u32 = 20;
#[cfg(not(lockutils_portable))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
/// Exact, and a little slower.
#[cfg(lockutils_portable)]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
