//! The table of one namespace: a sharded hash map from the name, which stands in the cell, to the cell.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::Cell;

/// A cell in the table, hashed and compared by its name.
struct Key(NonNull<Cell>);

// SAFETY: `Cell` is `Sync`; the key only reads its name.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

impl Key {
    fn name(&self) -> &str {
        // SAFETY: a cell is freed only after the table has stopped naming it.
        unsafe { self.0.as_ref() }.name()
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.name()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Key {}

/// What became of a new cell.
pub(super) enum Inserted<R> {
    /// It is in the table.
    New,
    /// A live one was there; the new one is the caller's still.
    There(R),
}

pub(super) struct Table(DashMap<Key, (), foldhash::fast::RandomState>);

impl Table {
    pub(super) fn new() -> Self {
        Self(DashMap::default())
    }

    /// Looks at the cell of this name under the lock of its shard.
    #[inline]
    pub(super) fn find<R>(&self, name: &str, look: impl FnOnce(NonNull<Cell>) -> R) -> Option<R> {
        self.0.get(name).map(|entry| look(entry.key().0))
    }

    /// Puts `cell` in, unless `look` finds life in the one that is there.
    pub(super) fn insert<R>(
        &self,
        cell: NonNull<Cell>,
        look: impl FnOnce(NonNull<Cell>) -> Option<R>,
    ) -> Inserted<R> {
        match self.0.entry(Key(cell)) {
            Entry::Vacant(place) => {
                place.insert(());
            }
            Entry::Occupied(there) => {
                if let Some(found) = look(there.key().0) {
                    return Inserted::There(found);
                }
                there.replace_entry(());
            }
        }
        Inserted::New
    }

    /// Takes `cell` out, if it is still the one of its name.
    pub(super) fn remove(&self, name: &str, cell: NonNull<Cell>) {
        self.0.remove_if(name, |key, ()| key.0 == cell);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn shrink(&self) {
        self.0.shrink_to_fit();
    }
}
