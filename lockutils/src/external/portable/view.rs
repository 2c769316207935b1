//! Lock files as far as they can be seen without the kernel's table of locks: by [trying](file::is_locked) each, and by the
//! record in it.

use super::directory::Opened;
use super::file::{self, FileId};
use super::names::Named;
use super::record::Record;
use super::status::FileState;
use crate::error::Error;
use crate::holder::Holder;

/// Who holds a file and who waits, at a moment.
pub(super) struct Seen {
    pub(super) state: FileState,
    pub(super) holders: Vec<Holder>,
    pub(super) waiters: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct View;

impl View {
    /// There is nothing to be known of many files at once.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    pub(super) fn of<'a>(_: impl Iterator<Item = &'a Named>) -> Result<Self, Error> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "elsewhere it knows of many files")]
    pub(super) fn look(&mut self, opened: &Opened, _: Option<Record>) -> Result<Seen, Error> {
        let holders = opened.holders()?;
        let state = if holders.is_empty() { FileState::Free } else { held(opened)? };
        let holders = if state == FileState::Free { Vec::new() } else { holders };
        // Nobody can tell who waits.
        Ok(Seen { state, holders, waiters: None })
    }

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "elsewhere it knows of many files")]
    pub(super) fn look_from_outside(&self, _: FileId) -> Result<Seen, Error> {
        Ok(Seen { state: FileState::Free, holders: Vec::new(), waiters: None })
    }
}

/// Of a file that somebody had a moment ago.
fn held(opened: &Opened) -> Result<FileState, Error> {
    let shared = file::is_shared(opened.file());
    let shared = shared.map_err(|error| Error::io_at("look at lock file", opened.path(), error))?;
    Ok(match shared {
        false => FileState::Write,
        true if opened.is_locked()? => FileState::Read,
        true => FileState::Free,
    })
}
