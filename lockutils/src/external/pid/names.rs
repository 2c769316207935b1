//! The names of a directory, for a file of this process: [`Names`] by system calls.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{self, AtFlags};
use nix::sys::stat::{self, Mode as Permissions};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::super::Directory;
use super::super::file::{self, FileId, Handle, retried};
use super::super::mechanism::Mechanism;
use super::super::opening::{Purpose, Unopened};
use super::super::record::{self, Taker};
use super::card::{self, Card, LONGEST};
use super::live::Number;
use super::slot::{Id, Names, Occupant, Slot};
use crate::error::{Error, Kind, LINKING};
use crate::token;

/// A directory, and the name of a lock in it.
pub(super) struct Place<'a> {
    pub(super) directory: &'a Directory,
    pub(super) descriptor: Arc<Handle>,
    pub(super) name: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn new(directory: &'a Directory, name: &'a str) -> Result<Self, Error> {
        let (descriptor, _) = directory.descriptor()?;
        Ok(Self { directory, descriptor, name })
    }

    /// In the directory that was open as this when a file was put there, wherever that is by now.
    pub(super) fn there(directory: &'a Directory, descriptor: &Arc<Handle>, name: &'a str) -> Self {
        Self { directory, descriptor: Arc::clone(descriptor), name }
    }

    fn file_name(&self, slot: Slot) -> String {
        match slot {
            Slot::Lock => self.name.to_owned(),
            Slot::After(id) => format!("{CLAIM}{id}"),
        }
    }

    fn path(&self, slot: Slot) -> PathBuf {
        self.directory.path().join(self.file_name(slot))
    }

    /// Who stands at a name.
    pub(super) fn card(&self, slot: Slot) -> Result<Option<Card>, Error> {
        let Some(content) = self.content(&self.file_name(slot))? else { return Ok(None) };
        let path = || self.path(slot);
        match Card::parse(&content) {
            Some(card) => Ok(Some(card)),
            None if record::is_record(&content) => {
                Err(Kind::OtherMechanism { path: path(), found: Mechanism::Kernel }.into())
            }
            None => Err(Kind::NamesNobody { path: path() }.into()),
        }
    }

    /// What stands in a file, as far as it is read at all; `None` if there is none.
    pub(super) fn content(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.directory.path().join(name);
        let failed = |error: io::Error| Error::io_at("read lock file", &path, error);
        match file::open_existing(&self.descriptor, name, Purpose::Look) {
            Ok((file, _)) => {
                let mut content = vec![0; LONGEST];
                let length = file::read(&file, &mut content).map_err(failed)?;
                content.truncate(length);
                Ok(Some(content))
            }
            Err(Unopened::Failed(Errno::ENOENT)) => Ok(None),
            Err(Unopened::Failed(errno)) => Err(failed(errno.into())),
            Err(Unopened::Leased) => Err(failed(Errno::EAGAIN.into())),
            Err(Unopened::NotAFile(what)) => Err(Kind::NotAFile { path, what }.into()),
        }
    }

    /// Gives the lock's name back, if it is still that of this file: somebody may have removed it, and somebody else
    /// have made another.
    pub(super) fn unlink_own(&self, id: FileId) -> Result<bool, Error> {
        let there = retried(|| stat::fstatat(&self.descriptor, self.name, AtFlags::AT_SYMLINK_NOFOLLOW));
        match there {
            Ok(there) if FileId::from(there) == id => self.unlink(Slot::Lock).map(|()| true),
            Ok(_) | Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(Error::io_at("look at lock file", &self.path(Slot::Lock), errno)),
        }
    }

    pub(super) fn unlink(&self, slot: Slot) -> Result<(), Error> {
        match self.remove(&self.file_name(slot)) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::io_at("remove lock file", &self.path(slot), errno)),
        }
    }

    pub(super) fn remove(&self, name: &str) -> nix::Result<()> {
        retried(|| unlinkat(&self.descriptor, name, UnlinkatFlags::NoRemoveDir))
    }
}

/// A claim, with the id of the one whose place is claimed.
pub(super) const CLAIM: &str = ".lockutils-pid-after-";
/// A file that waits to get its name, with its id.
pub(super) const NEW: &str = ".lockutils-pid-new-";

/// The name that a file has until it gets one that means something.
struct First<'a> {
    place: &'a Place<'a>,
    name: String,
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        // What stays is removed by `clean`, when this process has ended.
        let _ = self.place.remove(&self.name);
    }
}

/// A file of this process that is to get a name.
pub(super) struct Own<'a> {
    place: &'a Place<'a>,
    number: Number,
    file: File,
    id: FileId,
    first: First<'a>,
    /// Where its token goes.
    token_at: u64,
    /// The largest token of those who were there before.
    highest: Cell<u64>,
}

impl<'a> Own<'a> {
    /// Writes what `taker` is to be known by.
    pub(super) fn new(place: &'a Place<'a>, taker: &Taker) -> Result<Self, Error> {
        let failed = |path: &Path, errno: Errno| Error::io_at("make lock file", path, errno);
        let number = Number::new().map_err(|errno| failed(&place.path(Slot::Lock), errno))?;
        let first = First { place, name: format!("{NEW}{}", number.id()) };
        let path = place.directory.path().join(&first.name);
        let permissions = Permissions::from_bits_truncate(place.directory.mode());
        let made = file::make_named(&place.descriptor, &first.name, permissions);
        let file = made.map_err(|errno| failed(&path, errno))?;
        let (content, token_at) = card::write(number.id(), taker);
        // Other hosts see it, and it is there after a crash of this one, before it gets its name.
        let written = file.write_all_at(&content, 0).and_then(|()| file.sync_data());
        // Before it has a name: whatever fails after that must be undone by it.
        let id = stat::fstat(&file).map_err(|errno| Error::io_at("look at lock file", &path, errno))?.into();
        written.map_err(|error| Error::io_at("write lock file", &path, error))?;
        Ok(Self { place, number, file, id, first, token_at, highest: Cell::new(0) })
    }

    /// Which file it is.
    pub(super) fn file_id(&self) -> FileId {
        self.id
    }

    /// Draws the token of the holder, who is this process by now. Who takes over from it reads it when this process has
    /// ended, so never while it is written.
    pub(super) fn draw_token(&self) -> Result<u64, Error> {
        let token = token::next(self.highest.get().saturating_add(1));
        self.write_token(token).map(|()| token)
    }

    fn write_token(&self, token: u64) -> Result<(), Error> {
        let written = self.file.write_all_at(card::digits(token).as_bytes(), self.token_at);
        written.map_err(|error| Error::io_at("write lock file", &self.place.path(Slot::Lock), error))
    }

    /// What keeps it in use: the open file, whose end others see, and its number.
    pub(super) fn into_parts(self) -> (File, Number) {
        (self.file, self.number)
    }

    fn link_as(&self, name: &str) -> nix::Result<()> {
        let (from, to) = (self.first.name.as_str(), &self.place.descriptor);
        retried(|| linkat(to, from, to, name, AtFlags::empty()))
    }

    fn not_linked(&self, slot: Slot, errno: Errno) -> Error {
        Error::io_at(LINKING, &self.place.path(slot), errno)
    }
}

impl Names for Own<'_> {
    type Failure = Error;

    fn id(&self) -> Id {
        self.number.id()
    }

    fn link(&self, slot: Slot) -> Result<bool, Error> {
        match self.link_as(&self.place.file_name(slot)) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(errno) => Err(self.not_linked(slot, errno)),
        }
    }

    fn occupant(&self, slot: Slot) -> Result<Option<Occupant>, Error> {
        let Some(card) = self.place.card(slot)? else { return Ok(None) };
        if slot == Slot::Lock {
            self.highest.set(self.highest.get().max(card.token));
        }
        Ok(Some(Occupant { id: card.id, may_live: card.may_live() }))
    }

    fn replace(&self, slot: Slot) -> Result<(), Error> {
        if slot == Slot::Lock {
            // Who takes over from this process, if it ends before it has drawn a token, has to know it too.
            self.write_token(self.highest.get())?;
        }
        let (directory, second) = (&self.place.descriptor, format!("{}-again", self.first.name));
        let replaced = self.link_as(&second).and_then(|()| {
            let name = self.place.file_name(slot);
            retried(|| fcntl::renameat(directory, second.as_str(), directory, name.as_str()))
        });
        replaced.map_err(|errno| {
            let _ = self.place.remove(&second);
            self.not_linked(slot, errno)
        })
    }

    fn unlink(&self, slot: Slot) -> Result<(), Error> {
        self.place.unlink(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::external::remove::is_ours;

    #[test]
    fn files_beside_the_lock_are_taken_for_no_lock() {
        assert!(is_ours(OsStr::new(CLAIM)) && is_ours(OsStr::new(NEW)));
    }
}
