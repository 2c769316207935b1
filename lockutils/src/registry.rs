//! Identity → the one live lock of it, and nothing after its last user.
//!
//! A [`Cell`] is what all users of one identity share. It counts them in its state word: handles and waiters
//! as references, holders as holders. The table does not count: it is weak. Whoever brings the word to 0 is
//! the last user, and it alone takes the cell out of the table and frees it.
//!
//! Why no two live locks of one identity ever exist, told as a race of A, who leaves, and B, who comes:
//!
//! - B finds the cell before A's word is 0: B's step makes the word larger in one exchange, A is not the
//!   last.
//! - B finds the cell after A's word is 0: the word never leaves 0, so B puts a new cell into the table in
//!   its place. A holds nothing any more. A then finds a cell in the table that is not its own, and leaves
//!   it.
//!
//! B reads the old cell only under the shard's lock while the table still names it, and A frees it only after
//! it has looked at the table under the same lock: B never reads freed memory.
//!
//! A thread that has found a cell may remember it ([`Remembered`]) and look there first: the same race, but for the
//! shard's lock, in whose place the memory is counted. What it remembers is the one cell of its name as long as it is
//! alive, since only a dead one is replaced, and it never becomes another one's.

mod cell;
mod hold;
mod near;
mod remembered;
mod spare;
#[cfg_attr(loom, path = "registry/table_model.rs")]
mod table;

use std::ptr::NonNull;
use std::sync::Arc;

use once_cell::sync::OnceCell;

pub(crate) use self::cell::{Cell, Long, Owner, Relation};
pub(crate) use self::hold::{CellId, CellRef, Hold};
pub(crate) use self::remembered::Remembered;
use self::table::Table;
use crate::internal::{Attached, HeldAs, Mode};
use crate::name;
use crate::text::Text;

/// The locks of one directory, or of none.
pub(crate) struct Namespace {
    table: Table,
    /// Where the lock files are, once that is known.
    pub(crate) directory: OnceCell<Arc<crate::external::Directory>>,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(), directory: OnceCell::new() }
    }

    /// How many identities are in use.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// A reference to each lock in use, in no order.
    pub(crate) fn live(&self) -> Vec<CellRef> {
        let mut found = Vec::new();
        self.table.each_live(|cell| found.push(cell));
        let live = found.into_iter().filter_map(|cell| cell.open(None).ok());
        live.filter_map(|taken| if let Taken::Busy(cell) = taken { Some(cell) } else { None }).collect()
    }

    /// Gives unused memory of the table back, and what the calling thread remembers.
    pub(crate) fn shrink(&self) {
        near::forget();
        self.table.shrink();
    }
}

/// Keeps a namespace alive: that of the process costs nothing to share.
#[derive(Clone)]
pub(crate) enum Home {
    Process(&'static Namespace),
    Own(Arc<Namespace>),
}

impl std::ops::Deref for Home {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        match self {
            Self::Process(namespace) => namespace,
            Self::Own(namespace) => namespace,
        }
    }
}

/// What a look-up gives.
pub(crate) enum Taken {
    Held(Hold),
    Busy(CellRef),
}

/// The number of permits that the lock has, instead of the one that was asked for.
#[derive(Debug)]
pub(crate) struct Disagreed(pub(crate) u32);

/// Whether a cell was there or has been made.
#[derive(PartialEq, Eq)]
enum Age {
    New,
    Old,
}

/// Where a look-up ended. It owns what it says, so that each one is opened exactly once.
#[must_use]
struct Found {
    cell: NonNull<Cell>,
    to_it: ToIt,
}

/// What the one who looks has to the cell that it found.
#[derive(Clone, Copy)]
enum ToIt {
    /// It holds the lock.
    Hold,
    /// One more reference: the lock is busy, or nobody wanted to hold it.
    Reference,
    /// A reference, since the lock has another number of permits.
    Doubt,
}

impl Found {
    fn open(self, mode: Option<Mode>) -> Result<Taken, Disagreed> {
        let Self { cell, to_it } = self;
        // SAFETY: who made this has counted a hold of that mode or a reference, and it is opened once.
        let reference = || unsafe { CellRef::from_cell(cell) };
        match (to_it, mode) {
            // SAFETY: as above.
            (ToIt::Hold, Some(mode)) => Ok(Taken::Held(unsafe { Hold::from_cell(cell, mode.kind()) })),
            (ToIt::Doubt, _) => Err(Disagreed(reference().permits())),
            _ => Ok(Taken::Busy(reference())),
        }
    }
}

impl Namespace {
    /// Takes the lock of this identity for a writer, if it is free, or makes it, if its name is surely valid.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: one of a chain of small steps")]
    pub(crate) fn take_write<'a>(&self, full: &Text, home: impl FnOnce() -> &'a Home) -> Option<Hold> {
        near::take_write(self, full).or_else(|| self.take_write_from_table(full, home))
    }

    #[inline(never)]
    fn take_write_from_table<'a>(&self, full: &Text, home: impl FnOnce() -> &'a Home) -> Option<Hold> {
        let (cell, age) = self.table.take_write(full, |hash| {
            name::is_plain(full).then(|| make(home(), full, hash, Some(Mode::Write)))
        })?;
        // SAFETY: the table has counted a writer.
        let hold = unsafe { Hold::from_cell(cell, HeldAs::Write) };
        if age == Age::Old {
            near::remember(&hold);
        }
        Some(hold)
    }

    /// Takes the lock of this identity, or a reference to it where it is busy or `mode` is `None`; makes it
    /// if it is not live.
    pub(crate) fn get(home: &Home, full: &Text, mode: Option<Mode>, fair: bool) -> Result<Taken, Disagreed> {
        Self::get_if(home, full, mode, fair, |_| true).expect("it may be made")
    }

    /// The same, but a lock that is not live is made only if `valid` says that its name is one. `None`: it is
    /// not live.
    pub(crate) fn get_if(
        home: &Home,
        full: &Text,
        mode: Option<Mode>,
        fair: bool,
        valid: impl FnOnce(&str) -> bool,
    ) -> Option<Result<Taken, Disagreed>> {
        let found = home
            .table
            .find_or_make(full, mode, fair, |hash| valid(full).then(|| make(home, full, hash, mode)))?;
        Some(found.open(mode))
    }

    /// A reference to the live lock of this identity.
    pub(crate) fn find(&self, full: &Text) -> Option<CellRef> {
        match self.table.find(full)?.open(None) {
            Ok(Taken::Busy(cell)) => Some(cell),
            _ => None,
        }
    }
}

/// The step that begins a use of a cell, under the lock of its shard. `None`: the lock is dead.
fn attach(cell: NonNull<Cell>, mode: Option<Mode>, fair: bool) -> Option<Found> {
    // SAFETY: the table names the cell and its shard is locked, so it has not been freed.
    let there = unsafe { cell.as_ref() };
    let agreed = there.agree(mode).is_ok();
    let to_it = match there.raw().attach(if agreed { mode } else { None }, fair) {
        Attached::Dead => return None,
        Attached::Held => ToIt::Hold,
        Attached::Busy if agreed => ToIt::Reference,
        Attached::Busy => ToIt::Doubt,
    };
    Some(Found { cell, to_it })
}

/// The use of a new cell has begun with its birth.
#[inline]
fn attached(cell: NonNull<Cell>, mode: Option<Mode>) -> Found {
    Found { cell, to_it: if mode.is_some() { ToIt::Hold } else { ToIt::Reference } }
}

/// A new lock, held or referred to from its birth on.
#[inline(never)]
fn make(home: &Home, full: &Text, hash: u64, mode: Option<Mode>) -> NonNull<Cell> {
    NonNull::from(Box::leak(spare::make(home, full, hash, mode)))
}

/// Takes a dead cell out of the table. Only the last user calls this, once.
#[cold]
#[inline(never)]
fn bury(cell: NonNull<Cell>) {
    // SAFETY: the word is 0, so nobody else frees the cell, and nobody reads it but through the table.
    let dead = unsafe { cell.as_ref() };
    dead.home().table.remove(cell);
    // SAFETY: the caller is the last user.
    unsafe { Cell::forget_outer(cell) };
    if dead.is_forgotten() || dead.drop_keeper() {
        free(cell);
    }
}

/// Frees a dead cell that nobody keeps any more.
#[inline]
fn free(cell: NonNull<Cell>) {
    // SAFETY: it came from a box, the table does not name it any more, and the last keeper calls this once.
    let dead = unsafe { Box::from_raw(cell.as_ptr()) };
    dead.raw().ends();
    spare::keep(dead);
}
