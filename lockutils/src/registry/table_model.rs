//! The same table for loom, which must see every lock: one mutex and a map.

use std::collections::HashMap;
use std::ptr::NonNull;

use super::Cell;
use crate::sync::Mutex;

pub(super) enum Inserted<R> {
    New,
    There(R),
}

struct Key(NonNull<Cell>);

// SAFETY: `Cell` is `Sync`.
unsafe impl Send for Key {}

pub(super) struct Table(Mutex<HashMap<Box<str>, Key>>);

impl Table {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(super) fn find<R>(&self, name: &str, look: impl FnOnce(NonNull<Cell>) -> R) -> Option<R> {
        self.0.lock().get(name).map(|key| look(key.0))
    }

    pub(super) fn insert<R>(
        &self,
        cell: NonNull<Cell>,
        look: impl FnOnce(NonNull<Cell>) -> Option<R>,
    ) -> Inserted<R> {
        // SAFETY: the caller has just made the cell.
        let name = unsafe { cell.as_ref() }.name().into();
        let mut table = self.0.lock();
        if let Some(found) = table.get(&name).and_then(|there| look(there.0)) {
            return Inserted::There(found);
        }
        table.insert(name, Key(cell));
        Inserted::New
    }

    pub(super) fn remove(&self, name: &str, cell: NonNull<Cell>) {
        let mut table = self.0.lock();
        if table.get(name).is_some_and(|there| there.0 == cell) {
            table.remove(name);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn shrink(&self) {
        self.0.lock().shrink_to_fit();
    }
}
