//! One protocol under torture, from beginning to end.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockutils::Mechanism;

use crate::killer::Fleet;
use crate::ledger::Ledger;
use crate::library;
use crate::protocol::Protocol;
use crate::role::Role;
use crate::watch::Watch;

/// The longest pause between two kills, and where there are Python libraries, which poll and take long to start.
const PAUSE: Duration = Duration::from_millis(1);
const LONG_PAUSE: Duration = Duration::from_millis(12);
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
        while !self.until.is_over(fleet.kills(), started) {
            fleet.rest(pause);
            fleet.kill_one()?;
            fleet.reap()?;
            if watch.is_due() {
                fleet.look()?;
            }
        }
        let lasted = started.elapsed();
        fleet.end()?;
        let left =
            if self.protocol.is_ours() { left_behind(&directory, self.protocol.mechanism())? } else { 0 };
        Ok(fleet.left(lasted, left))
    }

    /// So many lives there may be.
    pub(crate) fn lives(&self) -> usize {
        let processes =
            usize::try_from(self.until.kills()).unwrap_or(usize::MAX).saturating_add(self.workers);
        // The witness. Nobody has the first life.
        let lives = usize::try_from(self.protocol.lives()).unwrap_or(usize::MAX);
        processes.saturating_add(1 + self.protocol.cleaners()).saturating_mul(lives).saturating_add(1)
    }
}

/// Files that somebody has just made are left alone for a moment.
const PATIENCE: Duration = Duration::from_secs(3);

/// Cleans up, and says what then is still there besides the lock file.
fn left_behind(directory: &Path, mechanism: Mechanism) -> io::Result<usize> {
    let (locks, end) = (library::locks(directory, mechanism)?, Instant::now() + PATIENCE);
    loop {
        locks.clean("*", Duration::ZERO)?;
        let left = std::fs::read_dir(directory)?.count();
        if left == 0 || Instant::now() > end {
            return Ok(left);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
