//! What a distributed lock depends on, and what ends it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU8, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Moment, watch};
use crate::cancel::Cancel;

/// Why a lock was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// Nobody has confirmed in time that it goes on: the engine was out of reach, or this process was stopped.
    Expired,
    /// It was taken for a time ([`Lock::expires`](crate::Lock::expires)), which is over.
    Over,
    /// The engine has ended the session.
    Ended,
    /// Its entry in the engine is gone: somebody removed it, or the engine forgot it.
    Removed,
    /// Somebody else has it.
    Taken,
    /// Somebody has destroyed it.
    Destroyed,
    /// This process has closed the session.
    Closed,
}

impl Loss {
    const ALL: [Self; 7] =
        [Self::Expired, Self::Over, Self::Ended, Self::Removed, Self::Taken, Self::Destroyed, Self::Closed];

    fn number(self) -> u8 {
        self as u8 + 1
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|loss| loss.number() == number)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its lease has run out, since the engine has confirmed nothing in time",
            Self::Over => "the time that it was taken for (`expires`) is over",
            Self::Ended => "the engine has ended its session",
            Self::Removed => "its entry in the engine is gone",
            Self::Taken => "somebody else has it",
            Self::Destroyed => "somebody has destroyed it",
            Self::Closed => "its session was closed",
        })
    }
}

/// How long a lock is surely held: until a deadline, which each confirmed renewal moves.
///
/// Invariant: once [`is_lost`](Self::is_lost) has said so, it says so for ever; and it says so from the deadline on, whatever
/// the engine says later. Engines renew it; holders look at it.
///
/// ```
/// use std::time::Duration;
/// use lockutils::distributed::{Lease, Loss, Moment};
///
/// let lease = Lease::begin(Moment::now(), Duration::from_secs(10));
/// assert!(!lease.is_lost());
/// lease.lose(Loss::Ended);
/// assert_eq!(lease.loss(), Some(Loss::Ended));
/// assert!(!lease.renew(Moment::now(), Duration::from_secs(10)), "it stays lost");
/// ```
pub struct Lease {
    /// In nanoseconds of [`Moment`].
    end: AtomicU64,
    loss: AtomicU8,
    /// What it is lost by when its deadline has come, if that is not [`Loss::Expired`].
    ends_as: AtomicU8,
    /// Under which deadline [`watch`] has it. Only that module looks at it, under its lock.
    pub(super) watched: AtomicU64,
    lost: Cancel,
    tell: Mutex<Vec<(u64, Tell)>>,
    /// How often somebody wanted to be told.
    tellings: AtomicU64,
}

/// What is to be told of a loss.
pub(crate) type Tell = Box<dyn FnOnce(Loss) + Send>;

impl Lease {
    /// Begins with a request that was sent at `sent` and granted it for `length`.
    pub fn begin(sent: Moment, length: Duration) -> Arc<Self> {
        Self::until(deadline(sent, length))
    }

    /// The same for a lock that [expires](super::Request::expires): when nothing prolongs it, its time is [over](Loss::Over).
    pub fn for_a_time(sent: Moment, length: Duration) -> Arc<Self> {
        let lease = Self::begin(sent, length);
        lease.ends_as(Loss::Over);
        lease
    }

    /// One that no time ends.
    pub fn endless() -> Arc<Self> {
        Self::until(Moment::NEVER)
    }

    fn until(end: Moment) -> Arc<Self> {
        let lease = Arc::new(Self {
            end: AtomicU64::new(end.nanos()),
            loss: AtomicU8::new(0),
            ends_as: AtomicU8::new(0),
            watched: AtomicU64::new(0),
            lost: Cancel::new(),
            tell: Mutex::default(),
            tellings: AtomicU64::new(0),
        });
        watch::watch(&lease);
        lease
    }

    /// A request that was sent at `sent` has been confirmed, and lasts for `length`. Never makes it end earlier. `false`: it
    /// came too late, and the lease is lost.
    pub fn renew(&self, sent: Moment, length: Duration) -> bool {
        if self.is_lost() {
            return false;
        }
        self.end.fetch_max(deadline(sent, length).nanos(), AcqRel);
        // It may have been lost meanwhile, and stays so.
        self.loss.load(Acquire) == 0
    }

    /// The same, but it may make it end earlier.
    pub fn reset(self: &Arc<Self>, sent: Moment, length: Duration) -> bool {
        if self.is_lost() {
            return false;
        }
        self.end.store(deadline(sent, length).nanos(), Release);
        watch::watch(self);
        self.loss.load(Acquire) == 0
    }

    /// What it is lost by when its deadline comes: [`Loss::Expired`] if nothing is said.
    pub(super) fn ends_as(&self, why: Loss) {
        self.ends_as.store(why.number(), Relaxed);
    }

    /// It is lost, for this reason, unless it was lost before.
    pub fn lose(&self, why: Loss) {
        if self.loss.compare_exchange(0, why.number(), AcqRel, Acquire).is_ok() {
            watch::tell(self.take_tell(), self.lost.clone(), why);
        }
    }

    fn take_tell(&self) -> Vec<Tell> {
        std::mem::take(&mut *self.tell.lock()).into_iter().map(|(_, tell)| tell).collect()
    }

    /// Whether it is lost. Costs a look at the clock, and asks nobody.
    pub fn is_lost(&self) -> bool {
        self.loss().is_some()
    }

    /// Why it is lost, if it is.
    pub fn loss(&self) -> Option<Loss> {
        if self.loss.load(Acquire) == 0 && Moment::now() >= self.end() {
            self.lose(Loss::of(self.ends_as.load(Relaxed)).unwrap_or(Loss::Expired));
        }
        Loss::of(self.loss.load(Acquire))
    }

    /// How long it lasts if nothing renews it: zero when it is lost, `None` when no time ends it.
    pub fn remaining(&self) -> Option<Duration> {
        match self.end() {
            _ if self.is_lost() => Some(Duration::ZERO),
            Moment::NEVER => None,
            end => Some(end.since(Moment::now())),
        }
    }

    /// Is ready when it is lost, and says why.
    pub async fn lost(&self) -> Loss {
        loop {
            if let Some(loss) = self.loss() {
                return loss;
            }
            self.lost.cancelled().await;
        }
    }

    /// Calls `tell` once when it is lost, on a thread of this crate; at once if it is. It should be quick.
    pub fn on_loss(&self, tell: impl FnOnce(Loss) + Send + 'static) {
        self.add_tell(Box::new(tell));
    }

    /// The same, as long as what it gives is kept: a lease may outlive many who want to be told of it.
    pub(crate) fn while_held(self: &Arc<Self>, tell: Tell) -> OnLoss {
        OnLoss { number: self.add_tell(tell), lease: Arc::clone(self) }
    }

    fn add_tell(&self, tell: Tell) -> u64 {
        let number = self.tellings.fetch_add(1, Relaxed);
        self.tell.lock().push((number, tell));
        if let Some(loss) = self.loss() {
            // Who has lost it may have looked at the list before.
            watch::tell(self.take_tell(), self.lost.clone(), loss);
        }
        number
    }

    pub(super) fn end(&self) -> Moment {
        Moment::from_nanos(self.end.load(Acquire))
    }
}

/// Until when what was granted for `length` is ours, a hundredth earlier since no two clocks run at one speed.
fn deadline(sent: Moment, length: Duration) -> Moment {
    sent.after(length.saturating_sub(length / 100))
}

impl Drop for Lease {
    fn drop(&mut self) {
        watch::forget(self);
    }
}

/// Somebody is told of a loss as long as this lives.
pub(crate) struct OnLoss {
    lease: Arc<Lease>,
    number: u64,
}

impl Drop for OnLoss {
    fn drop(&mut self) {
        let mut all = self.lease.tell.lock();
        let gone = all.iter().position(|(number, _)| *number == self.number).map(|at| all.swap_remove(at));
        drop(all);
        // It may be code of the user's that is dropped here.
        drop(gone);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("remaining", &self.remaining()).field("loss", &self.loss()).finish()
    }
}
