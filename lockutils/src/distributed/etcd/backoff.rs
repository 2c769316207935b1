//! How long to wait before something is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// Twice as long each time, and never as long as others wait.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// How long it is this time: between a half of it and all.
    pub(super) fn next(&mut self) -> Duration {
        let length = self.0;
        self.0 = (length * 2).min(LONGEST);
        length / 2 + (length / 2).mul_f64(f64::from(chance()) / f64::from(u32::MAX))
    }

    pub(super) async fn wait(&mut self) {
        sleep(self.next()).await;
    }
}

/// A number by chance, of 32 bits: each state of its own is another.
pub(super) fn chance() -> u32 {
    u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_up_to_a_bound() {
        let mut backoff = Backoff::new();
        assert!((FIRST / 2..=FIRST).contains(&backoff.next()));
        for _ in 0..20 {
            assert!(backoff.next() <= LONGEST);
        }
        assert!((LONGEST / 2..=LONGEST).contains(&backoff.next()));
    }
}
