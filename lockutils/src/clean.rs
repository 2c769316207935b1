//! Cleaning a directory of lock files up.

use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

use glob::Pattern;

use crate::error::{Error, Kind};
use crate::external::remove::{Removal, is_ours};
use crate::internal::Mode;
use crate::lock::Lock;
use crate::locks::Locks;

/// What [`Locks::clean`] did: the full names of the files, sorted.
///
/// ```
/// # let dir = lockutils::testing::temp_locks()?;
/// # let locks = dir.locks();
/// drop(locks.lock("volume-1").external().acquire()?);
/// let cleaned = locks.clean("volume-*", std::time::Duration::ZERO)?;
/// assert_eq!(cleaned.removed, ["volume-1"]);
/// assert!(cleaned.busy.is_empty());
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleaned {
    /// Gone.
    pub removed: Vec<String>,
    /// Left alone, because somebody holds the lock.
    pub busy: Vec<String>,
    /// Left alone, because somebody has the file open and may be about to lock it.
    pub in_use: Vec<String>,
    /// Left alone for the reason beside the name: none of this crate's lock files.
    pub foreign: Vec<(String, String)>,
    /// Left alone for the reason beside the name: not permitted, or nobody can tell whether it is in use.
    pub refused: Vec<(String, String)>,
}

impl Locks {
    /// Removes the lock files whose names match `pattern` and that are at least `older_than` old, and takes
    /// no lock away from anybody: a file that is held or that somebody else has open stays.
    ///
    /// `pattern` is matched against the name behind this registry's prefix: `*`, `?` and `[abc]` as in a
    /// shell. The age is that of the last change of the file, which for a lock file is when it was last held alone.
    /// Files that others keep open between two uses, as a kept [`Lock`] and an attribute with a literal name
    /// do, count as in use.
    ///
    /// What is left is a window of microseconds for programs that do not look, after locking, whether the
    /// path still leads to their file (oslo.concurrency, `flock(1)`): one that opens the file just while it
    /// is taken aside, when another makes a new one in its place, holds a lock beside that other. Give
    /// `older_than` a length that keeps names in use out of it where such programs come and go all the time.
    ///
    /// # Errors
    ///
    /// [`Error::is_no_lock_path`]; [`Error::is_config`] when the pattern cannot be parsed; [`Error::is_io`]
    /// when the directory cannot be read. What cannot be removed is no error, but stands in the report.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let held = locks.lock("a").external().acquire()?;
    /// let cleaned = locks.clean("*", std::time::Duration::ZERO)?;
    /// assert_eq!(cleaned.busy, ["a"]);
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn clean(&self, pattern: &str, older_than: Duration) -> Result<Cleaned, Error> {
        let pattern = Pattern::new(pattern).map_err(|error| Kind::Config {
            what: format!("pattern {pattern:?} cannot be used"),
            source: Some(error.into()),
        })?;
        let missing = || Kind::NoLockPath { name: pattern.to_string() };
        let path = self.lock_path().ok_or_else(missing)?;
        let prefix = crate::name::join(self.prefix()?, "");
        self.shared()
            .configured()?
            .and_then(|home| home.directory.get())
            .map_or(Ok(()), |directory| directory.remove_asides())?;
        let mut cleaned = Cleaned::default();
        for name in candidates(&path, older_than)? {
            if name.strip_prefix(&*prefix).is_some_and(|rest| pattern.matches(rest)) {
                let removal = self.full(&name).remove_file();
                cleaned.note(name, removal);
            }
        }
        Ok(cleaned)
    }

    /// A lock by its full name.
    fn full(&self, name: &str) -> Lock {
        Lock::new(self.clone(), name, Mode::Write).prefix("").external()
    }
}

impl Cleaned {
    fn note(&mut self, name: String, removal: Result<Removal, Error>) {
        match removal {
            Ok(Removal::Removed) => self.removed.push(name),
            Ok(Removal::Busy) => self.busy.push(name),
            Ok(Removal::InUse) => self.in_use.push(name),
            // Somebody else was faster.
            Ok(Removal::Missing) => {}
            Ok(Removal::Foreign(why)) => self.foreign.push((name, why.to_owned())),
            Ok(Removal::Refused(why)) => self.refused.push((name, why.to_owned())),
            Err(error) => self.refused.push((name, error.to_string())),
        }
    }
}

/// The files that are old enough, by name. A directory that is missing has none.
fn candidates(path: &Path, older_than: Duration) -> Result<Vec<String>, Error> {
    let failed = |error| Error::io_at("read the lock directory", path, error);
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if !is_ours(&entry.file_name()) && is_older(&entry, older_than) {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

fn is_older(entry: &DirEntry, than: Duration) -> bool {
    let changed = entry.metadata().and_then(|data| data.modified());
    than.is_zero() || changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age >= than))
}
