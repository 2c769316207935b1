//! Semaphores between processes: each permit is one byte of the lock file.
//!
//! The bytes are within those of the lock, so a permit excludes, and is excluded by, those who have the lock alone or
//! read. Permits share the `flock`. The kernel frees what a process has when it ends, in whatever way.
//!
//! All who use one name must agree on the number of permits. Semaphores of different numbers have different
//! bytes, which do not exclude each other: so whoever wants a permit looks whether there are any of another
//! number, before taking one and after. Of two who come at once with different numbers, the second look of at least one
//! sees the other.
//!
//! # Waiting
//!
//! The kernel can wait for one byte and not for any of several. So those who want a permit stand in the
//! [queue](super::queue) like all others, and wait there in the kernel until they are the first and nobody has the
//! lock; and the first one [watches](super::watch) the file: who lets a permit go sets its times, and the
//! kernel tells when somebody closes the file or dies.

use std::fs::File;

use super::directory::Opened;
use super::file::{self, Want};
pub(super) use super::range::MOST_PERMITS;
use super::range::{self, Range};
use super::watch::{Signs, Watched};
use super::{LockFile, Sharing, State, Turn, wait};
use crate::error::{Error, Kind};

/// A permit that is held, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permit {
    of: u32,
    number: u32,
}

/// What became of one try.
enum Tried {
    Held,
    Busy,
    /// The path leads to another file.
    Elsewhere,
    /// The number of permits that others have agreed on.
    Mismatch(u32),
}

impl LockFile {
    /// Takes a permit if one is free.
    pub(super) fn try_permit(&self, permits: u32, fair: bool) -> Result<bool, Error> {
        self.try_permit_if(permits, |state| Ok(!state.would_overtake(Sharing::Alone, fair)?))
    }

    fn try_permit_if(
        &self,
        permits: u32,
        may: impl Fn(&mut State) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let mut state = self.own();
        loop {
            self.open(&mut state)?;
            let tried = if may(&mut state)? { state.take_permit(permits)? } else { state.busy()? };
            match tried {
                Tried::Held => return Ok(true),
                Tried::Busy => return Ok(false),
                Tried::Mismatch(agreed) => {
                    return Err(Kind::Mismatch { name: self.name.to_string(), asked: permits, agreed }.into());
                }
                Tried::Elsewhere if state.holds.any() => {
                    let (name, path) = (self.name.to_string(), self.path.clone());
                    return Err(Kind::Lost { name, path }.into());
                }
                Tried::Elsewhere => {
                    self.directory.suspect();
                    state.opened = None;
                }
            }
        }
    }

    /// Waits for a permit, after a try that has failed. Dropping the future gives the wait up.
    pub(super) async fn wait_for_permit(&self, permits: u32) -> Result<(), Error> {
        let _turn = Turn::take_async(&self.turnstile).await;
        loop {
            let Some((opened, _)) = wait::run(self, Want::First, None).await? else {
                if self.try_permit(permits, true)? {
                    return Ok(());
                }
                continue;
            };
            let first = First(opened);
            let mut watched = Watched::new(&self.path, Signs::All)?;
            loop {
                watched.mark();
                if self.try_permit_if(permits, |_| Ok(true))? {
                    return Ok(());
                }
                if !first.0.is_current()? {
                    break;
                }
                watched.changed().await.map_err(|error| wait::no_thread(&self.path, error))?;
            }
        }
    }
}

impl State {
    fn take_permit(&mut self, permits: u32) -> Result<Tried, Error> {
        let is_first = !self.holds.any();
        let Some(opened) = &self.opened else { return Ok(Tried::Busy) };
        let failed = |error| Error::io_at("lock", opened.path(), error);
        if let Some(agreed) = other_number(opened, permits).map_err(failed)? {
            return Ok(Tried::Mismatch(agreed));
        }
        let mut free = (0..permits).map(|number| Permit { of: permits, number });
        let taken = loop {
            let Some(permit) = free.by_ref().find(|permit| !self.permits.contains(permit)) else {
                return self.busy();
            };
            if file::try_permit(opened.file(), permit.range(), is_first).map_err(failed)? {
                break permit;
            }
        };
        self.permits.push(taken);
        let seen = opened.is_current().and_then(|is_current| {
            let drawn = if is_first { opened.shared_token()? } else { self.token };
            Ok((is_current, other_number(opened, permits).map_err(failed)?, drawn))
        });
        match seen {
            Ok((true, None, drawn)) => self.token = drawn,
            other => {
                self.permits.pop();
                // Somebody may have seen it taken.
                self.let_go_of(taken)?;
                let (is_current, agreed, _) = other?;
                return Ok(agreed.filter(|_| is_current).map_or(Tried::Elsewhere, Tried::Mismatch));
            }
        }
        self.holds.add();
        Ok(Tried::Held)
    }

    /// Nothing was to be had, if this is still the file.
    fn busy(&self) -> Result<Tried, Error> {
        let is_current = self.opened.as_ref().map_or(Ok(true), Opened::is_current)?;
        Ok(if is_current { Tried::Busy } else { Tried::Elsewhere })
    }

    /// Lets a permit go; the last one of this process lets the file go. Those who wait are told.
    pub(super) fn let_go_of(&self, permit: Permit) -> Result<(), Error> {
        let Some(opened) = &self.opened else { return Ok(()) };
        let unlocked = if self.holds.any() {
            range::unlock(opened.file(), permit.range())
                .map_err(|error| Error::io_at("unlock", opened.path(), error))
        } else {
            opened.unlock()
        };
        // Who comes to wait after this finds the permit by itself.
        if !matches!(opened.is_waited(Sharing::Alone), Ok(false)) {
            opened.ring();
        }
        unlocked
    }
}

impl Opened {
    /// Wakes those who watch the file, after something in it was let go: sets its times, or opens and closes it, which they
    /// see too. Nothing is written: somebody else may be about to cut the file off.
    fn ring(&self) {
        if file::touch(self.file()).is_err() {
            let _ = File::open(self.path());
        }
    }
}

impl Permit {
    fn range(self) -> Range {
        Range::permit(self.of, self.number)
    }
}

/// The number of permits of others who have some, if it is not this one.
fn other_number(opened: &Opened, permits: u32) -> std::io::Result<Option<u32>> {
    for range in Range::other_permits(permits) {
        let conflict = range::conflict(opened.file(), range, Sharing::Alone)?;
        if let Some(agreed) = conflict.and_then(range::Conflict::permits) {
            return Ok(Some(agreed));
        }
    }
    Ok(None)
}

/// The first in the queue, as long as this lives. Unlocked, not only closed: a forked child may have a copy.
struct First(Opened);

impl Drop for First {
    fn drop(&mut self) {
        // Closing lets go as well, should this fail.
        let _ = self.0.unlock();
    }
}
