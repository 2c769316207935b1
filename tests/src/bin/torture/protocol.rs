//! The ways to keep processes apart that are put to the torture.

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
    /// This crate, taken in all ways.
    Lockutils,
    /// The same with a cleaner that removes the file whenever it can.
    Cleaned,
}

impl Protocol {
    /// All of them, in the order in which they run: first those that test this program.
    pub(crate) const ALL: [Self; 7] = [
        Self::RemoveAfter,
        Self::RemoveUnder,
        Self::BreakStale,
        Self::Bare,
        Self::RemoveAndLook,
        Self::Lockutils,
        Self::Cleaned,
    ];

    /// Its name, in the table and for the workers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "flock, file stays",
            Self::RemoveAndLook => "flock, removed, looked at",
            Self::RemoveAfter => "flock, removed after",
            Self::RemoveUnder => "flock, removed under",
            Self::BreakStale => "pid file, stale broken",
            Self::Lockutils => "lockutils",
            Self::Cleaned => "lockutils, cleaned",
        }
    }

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// Whether nothing may be seen; otherwise something must.
    pub(crate) fn is_sound(self) -> bool {
        !matches!(self, Self::RemoveAfter | Self::RemoveUnder | Self::BreakStale)
    }

    /// Whether it is this crate.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Lockutils | Self::Cleaned)
    }
}
