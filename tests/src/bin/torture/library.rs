//! The ways to take a lock of this crate, one after the other as chance will have it.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{Future, block_on};
use lockutils::{Config, Error, Lock, LockGuard, Locks};
use rand::Rng;
use rand::rngs::StdRng;

use crate::watch::BOUND;

/// The name of the lock.
const NAME: &str = "tortured";
/// How often a lock is tried before it is waited for: who tries overtakes nobody, and so may starve.
const TRIES: u32 = 50;
/// The longest wait of the impatient.
const IMPATIENT: Duration = Duration::from_micros(400);

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
    pub(crate) fn take(&mut self, random: &mut StdRng) -> io::Result<LockGuard> {
        let lock = self.kept.take().unwrap_or_else(|| self.open());
        let guard = take(&lock, random)?;
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

fn take(lock: &Lock, random: &mut StdRng) -> Result<LockGuard, Error> {
    match random.random_range(0..7) {
        0 => lock.acquire(),
        1 => lock.clone().timeout(BOUND).acquire(),
        2 => take_impatiently(lock, random),
        3 => block_on(lock.acquire_async()),
        4 => block_on(lock.clone().timeout(BOUND).acquire_async()),
        5 => take_again(lock),
        _ => try_to_take(lock),
    }
}

/// Gives waits up and begins anew, until one is long enough.
fn take_impatiently(lock: &Lock, random: &mut StdRng) -> Result<LockGuard, Error> {
    loop {
        let limit = IMPATIENT.mul_f64(random.random());
        match lock.clone().timeout(limit).acquire() {
            Err(error) if error.is_timeout() => {}
            taken => return taken,
        }
    }
}

/// Drops a wait that has begun, and waits again.
fn take_again(lock: &Lock) -> Result<LockGuard, Error> {
    {
        let wait = pin!(lock.acquire_async());
        if let std::task::Poll::Ready(taken) = wait.poll(&mut Context::from_waker(Waker::noop())) {
            return taken;
        }
    }
    block_on(lock.acquire_async())
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
