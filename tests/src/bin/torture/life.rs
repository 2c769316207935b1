//! What is known of one process: its part of the ledger.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use nix::time::{ClockId, clock_gettime};

/// The life of one process, which has a number that no other ever gets: process numbers come again within a minute.
/// A line of the cache for each.
#[repr(C, align(64))]
pub(crate) struct Life {
    /// Its process number, written by itself before it first takes the lock.
    pub(crate) pid: AtomicU64,
    /// When it was killed; noted just before.
    pub(crate) killed: AtomicU64,
    /// It has ended. Noted before the kernel gives its process number free.
    pub(crate) ended: AtomicU64,
    /// When the next one came in, if it was killed inside.
    pub(crate) followed: AtomicU64,
    /// What it does and since when.
    moment: AtomicU64,
    /// How often it had the lock, or removed the file.
    pub(crate) times: AtomicU64,
    /// The longest that it waited for the lock, and how.
    longest: AtomicU64,
    /// How it takes the lock.
    way: AtomicU64,
}

/// How many bits a way to take the lock has.
const WAY: u32 = 3;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It has not come to the lock yet.
    Starting,
    /// It takes the lock.
    Taking,
    /// It is inside alone.
    Inside,
    /// It is inside with others who read.
    Reading,
    /// It lets go.
    Leaving,
    /// It does something else.
    Outside,
}

impl Doing {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Self; 6] =
        [Self::Starting, Self::Taking, Self::Inside, Self::Reading, Self::Leaving, Self::Outside];
}

/// The way of one who has locked a file that is not at the path of the lock file any more.
pub(crate) const ASTRAY: u64 = (1 << WAY) - 1;

impl Life {
    /// Where its words are, for those who map the ledger on their own.
    pub(crate) const WORDS: [(&str, usize); 6] = [
        ("pid", offset_of!(Self, pid)),
        ("ended", offset_of!(Self, ended)),
        ("followed", offset_of!(Self, followed)),
        ("moment", offset_of!(Self, moment)),
        ("times", offset_of!(Self, times)),
        ("way", offset_of!(Self, way)),
    ];

    /// From now on it does this.
    pub(crate) fn begins(&self, doing: Doing) {
        self.moment.store(now() << 3 | doing as u64, SeqCst);
    }

    /// It takes the lock in this way, one of at most eight.
    pub(crate) fn takes(&self, way: u64) {
        self.way.store(way, SeqCst);
    }

    /// It has waited for the lock as long as it has been taking it.
    pub(crate) fn waited(&self) {
        if let (Doing::Taking, since) = self.moment() {
            let waited = now().saturating_sub(since);
            self.longest.fetch_max(waited << WAY | self.way.load(SeqCst), SeqCst);
        }
    }

    /// The way of its longest wait, and how many nanoseconds that was.
    pub(crate) fn longest(&self) -> (u64, u64) {
        let longest = self.longest.load(SeqCst);
        (longest & ((1 << WAY) - 1), longest >> WAY)
    }

    /// The way in which it takes the lock, or did so last.
    pub(crate) fn way(&self) -> u64 {
        self.way.load(SeqCst)
    }

    /// What it does, and since when.
    pub(crate) fn moment(&self) -> (Doing, u64) {
        let moment = self.moment.load(SeqCst);
        let doing = Doing::ALL.into_iter().find(|doing| *doing as u64 == moment & 7);
        (doing.unwrap_or(Doing::Starting), moment >> 3)
    }
}

/// The monotonic clock that all processes share, in nanoseconds.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned()
}
