//! The two ways to keep a cell alive: to refer to it and to hold it.

use std::panic::Location;
use std::path::Path;
use std::ptr::NonNull;

use super::{Cell, Owner, bury};
use crate::clock::Coarse;
use crate::internal::{After, HeldAs, Mode};

/// A reference to a live cell: what handles and waiters keep.
pub(crate) struct CellRef(NonNull<Cell>);

// SAFETY: `Cell` is `Sync`, and the count is atomic.
unsafe impl Send for CellRef {}
// SAFETY: as above.
unsafe impl Sync for CellRef {}

impl std::ops::Deref for CellRef {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        // SAFETY: the reference is counted in the word, so the cell is alive.
        unsafe { self.0.as_ref() }
    }
}

impl CellRef {
    /// # Safety
    ///
    /// The reference has been counted, and this is done once for each.
    #[inline]
    pub(super) unsafe fn from_cell(cell: NonNull<Cell>) -> Self {
        Self(cell)
    }

    /// Takes the lock if it is free for a newcomer.
    #[inline]
    pub(crate) fn try_hold(&self, mode: Mode, fair: bool) -> Option<Hold> {
        self.raw().try_enter(mode, fair).then(|| Hold { cell: self.0, kind: mode.kind() })
    }

    /// The same for a writer, when nobody is in the way.
    #[inline]
    pub(crate) fn try_write(&self, fair: bool) -> Option<Hold> {
        self.raw().try_write(fair).then(|| Hold { cell: self.0, kind: HeldAs::Write })
    }

    /// The hold that this caller has just been given by other means.
    pub(crate) fn assume_held(&self, mode: Mode) -> Hold {
        Hold { cell: self.0, kind: mode.kind() }
    }

    /// Where the lock comes when several are taken: the same in every process that shares the directory.
    pub(crate) fn order(&self) -> (&str, Option<&Path>) {
        (self.name(), self.home().directory.get().map(|directory| directory.path()))
    }

    /// Whether nobody else has a reference or a hold.
    pub(crate) fn is_last(&self) -> bool {
        self.raw().is_last()
    }

    /// Tells identities apart.
    pub(crate) fn id(&self) -> CellId {
        CellId::of(self.0)
    }
}

impl Clone for CellRef {
    fn clone(&self) -> Self {
        self.raw().add_ref();
        Self(self.0)
    }
}

impl Drop for CellRef {
    #[inline]
    fn drop(&mut self) {
        if self.raw().drop_ref() == After::Last {
            bury(self.0);
        }
    }
}

/// Which cell; meaningful while somebody uses it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellId(usize);

impl CellId {
    pub(crate) fn of(cell: NonNull<Cell>) -> Self {
        Self(cell.as_ptr() as usize)
    }
}

/// A held lock. Dropping it lets go.
pub(crate) struct Hold {
    cell: NonNull<Cell>,
    kind: HeldAs,
}

// SAFETY: `Cell` is `Sync`, and letting go is not bound to a thread.
unsafe impl Send for Hold {}
// SAFETY: `&Hold` gives `&Cell` only.
unsafe impl Sync for Hold {}

impl Hold {
    #[inline]
    pub(crate) fn cell(&self) -> &Cell {
        // SAFETY: a holder is counted in the word, so the cell is alive.
        unsafe { self.cell.as_ref() }
    }

    /// As [`cell`](Self::cell), for those who keep it.
    pub(super) fn as_raw(&self) -> NonNull<Cell> {
        self.cell
    }

    /// One more reference, for as long as the hold lasts or longer.
    pub(crate) fn cell_ref(&self) -> CellRef {
        self.cell().raw().add_ref();
        CellRef(self.cell)
    }

    #[inline]
    pub(crate) fn kind(&self) -> HeldAs {
        self.kind
    }

    /// Notes the holder, if it is alone.
    #[inline]
    pub(crate) fn claim(&self, owner: Owner, place: &'static Location<'static>, since: Coarse) {
        if self.kind == HeldAs::Write {
            self.cell().claim(owner, place, since);
        }
    }
}

impl Hold {
    /// The cell, without letting go.
    #[inline]
    pub(crate) fn into_cell(self) -> NonNull<Cell> {
        std::mem::ManuallyDrop::new(self).cell
    }

    /// The other way round.
    ///
    /// # Safety
    ///
    /// `cell` came from [`into_cell`](Self::into_cell) of a hold of this kind, and this is done once for
    /// each.
    #[inline]
    pub(crate) unsafe fn from_cell(cell: NonNull<Cell>, kind: HeldAs) -> Self {
        Self { cell, kind }
    }
}

impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        let cell = self.cell();
        if self.kind == HeldAs::Write {
            cell.disclaim();
        }
        if cell.raw().release(self.kind) == After::Last {
            bury(self.cell);
        }
    }
}
