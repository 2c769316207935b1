//! What an engine promises of its locks.

use std::fmt;

/// Something that an engine may promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Promise {
    /// Grants and releases are in one order for everybody, also while nodes fail: at no moment has the engine granted the lock to
    /// two who exclude each other.
    Linearizable,
    /// Fencing tokens grow from holder to holder, whatever fails.
    Fenced,
    /// A lock that was granted is still there when another node has taken over.
    SurvivesFailover,
    /// Who waits has its turn in the order of arrival.
    ArrivalOrder,
    /// The lock of a holder that is gone is freed after a time.
    Leased,
    /// Who waits is woken by the engine, and does not look again and again.
    Wakes,
    /// There are read locks.
    Readers,
    /// There are semaphores.
    Permits,
    /// A lock can be told to [expire](super::Request::expires).
    Expires,
    /// A lock can be told to stay when its holder is gone.
    Persists,
    /// Contenders that wait can be listed, not only holders.
    Contenders,
}

impl Promise {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::Linearizable,
        Self::Fenced,
        Self::SurvivesFailover,
        Self::ArrivalOrder,
        Self::Leased,
        Self::Wakes,
        Self::Readers,
        Self::Permits,
        Self::Expires,
        Self::Persists,
        Self::Contenders,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The promises of an engine.
///
/// ```
/// use lockutils::distributed::{Promise, Promises};
/// let promises = Promises::of(&[Promise::Leased, Promise::Readers]);
/// assert!(promises.has(Promise::Leased) && !promises.has(Promise::Linearizable));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Promises(u16);

impl Promises {
    /// These.
    pub const fn of(promises: &[Promise]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < promises.len() {
            bits |= promises[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// Whether this is among them.
    pub const fn has(self, promise: Promise) -> bool {
        self.0 & promise.bit() != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Promise> {
        Promise::ALL.into_iter().filter(move |promise| self.has(*promise))
    }
}

impl fmt::Debug for Promises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
