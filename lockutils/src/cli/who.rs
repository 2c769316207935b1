//! `lockutils who`: who has one lock.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use lockutils::exit::Exit;
use lockutils::{FileState, FileStatus};

use crate::failure::{Failure, say};
use crate::json::Line;
use crate::output::{self, Stop, ended};
use crate::place::Place;
use crate::shown::plain;

/// Says who has a lock, since when and where, and how many wait for it
///
/// It looks, and takes nothing. Each holder is a line; programs that are not of this library are named too. The name may have
/// a `/`, as in the library: the file has a `_` in its place.
///
/// Exit status: 0 if somebody has it, 1 if nobody has it; 66 if what is there is no lock file; 77 if it may not be read; 78 if
/// there is no lock directory to look into.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Prints a line of JSON, as `lockutils list --json` does
    #[arg(long)]
    json: bool,

    /// The name of the lock, without the prefix
    name: String,

    // Last, since what follows would stand under its heading.
    #[command(flatten)]
    place: Place,
}

/// Why a file is foreign that somebody may hold all the same. Other content does not keep a file from being locked.
const OTHER_MECHANISM: [&str; 2] = ["it is a pid file", "it was made for a lock of the kernel"];

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (locks, directory) = args.place.locks_and_directory()?;
    let lock = locks.lock(&args.name).external();
    let Some(status) = lock.file_status()? else {
        return Err(Failure::new(Exit::Internal, "an external lock has no file"));
    };
    if matches!(status.state(), FileState::Foreign | FileState::Unknown) {
        // Where it cannot be a lock, the library says why, and what to do.
        lock.is_locked()?;
        if let Some(why) = status.why().filter(|why| OTHER_MECHANISM.contains(why) && !args.json) {
            let path = status.path().to_string_lossy();
            let way_out = "look with the `mechanism` that is configured for it";
            return Err(Failure::new(Exit::NotAFile, format_args!("{}: {why}; {way_out}", plain(&path))));
        }
    }
    if !directory.exists() {
        say(format_args!("there is no lock directory {}", plain(&directory.to_string_lossy())));
    }
    ended(answer(args, &status))
}

fn answer(args: &Args, status: &FileStatus) -> Result<Exit, Stop> {
    let mut out = output::open();
    if args.json {
        Line::of(status, SystemTime::now()).write(&mut out)?;
    } else {
        write_in_words(status, &mut out)?;
    }
    out.flush()?;
    Ok(if status.is_held() { Exit::Success } else { Exit::Conflict })
}

fn write_in_words(status: &FileStatus, out: &mut impl Write) -> io::Result<()> {
    let verb = match status.state() {
        FileState::Permits { taken, of } => {
            writeln!(out, "{taken} of {of} permits are taken")?;
            if status.holders().len() > usize::try_from(taken).unwrap_or(usize::MAX) {
                writeln!(out, "one of these waits for its permit, and the kernel does not tell which:")?;
            }
            "a permit is held"
        }
        FileState::Read => "read",
        _ => "held",
    };
    for holder in status.holders() {
        writeln!(out, "{verb} by {}", plain(&holder.to_string()))?;
    }
    if !status.is_held() {
        writeln!(
            out,
            "nobody has `{}` ({})",
            plain(&status.name()),
            plain(&status.path().to_string_lossy())
        )?;
    }
    match status.waiters() {
        None | Some(0) => Ok(()),
        Some(1) => writeln!(out, "1 waits for it"),
        Some(waiters) => writeln!(out, "{waiters} wait for it"),
    }
}
