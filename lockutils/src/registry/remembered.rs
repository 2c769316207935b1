//! The third way to keep a cell: its memory alone.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::{Cell, Hold, Namespace, free};
use crate::internal::HeldAs;
use crate::text::Text;

/// A cell that somebody may find again. It keeps the memory of the cell, not the lock: a lock of which only this
/// is left is dead, and stays so.
pub(crate) struct Remembered(NonNull<Cell>);

impl Remembered {
    /// The lock is held, so it is alive.
    pub(crate) fn new(held: &Hold) -> Self {
        held.cell().add_keeper();
        Self(held.as_raw())
    }

    #[inline]
    fn cell(&self) -> &Cell {
        // SAFETY: the memory is kept until this is dropped.
        unsafe { self.0.as_ref() }
    }

    /// Gives up the pointer that keeps the memory.
    pub(super) fn into_raw(self) -> NonNull<Cell> {
        ManuallyDrop::new(self).0
    }

    /// The other way round.
    ///
    /// # Safety
    ///
    /// `cell` came from [`into_raw`](Self::into_raw), and of each call only one value is dropped.
    #[inline]
    pub(super) unsafe fn from_raw(cell: NonNull<Cell>) -> Self {
        Self(cell)
    }

    /// Lets a writer in, if the lock is alive and free.
    #[inline]
    pub(crate) fn take_write(&self) -> Option<Hold> {
        self.cell().raw().is_in_memory();
        // SAFETY: it has just been counted as a writer.
        self.cell().raw().try_write(false).then(|| unsafe { Hold::from_cell(self.0, HeldAs::Write) })
    }

    /// Whether it is, or was, the cell of this identity.
    #[inline]
    pub(super) fn is(&self, namespace: &Namespace, name: &Text) -> bool {
        let home: &Namespace = self.cell().home();
        std::ptr::eq(home, namespace) && self.cell().text() == name
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        if self.cell().drop_keeper() {
            free(self.0);
        }
    }
}
