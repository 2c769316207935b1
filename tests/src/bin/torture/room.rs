//! The words about who is inside.

use std::io;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How many may read at a time, and be dead in their seats until the next writer comes.
const SEATS: usize = 64;

/// What a lock keeps people out of: one who writes may be in it, or some who read. The words are 0 at first.
///
/// Invariants while the lock is sound:
/// - As long as somebody alive has a seat, `holder` is 0 or of one who is dead, and stays so.
/// - As long as `holder` is of somebody alive, all seats are empty or of the dead.
/// - The words of the dead are taken out by writers only: those who read write nothing but their own seat.
#[repr(C, align(64))]
pub(crate) struct Room {
    /// The incarnation that writes, or 0: oracle 1.
    pub(crate) holder: AtomicU64,
    /// Counted up first when somebody writes: oracle 2.
    first: AtomicU64,
    /// Counted up second, after a pause.
    second: AtomicU64,
    /// The incarnations that read, or 0.
    seats: [AtomicU64; SEATS],
}

/// Both halves of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halves {
    first: u64,
    second: u64,
}

impl Halves {
    /// Halves of a count that was ended.
    pub(crate) fn whole(count: u64) -> Self {
        Self { first: count, second: count }
    }

    /// Whether somebody began to count and did not end.
    pub(crate) fn is_torn(self) -> bool {
        self.first != self.second
    }

    /// How far they are apart.
    pub(crate) fn gap(self) -> u64 {
        self.first.wrapping_sub(self.second)
    }

    /// The number that comes next.
    pub(crate) fn next(self) -> u64 {
        self.first.max(self.second) + 1
    }
}

impl Room {
    /// Where its words are, for those who map the ledger on their own.
    pub(crate) const WORDS: [(&str, usize); 3] = [
        ("holder", offset_of!(Self, holder)),
        ("first", offset_of!(Self, first)),
        ("second", offset_of!(Self, second)),
    ];

    /// The counter as it is now.
    pub(crate) fn halves(&self) -> Halves {
        Halves { first: self.first.load(SeqCst), second: self.second.load(SeqCst) }
    }

    /// Counts by half. A store, not an addition of one step: who is inside at the same time makes it go wrong.
    pub(crate) fn begin_to_count(&self, next: u64) {
        self.first.store(next, SeqCst);
    }

    /// Counts the other half.
    pub(crate) fn end_to_count(&self, next: u64) {
        self.second.store(next, SeqCst);
    }

    /// Takes a seat, which must be left by its word. Nobody takes anybody out who is alive.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn sit_down(&self, me: u64) -> io::Result<&AtomicU64> {
        let free = |seat: &&AtomicU64| seat.compare_exchange(0, me, SeqCst, SeqCst).is_ok();
        self.seats.iter().find(free).ok_or_else(|| io::Error::other("too many readers have died here"))
    }

    /// Who has a seat.
    pub(crate) fn readers(&self) -> impl Iterator<Item = u64> {
        self.seats.iter().map(|seat| seat.load(SeqCst)).filter(|reader| *reader != 0)
    }

    /// Who writes and who reads.
    pub(crate) fn all(&self) -> impl Iterator<Item = u64> {
        Some(self.holder.load(SeqCst)).filter(|holder| *holder != 0).into_iter().chain(self.readers())
    }

    /// Somebody else, for one who writes and should be alone.
    pub(crate) fn others(&self, me: u64) -> Option<u64> {
        let holder = self.holder.load(SeqCst);
        if holder == me { self.readers().next() } else { Some(holder) }
    }

    /// Empties the seats of the dead. Who sits there and is alive.
    pub(crate) fn sweep(&self, is_dead: impl Fn(u64) -> io::Result<bool>) -> io::Result<Vec<u64>> {
        let mut alive = Vec::new();
        for seat in &self.seats {
            match seat.load(SeqCst) {
                0 => {}
                reader if is_dead(reader)? => {
                    let _ = seat.compare_exchange(reader, 0, SeqCst, SeqCst);
                }
                reader => alive.push(reader),
            }
        }
        Ok(alive)
    }
}
