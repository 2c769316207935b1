//! The ways to take a lock of this crate, one after the other as chance will have it.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{Future, block_on};
use lockutils::{Config, Error, Lock, LockGuard, Locks};
use rand::Rng;
use rand::rngs::StdRng;

use crate::life::Life;
use crate::protocol::Protocol;
use crate::watch::BOUND;

/// The name of the lock.
const NAME: &str = "tortured";
/// How often a lock is tried before it is waited for: who tries overtakes nobody, and so may starve.
const TRIES: u32 = 50;
/// The longest wait that is given up.
const IMPATIENT: Duration = Duration::from_micros(400);

/// The ways, in the order of their numbers.
const WAYS: [&str; 6] = ["given up", "acquire", "timeout", "async", "async with timeout", "tries"];

/// What a way is called.
pub(crate) fn way(number: u64) -> &'static str {
    usize::try_from(number).ok().and_then(|number| WAYS.get(number)).unwrap_or(&"?")
}

/// Takes the lock in mixed ways.
pub(crate) struct Taker {
    locks: Locks,
    fair: bool,
    reads: bool,
    /// How often of 16 times the handle is kept, and with it the open file.
    keeps: u32,
    /// That of a writer and that of a reader.
    kept: [Option<Lock>; 2],
}

impl Taker {
    /// With a registry of its own. What is random about it stays so as long as it lives.
    pub(crate) fn new(protocol: Protocol, directory: &Path, random: &mut StdRng) -> io::Result<Self> {
        // A kept handle keeps the file open, and a cleaner away.
        let keeps = if protocol.is_cleaned() { 0 } else { [0, 12, 16][random.random_range(0..3)] };
        let (fair, reads) = (random.random_ratio(1, 4), protocol.has_readers());
        Ok(Self { locks: locks(directory)?, fair, reads, keeps, kept: [None, None] })
    }

    /// Waits for the lock. Waits that were given up go on in the kernel beside the one that comes next, which is of
    /// any kind.
    pub(crate) fn take(&mut self, life: &Life, random: &mut StdRng) -> io::Result<LockGuard> {
        life.takes(0);
        for _ in 0..[0, 0, 1, 3][random.random_range(0..4)] {
            let guard = self.with_handle(random, |lock, random| give_up(lock, random))?;
            if let Some(guard) = guard {
                return Ok(guard);
            }
        }
        Ok(self.with_handle(random, |lock, random| take(lock, life, random))?)
    }

    /// Makes a handle for a reader or a writer, or uses one that was kept.
    fn with_handle<T>(&mut self, random: &mut StdRng, take: impl FnOnce(&Lock, &mut StdRng) -> T) -> T {
        let reads = self.reads && random.random();
        let lock = self.kept[usize::from(reads)].take().unwrap_or_else(|| self.open(reads));
        let taken = take(&lock, random);
        if random.random_ratio(self.keeps, 16) {
            self.kept[usize::from(reads)] = Some(lock);
        }
        taken
    }

    fn open(&self, reads: bool) -> Lock {
        let lock = lock(&self.locks);
        let lock = if reads { lock.read() } else { lock };
        if self.fair { lock.fair() } else { lock }
    }
}

/// The registry of the directory.
pub(crate) fn locks(directory: &Path) -> io::Result<Locks> {
    Ok(Locks::new(Config::new().lock_path(directory))?)
}

/// The lock.
pub(crate) fn lock(locks: &Locks) -> Lock {
    locks.lock(NAME).external()
}

fn take(lock: &Lock, life: &Life, random: &mut StdRng) -> Result<LockGuard, Error> {
    let way = random.random_range(1..WAYS.len() as u64);
    life.takes(way);
    match way {
        1 => lock.acquire(),
        2 => lock.clone().timeout(BOUND).acquire(),
        3 => block_on(lock.acquire_async()),
        4 => block_on(lock.clone().timeout(BOUND).acquire_async()),
        _ => try_to_take(lock),
    }
}

/// Waits for a moment, or drops a wait that has begun. The lock, if it was there soon enough.
fn give_up(lock: &Lock, random: &mut StdRng) -> Result<Option<LockGuard>, Error> {
    if random.random() {
        let wait = pin!(lock.acquire_async());
        return match wait.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(taken) => taken.map(Some),
            Poll::Pending => Ok(None),
        };
    }
    match lock.clone().timeout(IMPATIENT.mul_f64(random.random())).acquire() {
        Err(error) if error.is_timeout() => Ok(None),
        taken => taken.map(Some),
    }
}

fn try_to_take(lock: &Lock) -> Result<LockGuard, Error> {
    for _ in 0..TRIES {
        if let Some(guard) = lock.try_acquire()? {
            return Ok(guard);
        }
        thread::yield_now();
    }
    lock.acquire()
}
