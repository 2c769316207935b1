//! The names of a directory, for a file of this process: [`Names`] by system calls.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{self, AtFlags, OFlag};
use nix::sys::stat::{self, Mode as Permissions, SFlag};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::super::Directory;
use super::super::file::{FileId, retried};
use super::super::record::Taker;
use super::super::remove::OURS;
use super::card::{self, Card, LONGEST};
use super::live::Number;
use super::slot::{Id, Names, Occupant, Slot};
use crate::error::{Error, Kind};
use crate::token;

/// A directory, and the name of a lock in it.
pub(super) struct Place<'a> {
    pub(super) directory: &'a Directory,
    pub(super) descriptor: Arc<OwnedFd>,
    pub(super) name: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn new(directory: &'a Directory, name: &'a str) -> Result<Self, Error> {
        let (descriptor, _) = directory.descriptor()?;
        Ok(Self { directory, descriptor, name })
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
        let name = self.file_name(slot);
        let failed = |errno: io::Error| Error::io_at("read lock file", &self.path(slot), errno);
        match read(self.descriptor.as_fd(), &name) {
            Ok(content) => Card::parse(&content).map(Some).ok_or_else(|| self.no_card(slot)),
            Err(Errno::ENOENT) => Ok(None),
            // A link, a directory, a socket, or something else that is no regular file.
            Err(Errno::ELOOP | Errno::EISDIR | Errno::ENXIO | Errno::EMEDIUMTYPE) => Err(self.no_card(slot)),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    fn no_card(&self, slot: Slot) -> Error {
        Kind::NamesNobody { path: self.path(slot) }.into()
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
        match remove(self.descriptor.as_fd(), &self.file_name(slot)) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::io_at("remove lock file", &self.path(slot), errno)),
        }
    }
}

/// A claim, with the id of the one whose place is claimed.
pub(super) const CLAIM: &str = ".lockutils-pid-after-";
/// A file that waits to get its name, with its id.
pub(super) const NEW: &str = ".lockutils-pid-new-";

const _: () = assert!(CLAIM.len() > OURS.len() && NEW.len() > OURS.len());

/// The content of a regular file, as far as it is read at all.
pub(super) fn read(directory: std::os::fd::BorrowedFd<'_>, name: &str) -> nix::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let descriptor = retried(|| fcntl::openat(directory, name, flags, Permissions::empty()))?;
    let kind = SFlag::from_bits_truncate(stat::fstat(&descriptor)?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Err(Errno::EMEDIUMTYPE);
    }
    let mut content = Vec::new();
    let read = File::from(descriptor).take(LONGEST as u64).read_to_end(&mut content);
    read.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))?;
    Ok(content)
}

pub(super) fn remove(directory: std::os::fd::BorrowedFd<'_>, name: &str) -> nix::Result<()> {
    retried(|| unlinkat(directory, name, UnlinkatFlags::NoRemoveDir))
}

/// The name that a file has until it gets one that means something.
struct First<'a> {
    place: &'a Place<'a>,
    name: String,
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        // What stays is removed by `clean`, when this process has ended.
        let _ = remove(self.place.descriptor.as_fd(), &self.name);
    }
}

/// A file of this process that is to get a name.
pub(super) struct Own<'a> {
    place: &'a Place<'a>,
    number: Number,
    file: File,
    first: First<'a>,
    /// Where its token goes.
    token_at: u64,
    /// The largest token of those who were there before.
    highest: Cell<u64>,
}

impl<'a> Own<'a> {
    /// Writes what `taker` is to be known by.
    pub(super) fn new(place: &'a Place<'a>, taker: &Taker) -> Result<Self, Error> {
        let failed = |path: &Path, error: Errno| Error::io_at("make lock file", path, error);
        let number = Number::new().map_err(|errno| failed(&place.path(Slot::Lock), errno))?;
        let name = format!("{NEW}{}", number.id());
        let path = place.directory.path().join(&name);
        let permissions = Permissions::from_bits_truncate(place.directory.mode());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let opened = retried(|| fcntl::openat(&place.descriptor, name.as_str(), flags, permissions));
        let file = File::from(opened.map_err(|errno| failed(&path, errno))?);
        let (content, token_at) = card::write(number.id(), taker);
        let first = First { place, name };
        let own = Self { place, number, file, first, token_at, highest: Cell::new(0) };
        let written = stat::fchmod(&own.file, permissions).map_err(io::Error::from).and_then(|()| {
            (&own.file).write_all(&content)?;
            // Other hosts see it, and it is there after a crash of this one, before it gets its name.
            own.file.sync_data()
        });
        written.map_err(|error| Error::io_at("write lock file", &path, error))?;
        Ok(own)
    }

    /// Which file it is.
    pub(super) fn file_id(&self) -> Result<FileId, Error> {
        let stat = stat::fstat(&self.file);
        stat.map(Into::into)
            .map_err(|errno| Error::io_at("look at lock file", &self.place.path(Slot::Lock), errno))
    }

    /// Draws the token of the holder, who is this process by now. Who takes over from it reads it when this process has
    /// ended, so never while it is written.
    pub(super) fn draw_token(&self) -> Result<u64, Error> {
        let token = token::next(self.highest.get().saturating_add(1));
        let written = self.file.write_all_at(card::digits(token).as_bytes(), self.token_at);
        written.map_err(|error| Error::io_at("write lock file", &self.place.path(Slot::Lock), error))?;
        Ok(token)
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
        Error::io_at("give its name to lock file", &self.place.path(slot), errno)
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
        let (directory, second) = (&self.place.descriptor, format!("{}-again", self.first.name));
        let replaced = self.link_as(&second).and_then(|()| {
            let name = self.place.file_name(slot);
            retried(|| fcntl::renameat(directory, second.as_str(), directory, name.as_str()))
        });
        replaced.map_err(|errno| self.not_linked(slot, errno))
    }

    fn unlink(&self, slot: Slot) -> Result<(), Error> {
        self.place.unlink(slot)
    }
}
