//! `lockutils who`: who has one lock.

pub(crate) mod far;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use lockutils::exit::Exit;
use lockutils::{FileState, FileStatus, Locks};

use crate::engine::{Engine, needs_distributed};
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
/// With --distributed its engine is asked, which knows those who hold it and those who wait, on all hosts; a line for each.
///
/// Exit status: 0 if somebody has it, 1 if nobody has it; 66 if what is there is no lock; 68 if the engine cannot be reached, 76
/// if it refuses; 77 if it may not be read; 78 if there is no lock directory to look into, and no engine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Prints a line of JSON, as `lockutils list --json` does
    #[arg(long)]
    json: bool,

    /// The name of the lock, without the prefix
    name: String,

    /// Asks the engine that all hosts share
    ///
    /// Without an engine, it is the lock file that takes its place.
    #[arg(long, help_heading = "Distributed locks")]
    distributed: bool,

    #[command(flatten)]
    engine: Engine,

    // Last, since what follows would stand under its heading.
    #[command(flatten)]
    place: Place,
}

/// Why a file is foreign that somebody may hold all the same. Other content does not keep a file from being locked.
const OTHER_MECHANISM: [&str; 2] = ["it is a pid file", "it was made for a lock of the kernel"];

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if !args.distributed {
        needs_distributed(args.engine.said())?;
        return of_file(args, &args.place.locks()?);
    }
    let far = args.place.distributed(&args.engine)?;
    match &far.backend {
        Some(backend) => far::run(args, &far, &**backend),
        None => of_file(args, &far.locks),
    }
}

/// Of a lock that is a file, also of a distributed one without an engine.
fn of_file(args: &Args, locks: &Locks) -> Result<ExitCode, Failure> {
    let lock = locks.lock(&args.name);
    let lock = if args.distributed { lock.distributed() } else { lock.external() };
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
    if let Some(directory) = status.path().parent().filter(|directory| !directory.exists()) {
        say(format_args!("there is no lock directory {}", directory.display()));
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
