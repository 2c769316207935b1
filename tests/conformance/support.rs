//! What the suites share: bounded waits, threads that have begun to wait, futures that are polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use lockutils::{Config, Locks};
use nix::unistd::{Pid, gettid};

/// A wait that is meant to run out.
pub(crate) const TINY: Duration = Duration::from_millis(2);
/// A bound that only something broken reaches.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A registry of its own without a directory.
pub(crate) fn own() -> Locks {
    Locks::new(Config::new()).expect("nothing is configured that could be wrong")
}

/// Waits until `condition` holds, and fails when that takes longer than anything sound.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// The seed of a random test: from `LOCKUTILS_SEED`, or a new one. It is printed, so that a failure can be
/// repeated.
pub(crate) fn seed() -> u64 {
    let set = std::env::var("LOCKUTILS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = set.unwrap_or_else(rand::random);
    println!("LOCKUTILS_SEED={seed}");
    seed
}

/// Runs `work` on another thread and says what it returned.
#[track_caller]
pub(crate) fn elsewhere<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A thread that does something which may have to wait.
pub(crate) struct Worker<R> {
    id: Pid,
    result: mpsc::Receiver<thread::Result<R>>,
}

impl<R: Send + 'static> Worker<R> {
    /// Starts it.
    pub(crate) fn start(work: impl FnOnce() -> R + Send + 'static) -> Self {
        let (tell_id, id) = mpsc::channel();
        let (tell, result) = mpsc::channel();
        thread::spawn(move || {
            tell_id.send(gettid()).expect("the test waits for it");
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // A test that has failed does not listen any more.
            let _ = tell.send(done);
        });
        Self { id: id.recv().expect("the thread has started"), result }
    }

    /// Starts it and returns once it sleeps: it waits for what it was told to take.
    #[track_caller]
    pub(crate) fn waiting(work: impl FnOnce() -> R + Send + 'static) -> Self {
        let worker = Self::start(work);
        worker.wait_until_asleep();
        worker
    }

    /// Returns once the thread sleeps or has ended.
    #[track_caller]
    pub(crate) fn wait_until_asleep(&self) {
        let mut seen = 0;
        wait_until("the thread sleeps", || {
            seen = if self.sleeps() { seen + 1 } else { 0 };
            seen == 3
        });
    }

    /// A thread that has ended counts as one that sleeps.
    fn sleeps(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{}/stat", self.id));
        stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S')))
            || !std::path::Path::new(&format!("/proc/self/task/{}", self.id)).exists()
    }

    /// What it returned.
    #[track_caller]
    pub(crate) fn join(self) -> R {
        match self.result.recv_timeout(LONG) {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("the thread did not come to its end: {error}"),
        }
    }

    /// What it returned, if it came to its end at all.
    pub(crate) fn outcome(self) -> Result<R, &'static str> {
        let result = self.result.recv_timeout(Duration::from_secs(20));
        result.map_err(|_| "never got in")?.map_err(|_| "panicked")
    }
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Blocks on a future on no runtime, and fails when it takes longer than anything sound.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    futures_lite::future::block_on(future)
}

/// A tokio runtime of one thread.
pub(crate) fn single() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A tokio runtime of several threads.
pub(crate) fn multi() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime")
}
