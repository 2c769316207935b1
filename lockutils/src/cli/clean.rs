//! `lockutils clean`: lock files that nobody uses go.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use lockutils::exit::Exit;
use lockutils::{Error, Locks, Removal};
use serde::Serialize;

use crate::duration;
use crate::failure::{Failure, say};
use crate::place::Place;
use crate::shown::plain;

/// Removes lock files that nobody uses
///
/// A lock file stays when its lock is let go, and does no harm. This removes those that nobody holds, waits for or has
/// open, and takes no lock away from anybody. It says what becomes of each file that matches, in a line of its own:
/// `removed`, `busy` (somebody has the lock), `in use` (somebody has the file open and may be about to lock it),
/// `foreign` (no lock file of this crate and mechanism), or `refused`, and why. Subdirectories are left alone.
///
/// Empty files count as foreign unless --empty is given: the lock files of flock(1) and oslo.concurrency are empty, but so
/// are many files that are no lock files.
///
/// The exit status is 0 when nothing was refused, whatever has stayed, and also when there is no such directory. Otherwise
/// it is that of the first refusal: 77 when it was not permitted, 74 when it failed in another way.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Args {
    /// Which locks, by their names behind the prefix: `*`, `?` and `[abc]` as in a shell
    #[arg(default_value = "*")]
    pattern: String,

    /// Only files whose last change is so long ago: 7d, 12h, or a number of seconds
    ///
    /// This crate changes a file when it takes its lock alone, so the age tells when that was. flock(1) and
    /// oslo.concurrency change nothing: the age of their files tells when they were made.
    #[arg(long, value_name = "AGE", default_value = "0s", hide_default_value = true, value_parser = duration::parse)]
    older_than: Duration,

    /// Removes empty files too: for a directory that has nothing but lock files in it
    #[arg(long)]
    empty: bool,

    /// Says what would be removed, and removes nothing
    ///
    /// For that, each file that is free is locked for a moment, as when it is removed.
    #[arg(long)]
    dry_run: bool,

    /// Prints an object of JSON for each file, one a line: name, result and, of some, reason
    ///
    /// The result is `removed`, `would_remove`, `busy`, `in_use`, `foreign` or `refused`.
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Prints nothing but errors
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let locks = args.place.locks()?;
    let cleaner = locks.cleaner(&args.pattern).older_than(args.older_than);
    let removals = cleaner.keep_empty(!args.empty).dry_run(args.dry_run).removals();
    let mut tally = Tally::default();
    for (name, removal) in removals.map_err(|error| refuse(args, error))? {
        if let Some(fate) = Fate::of(removal, args.dry_run) {
            print(args, &name, &fate)?;
            tally.count(&name, fate);
        }
    }
    tally.end(args, &locks)
}

/// A pattern that cannot be parsed is a mistake on the command line.
fn refuse(args: &Args, error: Error) -> Failure {
    let is_pattern = glob::Pattern::new(&args.pattern).is_err();
    if is_pattern { Failure::new(Exit::Usage, error) } else { error.into() }
}

/// What became of a file.
#[derive(Debug, Serialize)]
#[serde(tag = "result", content = "reason", rename_all = "snake_case")]
enum Fate {
    Removed,
    WouldRemove,
    Busy,
    InUse,
    Foreign(String),
    Refused(#[serde(serialize_with = "as_text")] Refusal),
}

/// Why, and the exit status.
#[derive(Debug)]
struct Refusal {
    why: String,
    failure: Failure,
}

fn as_text<S: serde::Serializer>(refusal: &Refusal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&refusal.why)
}

impl Fate {
    /// `None`: somebody else was faster.
    fn of(removal: Result<Removal, Error>, dry_run: bool) -> Option<Self> {
        Some(match removal {
            Ok(Removal::Removed) if dry_run => Self::WouldRemove,
            Ok(Removal::Removed) => Self::Removed,
            Ok(Removal::Missing) => return None,
            Ok(Removal::Busy) => Self::Busy,
            Ok(Removal::InUse) => Self::InUse,
            Ok(Removal::Foreign(why)) => Self::Foreign(why.to_owned()),
            Ok(Removal::Refused(why)) => {
                Self::Refused(Refusal { why: why.to_owned(), failure: Failure::new(Exit::NotPermitted, why) })
            }
            Ok(other) => Self::Foreign(format!("{other:?}")),
            Err(error) => Self::Refused(Refusal { why: error.to_string(), failure: error.into() }),
        })
    }

    fn words(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Removed => ("removed", None),
            Self::WouldRemove => ("would remove", None),
            Self::Busy => ("busy", None),
            Self::InUse => ("in use", None),
            Self::Foreign(why) => ("foreign", Some(why)),
            Self::Refused(refusal) => ("refused", Some(&refusal.why)),
        }
    }
}

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    #[serde(flatten)]
    fate: &'a Fate,
}

fn print(args: &Args, name: &str, fate: &Fate) -> Result<(), Failure> {
    if args.quiet {
        return Ok(());
    }
    let line = if args.json {
        serde_json::to_string(&Line { name, fate }).map_err(|error| Failure::new(Exit::Internal, error))?
    } else {
        let (word, why) = fate.words();
        let why = why.map(|why| format!(": {}", plain(why))).unwrap_or_default();
        let width = if args.dry_run { "would remove".len() } else { "removed".len() };
        format!("{word:<width$}  {}{why}", plain(name))
    };
    let written = writeln!(io::stdout(), "{line}");
    written.map_err(|error| Failure::io("write to", Path::new("standard output"), &error))
}

/// How many files there were of each fate.
#[derive(Debug, Default)]
struct Tally {
    files: usize,
    removed: usize,
    busy: usize,
    in_use: usize,
    foreign: usize,
    refused: usize,
    first: Option<(String, Failure)>,
}

impl Tally {
    fn count(&mut self, name: &str, fate: Fate) {
        self.files += 1;
        let number = match &fate {
            Fate::Removed | Fate::WouldRemove => &mut self.removed,
            Fate::Busy => &mut self.busy,
            Fate::InUse => &mut self.in_use,
            Fate::Foreign(_) => &mut self.foreign,
            Fate::Refused(_) => &mut self.refused,
        };
        *number += 1;
        if let (Fate::Refused(refusal), None) = (fate, &self.first) {
            self.first = Some((name.to_owned(), refusal.failure));
        }
    }

    /// The last line, on standard error: nothing if there was nothing to do, so that cron(8) sends no mail.
    fn end(self, args: &Args, locks: &Locks) -> Result<ExitCode, Failure> {
        if let Some((name, failure)) = self.first {
            let Self { files, refused, .. } = self;
            return Err(failure.because(format_args!(
                "{refused} of {files} files cannot be removed; the first is {}: ",
                plain(&name)
            )));
        }
        if args.quiet {
            return Ok(Exit::Success.into());
        }
        match locks.lock_path().filter(|path| !path.exists()) {
            Some(path) => say(format_args!("there is no directory {}, so nothing to clean", path.display())),
            None if self.files > 0 => say(self.summary(args)),
            None => {}
        }
        Ok(Exit::Success.into())
    }

    fn summary(&self, args: &Args) -> String {
        let done = if args.dry_run { "would remove" } else { "removed" };
        let done = format!("{done} {} of {} files", self.removed, self.files);
        let left = [(self.busy, "busy"), (self.in_use, "in use"), (self.foreign, "foreign")];
        let left = left.iter().filter(|(number, _)| *number > 0);
        let left: Vec<_> = left.map(|(number, what)| format!("{number} {what}")).collect();
        if left.is_empty() { done } else { format!("{done}; left alone: {}", left.join(", ")) }
    }
}
