//! Processes that take the lock by another program or library.
//!
//! The kernel gives up a lock when the process that has it dies, so that process itself must be the one that is in the
//! ledger: a helper of it could go on for a moment. Python maps the ledger. `flock(1)` turns into this program, by
//! `--no-fork`, and this program, which has the lock then, turns back into `flock(1)`.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;

use lockutils_tests::python;
use nix::unistd::close;

use crate::job::Job;
use crate::ledger::{Ledger, Wrong};
use crate::life::Doing;
use crate::oracle::Visitor;
use crate::worker::{gap, stay};

/// The command of a process that takes the lock by `flock(1)`.
pub(crate) fn flock(job: &Job) -> io::Result<Command> {
    let mut command = Command::new("flock");
    command.args(["--exclusive", "--no-fork"]).arg(job.file());
    command.arg(std::env::current_exe()?).args(job.words());
    Ok(command)
}

/// What `flock(1)` turns into: it has the lock, by a descriptor that it does not know. This ends only by an error or a
/// kill.
pub(crate) fn has_flock(job: &Job, ledger: Ledger) -> io::Result<()> {
    let visitor = Visitor::new(ledger, job.incarnation, job.role.rooms(job.protocol))?;
    let life = visitor.life();
    life.waited();
    let mut random = job.random(job.incarnation ^ life.times.load(SeqCst).rotate_left(16));
    let held = descriptor(&job.directory)?;
    visitor.goes_astray(is_astray(held, &job.file())?);
    visitor.write(0, stay(&mut random))?;
    life.times.fetch_add(1, SeqCst);
    life.begins(Doing::Leaving);
    close(held)?;
    life.begins(Doing::Outside);
    gap(job.protocol, &mut random);
    life.begins(Doing::Taking);
    Err(flock(job)?.exec())
}

/// The open file that is in the directory.
fn descriptor(directory: &Path) -> io::Result<RawFd> {
    let is_there = |path: &Path| fs::read_link(path).is_ok_and(|to| to.starts_with(directory));
    let open = fs::read_dir("/proc/self/fd")?.flatten().find(|entry| is_there(&entry.path()));
    let number = open.and_then(|entry| entry.file_name().to_str()?.parse().ok());
    number.ok_or_else(|| io::Error::other("flock(1) has left no lock file"))
}

/// Whether the path leads to another file than the one that is locked, or to none.
fn is_astray(held: RawFd, path: &Path) -> io::Result<bool> {
    let held = fs::metadata(format!("/proc/self/fd/{held}"))?.ino();
    Ok(fs::metadata(path).map_or(true, |there| there.ino() != held))
}

/// The command of a process that takes the lock by a Python library.
pub(crate) fn library(job: &Job, library: &str) -> io::Result<Command> {
    let layout = Ledger::layout(job.incarnation, job.role.rooms(job.protocol).start);
    let mut command = python("torture.py");
    command.arg(library).arg(job.file()).arg(job.killer.to_string()).arg(&job.ledger);
    command.arg(layout.to_string()).arg(std::env::current_exe()?);
    Ok(command)
}

/// The command by which Python notes what it saw: `accuse LEDGER WRONG BY MET`. Says whether the arguments are that.
pub(crate) fn accuse(words: &[String]) -> io::Result<bool> {
    let [command, ledger, wrong, by, met] = words else { return Ok(false) };
    let (Some(wrong), Ok(by), Ok(met)) = (Wrong::named(wrong), by.parse(), met.parse()) else {
        return Ok(false);
    };
    if command == "accuse" {
        Ledger::open(Path::new(ledger))?.accuse(wrong, by, met);
    }
    Ok(command == "accuse")
}
