//! Fencing tokens: numbers that grow from holder to holder, for the resource that the lock protects.
//!
//! A token is the wall clock in nanoseconds, or one more than the last one if that is larger. Files keep the
//! last one; where there is no file, or it has been removed or emptied, the clock goes on from there.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Larger than this none is drawn, until the year 2262; so what is larger was not drawn by anybody.
pub(crate) const LARGEST: u64 = i64::MAX as u64;

/// A token that is larger than all that this process has drawn by the clock, and at least `least`. That one is a
/// matter of one lock: others do not learn of it.
pub(crate) fn next(least: u64) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = now();
    let after = |last: u64| last.saturating_add(1).max(now);
    let drawn = LAST.fetch_update(AcqRel, Acquire, |last| Some(after(last))).map_or(now, after);
    drawn.max(least).min(LARGEST)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_grow() {
        let first = next(0);
        assert_eq!(
            next(first + 1_000_000_000_000),
            first + 1_000_000_000_000,
            "one who knows of a larger one"
        );
        let tokens: Vec<u64> = (0..1000).map(|_| next(0)).collect();
        assert!(tokens[0] > first && tokens.is_sorted_by(|one, next| one < next));
        assert!(tokens[999] < first + 1_000_000_000_000, "the larger one is nobody else's");
    }
}
