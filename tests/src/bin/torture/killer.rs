//! The killer: keeps a fleet of workers going, and kills them.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::job::Job;
use crate::ledger::Ledger;
use crate::library;
use crate::life::{Doing, Life, now};
use crate::phase::{Ended, Phase};
use crate::role::{Role, crew};
use crate::room::Room;
use crate::watch::{self, BOUND, is_long};

/// How long the killer lies in wait for somebody to come in, and for how long he lets that one be inside.
const AMBUSH: Duration = Duration::from_millis(4);
const MERCY: Duration = Duration::from_micros(15);
/// How many may be dying at a time.
const DYING: usize = 32;
/// How often the killer looks whether one that was killed has ended, when there is nothing else to do.
const LOOK: Duration = Duration::from_micros(100);
/// The processes of a phase. They are killed when it is dropped.
pub(crate) struct Fleet {
    job: Job,
    ledger: Ledger,
    random: StdRng,
    alive: Vec<Member>,
    dying: Vec<Member>,
    kills: u64,
    born: u64,
    witness: Range<u64>,
    roles: Vec<(u64, Role)>,
    /// Where the ledger is; removed at the end.
    _place: TempDir,
}

struct Member {
    role: Role,
    incarnation: u64,
    child: Child,
    /// When it was started or killed.
    since: u64,
}

impl Fleet {
    /// Nobody yet.
    pub(crate) fn new(phase: &Phase, directory: PathBuf) -> io::Result<Self> {
        let place = tempfile::Builder::new().prefix("lockutils-ledger-").tempdir()?;
        let path = place.path().join("ledger");
        let ledger = Ledger::make(&path, phase.lives())?;
        let job = Job {
            role: Role::Worker,
            protocol: phase.protocol,
            killer: std::process::id(),
            incarnation: 0,
            seed: phase.seed,
            ledger: path,
            directory,
        };
        Ok(Self {
            job,
            ledger,
            random: StdRng::seed_from_u64(phase.seed),
            alive: Vec::new(),
            dying: Vec::new(),
            kills: 0,
            born: 0,
            witness: 0..0,
            roles: Vec::new(),
            _place: place,
        })
    }

    /// Starts all.
    pub(crate) fn start(&mut self, workers: usize) -> io::Result<()> {
        self.bear(Role::Witness)?;
        self.witness = 1..self.born + 1;
        crew(self.job.protocol, workers).into_iter().try_for_each(|role| self.bear(role))
    }

    fn bear(&mut self, role: Role) -> io::Result<()> {
        let incarnation = self.born + 1;
        self.born += self.job.protocol.lives();
        self.roles.push((incarnation, role));
        let life = self.ledger.some_lives(incarnation, self.job.protocol.lives())?;
        if role == Role::Flock {
            // The program itself can note nothing.
            life[0].begins(Doing::Taking);
        }
        let job = Job { role, incarnation, ..self.job.clone() };
        let child = job.command()?.spawn()?;
        self.alive.push(Member { role, incarnation, child, since: now() });
        Ok(())
    }

    /// Does nothing for a while, at most for so long.
    pub(crate) fn rest(&mut self, longest: Duration) {
        thread::sleep(longest.mul_f64(self.random.random()));
    }

    /// How many were killed so far.
    pub(crate) fn kills(&self) -> u64 {
        self.kills
    }

    /// Kills somebody, and starts another one in its place.
    pub(crate) fn kill_one(&mut self) -> io::Result<()> {
        let at = self.choose();
        let role = self.alive[at].role;
        self.kill(at)?;
        self.kills += 1;
        self.bear(role)
    }

    fn kill(&mut self, at: usize) -> io::Result<()> {
        let mut member = self.alive.swap_remove(at);
        member.since = now();
        for life in self.lives(&member)? {
            life.killed.store(member.since, SeqCst);
        }
        let killed = member.child.kill();
        self.dying.push(member);
        killed
    }

    /// What is known of its threads and tasks.
    fn lives(&self, member: &Member) -> io::Result<&'static [Life]> {
        self.ledger.some_lives(member.incarnation, self.job.protocol.lives())
    }

    /// Half of the time the one that is inside.
    fn choose(&mut self) -> usize {
        let inside = if self.random.random() { self.holder() } else { None };
        inside.unwrap_or_else(|| {
            loop {
                let at = self.random.random_range(0..self.alive.len());
                if self.may_be_killed(&self.alive[at]) {
                    return at;
                }
            }
        })
    }

    /// Waits for one to come in that may be killed, and a little longer.
    fn holder(&mut self) -> Option<usize> {
        let started = Instant::now();
        let mercy = MERCY.mul_f64(self.random.random());
        while started.elapsed() < AMBUSH {
            if let Some(at) = self.inside() {
                let came = Instant::now();
                while came.elapsed() < mercy {
                    std::hint::spin_loop();
                }
                return Some(at);
            }
            // The workers have hardly more processors than the killer.
            thread::yield_now();
        }
        None
    }

    /// One that is inside, alone or with others, and may be killed.
    fn inside(&self) -> Option<usize> {
        let lives = self.job.protocol.lives();
        let is = |member: &Member, life| (member.incarnation..member.incarnation + lives).contains(&life);
        let find = |life| self.alive.iter().position(|member| is(member, life));
        let inside = self.ledger.head().rooms.iter().flat_map(Room::all).filter_map(find);
        inside.into_iter().find(|at| self.may_be_killed(&self.alive[*at]))
    }

    fn may_be_killed(&self, member: &Member) -> bool {
        let times = self.ledger.life(member.incarnation).map_or(0, |life| life.times.load(SeqCst));
        member.role != Role::Witness && times >= member.role.is_ripe_after()
    }

    /// Buries those that have died; waits for some if there are too many.
    pub(crate) fn reap(&mut self) -> io::Result<()> {
        self.bury()?;
        while self.dying.len() > DYING {
            thread::sleep(LOOK);
            self.bury()?;
        }
        Ok(())
    }

    fn bury(&mut self) -> io::Result<()> {
        for at in (0..self.dying.len()).rev() {
            if has_ended(&self.dying[at])? {
                let mut member = self.dying.swap_remove(at);
                // The note comes before its process number is free: see `oracle`.
                for life in self.lives(&member)? {
                    life.ended.store(now(), SeqCst);
                }
                member.child.wait()?;
            } else if is_long(self.dying[at].since) {
                return Err(io::Error::other(format!(
                    "killed and does not end: {}",
                    self.tell(&self.dying[at])
                )));
            }
        }
        Ok(())
    }

    /// Whether all who live come on.
    pub(crate) fn look(&self) -> io::Result<()> {
        for member in &self.alive {
            if has_ended(member)? {
                return Err(io::Error::other(format!("somebody else has killed {}", self.tell(member))));
            }
            let lives = self.lives(member)?.iter();
            if lives.map(|life| life.moment().1.max(member.since)).any(is_long) {
                let all: Vec<String> = self.alive.iter().map(|member| self.tell(member)).collect();
                let (who, all) = (self.tell(member), all.join("\n  "));
                let locks = watch::locks(&self.job.directory);
                return Err(io::Error::other(format!(
                    "{}: no end within {BOUND:?}: {who}\nall who live:\n  {all}\nthe kernel's locks of the directory:\n{locks}",
                    self.job.protocol.name()
                )));
            }
        }
        Ok(())
    }

    fn tell(&self, member: &Member) -> String {
        let Member { role, incarnation, child, since } = member;
        let lives = self.lives(member).unwrap_or_default();
        let tell = |(number, life): (u64, &Life)| {
            let (doing, at) = life.moment();
            let doing = format!("{doing:?} ({})", library::way(life.way()));
            watch::tell(&format!("{role:?} {number}"), child.id(), &doing, at.max(*since))
        };
        (*incarnation..).zip(lives).map(tell).collect::<Vec<_>>().join("; ")
    }

    /// Kills all, and sees them die. These kills are noted like all others.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        // It may be at its longest wait.
        for witness in self.witness.clone() {
            self.ledger.life(witness)?.waited();
        }
        while !self.alive.is_empty() {
            self.kill(0)?;
        }
        while !self.dying.is_empty() {
            self.bury()?;
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// What they have left behind, so long after they were started.
    pub(crate) fn left(&mut self, lasted: Duration, left: usize) -> Ended {
        let (witness, roles) = (self.witness.clone(), std::mem::take(&mut self.roles));
        Ended { ledger: self.ledger, lasted, witness, roles, left }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // What was killed ends, and what cannot be killed has ended. Waiting for it might have no end.
        for member in &mut self.alive {
            let _ = member.child.kill();
        }
    }
}

/// Whether a process has ended, which is left as it is.
///
/// # Errors
///
/// When it was not killed.
fn has_ended(member: &Member) -> io::Result<bool> {
    let pid = Pid::from_raw(member.child.id().cast_signed());
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(pid), flags)? {
        WaitStatus::StillAlive => Ok(false),
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => Ok(true),
        status => {
            let Member { role, incarnation, .. } = member;
            Err(io::Error::other(format!("{role:?} {incarnation} was not killed, but: {status:?}")))
        }
    }
}
