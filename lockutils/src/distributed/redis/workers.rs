//! Threads that do the work of tasks, which must not be blocked.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::distributed::{Answer, Failure};
use crate::thread;

/// More there are not, however many tasks wait.
const MOST: usize = 4;

/// One that has had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The threads, started when there is work, and what they have to do.
#[derive(Default)]
pub(super) struct Workers {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Workers {
    /// Has a job done on one of the threads.
    pub(super) fn push(self: &Arc<Self>, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.state.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() || state.threads == MOST {
            self.changed.notify_one();
            return Ok(());
        }
        let workers = Arc::clone(self);
        match thread::start_large("lockutils-redis", move || workers.run()) {
            Ok(()) => state.threads += 1,
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                let job = state.jobs.pop_back();
                drop(state);
                drop(job);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Has something done, and gives what came of it.
    pub(super) fn answer<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Answer<T> {
        let slot = Arc::new(Slot::default());
        let giver = Arc::clone(&slot);
        match self.push(move || giver.give(work())) {
            Ok(()) => Box::pin(Taken(slot)),
            Err(error) => Box::pin(std::future::ready(Err(Failure::unreachable(error)))),
        }
    }

    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let is_over = self.changed.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            if is_over && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("threads", &self.state.lock().threads).finish_non_exhaustive()
    }
}

/// Where an answer is put.
struct Slot<T>(Mutex<(Option<T>, Option<Waker>)>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new((None, None)))
    }
}

impl<T> Slot<T> {
    fn give(&self, value: T) {
        let waker = {
            let mut state = self.0.lock();
            state.0 = Some(value);
            state.1.take()
        };
        if let Some(waker) = waker {
            thread::wake(waker);
        }
    }
}

/// Waits for an answer.
struct Taken<T>(Arc<Slot<T>>);

impl<T> Future for Taken<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.0.lock();
        if let Some(value) = state.0.take() {
            return Poll::Ready(value);
        }
        let before = state.1.replace(context.waker().clone());
        drop(state);
        drop(before);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_by_few_threads() {
        let workers = Arc::new(Workers::default());
        let answers: Vec<_> = (0..100).map(|number| workers.answer(move || Ok(number))).collect();
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(futures_lite::future::block_on(answer).expect("it is done"), number);
        }
        assert!((1..=MOST).contains(&workers.state.lock().threads));
    }

    #[test]
    fn what_nobody_waits_for_is_done_and_dropped() {
        let (workers, told) = (Arc::new(Workers::default()), Arc::new(()));
        let (inside, outside) = (Arc::clone(&told), std::sync::mpsc::channel());
        let sender = outside.0;
        drop(workers.answer(move || {
            let _ = sender.send(());
            Ok(inside)
        }));
        outside.1.recv().expect("it is done");
        while Arc::strong_count(&told) > 1 {
            std::thread::yield_now();
        }
    }
}
