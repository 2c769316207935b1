//! The programs of other projects that take the same lock files.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::Child;
use crate::place::helper;

/// A way in which another program locks a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What `tests/peers/actor.py`, `tests/peers/flock.sh` or the helper program call it.
    pub kind: &'static str,
    /// Whether it shares the file with others that do.
    pub shared: bool,
}

impl Peer {
    /// Every one of them. The portable path knows one kind of lock, and so none of those that know the other.
    #[cfg(lockutils_portable)]
    pub const ALL: [Self; 5] = [
        Self::alone("filelock"),
        Self::alone("flock(1)"),
        Self::shared("flock(1)"),
        Self::alone("std"),
        Self::shared("std"),
    ];

    /// Every one of them.
    #[cfg(not(lockutils_portable))]
    pub const ALL: [Self; 11] = [
        Self::alone("oslo"),
        Self::alone("fasteners"),
        Self::alone("fasteners-rw"),
        Self::shared("fasteners-rw"),
        Self::alone("filelock"),
        Self::alone("flock(1)"),
        Self::shared("flock(1)"),
        Self::alone("std"),
        Self::shared("std"),
        Self::alone("lockf"),
        Self::shared("lockf"),
    ];

    /// One of which nobody can say which process it is.
    pub const NAMELESS: Self = Self::alone(if cfg!(lockutils_portable) { "std" } else { "ofd" });

    /// One that excludes all others.
    pub const fn alone(kind: &'static str) -> Self {
        Self { kind, shared: false }
    }

    /// One that shares.
    pub const fn shared(kind: &'static str) -> Self {
        Self { kind, shared: true }
    }

    /// Starts a process of it that can take the file; see [`Child`] for what it can be told.
    #[track_caller]
    pub fn actor(self, file: &Path) -> Child {
        let mut command = match self.kind {
            "flock(1)" => script("flock.sh"),
            "std" => Command::new(helper()),
            _ => python("actor.py"),
        };
        if self.kind != "flock(1)" {
            command.arg(self.kind);
        }
        command.arg(file).arg(if self.shared { "shared" } else { "alone" });
        Child::spawn(&mut command)
    }

    /// A process of it that has the file.
    #[track_caller]
    pub fn holder(self, file: &Path) -> Child {
        let mut holder = self.actor(file);
        holder.take();
        holder
    }
}

/// A Python script of `tests/peers`, run with the libraries of `tests/install`.
///
/// # Panics
///
/// When those are not installed.
#[track_caller]
pub fn python(script: &str) -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join(".venv/bin/python");
    assert!(python.is_file(), "{} is missing: run `tests/install` once", python.display());
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(peers().join(script));
    command
}

fn script(name: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(peers().join(name));
    command
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}
