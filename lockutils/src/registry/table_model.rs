//! The same table for loom, which must see every lock: one mutex and a map.

use std::collections::HashMap;
use std::ptr::NonNull;

use super::{Age, Cell, Found, attach, attached};
use crate::internal::Mode;
use crate::sync::Mutex;
use crate::text::Text;

struct Entry(NonNull<Cell>);

// SAFETY: `Cell` is `Send` and `Sync`.
unsafe impl Send for Entry {}

pub(super) struct Table(Mutex<HashMap<String, Entry>>);

impl Table {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(super) fn find(&self, name: &Text) -> Option<Found> {
        self.0.lock().get(&**name).and_then(|entry| attach(entry.0, None, false))
    }

    pub(super) fn take_write(
        &self,
        name: &Text,
        make: impl FnOnce(u64) -> Option<NonNull<Cell>>,
    ) -> Option<(NonNull<Cell>, Age)> {
        let mut table = self.0.lock();
        if let Some(there) = table.get(&**name) {
            // SAFETY: it is in the table.
            return unsafe { there.0.as_ref() }.raw().try_write(false).then_some((there.0, Age::Old));
        }
        let new = make(0)?;
        table.insert(name.to_string(), Entry(new));
        Some((new, Age::New))
    }

    pub(super) fn find_or_make(
        &self,
        name: &Text,
        mode: Option<Mode>,
        fair: bool,
        make: impl FnOnce(u64) -> Option<NonNull<Cell>>,
    ) -> Option<Found> {
        let mut table = self.0.lock();
        if let Some(found) = table.get(&**name).and_then(|there| attach(there.0, mode, fair)) {
            return Some(found);
        }
        let new = make(0)?;
        table.insert(name.to_string(), Entry(new));
        Some(attached(new, mode))
    }

    pub(super) fn remove(&self, cell: NonNull<Cell>) {
        // SAFETY: the caller frees the cell only after this.
        let name = unsafe { cell.as_ref() }.name();
        let mut table = self.0.lock();
        if table.get(name).is_some_and(|there| there.0 == cell) {
            table.remove(name);
        }
    }

    pub(super) fn each_live(&self, give: impl FnMut(Found)) {
        self.0.lock().values().filter_map(|entry| attach(entry.0, None, false)).for_each(give);
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn shrink(&self) {
        self.0.lock().shrink_to_fit();
    }
}
