//! `lockutils wrapper`: a lock directory for one run of a test suite.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use lockutils::exit::Exit;
use tempfile::TempDir;

use crate::command::attend::{self, Nothing};
use crate::command::signals::Signals;
use crate::command::{Command, Tie};
use crate::failure::{Failure, say};

/// Runs a command with a lock directory of its own, which is removed when the command ends
///
/// For test suites: what one run locks is in nobody's way. The directory is in $TMPDIR or /tmp, and only its owner may look
/// into it. LOCKUTILS_LOCK_PATH and OSLO_LOCK_PATH are set to it, for services that use lockutils or oslo.concurrency.
/// LOCKUTILS_BACKEND_URL is unset: what is tested must not take the distributed locks of the services. A suite that needs an engine
/// of its own sets it within: `lockutils wrapper -- env LOCKUTILS_BACKEND_URL=URL COMMAND`.
///
/// Signals are passed on to the command, and so is its exit status: 128 and the number of the signal if one has ended it,
/// 127 if there is no such command, 126 if it cannot be executed. The directory is removed in all these cases; it stays
/// if `lockutils` itself is killed (SIGKILL).
#[derive(Debug, clap::Args)]
#[command(override_usage = "lockutils wrapper [--] <COMMAND>...")]
pub(crate) struct Args {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let Some(mut command) = Command::new(args.command) else {
        return Err(Failure::new(Exit::Usage, "no command; write it behind `--`"));
    };
    // From here on no signal ends this process before the directory is removed.
    let signals = Signals::block().map_err(|error| Failure::new(Exit::System, error))?;
    let directory = directory()?;
    command.set("LOCKUTILS_LOCK_PATH", directory.path());
    command.set("OSLO_LOCK_PATH", directory.path());
    command.unset("LOCKUTILS_BACKEND_URL");
    let ended = command
        .spawn(&signals, Tie::None)
        .and_then(|child| attend::to_the_end(child, &signals, &mut Nothing));
    remove(directory);
    ended.map(ExitCode::from)
}

fn directory() -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new()
        .prefix("lockutils-wrapper-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir();
    made.map_err(|error| {
        let place = std::env::temp_dir();
        Failure::new(
            Exit::CannotCreate,
            format_args!("cannot make a directory in {}: {error}; set TMPDIR to another", place.display()),
        )
    })
}

fn remove(directory: TempDir) {
    let path = directory.path().to_owned();
    if let Err(error) = directory.close() {
        say(format_args!("cannot remove {}: {error}; remove it by hand", Path::new(&path).display()));
    }
}
