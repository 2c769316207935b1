//! How long it takes from the kill of the one who has the lock until the one who waits for it is inside. There are only
//! these two processes, and neither does anything else: `torture --kill-to-next 2000`.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, BufRead};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Lock, Mechanism};
use lockutils_tests::{Child, eventually, state};
use nix::fcntl::{Flock, FlockArg};

use crate::library;
use crate::life::now;
use crate::options::Options;
use crate::watch::BOUND;

/// By which a process of this knows what it is.
const COMMAND: &str = "next";
/// How long the waiter is given to fall asleep in the kernel.
const SETTLE: Duration = Duration::from_millis(3);

/// A way to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The bare call, for both processes: the unit.
    Flock,
    Blocking,
    Timeout,
    Async,
    AsyncTimeout,
}

impl Way {
    const ALL: [Self; 5] = [Self::Flock, Self::Blocking, Self::Timeout, Self::Async, Self::AsyncTimeout];

    fn name(self) -> &'static str {
        match self {
            Self::Flock => "flock(2)",
            Self::Blocking => "acquire",
            Self::Timeout => "timeout",
            Self::Async => "async",
            Self::AsyncTimeout => "async with timeout",
        }
    }
}

/// Measures all ways and prints a table. They take turns, so that what else goes on in the machine meets all of them.
pub(crate) fn measure(options: &Options, kills: u64) -> io::Result<()> {
    let made = tempfile::Builder::new().prefix("lockutils-next-").tempdir_in(&options.directory)?;
    println!("load before {}", load()?);
    let waiters = Way::ALL.map(|way| process(way, made.path()).map(|waiter| (way, waiter, Vec::new())));
    let mut waiters = waiters.into_iter().collect::<io::Result<Vec<_>>>()?;
    for _ in 0..kills {
        for (way, waiter, times) in &mut waiters {
            times.push(kill_to_next(*way, made.path(), waiter)?);
        }
    }
    println!("load after  {}", load()?);
    println!("{:<20}{:>8}{:>10}{:>8}{:>8}{:>8}", "waits by", "kills", "median µs", "p90", "p99", "max");
    for (way, _, mut times) in waiters {
        times.sort_unstable();
        print(way, &times);
    }
    Ok(())
}

/// A line of the table, of what is sorted.
fn print(way: Way, times: &[u64]) {
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)] / 1_000;
    let (median, p90, p99, max) = (at(50), at(90), at(99), at(100));
    println!("{:<20}{:>8}{median:>10}{p90:>8}{p99:>8}{max:>8}", way.name(), times.len());
}

/// How busy the machine is: other programs show in the times, too.
fn load() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/loadavg")?.trim().to_owned())
}

fn process(way: Way, directory: &Path) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(Child::spawn(command.args([COMMAND, way.name()]).arg(directory)))
}

/// In nanoseconds.
fn kill_to_next(way: Way, directory: &Path, waiter: &mut Child) -> io::Result<u64> {
    // Who has the lock has taken it in the simplest way.
    let mut holder = process(if way == Way::Flock { way } else { Way::Blocking }, directory)?;
    holder.say("wait");
    holder.expect("waiting");
    holder.line();
    waiter.say("wait");
    waiter.expect("waiting");
    thread::sleep(SETTLE);
    let process = format!("/proc/{}", waiter.pid());
    eventually("the waiter sleeps", || state(&process) == Some('S'));
    let killed = now();
    holder.kill();
    let inside: u64 = waiter.line().parse().map_err(io::Error::other)?;
    waiter.release();
    inside.checked_sub(killed).ok_or_else(|| io::Error::other("the waiter came in before the kill"))
}

/// What a process of this is told by its arguments and its standard input. Says whether it is one.
pub(crate) fn stand(words: &[String]) -> io::Result<bool> {
    let [command, way, directory] = words else { return Ok(false) };
    let way = Way::ALL.into_iter().find(|known| known.name() == *way);
    let Some(way) = way.filter(|_| command == COMMAND) else { return Ok(false) };
    let lock = library::lock(&library::locks(Path::new(directory), Mechanism::Kernel)?);
    let mut held = None;
    for line in io::stdin().lock().lines() {
        if line? == "wait" {
            println!("waiting");
            held = Some(take(way, &lock, Path::new(directory))?);
            println!("{}", now());
        } else {
            held = None;
            println!("released");
        }
    }
    drop(held);
    Ok(true)
}

/// Waits for the lock; what is returned lets go by its drop.
fn take(way: Way, lock: &Lock, directory: &Path) -> io::Result<Box<dyn Any>> {
    let guard = match way {
        Way::Flock => return flock(&directory.join("flock")),
        Way::Blocking => lock.acquire()?,
        Way::Timeout => lock.clone().timeout(BOUND).acquire()?,
        Way::Async => block_on(lock.acquire_async())?,
        Way::AsyncTimeout => block_on(lock.clone().timeout(BOUND).acquire_async())?,
    };
    Ok(Box::new(guard))
}

fn flock(path: &Path) -> io::Result<Box<dyn Any>> {
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    Ok(Box::new(held))
}
