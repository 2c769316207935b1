//! Distributed locks for which lock files stand in: what those do not have is refused, and not passed over.

use super::Lock;
use super::options::FarOptions;
use crate::distributed::{Promise, Promises};
use crate::error::{Error, Kind};
use crate::external::Mechanism;
use crate::registry::Home;

/// Where nobody has said that lock files are meant.
const NO_ENGINE: &str = "no engine is configured: set `backend_url` or the environment variable LOCKUTILS_BACKEND_URL, or leave \
                         that option out";
const FILES: &str = "`backend_url` names lock files: let it name an engine, or leave that option out";

impl Lock {
    /// Refuses options of a distributed lock that cannot be had, before anybody is waited for.
    pub(super) fn check_distributed(&self, home: &Home, full: &str) -> Result<(), Error> {
        if !self.options.is_distributed() {
            return Ok(());
        }
        if self.options.far().is_some_and(|far| far.expires.is_some_and(|after| after.is_zero())) {
            let what = "a lock that expires after no time would be lost at once";
            return Err(unsupported(full, what, "give `expires` some seconds, or leave it out"));
        }
        if self.locks.shared().has_files_for_engine()? { self.stand_in(home, full) } else { Ok(()) }
    }

    fn stand_in(&self, home: &Home, full: &str) -> Result<(), Error> {
        let shared = self.locks.shared();
        let url = shared.effective()?.backend_url.as_ref();
        if let Some(far) = self.options.far() {
            match url {
                Some(url) => required(far, promises(home), full, &url.to_string())?,
                None => required_of_nobody(far, full)?,
            }
            lacking(far, full, if url.is_some() { FILES } else { NO_ENGINE })?;
        }
        if url.is_none() {
            shared.tell_of_stand_in(full);
        }
        Ok(())
    }

    /// Why it cannot be destroyed, where no engine has it.
    pub(super) fn not_destroyed(&self) -> Error {
        let what = if self.options.is_distributed() {
            "a lock file is in the place of an engine here, and only what an engine has can be destroyed"
        } else {
            "only a distributed lock can be destroyed"
        };
        unsupported(&self.full_name(), what, "use `remove_file` for a lock file")
    }

    /// Whether an engine promises what this lock requires.
    pub(super) fn require_of(&self, promises: Promises, location: &str) -> Result<(), Error> {
        self.options.far().map_or(Ok(()), |far| required(far, promises, &self.full_name(), location))
    }
}

fn promises(home: &Home) -> Promises {
    home.directory.get().map_or(Mechanism::Kernel, |directory| directory.mechanism()).promises()
}

fn required(far: &FarOptions, promises: Promises, full: &str, location: &str) -> Result<(), Error> {
    match far.required.iter().find(|promise| !promises.has(**promise)) {
        None => Ok(()),
        Some(promise) => {
            let (name, location) = (full.to_owned(), location.to_owned());
            Err(Kind::Unpromised { name, location, promise: *promise }.into())
        }
    }
}

/// Who requires anything thinks of an engine.
fn required_of_nobody(far: &FarOptions, full: &str) -> Result<(), Error> {
    let promised = |promise: &Promise| Kind::NoPromises { name: full.to_owned(), promise: *promise }.into();
    far.required.first().map_or(Ok(()), |promise| Err(promised(promise)))
}

fn lacking(far: &FarOptions, full: &str, instead: &'static str) -> Result<(), Error> {
    let lacks = [
        (far.expires.is_some(), "lock files do not expire, as `expires` would have it"),
        (
            !far.ephemeral,
            "lock files do not stay locked when their process ends, as `ephemeral(false)` would have it",
        ),
        (!far.patterns.is_empty(), "lock files have no contenders that a `contender_pattern` could be for"),
    ];
    match lacks.into_iter().find(|(is_said, _)| *is_said) {
        Some((_, what)) => Err(unsupported(full, what, instead)),
        None => Ok(()),
    }
}

fn unsupported(full: &str, what: &'static str, instead: &'static str) -> Error {
    Kind::Unsupported { name: full.to_owned(), what, instead }.into()
}
