//! Fencing tokens: numbers that grow from holder to holder, for the resource that the lock protects.
//!
//! A token is the wall clock in nanoseconds, or one more than the last one if that is larger. Files keep the
//! last one; where there is no file, or it has been removed or emptied, the clock goes on from there.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// A token that is larger than all that this process has drawn, and at least `least`.
pub(crate) fn next(least: u64) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let wanted = now().max(least);
    let drawn = LAST.fetch_update(AcqRel, Acquire, |last| Some(last.saturating_add(1).max(wanted)));
    drawn.map_or(wanted, |before| before.saturating_add(1).max(wanted))
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
        let later = next(first + 1_000_000_000_000);
        assert_eq!(later, first + 1_000_000_000_000, "one who knows of a larger one");
        let tokens: Vec<u64> = (0..1000).map(|_| next(0)).collect();
        assert!(tokens[0] > later, "ahead of the clock");
        assert!(tokens.is_sorted_by(|one, next| one < next));
    }
}
