//! Why a command has failed: one line on standard error, and the exit status.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use lockutils::Error;
use lockutils::distributed::BackendUrl;
use lockutils::exit::Exit;

use crate::shown::line;

/// A command that has failed. Its text fits into one line and says the way out.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl fmt::Display) -> Self {
        Self { code: exit.code(), text: text.to_string() }
    }

    /// Nobody has said where the lock files are.
    pub(crate) fn no_directory() -> Self {
        let way_out = "say --lock-path DIR, or --config FILE with a `lock_path` in it, or set LOCKUTILS_LOCK_PATH \
                       (OSLO_LOCK_PATH is read too)";
        Self::new(Exit::Config, format_args!("no lock directory; {way_out}"))
    }

    /// Nobody has said where the engine of distributed locks is, nor where lock files are, which would take its place.
    pub(crate) fn no_engine() -> Self {
        let way_out = "say --backend-url URL, or --config FILE with a `backend_url` in it (oslo files have none), or set LOCKUTILS_BACKEND_URL; or \
                       say --lock-path DIR, for locks of this host alone";
        Self::new(Exit::Config, format_args!("no engine for distributed locks; {way_out}"))
    }

    /// The locks would end with this command, and nobody else would ever see them.
    pub(crate) fn engine_of_one_process(url: &BackendUrl) -> Self {
        let way_out = "name an engine, or say file:///DIR for lock files of this host";
        Self::new(Exit::Config, format_args!("{url} excludes nobody outside of one process; {way_out}"))
    }

    /// What was done at a path, and what the system has said to that.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Exit::NotPermitted,
            _ => Exit::Io,
        };
        Self::new(exit, format_args!("cannot {doing} {}: {error}", path.display()))
    }

    /// The same, with words before its text.
    pub(crate) fn because(self, before: impl fmt::Display) -> Self {
        Self { text: format!("{before}{}", self.text), ..self }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// Says it. A standard error that is closed is no reason to end otherwise.
    pub(crate) fn say(&self) {
        say(&self.text);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A line on standard error. What others call themselves may be in it, and holds whatever they like.
pub(crate) fn say(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "lockutils: {}", line(&text.to_string()));
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(exit_of(&error), error)
    }
}

fn exit_of(error: &Error) -> Exit {
    if error.is_timeout() || error.is_busy() || error.is_cancelled() {
        Exit::Conflict
    } else if error.is_invalid_name() || error.is_mismatch() {
        Exit::Usage
    } else if error.is_not_a_file() || is_foreign(error) {
        Exit::NotAFile
    } else if error.is_lost() {
        Exit::Lost
    } else if error.is_config() || error.is_no_lock_path() || error.is_no_backend() {
        Exit::Config
    } else if error.is_permission() {
        Exit::NotPermitted
    } else if error.is_unsupported() {
        Exit::Unsupported
    } else if error.is_unreachable() {
        Exit::Unreachable
    } else if error.is_engine() {
        Exit::Engine
    } else if error.is_io() {
        Exit::Io
    } else {
        Exit::Internal
    }
}

/// Something else stands where the engine keeps the lock. The library tells that by its words alone.
fn is_foreign(error: &Error) -> bool {
    error.is_engine() && error.to_string().contains("): in the place of the lock there is ")
}
