//! The directory of the lock files: made if it is missing, opened once, and opened anew when it was replaced.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::SystemTime;

use nix::errno::Errno;
use parking_lot::Mutex;

use super::file::{self, FileId, Handle, Step, Want};
use super::filesystem::{self, Rules};
use super::opening::{self, Purpose, Unopened};
use super::queue;
#[cfg(not(lockutils_portable))]
use super::range::{self, Range};
use super::record::{self, Content, Record, Taker};
#[cfg(not(lockutils_portable))]
use super::wait::Errand;
use super::{Mechanism, Sharing};
use crate::error::{Error, Kind};
use crate::process::ProcessId;
use crate::token;

/// How often one looks whether the first token may be written.
#[cfg(not(lockutils_portable))]
const ATTEMPTS_AT_TOKEN: u32 = 200;
/// How often a directory that vanishes is made again before that is an error.
const ATTEMPTS: u32 = 3;

/// A directory of lock files.
pub(crate) struct Directory {
    /// Absolute, so that `chdir` changes nothing.
    path: PathBuf,
    /// The mode of new files.
    mode: u32,
    rules: Rules,
    opened: Mutex<Option<(Arc<Handle>, FileId)>>,
    /// Errands whose waits were given up while their threads were in the kernel: one for a name and a way to
    /// share.
    #[cfg(not(lockutils_portable))]
    pub(super) abandoned: Mutex<Vec<Arc<Errand>>>,
}

impl Directory {
    pub(crate) fn new(path: PathBuf, mode: u32, rules: Rules) -> Self {
        Self {
            path,
            mode,
            rules,
            opened: Mutex::new(None),
            #[cfg(not(lockutils_portable))]
            abandoned: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The mode of new files.
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "there are no pid files"))]
    pub(super) fn mode(&self) -> u32 {
        self.mode
    }

    pub(crate) fn mechanism(&self) -> Mechanism {
        self.rules.mechanism
    }

    /// The open directory; its caller must not keep it longer than one step.
    pub(super) fn descriptor(&self) -> Result<(Arc<Handle>, FileId), Error> {
        let mut opened = self.opened.lock();
        if let Some((descriptor, id)) = &*opened {
            return Ok((Arc::clone(descriptor), *id));
        }
        let (descriptor, id) = self.open()?;
        let descriptor = Arc::new(descriptor);
        *opened = Some((Arc::clone(&descriptor), id));
        Ok((descriptor, id))
    }

    /// Checks it, if there is one.
    ///
    /// # Errors
    ///
    /// As for a lock: it cannot be opened, or must not be used.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.existing_descriptor().map(drop)
    }

    /// The same, but a missing directory is not made.
    pub(super) fn existing_descriptor(&self) -> Result<Option<(Arc<Handle>, FileId)>, Error> {
        if FileId::is_missing(&self.path) { Ok(None) } else { self.descriptor().map(Some) }
    }

    fn open(&self) -> Result<(Handle, FileId), Error> {
        let opened = match file::open_directory(&self.path) {
            Err(Errno::ENOENT) => {
                let made = make_directories(&self.path);
                made.map_err(|errno| Error::io_at("make the lock directory", &self.path, errno))?;
                file::open_directory(&self.path)
            }
            opened => opened,
        };
        let opened = opened.map_err(|errno| Error::io_at("open the lock directory", &self.path, errno))?;
        filesystem::check(&opened.0, &self.path, self.rules)?;
        Ok(opened)
    }

    /// The directory at the path is not the one that was opened, or may not be: open it anew.
    fn forget(&self, descriptor: &Arc<Handle>) {
        let mut opened = self.opened.lock();
        if opened.as_ref().is_some_and(|(there, _)| Arc::ptr_eq(there, descriptor)) {
            *opened = None;
        }
    }

    /// Opens a lock file. `None`: a cleaner is at it for a moment, and `waits` is false.
    pub(super) fn open_file(&self, name: &str, waits: bool) -> Result<Option<Opened>, Error> {
        let path = self.path.join(name);
        for _ in 0..ATTEMPTS {
            let (directory, _) = self.descriptor()?;
            match file::open(&directory, name, self.mode, waits) {
                Ok((file, id)) => return Ok(Some(Opened::new(file, id, path))),
                Err(Unopened::Leased) => return Ok(None),
                Err(Unopened::NotAFile(what)) => return Err(Kind::NotAFile { path, what }.into()),
                // A file can be made in a directory unless that has been removed.
                Err(Unopened::Failed(Errno::ENOENT)) => self.forget(&directory),
                Err(Unopened::Failed(errno)) => return Err(Error::io_at("open lock file", &path, errno)),
            }
        }
        Err(Error::io_at("open lock file", &path, Errno::ENOENT))
    }

    /// Opens a lock file for one who waits for it: a cleaner is waited for.
    pub(super) fn open_to_wait(&self, name: &str) -> Result<Opened, Error> {
        loop {
            // `None` is only for those who do not wait.
            if let Some(opened) = self.open_file(name, true)? {
                return Ok(opened);
            }
        }
    }

    /// Opens a lock file, but does not make it.
    pub(super) fn open_existing(&self, name: &str, purpose: Purpose) -> Result<Existing, Error> {
        let path = self.path.join(name);
        let Some((directory, _)) = self.existing_descriptor()? else { return Ok(Existing::Missing) };
        match file::open_existing(&directory, name, purpose) {
            Ok((file, id)) => Ok(Existing::Open(Opened::new(file, id, path))),
            Err(Unopened::Failed(Errno::ENOENT)) => Ok(Existing::Missing),
            Err(Unopened::Leased) => Ok(Existing::Leased),
            Err(Unopened::NotAFile(what)) => Ok(Existing::NotAFile(path, what)),
            Err(Unopened::Failed(errno)) => Err(Error::io_at("open lock file", &path, errno)),
        }
    }

    /// The path leads to another file than the one that was opened from here; the directory may be another
    /// too.
    pub(super) fn suspect(&self) {
        let mut opened = self.opened.lock();
        let Some((_, id)) = &*opened else { return };
        let there = CString::new(self.path.as_os_str().as_bytes())
            .ok()
            .and_then(|path| file::at(&path).ok().flatten())
            .map(|(id, _)| id);
        // A symbolic link to the directory is not the directory: opening it again is cheap and always right.
        if there != Some(*id) {
            *opened = None;
        }
    }
}

/// Makes a directory, and those above it that are missing.
fn make_directories(path: &Path) -> nix::Result<()> {
    match file::make_directory(path) {
        Err(Errno::ENOENT) => {
            make_directories(path.parent().ok_or(Errno::ENOENT)?)?;
            // Once: what is there and leads nowhere, such as a dangling link, stays an error.
            file::make_directory(path)
        }
        made => made,
    }
}

/// What there is at the path of a lock file.
pub(super) enum Existing {
    Missing,
    /// A remover is at it.
    Leased,
    NotAFile(PathBuf, &'static str),
    Open(Opened),
}

/// An open lock file. What it holds is let go when it is dropped, in the process that opened it.
pub(crate) struct Opened {
    file: File,
    place: Arc<Place>,
    process: ProcessId,
    is_lent: bool,
}

/// Which file was opened, and by which path.
pub(super) struct Place {
    id: FileId,
    path: PathBuf,
    at: CString,
    /// It had other names too when it was looked at last.
    is_linked: AtomicBool,
}

impl Place {
    pub(super) fn is_current(&self) -> Result<bool, Error> {
        let there =
            file::at(&self.at).map_err(|errno| Error::io_at("look at lock file", &self.path, errno))?;
        self.is_linked.store(there.is_some_and(|(_, links)| links > 1), Relaxed);
        Ok(there.is_some_and(|(id, _)| id == self.id))
    }

    /// Draws the next token and writes who has the lock, which is alone. The content of others is left alone, and so is a
    /// file that has another name, under which it may be precious.
    pub(super) fn note(
        &self,
        file: &File,
        content: io::Result<Content>,
        record: impl FnOnce(u64, SystemTime) -> [u8; record::LENGTH],
    ) -> Noted {
        let last = if let Ok(Content::Ours { token, .. }) = content { token } else { 0 };
        let token = token::next(last.saturating_add(1));
        let written = match content {
            _ if self.is_linked.load(Relaxed) => Err(Unnoted::Linked),
            Ok(Content::Foreign) => Err(Unnoted::Foreign),
            Ok(Content::Ours { .. }) => {
                file::write(file, &record(token, SystemTime::now())).map_err(Unnoted::Failed)
            }
            Err(error) => Err(Unnoted::Failed(error)),
        };
        Noted { token, written }
    }
}

impl Opened {
    pub(super) fn new(file: File, id: FileId, path: PathBuf) -> Self {
        let at = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let place = Arc::new(Place { id, path, at, is_linked: AtomicBool::new(false) });
        Self { file, place, process: ProcessId::current(), is_lent: false }
    }

    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "whoever waits looks at the path itself"))]
    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// Whether this process opened it. A forked child shares the description with its parent, and its locks.
    pub(crate) fn is_mine(&self) -> bool {
        self.process == ProcessId::current()
    }

    /// Whether the path still leads to this file: a lock on a removed file excludes nobody.
    pub(crate) fn is_current(&self) -> Result<bool, Error> {
        self.place.is_current()
    }

    /// Takes the lock if it is free and the path leads to this file. `None`: the path leads elsewhere;
    /// nothing is held then, and nothing after an error.
    pub(super) fn try_lock_here(&self, sharing: Sharing) -> Result<Option<bool>, Error> {
        let locked = self.try_lock(sharing)?;
        match self.is_current() {
            Ok(true) => Ok(Some(locked)),
            Ok(false) if locked => self.unlock().map(|()| None),
            Ok(false) => Ok(None),
            Err(error) if locked => self.unlock().and(Err(error)),
            Err(error) => Err(error),
        }
    }

    /// Whether another waits whom one who shares like this may not overtake.
    pub(super) fn is_waited(&self, sharing: Sharing) -> Result<bool, Error> {
        queue::is_waited(&self.file, sharing)
            .map_err(|error| Error::io_at("look at lock file", self.path(), error))
    }

    pub(super) fn try_lock(&self, sharing: Sharing) -> Result<bool, Error> {
        file::try_lock(&self.file, sharing).map_err(|error| Error::io_at("lock", self.path(), error))
    }

    /// Waits in the kernel. `false`: it is not `wanted` any more, and not held.
    pub(super) fn lock(&self, want: Want, wanted: impl Fn(Step) -> bool) -> Result<bool, Error> {
        file::lock(&self.file, want, wanted).map_err(|error| Error::io_at("lock", self.path(), error))
    }

    pub(super) fn share(&self) -> Result<(), Error> {
        if !self.is_mine() {
            return Ok(());
        }
        file::share(&self.file).map_err(|error| Error::io_at("share", self.path(), error))
    }

    /// In a forked child this does nothing: the lock is the parent's.
    pub(super) fn unlock(&self) -> Result<(), Error> {
        self.unlock_after(|| ())
    }

    /// The same, with `last` as the last that is done under the lock.
    pub(super) fn unlock_after(&self, last: impl FnOnce()) -> Result<(), Error> {
        if !self.is_mine() {
            return Ok(());
        }
        file::unlock_after(&self.file, last).map_err(|error| Error::io_at("unlock", self.path(), error))
    }

    fn content(&self) -> io::Result<Content> {
        record::content(&self.file)
    }

    /// The last token that was kept in the file, or 0; `None` if its content is not ours.
    fn token(&self) -> io::Result<Option<u64>> {
        Ok(match self.content()? {
            Content::Ours { token, .. } => Some(token),
            Content::Foreign => None,
        })
    }

    /// Whether it is for us to write into it, and to remove.
    pub(super) fn is_ours(&self) -> io::Result<bool> {
        self.token().map(|token| token.is_some())
    }

    /// Whether there is nothing in it, by which nobody can tell who has made it.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        self.file.metadata().map(|data| data.len() == 0)
    }

    /// The token of those who share: that of the last writer. Where there was none, the first who shares draws one and
    /// keeps it in the file, so that all have the same. The note of a writer who has let go is taken back.
    ///
    /// # Errors
    ///
    /// As [`refuse_pid_file`](Self::refuse_pid_file).
    pub(super) fn shared_token(&self) -> Result<u64, Error> {
        let content = self.content();
        if let Ok(Content::Foreign) = content {
            self.refuse_pid_file()?;
        }
        let token = match content {
            Ok(Content::Ours { token: 0, .. }) if !self.place.is_linked.load(Relaxed) => self.first_token(),
            Ok(Content::Ours { token, is_held }) => {
                if is_held {
                    self.write_free(token);
                }
                Ok(Some(token))
            }
            Ok(Content::Foreign) => Ok(None),
            Err(error) => Err(error),
        };
        Ok(token.ok().flatten().filter(|token| *token > 0).unwrap_or_else(|| token::next(0)))
    }

    /// Whoever has a pid file would not be kept out by a lock on it.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_a_file`] if it is one.
    pub(super) fn refuse_pid_file(&self) -> Result<(), Error> {
        match record::is_pid_file(&self.file) {
            Ok(true) => {
                Err(Kind::OtherMechanism { path: self.path().to_owned(), found: Mechanism::Pid }.into())
            }
            // What cannot be read now could not be read before.
            Ok(false) | Err(_) => Ok(()),
        }
    }

    /// One after the other, so that the first one writes and the others read. Those who share the whole file and know
    /// nothing of tokens are not waited for: then everybody's own clock has to do.
    #[cfg(not(lockutils_portable))]
    fn first_token(&self) -> io::Result<Option<u64>> {
        for _ in 0..ATTEMPTS_AT_TOKEN {
            if range::try_lock(&self.file, Range::TOKEN, Sharing::Alone)? {
                let mut token = self.token();
                if let Ok(Some(0)) = token {
                    let first = token::next(0);
                    self.write_free(first);
                    token = Ok(Some(first));
                }
                range::unlock(&self.file, Range::TOKEN)?;
                return token;
            }
            // Whoever has it needs two system calls more.
            std::thread::yield_now();
        }
        self.token()
    }

    /// That of the file, which is the same for all as long as nobody writes, and whoever writes has a larger one.
    #[cfg(lockutils_portable)]
    fn first_token(&self) -> io::Result<Option<u64>> {
        file::changed(&self.file).map(Some)
    }

    /// Draws the next token and writes who has the lock. The caller has it alone. `content`, if it has been read.
    pub(super) fn note(&self, taker: &Taker, content: Option<Content>) -> Noted {
        let content = content.map_or_else(|| self.content(), Ok);
        self.place.note(&self.file, content, |token, since| taker.record(token, since))
    }

    /// Takes the note back, and keeps the token. Whoever watches the file is woken. What somebody else has written
    /// meanwhile stays.
    pub(super) fn clear(&self, token: u64) {
        if matches!(self.token(), Ok(Some(there)) if there == token) {
            self.write_free(token);
        }
    }

    fn write_free(&self, token: u64) {
        // A note that stays names somebody who does not have the lock, which is seen by all who read it.
        let _ = file::write(&self.file, &record::free(token));
    }

    /// What the file says, if it is a record.
    pub(super) fn record(&self) -> io::Result<Option<Record>> {
        self.start().map(|start| Record::parse(&start))
    }

    /// As much of the file as a record would be.
    pub(super) fn start(&self) -> io::Result<Vec<u8>> {
        let mut start = vec![0; record::LENGTH];
        let length = file::read(&self.file, &mut start)?;
        start.truncate(length);
        Ok(start)
    }

    /// A duplicate of its descriptor, for programs that are to have the locks too.
    pub(super) fn inheritable(&mut self) -> Result<OwnedFd, Error> {
        let duplicate = opening::inheritable(&self.file)
            .map_err(|errno| Error::io_at("duplicate the descriptor of lock file", self.path(), errno))?;
        self.is_lent = true;
        Ok(duplicate)
    }

    /// Whether programs may have inherited its descriptor.
    pub(super) fn is_lent(&self) -> bool {
        self.is_lent
    }

    pub(super) fn id(&self) -> FileId {
        self.place.id
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.place.path
    }
}

/// A token that was drawn, and whether it was written into the file.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) token: u64,
    pub(super) written: Result<(), Unnoted>,
}

/// Why nothing was written into a lock file.
#[derive(Debug)]
pub(super) enum Unnoted {
    /// It has other names.
    Linked,
    /// Somebody else has written into it.
    Foreign,
    Failed(io::Error),
}

impl fmt::Display for Unnoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked => f.write_str("it has other names (hard links)"),
            Self::Foreign => f.write_str("it has content that is not of this crate"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}
