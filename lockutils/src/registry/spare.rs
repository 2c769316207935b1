//! One dead cell for each thread, so that a name that comes and goes needs no allocator.

use std::cell::Cell as Slot;

use super::{Cell, Home};
use crate::internal::Mode;
use crate::text::Text;

thread_local! {
    static SPARE: Slot<Option<Box<Cell>>> = const { Slot::new(None) };
}

/// A new cell, in the memory of the spare one if there is one.
#[inline]
pub(super) fn make(home: &Home, name: &Text, hash: u64, mode: Option<Mode>) -> Box<Cell> {
    match SPARE.try_with(Slot::take).ok().flatten() {
        Some(mut cell) => {
            cell.renew(home.clone(), name.clone(), hash, mode);
            cell
        }
        None => Box::new(Cell::new(home.clone(), name.clone(), hash, mode)),
    }
}

/// Keeps the memory of a dead cell that has no file any more. A registry of its own must not live on in a spare cell.
#[inline]
pub(super) fn keep(cell: Box<Cell>) {
    if matches!(cell.home(), Home::Process(_)) && matches!(cell.text(), Text::Inline(_)) {
        let _ = SPARE.try_with(|spare| spare.set(Some(cell)));
    }
}
