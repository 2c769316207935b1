//! Lock files as the kernel sees them: one look into its table of locks for many files, and one question about each.
//!
//! The table is older than what is asked of a file. Where the two do not fit together, because the lock goes from hand to
//! hand at this moment, the table is read once more for that file alone; so often that it costs no more than the rest.

use std::collections::HashSet;

use super::directory::Opened;
use super::file::FileId;
use super::holder::Claims;
use super::locked::Locked;
use super::names::Named;
use super::record::Record;
use super::status::FileState;
use super::table::Table;
use crate::error::Error;
use crate::holder::{Evidence, Holder};

/// So many files of one view are looked at more closely.
const CLOSER: u32 = 64;

/// Who holds a file and who waits, at a moment.
pub(super) struct Seen {
    pub(super) state: FileState,
    pub(super) holders: Vec<Holder>,
    pub(super) waiters: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct View {
    /// `None`: it is read for each file.
    table: Option<Table>,
    closer: u32,
}

impl View {
    /// For a look at these files.
    pub(super) fn of<'a>(files: impl Iterator<Item = &'a Named>) -> Result<Self, Error> {
        let inodes: HashSet<u64> = files.filter(|file| file.is_file).map(|file| file.inode).collect();
        let table = if inodes.is_empty() { Table::default() } else { Table::of(&inodes)? };
        Ok(Self { table: Some(table), closer: CLOSER })
    }

    /// `record` is what the file says.
    pub(super) fn look(&mut self, opened: &Opened, record: Option<Record>) -> Result<Seen, Error> {
        if let Some(table) = &self.table {
            let locked = opened.locked_by(table.entries(opened.id()))?;
            let is_plain = locked.is_agreed && !Claims::of(&locked).may_have_changed(record.as_ref());
            if is_plain || self.closer == 0 {
                return Ok(Seen::new(&locked, |claims| claims.with(record)));
            }
            self.closer -= 1;
        }
        let locked = opened.locked()?;
        // What cannot be read is not known.
        Ok(Seen::new(&locked, |claims| claims.with(opened.record().ok().flatten())))
    }

    /// What there is to be known of a file that cannot be opened.
    pub(super) fn look_from_outside(&self, id: FileId) -> Result<Seen, Error> {
        let locked = match &self.table {
            Some(table) => Locked::of(table.entries(id).to_vec()),
            None => Locked::of(Table::of(&HashSet::from([id.inode]))?.entries(id).to_vec()),
        };
        Ok(Seen::new(&locked, |claims| claims.named(Evidence::Kernel)))
    }
}

impl Seen {
    fn new(locked: &Locked, holders: impl FnOnce(&Claims) -> Vec<Holder>) -> Self {
        let mut seen = Self { state: locked.state(), holders: Vec::new(), waiters: Some(locked.waiters()) };
        if !matches!(seen.state, FileState::Free | FileState::Waited) {
            seen.holders = holders(&Claims::of(locked));
        }
        seen
    }
}
