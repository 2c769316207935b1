//! The table.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nix::sys::statfs::{self, FsType, statfs};

use crate::ledger::{Sighting, Wrong};
use crate::library;
use crate::life::{Doing, Life};
use crate::options::Options;
use crate::phase::Ended;
use crate::protocol::Protocol;
use crate::role::Role;
use crate::tally::{Tally, recovery};

/// What became of a phase: a line of the table.
pub(crate) struct Outcome {
    protocol: Protocol,
    lasted: Duration,
    acquisitions: u64,
    kills: usize,
    inside: usize,
    taking: usize,
    reading: usize,
    overlaps: u64,
    torn: u64,
    tokens: u64,
    /// From the kill of a holder to the next one, sorted.
    recoveries: Vec<u64>,
    /// The longest wait of the witness: how, and for how many nanoseconds.
    longest: (u64, u64),
    removed: u64,
    left: usize,
    sightings: Vec<Sighting>,
    aside: u64,
    astray: u64,
    tallies: Vec<Tally>,
}

/// Says what is needed to run the same again, and begins the table.
pub(crate) fn head(options: &Options) {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("seed {}, {} workers and a witness", options.seed, options.workers);
    println!("Linux {}, lock files on {}", kernel.trim(), file_system(&options.directory));
    println!(
        "{:<26}{:>8}{:>12}{:>9}{:>9}{:>9}{:>10}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}  result",
        "protocol",
        "s",
        "times taken",
        "killed",
        "inside",
        "taking",
        "overlaps",
        "torn",
        "tokens",
        "µs",
        "p99",
        "max",
        "wait ms"
    );
}

fn file_system(directory: &Path) -> String {
    let known = [
        (statfs::EXT4_SUPER_MAGIC, "ext4"),
        (statfs::TMPFS_MAGIC, "tmpfs"),
        (statfs::OVERLAYFS_SUPER_MAGIC, "overlayfs"),
        (statfs::XFS_SUPER_MAGIC, "xfs"),
        (statfs::BTRFS_SUPER_MAGIC, "btrfs"),
    ];
    let kind = statfs(directory).map(|found| found.filesystem_type());
    let name =
        |kind: FsType| known.into_iter().find(|(known, _)| *known == kind).map(|(_, name)| name.to_owned());
    kind.map_or_else(|error| error.to_string(), |kind| name(kind).unwrap_or_else(|| format!("{kind:?}")))
}

impl Outcome {
    /// Counts what the processes have left in the ledger.
    pub(crate) fn of(protocol: Protocol, ended: &Ended) -> Self {
        let Ended { ledger, lasted, witness, roles, left } = ended;
        let lives = ledger.lives();
        let tallies = Tally::all(ledger, roles);
        let times = |cleaners: bool| {
            let some = tallies.iter().filter(move |tally| (tally.role == Role::Cleaner) == cleaners);
            some.map(|tally| tally.times).sum()
        };
        let each = usize::try_from(protocol.lives()).unwrap_or(1);
        let processes = lives[1..].chunks_exact(each).filter(|lives| lives[0].killed.load(SeqCst) > 0);
        let processes: Vec<&[Life]> = processes.collect();
        let count = |doing| {
            let does = |lives: &&&[Life]| lives.iter().any(|life| life.moment().0 == doing);
            processes.iter().filter(does).count()
        };
        let recoveries = processes.iter().copied().flatten().filter_map(recovery);
        let mut recoveries: Vec<u64> = recoveries.collect();
        recoveries.sort_unstable();
        let longest = witness.clone().filter_map(|life| ledger.life(life).ok()).map(Life::longest);
        Self {
            protocol,
            lasted: *lasted,
            acquisitions: times(false),
            kills: processes.len(),
            inside: recoveries.len(),
            taking: count(Doing::Taking),
            reading: count(Doing::Reading),
            overlaps: ledger.head().seen(Wrong::Overlap),
            torn: ledger.head().seen(Wrong::Torn),
            tokens: ledger.head().seen(Wrong::Token),
            recoveries,
            longest: longest.max_by_key(|(_, nanos)| *nanos).unwrap_or_default(),
            removed: times(true),
            left: *left,
            sightings: ledger.head().sightings(),
            aside: ledger.head().seen(Wrong::Aside),
            astray: ledger.head().seen(Wrong::Astray),
            tallies,
        }
    }

    /// Whether it ended as it must.
    pub(crate) fn passed(&self) -> bool {
        self.verdict().is_ok()
    }

    fn verdict(&self) -> Result<&'static str, &'static str> {
        let seen = self.overlaps + self.torn > 0;
        match self.protocol {
            protocol if !protocol.is_sound() => {
                if seen {
                    Ok("caught")
                } else {
                    Err("NOT CAUGHT")
                }
            }
            _ if seen || self.tokens > 0 => Err("BROKEN"),
            _ if self.inside == 0 => Err("nobody was killed inside: SHOWS NOTHING"),
            protocol if protocol.has_readers() && self.reading == 0 => {
                Err("nobody was killed while reading: SHOWS NOTHING")
            }
            protocol if protocol.is_cleaned() && self.removed == 0 => {
                Err("nothing was removed: SHOWS NOTHING")
            }
            protocol if protocol.is_mixed() && self.tallies.iter().any(|tally| tally.times == 0) => {
                Err("somebody never had the lock: SHOWS NOTHING")
            }
            _ if self.left > 0 => Err("FILES LEFT BEHIND"),
            _ if self.aside > 0 => Ok("sound but for the window of those who do not look"),
            _ => Ok("sound"),
        }
    }

    /// Says what was seen that must not be, and what does not fit into the table.
    pub(crate) fn explain(&self) {
        if self.protocol.is_ours() {
            println!("  the witness waited longest by: {}", library::way(self.longest.0));
        }
        if self.protocol.has_readers() {
            println!("  {} were killed while they read", self.reading);
        }
        if self.protocol.is_cleaned() {
            println!("  the file was removed {} times; {} files were left behind", self.removed, self.left);
        }
        if self.protocol.is_mixed() {
            self.tallies.iter().for_each(|tally| println!("  {tally}"));
            println!(
                "  {} times a file that was taken away was locked, {} overlaps by that",
                self.astray, self.aside
            );
        }
        if !self.passed() {
            for Sighting { wrong, by, met, at } in &self.sightings {
                println!("  {wrong:?} seen by {by}, which met {met}, at {at}");
            }
        }
    }

    /// In microseconds, of what is sorted.
    fn recovery(&self, part: usize, of: usize) -> u64 {
        let at = (self.recoveries.len() * part / of).min(self.recoveries.len().saturating_sub(1));
        self.recoveries.get(at).map_or(0, |nanos| nanos / 1_000)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acquisitions, kills, inside, taking, overlaps, torn, tokens, longest, .. } = self;
        let (name, seconds, wait) = (self.protocol.name(), self.lasted.as_secs_f64(), longest.1 / 1_000_000);
        let (median, p99, max) = (self.recovery(1, 2), self.recovery(99, 100), self.recovery(1, 1));
        let (Ok(result) | Err(result)) = self.verdict();
        write!(
            f,
            "{name:<26}{seconds:>8.1}{acquisitions:>12}{kills:>9}{inside:>9}{taking:>9}{overlaps:>10}"
        )?;
        write!(f, "{torn:>9}{tokens:>8}{median:>9}{p99:>9}{max:>9}{wait:>9}  {result}")
    }
}
