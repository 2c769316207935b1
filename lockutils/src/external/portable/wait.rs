//! Waiting for a file without blocking the caller: it looks again and again, and a timer wakes it.
//!
//! One thread of the process keeps all timers. It sleeps until the first of them is due, and ends when none has been
//! asked for in a while. The more wait, the longer are the [pauses](Backoff): the looks of a process keep one pace.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::backoff::Backoff;
use super::file::Want;
use super::flock;
use super::record::Draft;
use super::{LockFile, Looked, Opened};
use crate::error::Error;
use crate::process::{PerProcess, ProcessId};
use crate::thread::{start, wake};

/// How long the thread stays when nobody waits.
const IDLE: Duration = Duration::from_secs(5);

/// Waits for the file of `lock`. Its path has not been looked at since the lock was taken: whoever takes it over does so.
/// Until then nobody makes another file at the path, so that who holds one that was removed is waited for.
pub(super) async fn run(
    lock: &LockFile,
    want: Want,
    _: Option<Draft>,
) -> Result<Option<(Opened, Looked)>, Error> {
    let Want::Lock(sharing) = want;
    let opened = lock.open_for_waiting()?;
    let mut backoff = Backoff::new();
    loop {
        let pause = Pause::new(&mut backoff);
        pause
            .await
            .map_err(|error| Error::io_at("start a thread that waits for lock file", lock.path(), error))?;
        let tried = flock::try_lock(opened.file(), sharing);
        let locked = tried.map_err(|error| Error::io_at("lock", lock.path(), error))?;
        if locked {
            return Ok(Some((opened, Looked::default())));
        }
    }
}

/// Ready at `end`: a timer for those who have no better one.
#[cfg(not(feature = "async"))]
pub(crate) async fn tick_until(end: Instant) {
    // Without a thread, whatever is waited for goes on without a limit.
    let _ = Pause::until(end).await;
}

/// Threads do not live on in a forked child, so each process has timers of its own.
static TIMERS: PerProcess<Timers> = PerProcess::new();

/// The timers of the process.
#[derive(Default)]
struct Timers {
    state: Mutex<State>,
    /// There is one that is due earlier than all others.
    earlier: Condvar,
}

#[derive(Default)]
struct State {
    /// Those who wait, by when their pauses end.
    waiting: BTreeMap<Key, Waker>,
    /// There is a thread.
    works: bool,
}

/// When a pause ends, and which of several.
type Key = (Instant, u64);

/// A pause in a task.
struct Pause {
    key: Key,
    timers: &'static Timers,
    process: ProcessId,
}

impl Pause {
    fn new(backoff: &mut Backoff) -> Self {
        let others = TIMERS.get(Timers::default).state.lock().waiting.len();
        Self::until(Instant::now() + backoff.next(others))
    }

    fn until(end: Instant) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = (end, NEXT.fetch_add(1, Relaxed));
        Self { key, timers: TIMERS.get(Timers::default), process: ProcessId::current() }
    }
}

impl Future for Pause {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // In a forked child the pause is over: its thread is the parent's.
        if Instant::now() >= self.key.0 || self.process != ProcessId::current() {
            return Poll::Ready(Ok(()));
        }
        match self.timers.set(self.key, context.waker().clone()) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if self.process == ProcessId::current() {
            // Code of the user, so not under the lock.
            let waker = self.timers.state.lock().waiting.remove(&self.key);
            drop(waker);
        }
    }
}

impl Timers {
    fn set(&'static self, key: Key, waker: Waker) -> io::Result<()> {
        let mut state = self.state.lock();
        let old = state.waiting.insert(key, waker);
        if !state.works {
            let started = start("lockutils-timer", move || self.work());
            state.works = started.is_ok();
            if started.is_err() {
                let waker = state.waiting.remove(&key);
                drop(state);
                drop((old, waker));
                return started;
            }
        } else if state.waiting.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.earlier.notify_one();
        }
        drop(state);
        drop(old);
        Ok(())
    }

    /// What the thread does.
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let due = state.waiting.first_entry().filter(|first| first.key().0 <= now);
            if let Some(due) = due {
                let waker = due.remove();
                MutexGuard::unlocked(&mut state, || wake(waker));
                continue;
            }
            let next = state.waiting.first_key_value().map(|((end, _), _)| *end);
            let timed_out = self.earlier.wait_until(&mut state, next.unwrap_or(now + IDLE)).timed_out();
            if timed_out && next.is_none() && state.waiting.is_empty() {
                state.works = false;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_end_in_time() {
        let begun = Instant::now();
        let pauses = [30, 10, 20].map(|millis| Pause::until(begun + Duration::from_millis(millis)));
        for pause in pauses {
            let end = pause.key.0;
            futures_lite::future::block_on(pause).expect("a thread");
            assert!(Instant::now() >= end && begun.elapsed() < Duration::from_secs(5));
        }
        assert!(TIMERS.get(Timers::default).state.lock().waiting.is_empty());
    }
}
