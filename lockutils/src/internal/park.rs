//! A thread waits for a future: the one way in which threads wait here, so that threads and tasks share a
//! queue.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::sync::{Condvar, Mutex};

/// A place for one thread to sleep. Its own, not `std::thread::park`: that one's token belongs to the user.
struct Bed {
    woken: Mutex<bool>,
    condvar: Condvar,
}

impl Bed {
    fn new() -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(false), condvar: Condvar::new() })
    }

    /// Sleeps until woken or until `end`. Says whether it was woken.
    fn sleep(&self, end: Option<Instant>) -> bool {
        let mut woken = self.woken.lock();
        while !*woken {
            match end {
                None => self.condvar.wait(&mut woken),
                Some(end) => {
                    let Some(left) = left_until(end) else { return false };
                    self.condvar.wait_for(&mut woken, left);
                }
            }
        }
        *woken = false;
        true
    }
}

fn left_until(end: Instant) -> Option<std::time::Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

impl Wake for Bed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock() = true;
        self.condvar.notify_one();
    }
}

struct Sleeper {
    bed: Arc<Bed>,
    waker: Waker,
}

impl Sleeper {
    fn new() -> Self {
        let bed = Bed::new();
        Self { waker: Waker::from(Arc::clone(&bed)), bed }
    }
}

/// Waits for `future` on this thread, at most until `end`. `None`: the time is over; the future is dropped.
pub(crate) fn block_on<F: Future>(future: F, end: Option<Instant>) -> Option<F::Output> {
    with_sleeper(|sleeper| {
        let mut future = pin!(future);
        let mut context = Context::from_waker(&sleeper.waker);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return Some(value);
            }
            if !sleeper.bed.sleep(end) {
                return None;
            }
        }
    })
}

#[cfg(not(loom))]
fn with_sleeper<R>(wait: impl FnOnce(&Sleeper) -> R) -> R {
    thread_local! {
        /// Taken while in use: a waker that runs user code may wait for another lock.
        static SLEEPER: std::cell::Cell<Option<Sleeper>> = const { std::cell::Cell::new(None) };
    }
    // While the thread ends there is no thread-local any more; then a bed of its own does.
    let sleeper = SLEEPER.try_with(std::cell::Cell::take).ok().flatten().unwrap_or_else(Sleeper::new);
    let result = wait(&sleeper);
    let _ = SLEEPER.try_with(|kept| kept.set(Some(sleeper)));
    result
}

#[cfg(loom)]
fn with_sleeper<R>(wait: impl FnOnce(&Sleeper) -> R) -> R {
    wait(&Sleeper::new())
}
