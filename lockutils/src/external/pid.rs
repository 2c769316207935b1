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

use self::card::Card;
use self::live::Number;
use self::names::{Own, Place};
use self::slot::{Entered, Slot, enter};
use super::directory::Directory;
use super::file::{self, FileId};
use super::record::Taker;
use super::remove::Removal;
use super::watch::{Signs, Watched};
use crate::error::{Error, Kind};
use crate::holder::{Evidence, Holder};
use crate::limit::{Ended, Limit};
use crate::process::ProcessId;
use crate::token;

/// The pid file of one identity, in this process.
///
/// Invariant: `holders` is more than 0 exactly when `ours` is there, and the file `ours` has the name of the lock, unless
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
    holders: u32,
    /// Holds of the parent, in a forked child: their guards are copies and let nothing go.
    inherited: u32,
}

/// The file that this process has put there.
struct Ours {
    /// The kernel closes it when the process ends, in whatever way, which others see.
    _file: File,
    _number: Number,
    id: FileId,
    token: u64,
    process: ProcessId,
}

impl PidLock {
    pub(super) fn new(directory: Arc<Directory>, name: &str) -> Self {
        let path = directory.path().join(name);
        let at = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        Self { directory, name: name.into(), path, at, state: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The state, of this process.
    fn own(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if state.ours.as_ref().is_some_and(|ours| ours.process != ProcessId::current()) {
            state.ours = None;
            state.inherited += std::mem::take(&mut state.holders);
        }
        state
    }

    /// Takes the file if nobody has it who may live.
    pub(super) fn try_acquire(&self, taker: &Taker) -> Result<bool, Error> {
        let mut state = self.own();
        loop {
            let place = Place::new(&self.directory, &self.name)?;
            let there = place.card(Slot::Lock)?;
            if there.as_ref().is_some_and(Card::may_live) {
                return Ok(false);
            }
            let token = token::next(there.map_or(0, |card| card.token.saturating_add(1)));
            let own = Own::new(&place, token, taker)?;
            if enter(&own, Slot::Lock)? == Entered::Busy {
                return Ok(false);
            }
            let counts = self.counts(&own, token);
            let Ok(Some(id)) = counts else {
                place.unlink(Slot::Lock)?;
                self.directory.suspect();
                counts?;
                continue;
            };
            let (file, number) = own.into_parts();
            state.ours =
                Some(Ours { _file: file, _number: number, id, token, process: ProcessId::current() });
            state.holders += 1;
            return Ok(true);
        }
    }

    /// Which file it is that has got the name. `None`: somebody was there before who was not seen, or the directory is
    /// another by now.
    fn counts(&self, own: &Own<'_>, token: u64) -> Result<Option<FileId>, Error> {
        let id = own.file_id()?;
        let counts = own.highest.get() < token && self.leads_to(id)?;
        Ok(counts.then_some(id))
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
            watched.changed().await;
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
        if state.inherited > 0 {
            state.inherited -= 1;
            return Ok(());
        }
        state.holders = state.holders.saturating_sub(1);
        if state.holders > 0 {
            return Ok(());
        }
        let Some(ours) = state.ours.take() else { return Ok(()) };
        if !self.leads_to(ours.id)? {
            return Err(Kind::Lost { name: self.name.to_string(), path: self.path.clone() }.into());
        }
        Place::new(&self.directory, &self.name)?.unlink(Slot::Lock)
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
        self.own().holders > 0
    }

    /// Once more for one who has it.
    pub(super) fn reenter(&self) -> bool {
        let mut state = self.own();
        let held = state.holders > 0;
        state.holders += u32::from(held);
        held
    }

    /// Whether the path still leads to the file of this process.
    pub(super) fn is_current(&self) -> Result<bool, Error> {
        let id = self.own().ours.as_ref().map(|ours| ours.id);
        id.map_or(Ok(false), |id| self.leads_to(id))
    }

    /// Removes what the dead have left behind. The caller has the lock alone in this process.
    pub(super) fn remove(&self) -> Result<Removal, Error> {
        let place = Place::new(&self.directory, &self.name)?;
        match place.card(Slot::Lock) {
            Ok(None) => return Ok(Removal::Missing),
            Ok(Some(card)) if card.may_live() => return Ok(Removal::Busy),
            Ok(Some(_)) => {}
            Err(error) if error.is_not_a_file() => {
                return Ok(Removal::Refused("it names no holder in the way of pid locks"));
            }
            Err(error) => return Err(error),
        }
        let taker = Taker::new(std::panic::Location::caller(), None, false);
        if !self.try_acquire(&taker)? {
            return Ok(Removal::Busy);
        }
        self.release().map(|()| Removal::Removed)
    }
}

impl Directory {
    /// Whether somebody has the pid file who may live.
    pub(super) fn is_pid_locked(&self, name: &str) -> Result<bool, Error> {
        self.pid_holders(name).map(|holders| !holders.is_empty())
    }

    /// Who has it.
    pub(super) fn pid_holders(&self, name: &str) -> Result<Vec<Holder>, Error> {
        let card =
            if FileId::is_missing(self.path()) { None } else { Place::new(self, name)?.card(Slot::Lock)? };
        let holder = card.filter(Card::may_live).map(|card| {
            let pid = card.record.process.pid;
            Holder::of(card.record, pid, Evidence::Record)
        });
        Ok(holder.into_iter().collect())
    }
}
