//! Record locks on parts of a lock file: OFD locks (fcntl(2), *Open file description locks*).
//!
//! Such a lock is on bytes that need not exist, so one file has room for more than one purpose:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | who has it may write the first token |
//! | 1 to 2^62 | the lock |
//! | 2^61 + 2^20 p + n | in there: permit n of a [semaphore](super::permits) with p permits |
//! | 2^62 + n | place n of the [queue](super::queue) |
//!
//! Programs that know none of this (oslo.concurrency, fasteners) lock the whole file: they meet who has the
//! lock and who waits for it, and everybody meets them.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{self, FcntlArg};
use nix::libc;

use super::Sharing;
use super::file::retried;

impl Sharing {
    fn record(self) -> libc::c_int {
        match self {
            Self::Alone => libc::F_WRLCK,
            Self::Shared => libc::F_RDLCK,
        }
    }
}

/// How many permits a semaphore may have.
pub(crate) const MOST_PERMITS: u32 = 1 << 20;

/// Some bytes of a lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    start: libc::off_t,
    /// 0: to the end of all files.
    length: libc::off_t,
}

impl Range {
    const FIRST_PLACE: libc::off_t = 1 << 62;
    const FIRST_PERMIT: libc::off_t = 1 << 61;
    /// Each number of permits has so much room of its own.
    const ROW: libc::off_t = MOST_PERMITS as libc::off_t;
    /// The highest place but one; nobody's clock gets there.
    pub(super) const LAST: libc::off_t = (1 << 61) - 1;

    pub(super) const LOCK: Self = Self { start: 1, length: Self::FIRST_PLACE - 1 };
    pub(super) const TOKEN: Self = Self { start: 0, length: 1 };
    pub(super) const QUEUE: Self = Self { start: Self::FIRST_PLACE, length: 0 };
    pub(super) const ALL: Self = Self { start: 0, length: 0 };

    /// One place of the queue.
    pub(super) fn place(number: libc::off_t) -> Self {
        Self { start: Self::FIRST_PLACE + number, length: 1 }
    }

    /// The places of the queue from this one on.
    pub(super) fn places_from(number: libc::off_t) -> Self {
        Self { start: Self::FIRST_PLACE + number, length: 0 }
    }

    /// The lock and the places of the queue up to this one.
    pub(super) fn up_to(number: libc::off_t) -> Self {
        Self { start: 1, length: Self::FIRST_PLACE + number }
    }

    /// The places of the queue up to this one, and a byte of the lock that no permit is on: what meets everybody
    /// but those who have permits.
    pub(super) fn first_at(number: libc::off_t) -> Self {
        Self { start: Self::FIRST_PLACE - 1, length: number + 2 }
    }

    /// One permit of a semaphore that has so many.
    pub(super) fn permit(permits: u32, number: u32) -> Self {
        Self { start: Self::row(permits) + libc::off_t::from(number), length: 1 }
    }

    /// Permits of semaphores that have fewer or, second, more than this one.
    pub(super) fn other_permits(permits: u32) -> [Self; 2] {
        let (first, own) = (Self::row(0), Self::row(permits));
        let (next, end) = (own + Self::ROW, Self::row(MOST_PERMITS + 1));
        [Self { start: first, length: own - first }, Self { start: next, length: end - next }]
    }

    fn row(permits: u32) -> libc::off_t {
        Self::FIRST_PERMIT + libc::off_t::from(permits) * Self::ROW
    }

    #[expect(clippy::cast_possible_truncation, reason = "the constants of `l_type` and `l_whence` are small")]
    fn as_kind(self, kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: self.start,
            l_len: self.length,
            l_pid: 0,
        }
    }
}

/// Takes it if it is free.
pub(super) fn try_lock(file: &File, range: Range, sharing: Sharing) -> io::Result<bool> {
    match retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_SETLK(&range.as_kind(sharing.record())))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes it, and waits for it in the kernel.
pub(super) fn lock(file: &File, range: Range, sharing: Sharing) -> io::Result<()> {
    set(file, range, sharing.record())
}

/// Lets it go, or the part of it that is held.
pub(super) fn unlock(file: &File, range: Range) -> io::Result<()> {
    set(file, range, libc::F_UNLCK)
}

fn set(file: &File, range: Range, kind: libc::c_int) -> io::Result<()> {
    retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_SETLKW(&range.as_kind(kind))))?;
    Ok(())
}

/// What a lock on some bytes is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It stands in nobody's way.
    Token,
    /// The lock, perhaps with places of the queue; or all there is, as programs have it that know nothing of parts.
    Lock,
    /// So many permits of a semaphore that has `of`.
    Permits { taken: u32, of: u32 },
    /// A wait for a permit, as the first in the queue.
    First,
    /// A wait in the queue.
    Place,
}

impl Meaning {
    pub(super) fn of(first: libc::off_t, last: libc::off_t) -> Self {
        let row = |byte: libc::off_t| (byte - Range::FIRST_PERMIT).div_euclid(Range::ROW);
        match first {
            _ if last < Range::LOCK.start => Self::Token,
            Range::FIRST_PLACE.. => Self::Place,
            _ if first == Range::FIRST_PLACE - 1 => Self::First,
            _ if row(first) == row(last) => match u32::try_from(row(first)) {
                Ok(of @ 1..=MOST_PERMITS) => {
                    Self::Permits { taken: u32::try_from(last - first + 1).unwrap_or(of), of }
                }
                _ => Self::Lock,
            },
            _ => Self::Lock,
        }
    }
}

/// What another has of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) sharing: Sharing,
    /// The process, if the kernel says so: it does for record locks, and not for OFD locks.
    pub(super) pid: Option<u32>,
    /// It reaches to the end of all files.
    pub(super) is_endless: bool,
    pub(super) start: libc::off_t,
    pub(super) length: libc::off_t,
}

impl Conflict {
    /// The first place of the queue behind it.
    pub(super) fn next_place(self) -> libc::off_t {
        self.start + self.length - Range::FIRST_PLACE
    }

    /// The last byte.
    pub(super) fn last(self) -> libc::off_t {
        if self.is_endless { libc::off_t::MAX } else { self.start + self.length - 1 }
    }

    /// How many permits the semaphore has of which this is one; `None` if it is something else.
    pub(super) fn permits(self) -> Option<u32> {
        let from = self.start.checked_sub(Range::FIRST_PERMIT).filter(|from| *from >= 0)?;
        u32::try_from(from / Range::ROW).ok()
    }
}

/// A lock of somebody else that would be in the way, if there is one. Takes nothing.
pub(super) fn conflict(file: &File, range: Range, sharing: Sharing) -> io::Result<Option<Conflict>> {
    let mut probe = range.as_kind(sharing.record());
    retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe)))?;
    if libc::c_int::from(probe.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    let pid = u32::try_from(probe.l_pid).ok().filter(|pid| *pid > 0);
    let reads = libc::c_int::from(probe.l_type) == libc::F_RDLCK;
    let sharing = if reads { Sharing::Shared } else { Sharing::Alone };
    Ok(Some(Conflict {
        sharing,
        pid,
        is_endless: probe.l_len == 0,
        start: probe.l_start,
        length: probe.l_len,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(range: Range) -> Meaning {
        let last = if range.length == 0 { libc::off_t::MAX } else { range.start + range.length - 1 };
        Meaning::of(range.start, last)
    }

    #[test]
    fn what_a_range_is_for_can_be_told() {
        assert_eq!(meaning(Range::TOKEN), Meaning::Token);
        for lock in [Range::LOCK, Range::ALL, Range::up_to(0), Range::up_to(Range::LAST)] {
            assert_eq!(meaning(lock), Meaning::Lock);
        }
        for place in [Range::place(0), Range::place(Range::LAST)] {
            assert_eq!(meaning(place), Meaning::Place);
        }
        assert_eq!(meaning(Range::first_at(7)), Meaning::First);
        for of in [1, 2, 7, MOST_PERMITS] {
            assert_eq!(meaning(Range::permit(of, 0)), Meaning::Permits { taken: 1, of });
            assert_eq!(meaning(Range::permit(of, of - 1)), Meaning::Permits { taken: 1, of });
            let all = Range { length: of.into(), ..Range::permit(of, 0) };
            assert_eq!(meaning(all), Meaning::Permits { taken: of, of });
        }
        assert_eq!(Meaning::of(0, 9), Meaning::Lock, "somebody else's");
        assert_eq!(Meaning::of(Range::row(1), Range::row(3)), Meaning::Lock, "somebody else's");
    }
}
