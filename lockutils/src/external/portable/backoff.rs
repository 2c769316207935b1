//! How long to pause between two looks at a lock that is taken.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// Before the second look.
const SHORTEST: Duration = Duration::from_micros(30);
/// While few wait.
const LONGEST: Duration = Duration::from_millis(4);
/// So many may look at that pace; where more wait in one process, each of them looks less often.
const FEW: u32 = 32;

/// The pauses of one wait: each is twice as long as the one before, up to a limit, and somewhat shorter by chance, so
/// that those who came together do not look together.
pub(super) struct Backoff {
    pause: Duration,
    random: u64,
}

impl Backoff {
    pub(super) fn new() -> Self {
        // The standard library's random numbers, of which each state has others.
        Self { pause: SHORTEST, random: RandomState::new().hash_one(0_u8) | 1 }
    }

    /// The next pause, where so many others wait in this process.
    pub(super) fn next(&mut self, others: usize) -> Duration {
        let crowd = u32::try_from(others).unwrap_or(u32::MAX) / FEW;
        let longest = LONGEST.saturating_mul(crowd.saturating_add(1));
        let pause = self.pause.min(longest);
        self.pause = (pause * 2).min(longest);
        pause / 2 + pause.mul_f64(self.chance() / 2.0)
    }

    /// From 0 to 1 (xorshift64).
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let [high, ..] = self.random.to_be_bytes();
        f64::from(high) / 255.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let mut backoff = Backoff::new();
        assert!(backoff.next(0) <= SHORTEST);
        let pauses: Vec<_> = (0..1000).map(|_| backoff.next(0)).collect();
        assert!(pauses.iter().all(|pause| *pause >= SHORTEST && *pause <= LONGEST));
        assert!(pauses[100..].iter().all(|pause| *pause >= LONGEST / 2));
        assert!(pauses[100..].iter().any(|pause| *pause != pauses[100]), "they differ");
    }

    #[test]
    fn in_a_crowd_each_looks_less_often() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..40).map(|_| backoff.next(10_000)).collect();
        assert!(pauses[39] > Duration::from_millis(500), "{:?}", pauses[39]);
        assert!(backoff.next(0) <= LONGEST);
    }
}
