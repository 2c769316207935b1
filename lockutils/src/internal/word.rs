//! The state word of a lock: who is in, whether somebody waits, and how many keep it alive. Pure arithmetic.
//!
//! ```text
//! bits    | name    | says
//! 0       | WRITE   | one holder, alone
//! 1       | PERMITS | the sharers are permits of a semaphore, not readers
//! 2       | QUEUED  | the queue is not empty
//! 3       | WOKEN   | the head of the queue was woken and is on its way: a release need not wake it again
//! 4       | CLOSED  | nobody may overtake: a release hands the lock to the head
//! 8..36   | sharers | how many readers or permits are in
//! 36..64  | refs    | how many handles and waiters keep the lock alive besides its holders
//! ```
//!
//! A word of 0 means that the last user has gone: the lock is dead and never comes back to life.

pub(crate) const WRITE: u64 = 1;
pub(crate) const PERMITS: u64 = 1 << 1;
pub(crate) const QUEUED: u64 = 1 << 2;
pub(crate) const WOKEN: u64 = 1 << 3;
pub(crate) const CLOSED: u64 = 1 << 4;
pub(crate) const SHARER: u64 = 1 << 8;
pub(crate) const REF: u64 = 1 << 36;

const SHARERS: u64 = REF - SHARER;
const HELD: u64 = WRITE | SHARERS;
const FLAGS: u64 = QUEUED | WOKEN | CLOSED;
/// Far below the 28 bits there are, so that additions that race cannot spill over.
const MOST: u64 = 1 << 27;

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Alone.
    Write,
    /// With other readers.
    Read,
    /// With other permits, as many as the number says.
    Permit(u32),
}

/// What a holder is, once it is in. As wide as a pointer: padding beside one would be copied byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum HeldAs {
    Write,
    Read,
    Permit,
}

impl Mode {
    #[inline]
    pub(crate) fn kind(self) -> HeldAs {
        match self {
            Self::Write => HeldAs::Write,
            Self::Read => HeldAs::Read,
            Self::Permit(_) => HeldAs::Permit,
        }
    }

    /// The word with one more holder of this mode, if those who are in allow it. The queue is not asked.
    #[inline]
    pub(crate) fn enter(self, word: u64) -> Option<u64> {
        match self {
            Self::Write => (word & HELD == 0).then_some(word | WRITE),
            Self::Read => (word & (WRITE | PERMITS) == 0 && sharers(word) < MOST).then_some(word + SHARER),
            Self::Permit(permits) => {
                let free =
                    word & HELD == 0 || (word & PERMITS != 0 && sharers(word) < u64::from(permits).min(MOST));
                free.then_some((word | PERMITS) + SHARER)
            }
        }
    }

    /// The same for somebody who has not queued. Only a writer may overtake, and only while nobody insists.
    #[inline]
    pub(crate) fn enter_new(self, word: u64, fair: bool) -> Option<u64> {
        let overtakes = self == Self::Write && !fair && word & CLOSED == 0;
        if word & QUEUED == 0 || overtakes { self.enter(word) } else { None }
    }
}

impl HeldAs {
    /// The word with one holder of this kind less.
    #[inline]
    pub(crate) fn leave(self, word: u64) -> u64 {
        if self == Self::Write {
            return word - WRITE;
        }
        let after = word - SHARER;
        if sharers(after) == 0 { after & !PERMITS } else { after }
    }

    /// Whether a holder of this kind that turns `before` into `after` must look at the queue.
    #[inline]
    pub(crate) fn must_settle(self, before: u64, after: u64) -> bool {
        before & QUEUED != 0
            && match self {
                Self::Write => before & WOKEN == 0 || before & CLOSED != 0,
                // One reader less admits nobody as long as others are in.
                Self::Read => sharers(after) == 0,
                Self::Permit => true,
            }
    }
}

/// A new writer may come in, and the lock is not dead.
#[inline]
pub(crate) fn admits_writer(word: u64, fair: bool) -> bool {
    let in_the_way = if fair { HELD | QUEUED } else { HELD | CLOSED };
    word & in_the_way == 0 && word != 0
}

/// The one writer may leave without a look at the queue, and is not the last user.
#[inline]
pub(crate) fn may_leave(word: u64) -> bool {
    let flags = word & FLAGS;
    (flags == 0 || flags == QUEUED | WOKEN) && word != WRITE
}

#[inline]
pub(crate) fn is_queued(word: u64) -> bool {
    word & QUEUED != 0
}

#[inline]
pub(crate) fn is_held(word: u64) -> bool {
    word & HELD != 0
}

#[inline]
pub(crate) fn is_write(word: u64) -> bool {
    word & WRITE != 0
}

#[inline]
pub(crate) fn sharers(word: u64) -> u64 {
    (word & SHARERS) / SHARER
}

/// As what those hold it who share it.
pub(crate) fn shared_as(word: u64) -> Option<HeldAs> {
    let kind = if word & PERMITS == 0 { HeldAs::Read } else { HeldAs::Permit };
    (sharers(word) > 0).then_some(kind)
}

/// The word with the queue's flags replaced.
#[inline]
pub(crate) fn with_flags(word: u64, flags: u64) -> u64 {
    word & !FLAGS | flags
}

/// True when one more reference could spill over.
#[inline]
pub(crate) fn refs_full(word: u64) -> bool {
    word / REF >= MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_alone() {
        let held = Mode::Write.enter(REF).expect("free");
        for mode in [Mode::Write, Mode::Read, Mode::Permit(2)] {
            assert_eq!(mode.enter(held), None);
        }
        assert_eq!(HeldAs::Write.leave(held), REF);
    }

    #[test]
    fn readers_share_with_readers_only() {
        let one = Mode::Read.enter(0).expect("free");
        let two = Mode::Read.enter(one).expect("shared");
        assert_eq!((sharers(two), shared_as(two), shared_as(0)), (2, Some(HeldAs::Read), None));
        assert_eq!((Mode::Write.enter(two), Mode::Permit(9).enter(two)), (None, None));
        assert_eq!(HeldAs::Read.leave(HeldAs::Read.leave(two)), 0);
    }

    #[test]
    fn permits_share_up_to_their_number() {
        let permit = Mode::Permit(2);
        let two = permit.enter(permit.enter(0).expect("free")).expect("second permit");
        assert_eq!(shared_as(two), Some(HeldAs::Permit));
        assert_eq!((permit.enter(two), Mode::Read.enter(two), Mode::Write.enter(two)), (None, None, None));
        assert_eq!(HeldAs::Permit.leave(HeldAs::Permit.leave(two)), 0);
    }

    #[test]
    fn only_a_writer_overtakes_and_only_while_nobody_insists() {
        let queued = REF | QUEUED;
        assert!(Mode::Write.enter_new(queued, false).is_some());
        assert_eq!(Mode::Write.enter_new(queued, true), None);
        assert_eq!(Mode::Write.enter_new(queued | CLOSED, false), None);
        assert_eq!(Mode::Read.enter_new(queued, false), None);
    }
}
