//! Hand-off between processes beside a blocking `flock(2)`:
//! `cargo run --release -p lockutils-benches --bin between-processes`.
//!
//! Two processes pass a file lock to each other. The one that lets go notes the time in a file beside the
//! lock; the one that gets the lock reads how long that took.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fs4::FileExt;
use futures_lite::future::block_on;
use lockutils::{Config, Lock, Locks};
use lockutils_benches::{Bare, median, open, quantile};

/// The ways to wait, by the name that the child process is told.
const WAYS: [&str; 5] =
    ["flock", "the calls of lockutils", "lockutils", "lockutils, timeout", "lockutils, async"];

/// How long the holder keeps the other waiting, so that it has surely gone to sleep.
const HOLD: Duration = Duration::from_millis(3);

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [role, way, directory] = arguments.as_slice()
        && role == "waiter"
    {
        return wait(way, Path::new(directory));
    }
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(300);
    hand_offs(rounds)
}

fn hand_offs(rounds: usize) -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    File::create(directory.path().join("time"))?.write_all_at(&[0; 16], 0)?;
    let mut waiters = WAYS.map(|way| Waiter::start(way, directory.path()));
    let mut times = WAYS.map(|_| Vec::new());
    for _ in 0..rounds {
        for (waiter, times) in waiters.iter_mut().zip(&mut times) {
            times.push(
                waiter
                    .as_mut()
                    .map_err(|error| io::Error::other(error.to_string()))?
                    .hand_off(directory.path())?,
            );
        }
    }
    let unit = median(&mut times[0].clone());
    println!("{:<30} {:>9} {:>7} {:>9} {:>9}", "released to acquired", "µs", "ratio", "p10", "p90");
    for (way, times) in WAYS.iter().zip(&mut times) {
        let (middle, low, high) = (median(times), quantile(times, 0.1), quantile(times, 0.9));
        println!("{way:<30} {middle:>9.1} {:>7.2} {low:>9.1} {high:>9.1}", middle / unit);
    }
    Ok(())
}

/// A process that takes and lets go of a lock each time it is told to.
struct Waiter {
    way: &'static str,
    child: Child,
}

impl Waiter {
    fn start(way: &'static str, directory: &Path) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let command = command.args(["waiter", way]).arg(directory);
        Ok(Self { way, child: command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()? })
    }

    /// Holds the lock until the waiter sleeps, lets go, and says how many microseconds the waiter needed.
    fn hand_off(&mut self, directory: &Path) -> io::Result<f64> {
        let time = File::options().write(true).open(directory.join("time"))?;
        let holder = Holder::take(self.way, directory)?;
        self.child.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(b"g"))?;
        std::thread::sleep(HOLD);
        time.write_all_at(&now().to_le_bytes(), 0)?;
        holder.let_go()?;
        let mut answer = [0; 8];
        self.child.stdout.as_mut().map_or(Ok(()), |stdout| stdout.read_exact(&mut answer))?;
        Ok(Duration::from_nanos(u64::from_le_bytes(answer)).as_secs_f64() * 1e6)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What the parent holds: the same kind of lock as its waiter.
enum Holder {
    Flock(#[expect(dead_code, reason = "held for its drop")] File),
    Bare(Bare),
    Named(#[expect(dead_code, reason = "held for its drop")] lockutils::LockGuard),
}

impl Holder {
    fn take(way: &str, directory: &Path) -> io::Result<Self> {
        Ok(match way {
            "flock" => {
                let file = open(&directory.join("flocked"))?;
                FileExt::lock(&file)?;
                Self::Flock(file)
            }
            "the calls of lockutils" => {
                let bare = Bare::new(&directory.join("bare"))?;
                bare.wait()?;
                Self::Bare(bare)
            }
            _ => Self::Named(named(way, directory)?.acquire()?),
        })
    }

    fn let_go(self) -> io::Result<()> {
        if let Self::Bare(bare) = &self { bare.let_go() } else { Ok(()) }
    }
}

fn named(way: &str, directory: &Path) -> io::Result<Lock> {
    let lock = Locks::new(Config::new().lock_path(directory))?.lock(way).external();
    Ok(if way.contains("timeout") { lock.timeout(Duration::from_secs(60)) } else { lock })
}

/// The child: waits for the lock each time a byte comes in, and answers with the nanoseconds since the
/// release.
fn wait(way: &str, directory: &Path) -> io::Result<()> {
    let time = File::open(directory.join("time"))?;
    let (file, bare) = (open(&directory.join("flocked"))?, Bare::new(&directory.join("bare"))?);
    let lock = named(way, directory)?;
    let mut byte = [0];
    while io::stdin().read_exact(&mut byte).is_ok() {
        let since = |got: u64| {
            let mut bytes = [0; 8];
            time.read_exact_at(&mut bytes, 0).map(|()| got.saturating_sub(u64::from_le_bytes(bytes)))
        };
        let nanos = if way == "flock" {
            FileExt::lock(&file)?;
            let nanos = since(now())?;
            FileExt::unlock(&file)?;
            nanos
        } else if way == "the calls of lockutils" {
            bare.wait()?;
            let nanos = since(now())?;
            bare.let_go()?;
            nanos
        } else {
            let guard = if way.contains("async") { block_on(lock.acquire_async())? } else { lock.acquire()? };
            let nanos = since(now())?;
            drop(guard);
            nanos
        };
        io::stdout().write_all(&nanos.to_le_bytes())?;
        io::stdout().flush()?;
    }
    Ok(())
}

/// The monotonic clock that all processes share, in nanoseconds.
fn now() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .unwrap_or(nix::sys::time::TimeSpec::new(0, 0));
    time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned()
}
