//! Locks by pid files, for file systems that keep no locks: [`Mechanism::Pid`](super::Mechanism).
//!
//! | | |
//! |---|---|
//! | [`slot`] | how a name is taken, and taken over from the dead: the steps |
//! | [`names`] | the same by system calls |
//! | [`card`] | what stands in the file |
//! | [`live`] | which files of this process are in use |

mod card;
mod live;
mod names;
mod slot;
mod sweep;

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use self::live::Number;
use self::names::{Own, Place};
use self::slot::{DEEPEST, Entered, Slot, enter};
use super::directory::Directory;
use super::file::{self, FileId, Handle};
use super::holds::Holds;
use super::record::Taker;
use super::remove::{Manner, Removal};
use super::wait::no_thread;
use super::watch::{Signs, Watched};
use crate::error::{Error, Kind};
use crate::holder::{Evidence, Holder};
use crate::limit::{Ended, Limit};
use crate::process::{Identity, ProcessId};

/// The pid file of one identity, in this process.
///
/// Invariant: there are `holds` exactly when `ours` is there, and the file `ours` has the name of the lock, unless
/// somebody has robbed this process.
pub(crate) struct PidLock {
    directory: Arc<Directory>,
    name: Box<str>,
    path: PathBuf,
    at: CString,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ours: Option<Ours>,
    holds: Holds,
}

/// The file that this process has put there.
struct Ours {
    /// The kernel closes it when the process ends, in whatever way, which others see.
    _file: File,
    _number: Number,
    /// Where it is, wherever that is by now.
    directory: Arc<Handle>,
    id: FileId,
    token: u64,
    process: ProcessId,
}

/// How a try to put a file there ended.
enum Put {
    There(Ours),
    /// Somebody has it who may live.
    Busy,
    /// It was put into another directory than the one that the path leads to.
    Elsewhere,
}

/// How often a file is made anew that has vanished before it got its name.
const ATTEMPTS: u32 = 5;

fn is_missing(error: &Error) -> bool {
    error.io().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

impl PidLock {
    #[expect(clippy::unnecessary_wraps, reason = "not every system has them")]
    pub(super) fn new(directory: Arc<Directory>, name: &str) -> Result<Self, Error> {
        let path = directory.path().join(name);
        let at = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        Ok(Self { directory, name: name.into(), path, at, state: Mutex::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The state, of this process.
    fn own(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if state.ours.as_ref().is_some_and(|ours| ours.process != ProcessId::current()) {
            state.ours = None;
            state.holds.disown();
        }
        state
    }

    /// Takes the file if nobody has it who may live.
    pub(super) fn try_acquire(&self, taker: &Taker) -> Result<bool, Error> {
        let mut state = self.own();
        for attempt in 1.. {
            match self.try_to_put(taker) {
                Ok(Put::There(ours)) => {
                    state.ours = Some(ours);
                    state.holds.add();
                    return Ok(true);
                }
                Ok(Put::Busy) => return Ok(false),
                Ok(Put::Elsewhere) => {}
                // The directory has gone, or somebody has cleaned up who took the new file for one that was left behind.
                Err(error) if attempt < ATTEMPTS && is_missing(&error) => {}
                Err(error) => return Err(error),
            }
            self.directory.suspect();
        }
        unreachable!("there is no last attempt")
    }

    fn try_to_put(&self, taker: &Taker) -> Result<Put, Error> {
        if !Identity::current().is_known() {
            // Nobody could tell later whether this process has ended.
            let missing = std::io::Error::other("/proc could not be read");
            return Err(Error::io_at("say in it which process this is, in lock file", &self.path, missing));
        }
        let place = Place::new(&self.directory, &self.name)?;
        if place.card(Slot::Lock)?.is_some_and(|card| card.may_live()) {
            return Ok(Put::Busy);
        }
        let own = Own::new(&place, taker)?;
        if enter(&own, Slot::Lock)? == Entered::Busy {
            return Ok(Put::Busy);
        }
        let id = own.file_id();
        let counted = self.count(&own, id);
        if !matches!(counted, Ok(Some(_))) {
            place.unlink_own(id)?;
        }
        let Some(token) = counted? else { return Ok(Put::Elsewhere) };
        let (file, number) = own.into_parts();
        let directory = Arc::clone(&place.descriptor);
        Ok(Put::There(Ours {
            _file: file,
            _number: number,
            directory,
            id,
            token,
            process: ProcessId::current(),
        }))
    }

    /// The token of the file that has got the name. `None`: somebody has removed it, or the directory is another by now.
    fn count(&self, own: &Own<'_>, id: FileId) -> Result<Option<u64>, Error> {
        if self.leads_to(id)? { own.draw_token().map(Some) } else { Ok(None) }
    }

    /// Waits on this thread, after a try that has failed.
    pub(super) fn wait(&self, limit: &Limit<'_>, taker: &Taker) -> Result<Result<(), Ended>, Error> {
        let waited = limit.block(self.wait_async(taker));
        waited.map_or_else(|ended| Ok(Err(ended)), |done| done.map(Ok))
    }

    /// Waits in a task. Dropping the future leaves nothing behind.
    pub(super) async fn wait_async(&self, taker: &Taker) -> Result<(), Error> {
        let mut watched = Watched::new(&self.path, Signs::Removal)?;
        loop {
            watched.mark();
            if self.try_acquire(taker)? {
                return Ok(());
            }
            watched.changed().await.map_err(|error| no_thread(&self.path, error))?;
            // There may be another file by now. If not, it is the same watch, and what is known of its signs stays.
            watched = Watched::new(&self.path, Signs::Removal)?;
        }
    }

    /// Lets go of one hold; the last one removes the file.
    ///
    /// # Errors
    ///
    /// [`Error::is_lost`] when the file was not there any more; [`Error::is_io`] when it cannot be removed: then this process
    /// does not have the lock any more, and takes no notice of the file when it wants it again.
    pub(super) fn release(&self) -> Result<(), Error> {
        let mut state = self.own();
        if !state.holds.end() || state.holds.any() {
            return Ok(());
        }
        let Some(ours) = state.ours.take() else { return Ok(()) };
        let lost = || Kind::Lost { name: self.name.to_string(), path: self.path.clone() }.into();
        let is_there = self.leads_to(ours.id);
        // Also in a directory that is elsewhere now: it may come back.
        let is_removed = Place::there(&self.directory, &ours.directory, &self.name).unlink_own(ours.id)?;
        if is_there? && is_removed { Ok(()) } else { Err(lost()) }
    }

    fn leads_to(&self, id: FileId) -> Result<bool, Error> {
        let there =
            file::at(&self.at).map_err(|errno| Error::io_at("look at lock file", &self.path, errno))?;
        Ok(there.is_some_and(|(there, _)| there == id))
    }

    /// The fencing token of the one who holds it.
    pub(super) fn token(&self) -> u64 {
        self.state.lock().ours.as_ref().map_or(0, |ours| ours.token)
    }

    pub(super) fn is_held(&self) -> bool {
        self.own().holds.any()
    }

    /// Once more for one who has it.
    pub(super) fn reenter(&self) -> bool {
        self.own().holds.join()
    }

    /// Whether the path still leads to the file of this process.
    pub(super) fn is_current(&self) -> Result<bool, Error> {
        let id = self.own().ours.as_ref().map(|ours| ours.id);
        id.map_or(Ok(false), |id| self.leads_to(id))
    }

    /// Removes what the dead have left behind. The caller has the lock alone in this process.
    pub(super) fn remove(&self, manner: Manner) -> Result<Removal, Error> {
        let place = Place::new(&self.directory, &self.name)?;
        match place.card(Slot::Lock) {
            Ok(None) => return Ok(Removal::Missing),
            Ok(Some(card)) if card.may_live() => return Ok(Removal::Busy),
            Ok(Some(_)) if manner.only_asks => {
                return self.directory.may_remove().map(|()| Removal::Removed);
            }
            Ok(Some(_)) => {}
            Err(error) => return error.foreign().map(Removal::Foreign).ok_or(error),
        }
        let taker = Taker::new(std::panic::Location::caller(), None, false);
        if !self.try_acquire(&taker)? {
            return Ok(Removal::Busy);
        }
        self.release().map(|()| Removal::Removed)
    }
}

impl Directory {
    /// Who has a pid file and may live, or is about to take it over from the dead.
    pub(super) fn pid_holders(&self, name: &str) -> Result<Vec<Holder>, Error> {
        if FileId::is_missing(self.path()) {
            return Ok(Vec::new());
        }
        let found = holder(&Place::new(self, name)?)?;
        Ok(found.and_then(|(_, holder)| holder).into_iter().collect())
    }

    /// The same of a file in this directory, with the token in it; `None` if there is no file.
    pub(super) fn pid_holder_in(
        &self,
        descriptor: &Arc<Handle>,
        name: &str,
    ) -> Result<Option<(u64, Option<Holder>)>, Error> {
        holder(&Place::there(self, descriptor, name))
    }
}

fn holder(place: &Place<'_>) -> Result<Option<(u64, Option<Holder>)>, Error> {
    let (mut slot, mut token) = (Slot::Lock, None);
    for _ in 0..=DEEPEST {
        let Some(card) = place.card(slot)? else { break };
        let token = *token.get_or_insert(card.token);
        if card.may_live() {
            let pid = card.record.process.pid;
            return Ok(Some((token, Some(Holder::of(card.record, pid, Evidence::Record)))));
        }
        slot = Slot::After(card.id);
    }
    Ok(token.map(|token| (token, None)))
}
