//! The killer: keeps a fleet of workers going, and kills them.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
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
use crate::life::{Life, now};
use crate::protocol::Protocol;
use crate::role::{Role, crew};
use crate::room::Room;
use crate::watch::{self, BOUND, Watch, is_long};

/// The longest pause between two kills, and where there are Python libraries, which poll and take long to start.
const PAUSE: Duration = Duration::from_millis(1);
const LONG_PAUSE: Duration = Duration::from_millis(12);
/// How long the killer lies in wait for somebody to come in, and for how long he lets that one be inside.
const AMBUSH: Duration = Duration::from_millis(4);
const MERCY: Duration = Duration::from_micros(15);
/// How many may be dying at a time.
const DYING: usize = 32;
/// How often the killer looks whether one that was killed has ended, when there is nothing else to do.
const LOOK: Duration = Duration::from_micros(100);
/// Room for the lives of one second.
const LIVES_A_SECOND: u64 = 4_000;

/// One protocol under torture.
pub(crate) struct Phase {
    /// How the lock is taken.
    pub(crate) protocol: Protocol,
    /// When it is enough.
    pub(crate) until: Until,
    /// How many workers there are at a time, each a process.
    pub(crate) workers: usize,
    /// Where chance begins.
    pub(crate) seed: u64,
    /// Where the directory of the lock file is made.
    pub(crate) directory: PathBuf,
}

/// When it is enough.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After so many kills.
    Kills(u64),
    /// After so long.
    Time(Duration),
}

/// A phase that is over. All its processes have ended.
pub(crate) struct Ended {
    /// What they have left behind.
    pub(crate) ledger: Ledger,
    /// How long they lived.
    pub(crate) lasted: Duration,
    /// The one that nobody killed before the end.
    pub(crate) witness: Range<u64>,
    /// What the others were for, by their first incarnation, in ascending order.
    pub(crate) roles: Vec<(u64, Role)>,
    /// Files on their way out that are still there after the last cleaning.
    pub(crate) left: usize,
}

impl Until {
    fn is_over(self, kills: u64, started: Instant) -> bool {
        match self {
            Self::Kills(number) => kills >= number,
            Self::Time(length) => started.elapsed() >= length,
        }
    }

    /// At most so many.
    fn kills(self) -> u64 {
        match self {
            Self::Kills(number) => number,
            Self::Time(length) => (length.as_secs() + 1) * LIVES_A_SECOND,
        }
    }
}

impl Phase {
    /// Lets workers take the lock and kills them until it is enough.
    ///
    /// # Errors
    ///
    /// When somebody waits for too long, or ends without having been killed. All are dead then.
    pub(crate) fn run(&self) -> io::Result<Ended> {
        let directory = self.directory.join(self.protocol.name().replace([' ', ','], "-"));
        std::fs::create_dir(&directory)?;
        let mut fleet = Fleet::new(self, directory.clone())?;
        let started = Instant::now();
        fleet.start(self.workers)?;
        let mut watch = Watch::new();
        let pause = if self.protocol.is_mixed() { LONG_PAUSE } else { PAUSE };
        while !self.until.is_over(fleet.kills, started) {
            thread::sleep(pause.mul_f64(fleet.random.random()));
            fleet.kill_one()?;
            fleet.reap()?;
            if watch.is_due() {
                fleet.look()?;
            }
        }
        let lasted = started.elapsed();
        fleet.end()?;
        let left = if self.protocol.is_ours() { left_behind(&directory)? } else { 0 };
        Ok(Ended {
            ledger: fleet.ledger,
            lasted,
            witness: fleet.witness.clone(),
            roles: std::mem::take(&mut fleet.roles),
            left,
        })
    }

    /// So many lives there may be.
    fn lives(&self) -> usize {
        let processes =
            usize::try_from(self.until.kills()).unwrap_or(usize::MAX).saturating_add(self.workers);
        // The witness. Nobody has the first life.
        let lives = usize::try_from(self.protocol.lives()).unwrap_or(usize::MAX);
        processes.saturating_add(1 + self.protocol.cleaners()).saturating_mul(lives).saturating_add(1)
    }
}

/// Cleans up, and says what then is still there besides the lock file.
fn left_behind(directory: &Path) -> io::Result<usize> {
    library::locks(directory)?.clean("*", Duration::ZERO)?;
    Ok(std::fs::read_dir(directory)?.count())
}

/// The processes of a phase. They are killed when it is dropped.
struct Fleet {
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
    fn new(phase: &Phase, directory: PathBuf) -> io::Result<Self> {
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

    fn start(&mut self, workers: usize) -> io::Result<()> {
        self.bear(Role::Witness)?;
        self.witness = 1..self.born + 1;
        crew(self.job.protocol, workers).into_iter().try_for_each(|role| self.bear(role))
    }

    fn bear(&mut self, role: Role) -> io::Result<()> {
        let incarnation = self.born + 1;
        self.born += self.job.protocol.lives();
        self.roles.push((incarnation, role));
        self.ledger.life(self.born)?;
        let job = Job { role, incarnation, ..self.job.clone() };
        let child = job.command()?.spawn()?;
        self.alive.push(Member { role, incarnation, child, since: now() });
        Ok(())
    }

    /// Kills somebody, and starts another one in its place.
    fn kill_one(&mut self) -> io::Result<()> {
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
    fn reap(&mut self) -> io::Result<()> {
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
    fn look(&self) -> io::Result<()> {
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
    fn end(&mut self) -> io::Result<()> {
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
