//! Cleaning a directory of lock files up.

use std::fs::DirEntry;
use std::path::Path;
use std::time::Duration;

use glob::Pattern;

use crate::error::{Error, Kind};
use crate::external::remove::{Manner, Removal, is_ours};
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
    /// [`Error::is_no_lock_path`]; [`Error::is_config`] when the pattern cannot be parsed, or everybody may write to the
    /// directory; [`Error::is_unsupported`] when its file system keeps no locks; [`Error::is_io`] when it cannot be
    /// read. What cannot be removed is no error, but stands in the report.
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
        let mut cleaned = Cleaned::default();
        for (name, removal) in self.cleaner(pattern).older_than(older_than).removals()? {
            cleaned.note(name, removal);
        }
        Ok(cleaned)
    }

    /// What [`clean`](Self::clean) does, with more to say about it: file by file, or only asked.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// drop(locks.lock("volume-1").external().acquire()?);
    /// for (name, removal) in locks.cleaner("volume-*").dry_run(true).removals()? {
    ///     println!("{name}: {:?}", removal?);
    /// }
    /// assert!(dir.path().join("volume-1").exists());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn cleaner(&self, pattern: &str) -> Cleaner<'_> {
        let (pattern, older_than) = (pattern.to_owned(), Duration::ZERO);
        Cleaner { locks: self, pattern, older_than, manner: Manner::default() }
    }

    /// A lock by its full name.
    fn full(&self, name: &str) -> Lock {
        Lock::new(self.clone(), name, Mode::Write).prefix("").external()
    }
}

/// Which lock files are to be removed, and how. See [`Locks::cleaner`].
///
/// ```
/// # let dir = lockutils::testing::temp_locks()?;
/// # let locks = dir.locks();
/// let day = std::time::Duration::from_secs(86_400);
/// let cleaner = locks.cleaner("volume-*").older_than(day).keep_empty(true);
/// assert_eq!(cleaner.removals()?.count(), 0);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is removed before `removals` is iterated"]
pub struct Cleaner<'a> {
    locks: &'a Locks,
    pattern: String,
    older_than: Duration,
    manner: Manner,
}

impl<'a> Cleaner<'a> {
    /// Leaves files alone whose last change is not so long ago.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// drop(locks.lock("x").external().acquire()?);
    /// let hour = std::time::Duration::from_secs(3600);
    /// assert_eq!(locks.cleaner("*").older_than(hour).removals()?.count(), 0);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = age;
        self
    }

    /// Takes nothing away, and tells by the same rules what would become of each file. For that, it locks each file that
    /// is free and asks who has it open, as a removal does, and gives it back at once: somebody who tries to take a lock
    /// at that moment, without waiting, is told that it is busy.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// drop(locks.lock("x").external().acquire()?);
    /// let would: Vec<_> = locks.cleaner("*").dry_run(true).removals()?.collect();
    /// assert!(matches!(would[..], [(_, Ok(lockutils::Removal::Removed))]) && dir.path().join("x").exists());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn dry_run(mut self, yes: bool) -> Self {
        self.manner.only_asks = yes;
        self
    }

    /// Leaves empty files alone, which are [foreign](Removal::Foreign) then. The lock files of `flock(1)` and
    /// oslo.concurrency are empty, but so are many files that are no lock files. Worth it where the directory may hold
    /// more than those. This crate writes into a file when it takes its lock.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// std::fs::write(dir.path().join("__init__.py"), "").unwrap();
    /// let removals: Vec<_> = locks.cleaner("*").keep_empty(true).removals()?.collect();
    /// assert!(matches!(removals[..], [(_, Ok(lockutils::Removal::Foreign(_)))]));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn keep_empty(mut self, yes: bool) -> Self {
        self.manner.keeps_empty = yes;
        self
    }

    /// Goes through the files in the order of their full names. Each is removed, or asked about, when it is its turn:
    /// whoever stops to iterate leaves the others alone. A file that goes meanwhile is [missing](Removal::Missing).
    ///
    /// # Errors
    ///
    /// As [`Locks::clean`]. What cannot be removed has its own error.
    ///
    /// ```
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let held = locks.lock("a").external().acquire()?;
    /// let (name, removal) = locks.cleaner("*").removals()?.next().expect("there is one");
    /// assert_eq!((&*name, removal?), ("a", lockutils::Removal::Busy));
    /// # drop(held);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn removals(
        &self,
    ) -> Result<impl Iterator<Item = (String, Result<Removal, Error>)> + use<'a>, Error> {
        let Self { locks, manner, .. } = *self;
        let names = self.names()?;
        if !manner.only_asks {
            let home = locks.shared().configured()?;
            home.and_then(|home| home.directory.get())
                .map_or(Ok(()), |directory| directory.remove_asides())?;
        }
        Ok(names.into_iter().map(move |name| {
            let removal = locks.full(&name).remove_file_in(manner);
            (name, removal.or_else(as_foreign))
        }))
    }

    /// The files that match, in a directory that may be used.
    fn names(&self) -> Result<Vec<String>, Error> {
        let pattern = Pattern::new(&self.pattern).map_err(|error| Kind::Config {
            what: format!("pattern {:?} cannot be used", self.pattern),
            source: Some(error.into()),
        })?;
        let missing = || Kind::NoLockPath { name: self.pattern.clone() };
        let path = self.locks.lock_path().ok_or_else(missing)?;
        let prefix = crate::name::join(self.locks.prefix()?, "");
        let home = self.locks.shared().configured()?;
        home.and_then(|home| home.directory.get()).map_or(Ok(()), |directory| directory.check())?;
        let mut names = candidates(&path, self.older_than)?;
        names.retain(|name| name.strip_prefix(&*prefix).is_some_and(|rest| pattern.matches(rest)));
        Ok(names)
    }
}

/// A file whose name no lock can have is nobody's failure.
fn as_foreign(error: Error) -> Result<Removal, Error> {
    if error.is_invalid_name() {
        Ok(Removal::Foreign("its name cannot be that of a lock"))
    } else {
        Err(error)
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
