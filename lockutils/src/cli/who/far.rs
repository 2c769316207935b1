//! Who has a distributed lock, and who waits for it: as its engine has them.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use lockutils::distributed::{Backend, Contender, Promise, Share};
use lockutils::exit::Exit;

use super::Args;
use crate::failure::Failure;
use crate::json::Line;
use crate::output::{self, Stop, ended};
use crate::place::Distributed;
use crate::shown::plain;

/// What an engine says of a lock.
pub(crate) struct Seen {
    /// With its prefix.
    pub(crate) name: String,
    /// The engine, without what is secret of its URL.
    pub(crate) location: String,
    pub(crate) holders: Vec<Contender>,
    /// `None`: the engine does not tell.
    pub(crate) waiters: Option<Vec<Contender>>,
}

pub(super) fn run(args: &Args, far: &Distributed, backend: &dyn Backend) -> Result<ExitCode, Failure> {
    let contenders = far.locks.lock(&args.name).distributed().contenders()?;
    let (holders, waiters) = contenders.into_iter().partition(|one: &Contender| one.holds);
    let seen = Seen {
        name: far.full_name(&args.name),
        location: backend.location().to_owned(),
        holders,
        waiters: Some(waiters).filter(|_| backend.promises().has(Promise::Contenders)),
    };
    ended(answer(args, &seen))
}

fn answer(args: &Args, seen: &Seen) -> Result<Exit, Stop> {
    let mut out = output::open();
    if args.json {
        Line::of_engine(seen, SystemTime::now()).write(&mut out)?;
    } else {
        write_in_words(seen, &mut out)?;
    }
    out.flush()?;
    Ok(if seen.holders.is_empty() { Exit::Conflict } else { Exit::Success })
}

fn write_in_words(seen: &Seen, out: &mut impl Write) -> io::Result<()> {
    if let Some(of) = seen.permits() {
        writeln!(out, "{} of {of} permits are taken", seen.holders.len())?;
    }
    for holder in &seen.holders {
        let verb = match holder.share {
            Share::Permit(_) => "a permit is held",
            Share::Read => "read",
            Share::Write => "held",
        };
        writeln!(out, "{verb} by {}", plain(called(holder)))?;
    }
    if seen.holders.is_empty() {
        writeln!(out, "nobody has `{}` ({})", plain(&seen.name), plain(&seen.location))?;
    }
    for waiter in seen.waiters.iter().flatten() {
        let wants = match waiter.share {
            Share::Permit(_) => " for a permit",
            Share::Read => " to read",
            Share::Write => "",
        };
        writeln!(out, "{} waits{wants}", plain(called(waiter)))?;
    }
    Ok(())
}

impl Seen {
    /// Of a semaphore that somebody holds: how many permits there are.
    pub(crate) fn permits(&self) -> Option<u32> {
        self.holders.iter().find_map(|holder| match holder.share {
            Share::Permit(of) => Some(of),
            _ => None,
        })
    }
}

/// What it calls itself; what the engine calls it if it does not.
pub(crate) fn called(contender: &Contender) -> &str {
    if contender.identifier.is_empty() { &contender.place } else { &contender.identifier }
}
