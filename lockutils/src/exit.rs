//! How the command `lockutils` ends (feature `cli`): for programs that call it.
//!
//! Numbers from 64 on are those of sysexits.h(3), which flock(1) uses too, and from 126 on those of the shell.

use std::fmt;

/// The exit status of the command `lockutils`.
///
/// `lockutils run` passes the exit status of its command on, whatever it is: a script that must tell a busy lock from
/// a command that failed with 1 chooses another number with `--conflict-exit-code`.
///
/// ```
/// use lockutils::exit::Exit;
///
/// assert_eq!(Exit::Conflict.code(), 1);
/// assert_eq!(Exit::of_signal(15), 143);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Success = 0,
    /// `run`: somebody else has the lock, and the wait was over or not wanted. `who`: nobody has it. `doctor`: something
    /// should be changed.
    Conflict = 1,
    /// The command line cannot be understood, or a name cannot be that of a lock.
    Usage = 64,
    /// The path of the lock file leads to something that is none, or something else stands where an engine keeps the lock.
    NotAFile = 66,
    /// The engine of a distributed lock cannot be reached, or has not answered in time.
    Unreachable = 68,
    /// The file system keeps no locks, the mechanism or the engine has none of this kind, or the engine does not promise what was
    /// required of it.
    Unsupported = 69,
    /// Something that should not happen.
    Internal = 70,
    /// The system has refused something that it should not: no process, no thread, no descriptor.
    System = 71,
    /// A file or a directory cannot be made.
    CannotCreate = 73,
    /// Reading or writing has failed.
    Io = 74,
    /// The lock was lost while the command ran, and the command was ended for that.
    Lost = 75,
    /// The engine of a distributed lock has refused, for a reason of its own.
    Engine = 76,
    /// Not permitted: by the system, or by the engine of a distributed lock, which may not know the user or the password.
    NotPermitted = 77,
    /// Neither a lock directory nor an engine, or a configuration that cannot be used.
    Config = 78,
    /// The command of `run` or `wrapper` cannot be executed.
    CannotExecute = 126,
    /// There is no such command.
    NotFound = 127,
}

impl Exit {
    /// The number.
    ///
    /// ```
    /// assert_eq!(lockutils::exit::Exit::Usage.code(), 64);
    /// ```
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The exit status for a command that was ended by a signal: 128 and its number, as the shell has it.
    ///
    /// ```
    /// assert_eq!(lockutils::exit::Exit::of_signal(9), 137);
    /// ```
    pub const fn of_signal(signal: u8) -> u8 {
        128_u8.saturating_add(signal)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().fmt(f)
    }
}
