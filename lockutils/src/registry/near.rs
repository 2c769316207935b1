//! What a thread found in the table a moment ago, so that it finds it again without the table.

use std::cell::Cell as Slot;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::{Cell, Hold, Home, Namespace, Remembered};
use crate::text::Text;

const BITS: u32 = 5;
const SLOTS: usize = 1 << BITS;

/// Every so manieth name that was looked for here in vain takes the place of one that is alive: seldom, so that
/// names that take turns at one place do not cost more than they save.
const TURN: u8 = 8;

/// What a thread remembers: for each place a cell, of which it owns a [`Remembered`].
struct Near {
    places: [Slot<Option<NonNull<Cell>>>; SLOTS],
    turn: Slot<u8>,
}

thread_local! {
    static NEAR: Near = const { Near { places: [const { Slot::new(None) }; SLOTS], turn: Slot::new(0) } };
}

/// Takes the lock of this identity for a writer, if this thread remembers it and it is alive and free.
#[inline(always)]
#[expect(clippy::inline_always, reason = "measured: one of a chain of small steps")]
pub(super) fn take_write(namespace: &Namespace, name: &Text) -> Option<Hold> {
    let print = name.print()?;
    NEAR.try_with(|near| {
        let cell = near.place(print).get()?;
        // SAFETY: it stays in its place meanwhile, and nobody drops it twice.
        let remembered = ManuallyDrop::new(unsafe { Remembered::from_raw(cell) });
        if remembered.is(namespace, name) { remembered.take_write() } else { None }
    })
    .ok()
    .flatten()
}

/// Remembers a lock that was found in the table. Not that of a registry of its own, which would live as long.
#[cold]
pub(super) fn remember(held: &Hold) {
    let cell = held.cell();
    let (Home::Process(_), Some(print)) = (cell.home(), cell.text().print()) else { return };
    let _ = NEAR.try_with(|near| near.put(print, held));
}

/// What this thread remembers goes.
pub(super) fn forget() {
    let _ = NEAR.try_with(Near::clear);
}

impl Near {
    #[inline]
    fn place(&self, print: u64) -> &Slot<Option<NonNull<Cell>>> {
        &self.places[(print >> (u64::BITS - BITS)) as usize]
    }

    fn put(&self, print: u64, held: &Hold) {
        let place = self.place(print);
        let old = place.get();
        // SAFETY: what is in a place is kept by it.
        if old.is_some_and(|old| unsafe { old.as_ref() }.raw().is_alive()) && !self.is_its_turn() {
            return;
        }
        place.set(Some(Remembered::new(held).into_raw()));
        // SAFETY: it was in the place until now, and is nowhere else.
        drop(old.map(|old| unsafe { Remembered::from_raw(old) }));
    }

    fn is_its_turn(&self) -> bool {
        self.turn.set((self.turn.get() + 1) % TURN);
        self.turn.get() == 0
    }

    fn clear(&self) {
        for place in &self.places {
            // SAFETY: it was in the place until now, and is nowhere else.
            drop(place.take().map(|old| unsafe { Remembered::from_raw(old) }));
        }
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        self.clear();
    }
}
