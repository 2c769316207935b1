//! The ways to take a lock of this crate, one after the other as chance will have it.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{Future, block_on};
use lockutils::{Config, Error, Lock, LockGuard, Locks, Mechanism};
use rand::Rng;
use rand::rngs::StdRng;

use crate::life::Life;
use crate::protocol::Protocol;
use crate::watch::BOUND;

/// The name of the lock.
pub(crate) const NAME: &str = "tortured";
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
        Ok(Self { locks: locks(directory, protocol.mechanism())?, fair, reads, keeps, kept: [None, None] })
    }

    /// Another one with the same registry, in the same process.
    pub(crate) fn another(&self, random: &mut StdRng) -> Self {
        let Self { ref locks, reads, keeps, .. } = *self;
        Self { locks: locks.clone(), fair: random.random_ratio(1, 4), reads, keeps, kept: [None, None] }
    }

    /// Waits for the lock. Waits that were given up go on in the kernel beside the one that comes next, which is of
    /// any kind.
    pub(crate) fn take(&mut self, life: &Life, random: &mut StdRng) -> io::Result<LockGuard> {
        life.takes(0);
        for _ in 0..times_given_up(random) {
            let handle = self.handle(random);
            if let Some(guard) = give_up(&handle.lock, random)? {
                return Ok(guard);
            }
            self.keep(handle, random);
        }
        let handle = self.handle(random);
        let guard = take(&handle.lock, life, random)?;
        self.keep(handle, random);
        Ok(guard)
    }

    /// The same for a task.
    pub(crate) async fn take_async(&mut self, life: &Life, random: &mut StdRng) -> io::Result<LockGuard> {
        life.takes(0);
        for _ in 0..times_given_up(random) {
            let handle = self.handle(random);
            if let Some(guard) = give_up_async(&handle.lock, random).await? {
                return Ok(guard);
            }
            self.keep(handle, random);
        }
        let handle = self.handle(random);
        let guard = take_async(&handle.lock, life, random).await?;
        self.keep(handle, random);
        Ok(guard)
    }

    /// Makes a handle for a reader or a writer, or uses one that was kept.
    fn handle(&mut self, random: &mut StdRng) -> Handle {
        let reads = self.reads && random.random();
        let lock = self.kept[usize::from(reads)].take().unwrap_or_else(|| self.open(reads));
        Handle { reads, lock }
    }

    fn keep(&mut self, handle: Handle, random: &mut StdRng) {
        if random.random_ratio(self.keeps, 16) {
            self.kept[usize::from(handle.reads)] = Some(handle.lock);
        }
    }

    fn open(&self, reads: bool) -> Lock {
        let lock = lock(&self.locks);
        let lock = if reads { lock.read() } else { lock };
        if self.fair { lock.fair() } else { lock }
    }
}

struct Handle {
    reads: bool,
    lock: Lock,
}

/// The registry of the directory.
pub(crate) fn locks(directory: &Path, mechanism: Mechanism) -> io::Result<Locks> {
    Ok(Locks::new(Config::new().lock_path(directory).mechanism(mechanism))?)
}

/// The lock.
pub(crate) fn lock(locks: &Locks) -> Lock {
    locks.lock(NAME).external()
}

fn times_given_up(random: &mut StdRng) -> u32 {
    [0, 0, 1, 3][random.random_range(0..4)]
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

/// A task waits by awaiting, and never blocks.
async fn take_async(lock: &Lock, life: &Life, random: &mut StdRng) -> Result<LockGuard, Error> {
    let way = random.random_range(3..5);
    life.takes(way);
    if way == 3 {
        return lock.acquire_async().await;
    }
    lock.clone().timeout(BOUND).acquire_async().await
}

/// Waits for a moment, or drops a wait that has begun. The lock, if it was there soon enough.
fn give_up(lock: &Lock, random: &mut StdRng) -> Result<Option<LockGuard>, Error> {
    if random.random() {
        return poll_once(lock);
    }
    in_time(lock.clone().timeout(IMPATIENT.mul_f64(random.random())).acquire())
}

/// The same for a task.
async fn give_up_async(lock: &Lock, random: &mut StdRng) -> Result<Option<LockGuard>, Error> {
    if random.random() {
        return poll_once(lock);
    }
    in_time(lock.clone().timeout(IMPATIENT.mul_f64(random.random())).acquire_async().await)
}

fn poll_once(lock: &Lock) -> Result<Option<LockGuard>, Error> {
    let wait = pin!(lock.acquire_async());
    match wait.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(taken) => taken.map(Some),
        Poll::Pending => Ok(None),
    }
}

fn in_time(taken: Result<LockGuard, Error>) -> Result<Option<LockGuard>, Error> {
    match taken {
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
