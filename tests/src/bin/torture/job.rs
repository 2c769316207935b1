//! What a process of the fleet is told to do.

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use lockutils::Removal;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::crowd;
use crate::ledger::Ledger;
use crate::library;
use crate::life::Doing;
use crate::peers;
use crate::protocol::Protocol;
use crate::role::Role;

/// All that a process of the fleet is told.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// What it is for.
    pub(crate) role: Role,
    /// How the lock is taken.
    pub(crate) protocol: Protocol,
    /// Whose child it is.
    pub(crate) killer: u32,
    /// Its number, which no other has; the next ones are those of its other threads and tasks.
    pub(crate) incarnation: u64,
    /// Where chance begins.
    pub(crate) seed: u64,
    /// The file of the ledger.
    pub(crate) ledger: PathBuf,
    /// The directory of the lock file.
    pub(crate) directory: PathBuf,
}

impl Job {
    /// Reads it from the arguments, if they are a job.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let [role, protocol, killer, incarnation, seed, ledger, directory] = words else { return None };
        Some(Self {
            role: Role::named(role)?,
            protocol: Protocol::named(protocol)?,
            killer: killer.parse().ok()?,
            incarnation: incarnation.parse().ok()?,
            seed: seed.parse().ok()?,
            ledger: ledger.into(),
            directory: directory.into(),
        })
    }

    /// The arguments from which it can be read.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let numbers = [self.killer.into(), self.incarnation, self.seed].map(|number: u64| number.to_string());
        let names = [format!("{:?}", self.role), self.protocol.name().to_owned()];
        let paths = [&self.ledger, &self.directory].map(OsString::from);
        names.into_iter().chain(numbers).map(OsString::from).chain(paths).collect()
    }

    /// The command of the process that has it.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let mut command = match (self.role, self.role.library()) {
            (_, Some(library)) => peers::library(self, library)?,
            (Role::Flock, _) => peers::flock(self)?,
            _ => Command::new(std::env::current_exe()?),
        };
        if self.role.is_ours() {
            command.args(self.words());
        }
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// The lock file.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join(library::NAME)
    }

    /// Does it. This ends only by an error or a kill.
    pub(crate) fn run(&self) -> io::Result<()> {
        set_pdeathsig(Signal::SIGKILL)?;
        // Before that it was not asked for.
        if parent_id() != self.killer {
            return Err(io::Error::other("the killer has ended"));
        }
        let ledger = Ledger::open(&self.ledger)?;
        for life in self.lives() {
            ledger.life(life)?.pid.store(std::process::id().into(), SeqCst);
        }
        match self.role {
            Role::Cleaner => self.clean(&ledger),
            Role::Flock => peers::has_flock(self, ledger),
            _ => crowd::work(self, ledger),
        }
    }

    fn clean(&self, ledger: &Ledger) -> io::Result<()> {
        let locks = library::locks(&self.directory, self.protocol.mechanism())?;
        let life = ledger.life(self.incarnation)?;
        // What cleaners have left behind that were killed.
        locks.clean("*", Duration::ZERO)?;
        let lock = library::lock(&locks);
        loop {
            life.begins(Doing::Taking);
            if lock.remove_file()? == Removal::Removed {
                life.times.fetch_add(1, SeqCst);
            }
            life.begins(Doing::Outside);
            thread::yield_now();
        }
    }

    /// The incarnations of its threads and tasks.
    pub(crate) fn lives(&self) -> Range<u64> {
        self.incarnation..self.incarnation + self.protocol.lives()
    }

    /// Chance for one of them.
    pub(crate) fn random(&self, incarnation: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ incarnation.rotate_left(32))
    }
}
