//! All lock files of a directory, one after the other: who holds them and who waits.

use std::borrow::Cow;
use std::ffi::{CString, OsString};
use std::fmt;
use std::iter::FusedIterator;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use nix::errno::Errno;

use super::directory::Opened;
use super::file::{self, Handle};
use super::names::{self, Named};
use super::opening::Unopened;
use super::record::{self, Content, Record};
use super::status::{FileState, FileStatus};
use super::view::{Seen, View};
use super::{Directory, Mechanism};
use crate::error::Error;
use crate::holder::Holder;

/// The lock files of a directory, in the order of their names. See [`Locks::files`](crate::Locks::files).
///
/// ```
/// # let dir = lockutils::testing::temp_locks()?;
/// # let locks = dir.locks();
/// # drop(locks.lock("volumes").external().acquire()?);
/// let files: lockutils::Files = locks.files()?;
/// let held: Vec<_> = files.filter(|file| file.as_ref().is_ok_and(|file| file.is_held())).collect();
/// assert!(held.is_empty());
/// # Ok::<(), lockutils::Error>(())
/// ```
pub struct Files {
    directory: Directory,
    prefix: String,
    found: std::vec::IntoIter<Named>,
    /// `None`: there is no directory.
    looker: Option<Looker>,
    last: Option<OsString>,
}

impl Files {
    /// Those whose names begin with `prefix`.
    pub(crate) fn new(directory: Directory, prefix: String) -> Result<Self, Error> {
        let mut files = Self { directory, prefix, found: Vec::new().into_iter(), looker: None, last: None };
        files.find_more()?;
        Ok(files)
    }

    fn find_more(&mut self) -> Result<(), Error> {
        // Two passes at once would be twice the memory.
        (self.found, self.looker) = (Vec::new().into_iter(), None);
        let path = self.directory.path();
        let failed = |error| Error::io_at("read the lock directory", path, error);
        let found = names::next(path, &self.prefix, self.last.as_deref(), names::MOST).map_err(failed)?;
        let view = View::of(found.iter())?;
        self.looker = match file::open_directory(path) {
            Ok((handle, _)) => Some(Looker { handle: Arc::new(handle), view }),
            Err(Errno::ENOENT) => None,
            Err(errno) => return Err(Error::io_at("open the lock directory", path, errno)),
        };
        self.last = found.last().map(|last| last.name.clone());
        self.found = found.into_iter();
        Ok(())
    }
}

impl Iterator for Files {
    type Item = Result<FileStatus, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for named in self.found.by_ref() {
                let status = self.looker.as_mut()?.look(&self.directory, &named);
                // Those that have vanished meanwhile are none.
                if let Some(status) = status.transpose() {
                    return Some(status);
                }
            }
            // Nothing comes after an error.
            self.last.as_ref()?;
            if let Err(error) = self.find_more() {
                self.last = None;
                return Some(Err(error));
            }
        }
    }
}

impl FusedIterator for Files {}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("directory", &self.directory.path())
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Directory {
    /// What is to be known of one lock file. It is free if there is none.
    pub(crate) fn status(&self, name: &str) -> Result<FileStatus, Error> {
        let named = Named { name: name.into(), inode: 0, is_file: true };
        let found = match self.existing_descriptor()? {
            Some((handle, _)) => Looker { handle, view: View::default() }.look(self, &named)?,
            None => None,
        };
        Ok(found.unwrap_or_else(|| FileStatus::new(self.path().join(name), None)))
    }
}

/// Looks at the files of an open directory.
struct Looker {
    handle: Arc<Handle>,
    view: View,
}

impl Looker {
    /// `None`: there is no such file.
    fn look(&mut self, directory: &Directory, named: &Named) -> Result<Option<FileStatus>, Error> {
        let path = directory.path().join(&named.name);
        if !named.is_file {
            return Ok(from_outside(path, NOT_A_FILE));
        }
        let Some(name) = named.name.to_str() else {
            return self.look_from_outside(path, FileState::Foreign, "its name is no text (UTF-8)".into());
        };
        match directory.mechanism() {
            Mechanism::Kernel => self.look_at_locks(path, name),
            Mechanism::Pid => self.look_at_pid_file(directory, path, name),
        }
    }

    fn look_at_locks(&mut self, path: PathBuf, name: &str) -> Result<Option<FileStatus>, Error> {
        match file::open_to_look(&self.handle, name) {
            Ok((file, id, changed)) => self.look_inside(&Opened::new(file, id, path), changed).map(Some),
            Err(Unopened::Failed(Errno::ENOENT)) => Ok(None),
            Err(Unopened::NotAFile(_)) => Ok(from_outside(path, NOT_A_FILE)),
            Err(Unopened::Failed(errno)) => {
                let why = format!("it cannot be opened: {}", errno.desc());
                self.look_from_outside(path, FileState::Unknown, why.into())
            }
            // A remover has the lock at this moment, if it is one of ours.
            Err(Unopened::Leased) => {
                let why = "somebody has a lease on it (fcntl(2)) and has not given it back";
                self.look_from_outside(path, FileState::Unknown, why.into())
            }
        }
    }

    fn look_inside(&mut self, opened: &Opened, changed: Option<SystemTime>) -> Result<FileStatus, Error> {
        let start = opened.start();
        let record = start.as_ref().ok().and_then(|start| Record::parse(start));
        let mut status = FileStatus::new(opened.path().to_owned(), changed);
        status.see(self.view.look(opened, record)?);
        match start {
            Ok(start) => status.read(&start),
            Err(error) => status.doubt(FileState::Unknown, format!("it cannot be read: {error}").into()),
        }
        Ok(status)
    }

    /// Of a file that is not to be opened, the kernel may say who has it. If it does not, that may mean nothing.
    fn look_from_outside(
        &self,
        path: PathBuf,
        state: FileState,
        why: Cow<'static, str>,
    ) -> Result<Option<FileStatus>, Error> {
        let at = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let id = match file::at(&at) {
            Ok(Some((id, _))) => Some(id),
            Ok(None) => return Ok(None),
            Err(_) => None,
        };
        let changed = path.symlink_metadata().and_then(|data| data.modified()).ok();
        let mut status = FileStatus::new(path, changed);
        if let Some(id) = id {
            status.see(self.view.look_from_outside(id)?);
        }
        status.doubt(state, why);
        Ok(Some(status))
    }

    fn look_at_pid_file(
        &self,
        directory: &Directory,
        path: PathBuf,
        name: &str,
    ) -> Result<Option<FileStatus>, Error> {
        let changed = path.symlink_metadata().and_then(|data| data.modified()).ok();
        let mut status = FileStatus::new(path, changed);
        match directory.pid_holder_in(&self.handle, name) {
            Ok(None) => return Ok(None),
            Ok(Some((token, holder))) => {
                let state = if holder.is_some() { FileState::Write } else { FileState::Free };
                status.see(Seen { state, holders: holder.into_iter().collect(), waiters: None });
                status.token = Some(token).filter(|token| *token > 0);
            }
            Err(error) if error.is_unsupported() => return Err(error),
            Err(error) => match error.foreign() {
                Some(why) => status.doubt(FileState::Foreign, why.into()),
                None => status.doubt(FileState::Unknown, error.to_string().into()),
            },
        }
        Ok(Some(status))
    }
}

const NOT_A_FILE: &str = "it is not a regular file";

/// What is none of ours whatever the kernel says.
fn from_outside(path: PathBuf, why: &'static str) -> Option<FileStatus> {
    let data = path.symlink_metadata();
    if data.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return None;
    }
    let mut status = FileStatus::new(path, data.and_then(|data| data.modified()).ok());
    status.doubt(FileState::Foreign, why.into());
    Some(status)
}

impl FileStatus {
    fn new(path: PathBuf, changed: Option<SystemTime>) -> Self {
        let state = FileState::Free;
        Self { path, state, why: None, holders: Vec::new(), waiters: None, token: None, changed }
    }

    fn see(&mut self, seen: Seen) {
        let own = |holder: Holder| {
            let is_own = holder.pid() == Some(std::process::id()) && !holder.is_elsewhere();
            if is_own { holder.into_own() } else { holder }
        };
        self.state = seen.state;
        self.holders = seen.holders.into_iter().map(own).collect();
        self.waiters = seen.waiters;
    }

    /// What its first bytes say.
    fn read(&mut self, start: &[u8]) {
        match Content::of(&start[..start.len().min(record::HEAD)]) {
            Content::Ours { token, .. } => self.token = Some(token).filter(|token| *token > 0),
            Content::Foreign if record::is_card(start) => {
                // Whoever locks it keeps nobody out.
                (self.state, self.holders) = (FileState::Free, Vec::new());
                self.doubt(FileState::Foreign, "it is a pid file".into());
            }
            Content::Foreign => {
                self.doubt(FileState::Foreign, "it has content that is not of this crate".into());
            }
        }
    }

    /// Unless the kernel says that somebody has it or waits for it.
    fn doubt(&mut self, state: FileState, why: Cow<'static, str>) {
        if self.state == FileState::Free {
            self.state = state;
            self.why = Some(why);
            self.waiters = None;
        }
    }
}
