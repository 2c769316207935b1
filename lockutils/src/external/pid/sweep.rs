//! Removing what the dead have left beside their locks: files that never got their name, and claims. A claim is taken over
//! like everything, and given up.

use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use super::super::Directory;
use super::super::file::FileId;
use super::super::record::Taker;
use super::card::Card;
use super::names::{CLAIM, NEW, Own, Place};
use super::slot::{Entered, Id, Slot, enter};
use crate::error::Error;

/// Most files are written within microseconds.
const UNWRITTEN: Duration = Duration::from_secs(1);

impl Directory {
    /// Removes what was left behind by those who were killed while they took a pid lock.
    pub(in super::super) fn sweep_pid_files(&self) -> Result<(), Error> {
        if FileId::is_missing(self.path()) {
            return Ok(());
        }
        let place = Place::new(self, "")?;
        for name in names(self.path())? {
            if name.starts_with(NEW) {
                sweep_new(&place, &name);
            } else if let Some(id) = name.strip_prefix(CLAIM).and_then(|id| u128::from_str_radix(id, 16).ok())
            {
                sweep_claim(&place, Slot::After(Id(id)))?;
            }
        }
        Ok(())
    }
}

fn names(path: &Path) -> Result<Vec<String>, Error> {
    let failed = |error| Error::io_at("read the lock directory", path, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

/// Whose a file is that nobody has written into yet cannot be told. If it is that of somebody who lives after all, that
/// one makes another.
fn sweep_new(place: &Place<'_>, name: &str) {
    let Ok(Some(content)) = place.content(name) else { return };
    let is_left = match Card::parse(&content) {
        Some(card) => !card.may_live(),
        None => is_old(&place.directory.path().join(name)),
    };
    if is_left {
        // Somebody else may have been faster, or may not let us.
        let _ = place.remove(name);
    }
}

fn is_old(path: &Path) -> bool {
    let written = path.symlink_metadata().and_then(|data| data.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > UNWRITTEN))
}

fn sweep_claim(place: &Place<'_>, claim: Slot) -> Result<(), Error> {
    if !matches!(place.card(claim), Ok(Some(card)) if !card.may_live()) {
        return Ok(());
    }
    let own = Own::new(place, &Taker::new(Location::caller(), None, false))?;
    if enter(&own, claim)? == Entered::In { place.unlink(claim) } else { Ok(()) }
}
