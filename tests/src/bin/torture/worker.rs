//! The other processes: those that take the lock, and the cleaner that removes its file.

use std::io;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use lockutils::Removal;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::ledger::Ledger;
use crate::library;
use crate::life::Doing;
use crate::oracle::{Stay, Visitor};
use crate::protocol::Protocol;
use crate::way::{Held, Way};

/// The longest stay inside.
const INSIDE: Duration = Duration::from_micros(80);
/// The longest time elsewhere where there is a cleaner: it gets its turn when nobody has the file open.
const ELSEWHERE: Duration = Duration::from_millis(4);

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes the lock, until it is killed.
    Worker,
    /// The same, but nobody kills it before the end: it would show a wait that never ends.
    Witness,
    /// Removes the file of the lock, until it is killed.
    Cleaner,
}

/// All that a process of the fleet is told.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// What it is for.
    pub(crate) role: Role,
    /// How the lock is taken.
    pub(crate) protocol: Protocol,
    /// Whose child it is.
    pub(crate) killer: u32,
    /// Its number, which no other has.
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
        let roles = [Role::Worker, Role::Witness, Role::Cleaner];
        Some(Self {
            role: roles.into_iter().find(|known| format!("{known:?}") == *role)?,
            protocol: Protocol::named(protocol)?,
            killer: killer.parse().ok()?,
            incarnation: incarnation.parse().ok()?,
            seed: seed.parse().ok()?,
            ledger: ledger.into(),
            directory: directory.into(),
        })
    }

    /// The command of the process that has it.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(format!("{:?}", self.role)).arg(self.protocol.name());
        command.args([self.killer.into(), self.incarnation, self.seed].map(|number: u64| number.to_string()));
        command.arg(&self.ledger).arg(&self.directory).stdin(Stdio::null());
        Ok(command)
    }

    /// Does it. This ends only by an error or a kill.
    pub(crate) fn run(&self) -> io::Result<()> {
        set_pdeathsig(Signal::SIGKILL)?;
        // Before that it was not asked for.
        if parent_id() != self.killer {
            return Err(io::Error::other("the killer has ended"));
        }
        let ledger = Ledger::open(&self.ledger)?;
        ledger.life(self.incarnation)?.pid.store(std::process::id().into(), SeqCst);
        if self.role == Role::Cleaner { self.clean(&ledger) } else { self.work(&ledger) }
    }

    fn work(&self, ledger: &Ledger) -> io::Result<()> {
        let mut worker = Worker::new(self, Visitor::new(*ledger, self.incarnation)?)?;
        loop {
            worker.turn()?;
        }
    }

    fn clean(&self, ledger: &Ledger) -> io::Result<()> {
        let locks = library::locks(&self.directory)?;
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

    fn random(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ self.incarnation.rotate_left(32))
    }
}

/// One that takes the lock again and again.
struct Worker {
    protocol: Protocol,
    visitor: Visitor,
    way: Way,
    random: StdRng,
}

impl Worker {
    fn new(job: &Job, visitor: Visitor) -> io::Result<Self> {
        let mut random = job.random();
        let way = Way::new(job.protocol, &job.directory, &mut random)?;
        Ok(Self { protocol: job.protocol, visitor, way, random })
    }

    /// Takes the lock and lets go of it.
    fn turn(&mut self) -> io::Result<()> {
        let life = self.visitor.life();
        life.begins(Doing::Taking);
        let held = self.way.take(life, &mut self.random)?;
        life.waited();
        let held = visit(&self.visitor, self.protocol, held, &mut self.random)?;
        life.times.fetch_add(1, SeqCst);
        life.begins(Doing::Leaving);
        self.way.release(held)?;
        life.begins(Doing::Outside);
        if self.protocol.leaves_gaps() {
            thread::sleep(ELSEWHERE.mul_f64(self.random.random()));
        }
        Ok(())
    }
}

/// Is inside with what it holds. Who was alone may then share with others.
fn visit(visitor: &Visitor, protocol: Protocol, held: Held, random: &mut StdRng) -> io::Result<Held> {
    if held.is_shared() {
        return visitor.read(None, stay(random)).map(|()| held);
    }
    let counted = visitor.write(held.token(), stay(random))?;
    if !protocol.has_readers() || !random.random_ratio(1, 4) {
        return Ok(held);
    }
    let held = held.downgrade()?;
    if held.is_shared() {
        visitor.read(Some(counted), stay(random))?;
    }
    Ok(held)
}

fn stay(random: &mut StdRng) -> Stay {
    Stay { length: INSIDE.mul_f64(random.random()), yields: random.random_ratio(1, 16) }
}
