//! Who is in the fleet.

use std::iter::{repeat_n, zip};
use std::ops::Range;

use crate::protocol::Protocol;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes the lock, until it is killed.
    Worker,
    /// The same, but nobody kills it before the end: it would show a wait that never ends.
    Witness,
    /// Removes the file of the lock, until it is killed.
    Cleaner,
    /// Takes the lock by the program `flock(1)`, until it is killed.
    Flock,
    /// The same by oslo.concurrency.
    Oslo,
    /// The same by fasteners.
    Fasteners,
}

impl Role {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Worker, Self::Witness, Self::Cleaner, Self::Flock, Self::Oslo, Self::Fasteners];

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| format!("{role:?}") == name)
    }

    /// Whether it is a process of this program from the beginning.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Worker | Self::Witness | Self::Cleaner)
    }

    /// What its Python library is called, if it has one.
    pub(crate) fn library(self) -> Option<&'static str> {
        match self {
            Self::Oslo => Some("oslo"),
            Self::Fasteners => Some("fasteners"),
            _ => None,
        }
    }

    /// How often one must have had the lock before it is killed. Python takes longer to start than others live.
    pub(crate) fn is_ripe_after(self) -> u64 {
        if self.library().is_some() { 10 } else { 0 }
    }

    /// The rooms that it comes into. `flock(2)` and record locks do not exclude each other: where both are at work, each
    /// has a room of its own, and those who take both locks come into both.
    pub(crate) fn rooms(self, protocol: Protocol) -> Range<usize> {
        match self {
            _ if protocol != Protocol::Mixed => 0..1,
            Self::Flock => 0..1,
            Self::Oslo | Self::Fasteners => 1..2,
            _ => 0..2,
        }
    }
}

/// Those who are killed in a phase with so many workers, and who clean beside them.
pub(crate) fn crew(protocol: Protocol, workers: usize) -> Vec<Role> {
    let taking: &[Role] = match protocol {
        Protocol::Mixed => {
            &[Role::Worker, Role::Flock, Role::Oslo, Role::Worker, Role::Flock, Role::Fasteners]
        }
        Protocol::Strangers => &[Role::Flock, Role::Oslo, Role::Flock, Role::Fasteners],
        _ => &[Role::Worker],
    };
    let cleaners = repeat_n(Role::Cleaner, protocol.cleaners());
    zip(taking.iter().cycle(), 0..workers).map(|(role, _)| *role).chain(cleaners).collect()
}
