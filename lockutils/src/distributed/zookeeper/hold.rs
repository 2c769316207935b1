//! A lease, and when it ends by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::{Lease, Loss, Moment};

/// The lease of a grant. It lasts as long as the session, and no longer than it was taken for.
pub(super) struct Hold {
    pub(super) lease: Arc<Lease>,
    /// From when on it was taken for how long.
    expiry: Mutex<Option<(Moment, Duration)>>,
    is_released: AtomicBool,
}

impl Hold {
    /// One of a session that is known since `proven`.
    pub(super) fn begin(proven: Moment, timeout: Duration, expires: Option<Duration>) -> Arc<Self> {
        let expiry = expires.map(|length| (Moment::now(), length));
        let (from, length, why) = earlier(expiry, (proven, timeout));
        let lease = Lease::begin(from, length);
        lease.ends_as(why);
        Self::new(lease, expiry)
    }

    /// One that no session ends.
    pub(super) fn endless() -> Arc<Self> {
        Self::new(Lease::endless(), None)
    }

    fn new(lease: Arc<Lease>, expiry: Option<(Moment, Duration)>) -> Arc<Self> {
        Arc::new(Self { lease, expiry: Mutex::new(expiry), is_released: AtomicBool::new(false) })
    }

    /// The session is known since `proven`.
    pub(super) fn renew(&self, proven: Moment, timeout: Duration) {
        // Locked until it is done: an extension must not be undone by what was decided before.
        let expiry = self.expiry.lock();
        if self.is_released.load(Relaxed) {
            return;
        }
        match *expiry {
            None => {
                self.lease.renew(proven, timeout);
            }
            expiry => {
                let (from, length, why) = earlier(expiry, (proven, timeout));
                self.lease.reset(from, length);
                self.lease.ends_as(why);
            }
        }
    }

    pub(super) fn expires(&self) -> bool {
        self.expiry.lock().is_some()
    }

    /// It is taken for so long from now on. To be renewed then.
    pub(super) fn extend(&self, length: Duration) {
        *self.expiry.lock() = Some((Moment::now(), length));
    }

    /// Nobody holds it any more: so nobody loses it, neither by others nor by time.
    pub(super) fn release(&self) {
        let _expiry = self.expiry.lock();
        self.is_released.store(true, Relaxed);
        self.lease.reset(Moment::now(), Duration::MAX);
    }

    pub(super) fn lose(&self, why: Loss) {
        if !self.is_released.load(Relaxed) {
            self.lease.lose(why);
        }
    }
}

/// Which of both ends first, and what it means when it does.
fn earlier(
    expiry: Option<(Moment, Duration)>,
    (proven, timeout): (Moment, Duration),
) -> (Moment, Duration, Loss) {
    match expiry {
        Some((from, length)) if from.after(length) < proven.after(timeout) => (from, length, Loss::Over),
        _ => (proven, timeout, Loss::Expired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn lasts(hold: &Hold) -> Duration {
        hold.lease.remaining().expect("it ends")
    }

    #[test]
    fn it_lasts_as_long_as_its_session() {
        let now = Moment::now();
        let hold = Hold::begin(now, MINUTE, None);
        assert!(lasts(&hold) < MINUTE && lasts(&hold) > MINUTE / 2);
        hold.renew(now.after(MINUTE), MINUTE);
        assert!(lasts(&hold) > MINUTE);
    }

    #[test]
    fn it_ends_when_the_first_of_two_does() {
        let hold = Hold::begin(Moment::now(), MINUTE, Some(MINUTE * 3));
        assert!(hold.expires() && lasts(&hold) < MINUTE);
        hold.renew(Moment::now().after(MINUTE * 5), MINUTE);
        assert!(lasts(&hold) > MINUTE * 2 && lasts(&hold) < MINUTE * 3, "its own time is the shorter one");
        hold.extend(MINUTE * 2);
        hold.renew(Moment::now().after(MINUTE * 5), MINUTE);
        assert!(lasts(&hold) < MINUTE * 2, "it may be made shorter");
    }

    #[test]
    fn what_was_released_is_not_lost() {
        for hold in [Hold::endless(), Hold::begin(Moment::now(), MINUTE, None)] {
            hold.release();
            hold.renew(Moment::now(), Duration::ZERO);
            hold.lose(Loss::Removed);
            assert_eq!((hold.lease.loss(), hold.lease.remaining()), (None, None));
        }
    }
}
