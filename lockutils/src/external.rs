//! The external half of a lock: its file, shared by the processes of a host.
//!
//! Whoever comes here already has the lock in this process, so that at most one writer, or some readers, of a
//! process meet at a file. The readers share one lock on it: the first takes it and the last lets it go.
//! How each kind of caller waits:
//!
//! | caller | waits |
//! |---|---|
//! | a thread without a limit | in the kernel: arrival order, one wake-up |
//! | a thread with a limit, a task | for a [waiter thread](wait), which waits in the kernel |
//!
//! Both wait in the [queue] of the file.
//!
//! With `--cfg lockutils_portable` the modules in `portable/` stand in for those that need Linux: then both look
//! again and again, with pauses, and there is no queue. `docs/portable.md` has all that differs.

#[cfg(lockutils_portable)]
#[path = "external/portable/backoff.rs"]
mod backoff;
mod directory;
#[cfg_attr(lockutils_portable, path = "external/portable/file.rs")]
mod file;
pub(crate) mod filesystem;
mod flock;
#[cfg_attr(lockutils_portable, path = "external/portable/holder.rs")]
mod holder;
mod holds;
mod listing;
#[cfg(not(lockutils_portable))]
mod locked;
mod mechanism;
mod names;
mod opening;
#[cfg_attr(lockutils_portable, path = "external/portable/permits.rs")]
mod permits;
#[cfg_attr(lockutils_portable, path = "external/portable/pid.rs")]
mod pid;
#[cfg_attr(lockutils_portable, path = "external/portable/queue.rs")]
mod queue;
#[cfg(not(lockutils_portable))]
mod range;
mod record;
pub(crate) mod remove;
pub(crate) mod status;
#[cfg(not(lockutils_portable))]
mod table;
#[cfg_attr(lockutils_portable, path = "external/portable/unlink.rs")]
mod unlink;
#[cfg_attr(lockutils_portable, path = "external/portable/view.rs")]
mod view;
#[cfg_attr(lockutils_portable, path = "external/portable/wait.rs")]
mod wait;
#[cfg(not(lockutils_portable))]
mod watch;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

pub(crate) use self::directory::{Directory, Opened};
use self::directory::{Noted, Unnoted};
pub(crate) use self::file::FileId;
use self::file::Want;
use self::holds::Holds;
pub use self::listing::Files;
pub use self::mechanism::Mechanism;
pub(crate) use self::mechanism::OuterLock;
use self::permits::MOST_PERMITS;
use self::permits::Permit;
use self::record::Content;
pub(crate) use self::record::{Record, Taker};
#[cfg(not(feature = "async"))]
pub(crate) use self::wait::tick_until;
use crate::clock::Coarse;
use crate::error::Error;
use crate::internal::wait::{Waiting, block};
use crate::internal::{HeldAs, Mode, RawLock};
use crate::limit::{Ended, Limit};
use crate::trace;

/// What is to be had of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// The lock, alone or shared.
    Lock(Sharing),
    /// One of so many permits.
    Permit(u32),
}

/// How a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    Alone,
    Shared,
}

impl Share {
    fn lock(self) -> Option<Sharing> {
        if let Self::Lock(sharing) = self { Some(sharing) } else { None }
    }
}

/// What has been looked at and written since a file was locked.
#[derive(Debug, Default)]
struct Looked {
    /// When the path was seen to lead to it.
    current_at: Coarse,
    content: Option<Content>,
    noted: Option<Noted>,
}

impl Looked {
    /// Whether no more time has passed since the look at the path than a thread may be kept from the processor.
    fn is_fresh(&self) -> bool {
        self.current_at.is_known() && self.current_at.elapsed() < FRESH
    }
}

/// How long it counts that the path was seen to lead to a file.
const FRESH: Duration = Duration::from_millis(10);

/// The lock file of one identity, in this process.
///
/// Invariant: there are `holds` exactly when `opened` is locked on behalf of this process, alone or
/// shared as the in-process lock is. A descriptor on which somebody waits in the kernel is not in `opened`:
/// it belongs to its waiter alone until the wait is over.
pub(crate) struct LockFile {
    directory: Arc<Directory>,
    name: Box<str>,
    path: PathBuf,
    /// Readers wait one at a time, and the others wait for that one; so do those who want permits.
    turnstile: RawLock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Kept open as long as the lock is in use: opening costs more than locking.
    opened: Option<Opened>,
    holds: Holds,
    /// The permits that are held by `opened`: as many as `holds`, or none if they hold the lock itself.
    permits: Vec<Permit>,
    /// When somebody here looked last whether another process waits, and what was seen.
    looked: Coarse,
    waited: bool,
    /// Of those who hold the file now.
    token: u64,
    /// The record in the file names this process.
    is_noted: bool,
    /// It was said that nothing can be written into the file.
    is_warned: bool,
}

impl LockFile {
    pub(crate) fn new(directory: Arc<Directory>, name: &str) -> Self {
        Self {
            path: directory.path().join(name),
            directory,
            name: name.into(),
            turnstile: RawLock::new(None),
            state: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The state, of this process.
    fn own(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.disown();
        state
    }

    /// Takes the file if it is free. Who is `fair` does not overtake those who wait in other processes.
    pub(crate) fn try_acquire(&self, share: Share, fair: bool, taker: &Taker) -> Result<bool, Error> {
        match share {
            Share::Lock(sharing) => self.try_lock(sharing, fair, taker),
            Share::Permit(permits) => self.try_permit(permits, fair),
        }
    }

    fn try_lock(&self, sharing: Sharing, fair: bool, taker: &Taker) -> Result<bool, Error> {
        let mut state = self.own();
        if state.joins(sharing, fair) {
            return Ok(true);
        }
        loop {
            self.open(&mut state)?;
            match state.try_opened(sharing, fair, taker) {
                Ok(Some(locked)) => return Ok(locked),
                Ok(None) => self.directory.suspect(),
                Err(error) => {
                    state.opened = None;
                    return Err(error);
                }
            }
            state.opened = None;
        }
    }

    /// Opens the file, unless it is open. It stays closed while a cleaner is at it.
    fn open(&self, state: &mut State) -> Result<(), Error> {
        if state.opened.is_none() {
            state.opened = self.directory.open_file(&self.name, false)?;
            state.looked = Coarse::default();
        }
        Ok(())
    }

    /// Waits for the file on this thread, after a try that has failed.
    pub(crate) fn wait(
        &self,
        share: Share,
        limit: &Limit<'_>,
        taker: &Taker,
    ) -> Result<Result<(), Ended>, Error> {
        let Some(sharing) = share.lock().filter(|_| limit.is_none()) else {
            return limit
                .block(self.wait_async(share, taker))
                .map_or_else(|ended| Ok(Err(ended)), |done| done.map(Ok));
        };
        taker.prepare(sharing);
        let _turn = (sharing == Sharing::Shared).then(|| Turn::take(&self.turnstile));
        while !self.joins(sharing) {
            let opened = self.open_for_waiting()?;
            opened.lock(Want::Lock(sharing), |_| true)?;
            if self.adopt(opened, sharing, Looked::default(), taker)? {
                break;
            }
        }
        Ok(Ok(()))
    }

    /// Waits for the file in a task, or in a thread that has a limit, after a try that has failed. Dropping
    /// the future gives the wait up.
    pub(crate) async fn wait_async(&self, share: Share, taker: &Taker) -> Result<(), Error> {
        match share {
            Share::Lock(sharing) => self.wait_for_lock(sharing, taker).await,
            Share::Permit(permits) => self.wait_for_permit(permits).await,
        }
    }

    async fn wait_for_lock(&self, sharing: Sharing, taker: &Taker) -> Result<(), Error> {
        let _turn =
            if sharing == Sharing::Shared { Some(Turn::take_async(&self.turnstile).await) } else { None };
        while !self.joins(sharing) {
            let free = match wait::run(self, Want::Lock(sharing), taker.record_to_be(sharing)).await? {
                Some((opened, looked)) => self.adopt(opened, sharing, looked, taker)?,
                None => self.try_lock(sharing, true, taker)?,
            };
            if free {
                break;
            }
        }
        Ok(())
    }

    /// One more reader, where readers have the file by now.
    fn joins(&self, sharing: Sharing) -> bool {
        sharing == Sharing::Shared && self.own().joins(sharing, true)
    }

    /// Takes over a descriptor that has been locked. Says whether the path still leads to it, which need not be
    /// looked at if that has been `looked` at a moment ago: a task may not look at its lock for long.
    fn adopt(&self, opened: Opened, sharing: Sharing, looked: Looked, taker: &Taker) -> Result<bool, Error> {
        match if looked.is_fresh() { Ok(true) } else { opened.is_current() } {
            Ok(true) => {}
            Ok(false) => {
                self.directory.suspect();
                return opened.unlock().map(|()| false);
            }
            Err(error) => return opened.unlock().and(Err(error)),
        }
        let mut state = self.own();
        if sharing == Sharing::Shared && state.holds.join() {
            // Other readers were faster, on a descriptor of their own, or have not let go since they stopped to let
            // others join them. The lock that was waited for is not needed.
            return opened.unlock().map(|()| true);
        }
        state.opened = Some(opened);
        // Where one has waited, others may.
        state.looked = Coarse::default();
        state.begin(sharing, taker, looked).map(|()| true)
    }

    /// The descriptor to wait on: the kept one, which nobody else uses while it is out.
    fn open_for_waiting(&self) -> Result<Opened, Error> {
        match self.take_kept() {
            Some(opened) => Ok(opened),
            None => self.directory.open_to_wait(&self.name),
        }
    }

    /// The kept descriptor, if nobody uses it.
    fn take_kept(&self) -> Option<Opened> {
        let mut state = self.own();
        if state.holds.any() { None } else { state.opened.take() }
    }

    /// Lets go of one hold; the last one unlocks the file.
    ///
    /// # Errors
    ///
    /// When the kernel refuses. The descriptor is closed then, which lets go too, unless it has other permits.
    pub(crate) fn release(&self) -> Result<(), Error> {
        let mut state = self.own();
        if !state.holds.end() {
            return Ok(());
        }
        let permit = state.permits.pop();
        let unlocked = match permit {
            Some(permit) => state.let_go_of(permit),
            None if state.holds.any() => Ok(()),
            None => state.unlock(),
        };
        // Who has inherited a descriptor would have the next lock on it too.
        let is_lent = state.opened.as_ref().is_some_and(Opened::is_lent);
        if !state.holds.any() && (is_lent || unlocked.is_err()) {
            state.opened = None;
        }
        unlocked
    }

    /// The one who has the file alone shares it from now on.
    pub(crate) fn share(&self) -> Result<(), Error> {
        let mut state = self.own();
        // As long as nobody else may write.
        state.clear();
        state.opened.as_ref().map_or(Ok(()), Opened::share)
    }

    /// The fencing token of those who hold the file.
    pub(crate) fn token(&self) -> u64 {
        self.state.lock().token
    }

    /// Whether this process holds the file.
    pub(crate) fn is_held(&self) -> bool {
        self.own().holds.any()
    }

    /// Once more for one who has the file: alone, or as a reader that reads already.
    pub(crate) fn reenter(&self) -> bool {
        self.own().holds.join()
    }

    /// A duplicate of the descriptor, if the file is held, that programs inherit.
    pub(crate) fn inheritable(&self) -> Result<Option<OwnedFd>, Error> {
        let mut state = self.own();
        if !state.holds.any() {
            return Ok(None);
        }
        state.opened.as_mut().map(Opened::inheritable).transpose()
    }

    /// Whether the path still leads to the file that is held.
    pub(crate) fn is_current(&self) -> Result<bool, Error> {
        self.own().opened.as_ref().map_or(Ok(false), Opened::is_current)
    }
}

impl State {
    /// In a forked child, what was the parent's is only closed: locks belong to descriptions, which both
    /// share.
    fn disown(&mut self) {
        if self.opened.as_ref().is_some_and(|opened| !opened.is_mine()) {
            self.opened = None;
            self.is_noted = false;
            self.permits.clear();
            self.holds.disown();
        }
    }

    /// Takes the open file if it is free. `None`: the path leads to another.
    fn try_opened(&mut self, sharing: Sharing, fair: bool, taker: &Taker) -> Result<Option<bool>, Error> {
        let overtakes = self.would_overtake(sharing, fair)?;
        let Some(opened) = &self.opened else { return Ok(Some(false)) };
        if overtakes {
            return Ok(opened.is_current()?.then_some(false));
        }
        let locked = opened.try_lock_here(sharing)?;
        if locked == Some(true) {
            self.begin(sharing, taker, Looked::default())?;
        }
        Ok(locked)
    }

    /// The file has just been locked. Nothing is held after an error.
    fn begin(&mut self, sharing: Sharing, taker: &Taker, looked: Looked) -> Result<(), Error> {
        let Some(opened) = &self.opened else { return Ok(()) };
        let begun = match sharing {
            Sharing::Shared => opened.shared_token().map(|token| (token, None)),
            Sharing::Alone => {
                let noted = looked.noted.unwrap_or_else(|| opened.note(taker, looked.content));
                let is_foreign = matches!(noted.written, Err(Unnoted::Foreign));
                let checked = if is_foreign { opened.refuse_pid_file() } else { Ok(()) };
                checked.map(|()| (noted.token, Some(noted.written)))
            }
        };
        let (token, written) = begun.or_else(|error| opened.unlock().and(Err(error)))?;
        self.holds.add();
        self.token = token;
        self.is_noted = matches!(written, Some(Ok(())));
        if let Some(Err(why)) = written
            && !std::mem::replace(&mut self.is_warned, true)
        {
            trace::not_noted(opened.path(), &why);
        }
        Ok(())
    }

    /// Whoever reads the file is to see nobody in it.
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_noted)
            && let Some(opened) = &self.opened
        {
            opened.clear(self.token);
        }
    }

    /// Takes the note back, unless somebody waits, who writes over it and is not kept waiting for that. The kernel is asked
    /// where it is likely: if somebody waited when the lock was taken, or it has been held for a tick of the coarse clock.
    fn unlock(&mut self) -> Result<(), Error> {
        let is_noted = std::mem::take(&mut self.is_noted);
        let may_have_heir = self.waited || self.looked != Coarse::now();
        let Some(opened) = &self.opened else { return Ok(()) };
        opened.unlock_after(|| {
            if is_noted && !(may_have_heir && opened.is_waited(Sharing::Alone).unwrap_or(false)) {
                opened.clear(self.token);
            }
        })
    }

    /// One more reader, where readers have the file and no writer of another process waits for them to end.
    fn joins(&mut self, sharing: Sharing, fair: bool) -> bool {
        sharing == Sharing::Shared
            && self.holds.any()
            // What cannot be seen now is seen by the wait that comes next.
            && !self.would_overtake(sharing, fair).unwrap_or(true)
            && self.holds.join()
    }

    /// Whether another process waits that would be overtaken by who takes the file now. Those who are not fair
    /// ask the kernel once a tick of the coarse clock, and each time while somebody waits: so long they may overtake.
    fn would_overtake(&mut self, sharing: Sharing, fair: bool) -> Result<bool, Error> {
        let Some(opened) = &self.opened else { return Ok(false) };
        let now = Coarse::now();
        let joins = self.holds.any();
        if fair || self.waited || now != self.looked || sharing == Sharing::Shared && !joins {
            self.looked = now;
            self.waited = opened.is_waited(sharing)?;
        }
        Ok(self.waited)
    }
}

/// The right to wait for the file on behalf of the readers.
pub(crate) struct Turn<'a>(&'a RawLock);

impl<'a> Turn<'a> {
    fn take(turnstile: &'a RawLock) -> Self {
        if !turnstile.try_enter(Mode::Write, true) {
            block(turnstile, Mode::Write, true);
        }
        Self(turnstile)
    }

    pub(crate) async fn take_async(turnstile: &'a RawLock) -> Self {
        Waiting::new(turnstile, Mode::Write, true).await;
        Self(turnstile)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // The turnstile has one reference for life: it is never the last.
        let _ = self.0.release(HeldAs::Write);
    }
}
