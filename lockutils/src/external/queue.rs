//! Who waits for a lock file, in the order of arrival.
//!
//! A waiter has one byte of the file, its place, which is behind those of all that came before it. Then it
//! asks the kernel for the lock and for all places up to its own, in one step: it has the lock when nobody
//! holds it and nobody waits who came earlier. Readers share their places as they share the lock, so a reader
//! waits for the writers before it and for nobody else, and a writer for all before it. When a waiter dies or
//! gives up, its place is free, and those behind it move up.
//!
//! The kernel wakes one of those who wait, and somebody who does not wait may be faster than that one. So
//! everybody [looks](is_waited) whether there is a queue before taking a lock that is free: each time, if it
//! is a reader or asks for strict order; otherwise so often that whoever waits is overtaken for a bounded
//! time.
//!
//! # Why nobody waits for ever
//!
//! Places are given in ascending order: a newcomer's is behind all that are taken when it looks. So those
//! before a waiter are a finite number, and none is added. Two that come at once and choose the same place
//! are told by the kernel, and the second one chooses anew.

use std::fs::File;
use std::io;

use nix::libc;
use nix::time::{ClockId, clock_gettime};

use super::Sharing;
use super::range::{self, Range};

/// A place in the queue of a file; the lower one is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(libc::off_t);

impl Place {
    /// The lock, and all places up to this one.
    pub(super) fn and_lock(self) -> Range {
        Range::up_to(self.0)
    }

    /// All places up to this one, and what those have who have the lock, but not those who have permits.
    pub(super) fn and_first(self) -> Range {
        Range::first_at(self.0)
    }
}

/// Whether somebody waits whom one who shares like this may not overtake.
pub(super) fn is_waited(file: &File, sharing: Sharing) -> io::Result<bool> {
    range::conflict(file, Range::QUEUE, sharing).map(|conflict| conflict.is_some())
}

/// Takes the place behind all that wait. This waits only for somebody who has locked the whole file and knows
/// of no queue.
pub(super) fn enter(file: &File, sharing: Sharing) -> io::Result<Place> {
    loop {
        let Some(place) = behind_all(file)? else {
            // The kernel keeps the order of those who wait here.
            range::lock(file, Range::place(0), sharing)?;
            return Ok(Place(0));
        };
        if range::try_lock(file, Range::place(place), sharing)? {
            return Ok(Place(place));
        }
    }
}

/// Takes the place again that was left, if it is still free.
pub(super) fn enter_at(file: &File, place: Place, sharing: Sharing) -> io::Result<bool> {
    range::try_lock(file, Range::place(place.0), sharing)
}

/// Leaves the queue: inside, or for good.
pub(super) fn leave(file: &File) -> io::Result<()> {
    range::unlock(file, Range::QUEUE)
}

/// A free place behind all that are taken. It is the time, so that nobody needs to keep count, or more if
/// somebody has more: time namespaces and reboots of containers set clocks apart. `None`: the whole file is taken.
fn behind_all(file: &File) -> io::Result<Option<libc::off_t>> {
    let mut place = now()?;
    while place < Range::LAST {
        match range::conflict(file, Range::places_from(place), Sharing::Alone)? {
            None => return Ok(Some(place)),
            Some(conflict) if conflict.is_endless => return Ok(None),
            Some(conflict) => place = conflict.next_place(),
        }
    }
    Ok(None)
}

fn now() -> io::Result<libc::off_t> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec().saturating_mul(1_000_000_000).saturating_add(now.tv_nsec()))
}
