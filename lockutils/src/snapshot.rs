//! What a registry knows of its locks at a moment.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::distributed::EngineLock;
use crate::external::OuterLock;
use crate::internal::HeldAs;
use crate::locks::Locks;
use crate::registry::{Cell, CellRef, Long};

/// How a lock is held.
///
/// ```
/// let locks = lockutils::Locks::new(lockutils::Config::new())?;
/// let guard = locks.lock("x").read().acquire()?;
/// assert_eq!(locks.snapshot()[0].mode, Some(lockutils::Mode::Read));
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Mode {
    /// Alone.
    Write,
    /// With other readers.
    Read,
    /// By permits of a semaphore.
    Permit,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Permit => "permit",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<HeldAs> for Mode {
    fn from(held: HeldAs) -> Self {
        match held {
            HeldAs::Write => Self::Write,
            HeldAs::Read => Self::Read,
            HeldAs::Permit => Self::Permit,
        }
    }
}

/// One lock of a [`snapshot`](Locks::snapshot): what this process knows of it. Who has the file of an external lock in other
/// processes is asked of the lock ([`Lock::holders`](crate::Lock::holders)).
///
/// ```
/// let locks = lockutils::Locks::new(lockutils::Config::new())?;
/// let guard = locks.lock("volumes").acquire()?;
/// let state = &locks.snapshot()[0];
/// assert_eq!((&*state.name, state.holders, state.waiters), ("volumes", 1, 0));
/// assert!(state.place.as_ref().unwrap().contains(".rs:"));
/// # drop(guard);
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of a table that people read")]
pub struct LockState {
    /// Its full name.
    pub name: String,
    /// Its file, if the lock has been taken as an external one since it is in use.
    pub path: Option<PathBuf>,
    /// Whether this process has the file now.
    pub has_file: bool,
    /// Whether a thread or task of this process waits for another process to let the file go, to have it alone.
    pub waits_for_file: bool,
    /// Whether this process has the lock from its engine now, and has not lost it.
    pub has_engine: bool,
    /// Whether a thread or task of this process waits for the engine, to have the lock alone.
    pub waits_for_engine: bool,
    /// How it is held in this process; `None` if it is not, but kept by a handle, waited for or about to be taken.
    pub mode: Option<Mode>,
    /// How many hold it in this process: at most one writer, but any number of readers.
    pub holders: u32,
    /// How many permits it has, if it is a semaphore.
    pub permits: Option<u32>,
    /// How many threads and tasks of this process wait for it.
    pub waiters: u32,
    /// Since when one holds it alone. Unknown if nobody looked at the clock then: an internal lock that was free, taken
    /// without [`timed`](crate::Lock::timed), and for which nobody has waited.
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_rfc3339"))]
    pub since: Option<SystemTime>,
    /// Where in the source it was taken by the one who holds it alone, or who waits for its file: `src/volumes.rs:42:9`.
    pub place: Option<String>,
}

impl LockState {
    /// How long one holds it alone, if that is known.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new())?;
    /// let guard = locks.lock("volumes").timed().acquire()?;
    /// assert!(locks.snapshot()[0].held().is_some());
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn held(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed().unwrap_or_default())
    }

    fn of(cell: &Cell) -> Self {
        let look = cell.raw().look();
        let (file, engine) = (cell.file(), cell.engine());
        let held = cell.held();
        let awaits = held.is_some_and(|held| held.awaits_outer);
        let lacks_file = file.is_some_and(|file| !file.is_held());
        let long = match held.filter(|_| !awaits).map(|held| held.long) {
            Some(Long::Exactly(long) | Long::AtLeast(long)) => Some(long),
            Some(Long::Unknown) | None => None,
        };
        Self {
            name: cell.name().to_owned(),
            path: file.map(|file| file.path().to_owned()),
            has_file: file.is_some_and(OuterLock::is_held),
            waits_for_file: awaits && (lacks_file || engine.is_none()),
            has_engine: engine.is_some_and(EngineLock::is_held),
            waits_for_engine: awaits && !lacks_file && engine.is_some(),
            mode: look.held.filter(|_| !awaits).map(Mode::from),
            holders: if awaits { 0 } else { look.holders },
            permits: Some(cell.permits()).filter(|permits| *permits > 0),
            waiters: look.waiters + u32::from(awaits),
            since: long.and_then(|long| SystemTime::now().checked_sub(long)),
            place: held.and_then(|held| held.place).map(ToString::to_string),
        }
    }
}

/// As everybody writes moments.
#[cfg(feature = "serde")]
#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn as_rfc3339<S: serde::Serializer>(since: &Option<SystemTime>, to: S) -> Result<S::Ok, S::Error> {
    match since {
        Some(since) => to.collect_str(&humantime::format_rfc3339_millis(*since)),
        None => to.serialize_none(),
    }
}

impl Locks {
    /// Says which locks are in use in this process: held, waited for, or kept by a handle. Sorted by name, then by
    /// directory; for a page of a service that shows its locks, and for messages when something hangs.
    ///
    /// It takes no lock and disturbs nobody for longer than a look-up does. Each lock is seen as it was at a moment; while
    /// others take and let go, it is not the same moment for all.
    ///
    /// ```
    /// let locks = lockutils::Locks::new(lockutils::Config::new())?;
    /// let (b, a) = (locks.lock("b").acquire()?, locks.semaphore("a", 4).acquire()?);
    /// for state in locks.snapshot() {
    ///     println!("{}: {} holders, {} waiting", state.name, state.holders, state.waiters);
    /// }
    /// # let names: Vec<_> = locks.snapshot().into_iter().map(|state| (state.name, state.permits)).collect();
    /// # assert_eq!(names, [("a".to_owned(), Some(4)), ("b".to_owned(), None)]);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn snapshot(&self) -> Vec<LockState> {
        let mut cells = self.live();
        cells.sort_by(|one, other| one.order().cmp(&other.order()));
        // One after the other is let go of, so that what died meanwhile is not kept longer than need be.
        cells.into_iter().filter_map(|cell| in_use(&cell)).collect()
    }
}

/// A lock whose last user has gone since it was found has only the reference of the one who looks.
fn in_use(cell: &CellRef) -> Option<LockState> {
    (!cell.is_last()).then(|| LockState::of(cell))
}
