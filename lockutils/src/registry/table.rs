//! The table of one namespace: a sharded hash map from the name, which stands in the cell, to the cell.
//!
//! Each step of a look-up is one visit to one shard: the name is hashed once, and what is not there is put in
//! where it was looked for.

use std::hash::{BuildHasher, Hash, Hasher};
use std::ptr::NonNull;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
#[cfg(not(lockutils_portable))]
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};
use parking_lot::{Mutex, MutexGuard};

use super::{Age, Cell, Found, attach, attached};
use crate::internal::Mode;
use crate::text::Text;

/// A cell in the table.
///
/// Invariant: it has not been freed. A cell is taken out before that.
struct Entry(NonNull<Cell>);

// SAFETY: `Cell` is `Send` and `Sync`.
unsafe impl Send for Entry {}

impl Entry {
    #[inline]
    fn cell(&self) -> &Cell {
        // SAFETY: the invariant.
        unsafe { self.0.as_ref() }
    }
}

/// A line of the cache for each, so that names of different shards do not slow each other.
#[repr(align(128))]
struct Shard(Mutex<HashTable<Entry>>);

/// An empty table need not be larger, however many threads there may be.
const MOST_SHARDS: usize = 64;

/// How many processors this thread may run on. The standard library also asks how much of them it may use, in three files of
/// the control groups: in a program that takes one lock and ends, that is what takes longest.
#[cfg(not(lockutils_portable))]
fn processors() -> usize {
    let all = CpuSet::count();
    let own = sched_getaffinity(Pid::from_raw(0));
    // Where the kernel has more than fit into a set, it says so.
    own.map_or(all, |own| (0..all).filter(|number| own.is_set(*number) == Ok(true)).count())
}

#[cfg(lockutils_portable)]
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(super) struct Table {
    /// A power of two of them.
    shards: Box<[Shard]>,
    hasher: RandomState,
}

impl Table {
    pub(super) fn new() -> Self {
        let shards = (4 * processors()).next_power_of_two().min(MOST_SHARDS);
        Self {
            shards: (0..shards).map(|_| Shard(Mutex::new(HashTable::new()))).collect(),
            hasher: RandomState::default(),
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a few multiplications")]
    #[expect(clippy::manual_hash_one, reason = "that is not inlined")]
    fn hash(&self, name: &Text) -> u64 {
        let mut state = self.hasher.build_hasher();
        name.hash(&mut state);
        state.finish()
    }

    /// The map inside uses the lowest and the highest bits of the hash.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a shift, and a lock that is hardly ever taken")]
    fn shard(&self, hash: u64) -> MutexGuard<'_, HashTable<Entry>> {
        self.shards[(hash >> 32) as usize & (self.shards.len() - 1)].0.lock()
    }

    /// A reference to the cell of this name.
    pub(super) fn find(&self, name: &Text) -> Option<Found> {
        let hash = self.hash(name);
        self.shard(hash)
            .find(hash, |entry| entry.cell().text() == name)
            .and_then(|entry| attach(entry.0, None, false))
    }

    /// Lets a writer in, if the lock of this name is alive and free, or puts in what `make` gives if there is
    /// none.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: one of a chain of small steps")]
    pub(super) fn take_write(
        &self,
        name: &Text,
        make: impl FnOnce(u64) -> Option<NonNull<Cell>>,
    ) -> Option<(NonNull<Cell>, Age)> {
        let hash = self.hash(name);
        let mut shard = self.shard(hash);
        if let Some(there) = shard.find(hash, |entry| entry.cell().text() == name) {
            return there.cell().raw().try_write(false).then_some((there.0, Age::Old));
        }
        let new = make(hash)?;
        shard.insert_unique(hash, Entry(new), |entry| entry.cell().hash());
        Some((new, Age::New))
    }

    /// Begins a use of the cell of this name and, where there is none or no life in it, puts in what `make`
    /// gives. All in one step under the lock of the shard. `None`: there was none, and none was made.
    pub(super) fn find_or_make(
        &self,
        name: &Text,
        mode: Option<Mode>,
        fair: bool,
        make: impl FnOnce(u64) -> Option<NonNull<Cell>>,
    ) -> Option<Found> {
        let hash = self.hash(name);
        let mut shard = self.shard(hash);
        if let Some(there) = shard.find_mut(hash, |entry| entry.cell().text() == name) {
            if let Some(found) = attach(there.0, mode, fair) {
                return Some(found);
            }
            let new = make(hash)?;
            *there = Entry(new);
            return Some(attached(new, mode));
        }
        let new = make(hash)?;
        shard.insert_unique(hash, Entry(new), |entry| entry.cell().hash());
        Some(attached(new, mode))
    }

    /// Takes `cell` out, if it is still the one of its name.
    #[inline]
    pub(super) fn remove(&self, cell: NonNull<Cell>) {
        let hash = Entry(cell).cell().hash();
        if let Ok(there) = self.shard(hash).find_entry(hash, |entry| entry.0 == cell) {
            there.remove();
        }
    }

    /// Gives a reference to each cell that is alive. The shard that a cell is in is locked meanwhile.
    pub(super) fn each_live(&self, mut give: impl FnMut(Found)) {
        for shard in &self.shards {
            shard.0.lock().iter().filter_map(|entry| attach(entry.0, None, false)).for_each(&mut give);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }

    pub(super) fn shrink(&self) {
        for shard in &self.shards {
            shard.0.lock().shrink_to_fit(|entry| entry.cell().hash());
        }
    }
}
