//! The ways to keep processes apart that are put to the torture.

use lockutils::Mechanism;

/// A way to keep processes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `flock(2)` on a file that is never removed: sound.
    Bare,
    /// `flock(2)`, the file is removed under the lock, and who gets a lock looks whether the path still leads to its
    /// file: sound.
    RemoveAndLook,
    /// `flock(2)`, and the file is removed after the lock was let go, whoever has it by then.
    RemoveAfter,
    /// `flock(2)`, and the file is removed under the lock, but who waited for it locks a file that is gone.
    RemoveUnder,
    /// A file with the holder's pid, made with `O_EXCL` and removed by whoever sees that the process has ended: two
    /// see it, and the second one removes the file of the first.
    BreakStale,
    /// `flock(2)` on a file that is never removed, shared by those who read: sound.
    Shared,
    /// The same, but those who read only wait until nobody writes, and do not keep the lock.
    ReadersLook,
    /// `fcntl(2)` record locks in processes of several threads: they belong to the process, so its threads do not keep
    /// each other out, and the first that closes the file lets go for all.
    RecordThreads,
    /// This crate, taken in all ways.
    Lockutils,
    /// The same, with those who read, and those who write first and go on reading.
    Readers,
    /// The same in processes of several threads and tasks.
    Threads,
    /// By one thread a process, with a cleaner that removes the file whenever it can.
    Cleaned,
    /// The same with two cleaners, beside processes of other programs.
    Mixed,
    /// This crate by pid files, with a cleaner that removes those of the dead.
    PidFiles,
    /// Processes of other programs that lock in different ways, without this crate: they do not exclude each other.
    Strangers,
}

impl Protocol {
    /// All of them, in the order in which they run: first those that test this program.
    pub(crate) const ALL: [Self; 15] = [
        Self::RemoveAfter,
        Self::RemoveUnder,
        Self::BreakStale,
        Self::ReadersLook,
        Self::RecordThreads,
        Self::Strangers,
        Self::Bare,
        Self::RemoveAndLook,
        Self::Shared,
        Self::Lockutils,
        Self::Readers,
        Self::Threads,
        Self::Cleaned,
        Self::Mixed,
        Self::PidFiles,
    ];

    /// Its name, in the table and for the workers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "flock, file stays",
            Self::RemoveAndLook => "flock, removed, looked at",
            Self::RemoveAfter => "flock, removed after",
            Self::RemoveUnder => "flock, removed under",
            Self::BreakStale => "pid file, stale broken",
            Self::Shared => "flock, readers share",
            Self::ReadersLook => "flock, readers only look",
            Self::RecordThreads => "record lock, threads",
            Self::Lockutils => "lockutils",
            Self::Readers => "lockutils, readers",
            Self::Threads => "lockutils, threads",
            Self::Cleaned => "lockutils, cleaned",
            Self::Mixed => "lockutils, mixed",
            Self::PidFiles => "lockutils, pid files",
            Self::Strangers => "flock(1) beside oslo",
        }
    }

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// Whether nothing may be seen; otherwise something must.
    pub(crate) fn is_sound(self) -> bool {
        !matches!(
            self,
            Self::RemoveAfter
                | Self::RemoveUnder
                | Self::BreakStale
                | Self::ReadersLook
                | Self::RecordThreads
                | Self::Strangers
        )
    }

    /// Whether it is this crate.
    pub(crate) fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Lockutils | Self::Readers | Self::Threads | Self::Cleaned | Self::Mixed | Self::PidFiles
        )
    }

    /// By what this crate keeps processes apart.
    pub(crate) fn mechanism(self) -> Mechanism {
        if self == Self::PidFiles { Mechanism::Pid } else { Mechanism::Kernel }
    }

    /// Its part of the kills, or 0 if it runs for a time.
    pub(crate) fn part(self) -> u64 {
        match self {
            Self::Lockutils => 4,
            Self::Readers | Self::Threads | Self::Cleaned | Self::PidFiles => 2,
            // They die more slowly, since Python libraries must come to their turn.
            Self::Mixed => 1,
            _ => 0,
        }
    }

    /// How many take the lock in each process, each with a life of its own.
    pub(crate) fn lives(self) -> u64 {
        if matches!(self, Self::Threads | Self::RecordThreads) { 4 } else { 1 }
    }

    /// Whether some share the lock.
    pub(crate) fn has_readers(self) -> bool {
        matches!(self, Self::Shared | Self::ReadersLook | Self::Readers | Self::Threads)
    }

    /// Whether other programs take the lock.
    pub(crate) fn is_mixed(self) -> bool {
        matches!(self, Self::Mixed | Self::Strangers)
    }

    /// How many cleaners remove the file. They get their turn when nobody has the file open.
    pub(crate) fn cleaners(self) -> usize {
        match self {
            Self::Cleaned | Self::PidFiles => 1,
            Self::Mixed => 2,
            _ => 0,
        }
    }

    /// Whether the file is removed by cleaners.
    pub(crate) fn is_cleaned(self) -> bool {
        self.cleaners() > 0
    }
}
