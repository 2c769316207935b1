//! `lockutils list`: the lock files of a directory, who has them and who waits.

use std::io::{self, IsTerminal, StdoutLock, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use lockutils::exit::Exit;
use lockutils::{FileStatus, Locks};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use terminal_size::{Height, Width, terminal_size_of};

use crate::failure::{Failure, say};
use crate::json::{Line, moment};
use crate::output::{self, Stop, ended};
use crate::place::Place;
use crate::shown::plain;
use crate::table::{Layout, rows};

/// Shows the lock files of a directory: who has them and how many wait
///
/// It looks, takes no lock and changes nothing. A holder is a row of its own; programs that are not of this library are named
/// too. With --prefix, or one in the configuration, only files whose names begin with it are shown.
///
/// STATE is `held`, `free`, `waited` (free, and somebody is about to take it), `foreign` (no lock file of ours: WHERE says
/// why) or `unknown` (it cannot be read). MODE is `write` (alone), `read` (shared) or, of a semaphore, the permits that are taken:
/// `2/4`. A pid with a star is one of another host or container, and means nothing here. A question mark is what
/// the kernel does not tell. WAITERS counts processes that wait, not the threads inside them. TOKEN is the last fencing token.
///
/// What does not fit into the width of a terminal is cut, and TOKEN is left out first; output into a pipe or a file is never
/// cut. Characters that a terminal obeys are written as `\u{1b}`.
///
/// Exit status: 0, also if there are no files; 78 if there is no lock directory; 77 if it may not be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Shows only files that somebody has
    #[arg(long)]
    held: bool,

    /// Prints a line of JSON for each file
    ///
    /// The fields: `name`, `path`, `state` ("free", "waited", "held", "foreign", "unknown"), `mode` ("write", "read",
    /// "permits"), `permits` (`taken`, `of`), `why` (it is foreign or unknown), `holders`, `waiters`, `fencing_token` (a string of
    /// digits), `changed` and `looked_at` (RFC 3339). Of each of the `holders`: `pid`, `program`, `host`, `elsewhere` (the pid
    /// means nothing here), `since`, `purpose`, `place`, `function`, `thread`, `fencing_token`, `evidence`, and `text`, all of it in words.
    /// What is not known is null. For example, whom a service waits for: `lockutils list --json | jq -r 'select(.waiters > 0)
    /// | .name, .holders[].text'`
    #[arg(long)]
    json: bool,

    /// Looks again and again, until it is interrupted, with so many seconds between [default: 2]
    ///
    /// On a terminal, the table is drawn anew. Otherwise each look is added, after a line with its time; with --json, after nothing:
    /// `looked_at` is the same in all lines of a look.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = seconds)]
    watch: Option<Duration>,

    // Last, since what follows would stand under its heading.
    #[command(flatten)]
    place: Place,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let is_sensible =
        |time: &Duration| (Duration::from_millis(10)..=Duration::from_secs(86_400)).contains(time);
    time.filter(is_sensible).ok_or_else(|| "not a number of seconds from 0.01 to 86400".into())
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (locks, directory) = args.place.locks_and_directory()?;
    refuse_missing(&directory)?;
    ended(List { args, directory, locks }.run())
}

/// A look at another directory by mistake must not pass for good news.
fn refuse_missing(directory: &Path) -> Result<(), Failure> {
    if directory.try_exists().is_ok_and(|exists| !exists) {
        let why = "it is made when the first lock in it is taken; if that was done, look at --lock-path, --config \
                   and $LOCKUTILS_LOCK_PATH";
        return Err(Failure::new(
            Exit::Config,
            format_args!("no lock directory {}: {why}", directory.display()),
        ));
    }
    Ok(())
}

/// A table is laid out so many rows at a time.
const PIECE: usize = 1000;

struct List<'a> {
    args: &'a Args,
    directory: PathBuf,
    locks: Locks,
}

impl List<'_> {
    fn run(&self) -> Result<Exit, Stop> {
        let mut out = output::open();
        let is_screen = self.args.watch.is_some() && !self.args.json && io::stdout().is_terminal();
        loop {
            match self.args.watch {
                _ if self.args.json => self.write_lines(&mut out)?,
                Some(every) if is_screen => self.draw(every, &mut out)?,
                Some(_) => {
                    writeln!(out, "-- {}", moment(SystemTime::now()).unwrap_or_default())?;
                    self.write_table(&mut out)?;
                }
                None => self.write_table(&mut out)?,
            }
            out.flush()?;
            match self.args.watch {
                Some(every) => pause(out.get_ref(), every)?,
                None => return Ok(Exit::Success),
            }
        }
    }

    fn files(&self) -> Result<impl Iterator<Item = Result<FileStatus, Stop>>, Stop> {
        let is_wanted = |file: &Result<FileStatus, _>| {
            !self.args.held || !file.as_ref().is_ok_and(|file| !file.is_held())
        };
        Ok(self.locks.files()?.map(|file| file.map_err(Stop::from)).filter(is_wanted))
    }

    fn write_lines(&self, out: &mut impl Write) -> Result<(), Stop> {
        let now = SystemTime::now();
        for file in self.files()? {
            Line::of(&file?, now).write(out)?;
        }
        Ok(())
    }

    fn write_table(&self, out: &mut impl Write) -> Result<(), Stop> {
        let (mut layout, mut piece) = (Layout::new(size().map(|(width, _)| width)), Vec::new());
        let mut files = self.files()?.peekable();
        if files.peek().is_none() {
            say(self.nothing());
            return Ok(());
        }
        for file in files {
            piece.extend(rows(&file?));
            if piece.len() >= PIECE {
                layout.write(&piece, out)?;
                piece.clear();
            }
        }
        Ok(layout.write(&piece, out)?)
    }

    /// As many rows as there is room for, over what was there before.
    fn draw(&self, every: Duration, out: &mut impl Write) -> Result<(), Stop> {
        let (width, height) = size().unwrap_or((80, 24));
        let (mut shown, mut rest, most) = (Vec::new(), 0, height.saturating_sub(4).max(1));
        for file in self.files()? {
            for row in rows(&file?) {
                if shown.len() < most { shown.push(row) } else { rest += 1 }
            }
        }
        let mut text = Vec::new();
        let head = format!("{}, every {}s", plain(&self.directory.to_string_lossy()), every.as_secs_f64());
        writeln!(text, "{}", head.chars().take(width).collect::<String>())?;
        match (shown.is_empty(), rest) {
            (true, _) => writeln!(text, "{}", self.nothing())?,
            (false, 0) => Layout::new(Some(width)).write(&shown, &mut text)?,
            (false, rest) => {
                Layout::new(Some(width)).write(&shown, &mut text)?;
                writeln!(text, "and {rest} more")?;
            }
        }
        Ok(out.write_all(&over(&text))?)
    }

    fn nothing(&self) -> String {
        let directory = plain(&self.directory.to_string_lossy()).into_owned();
        if self.args.held {
            format!("no lock is held in {directory}")
        } else {
            format!("no lock files in {directory}")
        }
    }
}

/// From the upper left corner, over each line as far as it goes, and over all that is below. Nothing flickers so.
fn over(text: &[u8]) -> Vec<u8> {
    let mut drawn = b"\x1b[H".to_vec();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        drawn.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        drawn.extend_from_slice(b"\x1b[K\n");
    }
    drawn.extend_from_slice(b"\x1b[J");
    drawn
}

/// How wide and how high the terminal is that is written to.
fn size() -> Option<(usize, usize)> {
    let (Width(width), Height(height)) = terminal_size_of(io::stdout())?;
    Some((width.into(), height.into()))
}

/// Waits, but not for a reader that is gone.
fn pause(out: &StdoutLock<'_>, time: Duration) -> Result<(), Stop> {
    let millis = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    let mut watched = [PollFd::new(out.as_fd(), PollFlags::empty())];
    match poll(&mut watched, millis) {
        Ok(ready) if ready > 0 => Err(Stop::Closed),
        // A signal that was handled shortens a pause.
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}
