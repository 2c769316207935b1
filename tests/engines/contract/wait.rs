//! Somebody who waits for a lock: a task that is polled by the test, or a thread that does nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::task::Wake;
use std::thread;
use std::time::Instant;

use lockutils::distributed::{Answer, Failure, Grant};
use lockutils_tests::BOUND;

use super::bench::By;
use super::client::Held;
use super::drive::{Bell, Polled};

type Outcome = Result<Grant, Failure>;

/// A wait. Dropped, it is given up: at once by a task, after its time-out by a thread that the engine has blocked.
pub(crate) enum Wait {
    Task(Polled<Outcome>),
    Thread(Waiter),
}

impl Wait {
    pub(crate) fn begin(answer: Answer<Grant>, by: By) -> Self {
        let polled = Polled::new(answer);
        match by {
            By::Task => Self::Task(polled),
            By::Thread => Self::Thread(Waiter::start(polled)),
        }
    }

    /// What has come of it, if something has.
    #[track_caller]
    pub(crate) fn has(&mut self) -> Option<Result<Held, Failure>> {
        let outcome = match self {
            Self::Task(polled) => polled.poll(),
            Self::Thread(waiter) => waiter.has(),
        };
        outcome.map(|outcome| outcome.map(Arc::new))
    }

    /// Looks whether it is still to come, which a task does by a poll.
    #[track_caller]
    pub(crate) fn must_wait(&mut self) {
        if let Some(outcome) = self.has() {
            panic!("its turn has not come, but: {outcome:?}");
        }
    }

    #[track_caller]
    pub(crate) fn outcome(self) -> Result<Held, Failure> {
        match self {
            Self::Task(polled) => polled.finish(),
            Self::Thread(waiter) => waiter.outcome(),
        }
        .map(Arc::new)
    }

    /// Looks again and again, not only when it is called for.
    pub(crate) fn looks_all_the_time(&mut self) -> Held {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(outcome) = self.has() {
                return outcome.expect("its turn comes");
            }
            assert!(Instant::now() < end, "its turn has not come");
        }
    }

    #[track_caller]
    pub(crate) fn grant(self) -> Held {
        self.outcome().expect("its turn comes")
    }

    /// Until the engine has called for a poll, if it is a task that was polled before.
    #[track_caller]
    pub(crate) fn must_be_woken(&self) {
        if let Self::Task(polled) = self {
            polled.bell.wait();
        }
    }
}

/// A thread that waits.
pub(crate) struct Waiter {
    outcome: Receiver<Outcome>,
    gives_up: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl Waiter {
    fn start(polled: Polled<Outcome>) -> Self {
        let (tell, outcome) = mpsc::channel();
        let (gives_up, bell) = (Arc::<AtomicBool>::default(), Arc::clone(&polled.bell));
        let stops = Arc::clone(&gives_up);
        thread::spawn(move || {
            if let Some(outcome) = wait(polled, &stops) {
                // Nobody listens any more if it was given up: the grant is dropped.
                let _ = tell.send(outcome);
            }
        });
        Self { outcome, gives_up, bell }
    }

    fn has(&self) -> Option<Outcome> {
        match self.outcome.try_recv() {
            Err(TryRecvError::Empty) => None,
            outcome => Some(outcome.expect("the thread has not panicked")),
        }
    }

    #[track_caller]
    fn outcome(self) -> Outcome {
        self.outcome.recv_timeout(BOUND).expect("something comes of a wait in time")
    }
}

fn wait(mut polled: Polled<Outcome>, stops: &AtomicBool) -> Option<Outcome> {
    loop {
        if let Some(outcome) = polled.poll() {
            return Some(outcome);
        }
        // It is said before the bell rings for it, and what has rung before the poll is not heard.
        if stops.load(SeqCst) {
            return None;
        }
        polled.bell.wait();
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.gives_up.store(true, SeqCst);
        Arc::clone(&self.bell).wake();
    }
}
