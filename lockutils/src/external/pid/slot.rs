//! How a name is taken, and how it is taken over from the dead: the steps, without the files.
//!
//! A process that wants a lock has a file of its own with an [`Id`] that is never used again, and gives it the name
//! of the lock: with link(2), which fails if the name is taken. So a free name has one new owner.
//!
//! Taking over is where pid files go wrong: two find the same dead owner, the first removes its file and takes the name, and
//! the second removes the file of the first. Here nothing is removed, and the right to take over from one dead owner
//! is a name as well, the claim `After(its id)`. Who owns it looks once more whether the dead one is still there, puts
//! its own file in its place with rename(2), and gives the claim up.
//!
//! # Why there is one owner
//!
//! - A file leaves a name in two ways: its owner, who lives, removes it; or the owner of the claim on it, who lives too,
//!   replaces it. Nobody replaces the file of one who may live.
//! - There is one owner of a claim at a time, by the same argument one level deeper: a claim whose owner has died is taken
//!   over like a lock.
//! - A claim may be taken when it is of no use any more: its dead one was replaced, and then the claim was given up. Its
//!   new owner sees that, since an id comes to a name once and never returns.
//!
//! What this rests on: link and rename are atomic, who is called dead has died, and what a dead process has asked for has been
//! done by then.

use std::fmt;

/// Names one file for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(super) u128);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A name that one file has at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// The lock.
    Lock,
    /// The right to replace the file of this id.
    After(Id),
}

/// Who stands at a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occupant {
    pub(crate) id: Id,
    /// `false`: it has died, for certain.
    pub(crate) may_live: bool,
}

/// What one process does to names with its own file.
pub(crate) trait Names {
    /// Why a step could not be taken.
    type Failure;

    fn id(&self) -> Id;
    /// Gives the file this name too. `false`: it is taken.
    fn link(&self, slot: Slot) -> Result<bool, Self::Failure>;
    fn occupant(&self, slot: Slot) -> Result<Option<Occupant>, Self::Failure>;
    /// Puts the file in the place of the one that is there.
    fn replace(&self, slot: Slot) -> Result<(), Self::Failure>;
    /// Takes the name away from whatever has it.
    fn unlink(&self, slot: Slot) -> Result<(), Self::Failure>;
}

/// How it ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    In,
    /// Somebody has the name who may live, or is about to take it over.
    Busy,
}

/// So many in a row may have died while they took over.
pub(super) const DEEPEST: u32 = 32;

/// Takes a name, if it is free or its owner has died.
pub(crate) fn enter<N: Names>(names: &N, slot: Slot) -> Result<Entered, N::Failure> {
    enter_below(names, slot, DEEPEST)
}

fn enter_below<N: Names>(names: &N, slot: Slot, depth: u32) -> Result<Entered, N::Failure> {
    loop {
        if names.link(slot)? {
            return Ok(Entered::In);
        }
        let Some(there) = names.occupant(slot)? else { continue };
        if there.id == names.id() {
            // A server has done it and its answer was lost.
            return Ok(Entered::In);
        }
        if there.may_live || depth == 0 {
            return Ok(Entered::Busy);
        }
        let claim = Slot::After(there.id);
        if enter_below(names, claim, depth - 1)? == Entered::Busy {
            return Ok(Entered::Busy);
        }
        let replaced = replace_if_there(names, slot, there.id);
        let given_up = names.unlink(claim);
        // A claim that stays is of no use to anybody when the dead one is gone.
        if replaced? {
            return Ok(Entered::In);
        }
        given_up?;
    }
}

/// The caller has the claim on `dead`.
fn replace_if_there<N: Names>(names: &N, slot: Slot, dead: Id) -> Result<bool, N::Failure> {
    if !has(names, slot, dead)? {
        return Ok(false);
    }
    match names.replace(slot) {
        // As above: the server may have done it.
        Err(failure) if !matches!(has(names, slot, names.id()), Ok(true)) => Err(failure),
        _ => Ok(true),
    }
}

fn has<N: Names>(names: &N, slot: Slot, id: Id) -> Result<bool, N::Failure> {
    Ok(names.occupant(slot)?.is_some_and(|there| there.id == id))
}

#[cfg(all(test, loom))]
#[path = "models.rs"]
mod models;
