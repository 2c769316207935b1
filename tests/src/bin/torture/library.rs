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
    /// How often of 16 times the handle is kept, and with it the open file.
    keeps: u32,
    kept: Option<Lock>,
}

impl Taker {
    /// With a registry of its own. What is random about it stays so as long as it lives.
    pub(crate) fn new(directory: &Path, may_keep: bool, random: &mut StdRng) -> io::Result<Self> {
        let keeps = if may_keep { [0, 12, 16][random.random_range(0..3)] } else { 0 };
        Ok(Self { locks: locks(directory)?, fair: random.random_ratio(1, 4), keeps, kept: None })
    }

    /// Waits for the lock.
    pub(crate) fn take(&mut self, life: &Life, random: &mut StdRng) -> io::Result<LockGuard> {
        let lock = self.kept.take().unwrap_or_else(|| self.open());
        let guard = take(&lock, life, random)?;
        if random.random_ratio(self.keeps, 16) {
            self.kept = Some(lock);
        }
        Ok(guard)
    }

    fn open(&self) -> Lock {
        let lock = lock(&self.locks);
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

/// Waits that were given up go on in the kernel beside the one that comes next, which is of any kind.
fn take(lock: &Lock, life: &Life, random: &mut StdRng) -> Result<LockGuard, Error> {
    life.takes(0);
    for _ in 0..[0, 0, 1, 3][random.random_range(0..4)] {
        if let Some(guard) = give_up(lock, random)? {
            return Ok(guard);
        }
    }
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
