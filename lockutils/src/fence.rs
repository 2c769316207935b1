//! The resource's side of fencing.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

use crate::error::{Error, Kind};

/// Lets nobody touch a resource who lost the lock without knowing it.
///
/// A holder that is paused, or whose lock file somebody removed, may go on to write when the next holder is at it.
/// So the holder sends its [fencing token](crate::LockGuard::fencing_token) with each request, and the resource
/// refuses those whose token is smaller than one that it has seen: see *How to do distributed locking* (Kleppmann,
/// 2016). A resource that lives longer than its process keeps [`highest`](Self::highest) with its data.
///
/// Permits of a semaphore and read locks are held together, so those of one group have one token.
///
/// ```
/// use lockutils::Fence;
///
/// let fence = Fence::new();
/// let old = lockutils::lock("fence-example").acquire()?.fencing_token();
/// let new = lockutils::lock("fence-example").acquire()?.fencing_token();
/// fence.check(new)?;
/// fence.check(new)?; // as often as it likes
/// assert!(fence.check(old).unwrap_err().is_fenced());
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Fence {
    highest: AtomicU64,
}

impl Fence {
    /// Lets everybody in until it has seen a token.
    ///
    /// ```
    /// static FENCE: lockutils::Fence = lockutils::Fence::new();
    /// assert_eq!(FENCE.highest(), 0);
    /// ```
    pub const fn new() -> Self {
        Self::from_highest(0)
    }

    /// Goes on from the highest token that was seen before.
    ///
    /// ```
    /// let fence = lockutils::Fence::from_highest(7);
    /// assert!(fence.check(6).unwrap_err().is_fenced());
    /// ```
    pub const fn from_highest(highest: u64) -> Self {
        Self { highest: AtomicU64::new(highest) }
    }

    /// Lets a request with this token in, and none with a smaller one from now on.
    ///
    /// The check and the use of the resource must be one step for it: under a lock of its own, in one transaction, or
    /// in the condition of the write.
    ///
    /// # Errors
    ///
    /// [`Error::is_fenced`] when a larger token was seen: somebody else has had the lock since.
    ///
    /// ```
    /// let fence = lockutils::Fence::new();
    /// fence.check(2)?;
    /// assert!(fence.check(1).unwrap_err().is_fenced());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn check(&self, token: u64) -> Result<(), Error> {
        let highest = self.highest.fetch_max(token, AcqRel);
        if highest > token { Err(Kind::Fenced { token, highest }.into()) } else { Ok(()) }
    }

    /// The highest token that was seen.
    ///
    /// ```
    /// let fence = lockutils::Fence::new();
    /// fence.check(5)?;
    /// assert_eq!(fence.highest(), 5);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn highest(&self) -> u64 {
        self.highest.load(Acquire)
    }
}
