//! One who waits for its turn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::client::{Came, Client, Stand};
use super::entry::Asked;
use super::keeper::Look;
use super::line::Given;
use crate::distributed::{Failure, Grant, Loss};
use crate::thread;

/// A place in the queue of a lock. It looks when it is called, and otherwise when something may have changed without that.
pub(super) struct Wait {
    client: Arc<Client>,
    pub(super) asked: Arc<Asked>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// It should look.
    is_due: bool,
    /// It looks, on the thread that waits or on one of ours.
    is_looking: bool,
    /// What the last look has found.
    stand: Option<Stand>,
    /// Nobody waits yet, or any more.
    is_over: bool,
    waker: Option<Waker>,
    came: Option<Result<Grant, Failure>>,
    /// When it looks next if nobody calls it.
    next: Option<Look>,
}

impl State {
    /// What came of a look, if it is not known already. What is left over must not be dropped under the lock.
    fn told(&mut self, came: Option<Result<Grant, Failure>>) -> Option<Result<Grant, Failure>> {
        if self.came.is_some() {
            return came;
        }
        self.came = came;
        None
    }
}

impl Wait {
    /// It should look now: on the thread that waits, or on one of ours for a task.
    pub(super) fn nudge(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.is_due = true;
        if state.is_over || state.came.is_some() {
            return;
        }
        if self.blocks_until().is_some() {
            let waker = state.waker.take();
            drop(state);
            if let Some(waker) = waker {
                thread::wake(waker);
            }
        } else if !state.is_looking {
            state.is_looking = true;
            drop(state);
            self.look_elsewhere();
        }
    }

    /// It has the lock: whoever had it before has given it. Who looks just now will see that, or looks again.
    ///
    /// Of a place that it had before it hears too late: it has lost the lock since, with that place, and has queued anew.
    pub(super) fn given(self: &Arc<Self>, given: &Given) {
        let mut state = self.state.lock();
        let is_free = !state.is_over && !state.is_looking && state.came.is_none();
        let stand = state.stand.filter(|stand| is_free && stand.place == given.place);
        let Some(grant) = stand.and_then(|stand| self.client.given(&self.asked, stand.sent, given.fence))
        else {
            drop(state);
            return self.nudge();
        };
        state.came = Some(Ok(grant));
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            thread::wake(waker);
        }
    }

    /// Until when the thread that waits may look itself. No task does, and no thread whose time is over.
    fn blocks_until(&self) -> Option<Instant> {
        self.client.blocks_until(self.asked.caller)
    }

    fn look_elsewhere(self: &Arc<Self>) {
        let wait = Arc::clone(self);
        if self.client.workers.push(move || wait.look_for_task()).is_err() {
            self.state.lock().is_looking = false;
            self.look_in(self.client.address().retry);
        }
    }

    fn look_for_task(self: &Arc<Self>) {
        loop {
            self.state.lock().is_due = false;
            let came = self.look(Instant::now() + self.client.address().request_timeout);
            let mut state = self.state.lock();
            if state.is_over {
                drop(state);
                self.leave(came.as_ref());
                return;
            }
            if came.is_none() && state.is_due {
                continue;
            }
            state.is_looking = false;
            let waker = came.is_some().then(|| state.waker.take()).flatten();
            let before = state.told(came);
            drop(state);
            drop(before);
            if let Some(waker) = waker {
                thread::wake(waker);
            }
            return;
        }
    }

    /// Asks for the lock. `None`: it goes on to wait.
    fn look(self: &Arc<Self>, by: Instant) -> Option<Result<Grant, Failure>> {
        if let Some(rest) = self.client.rest() {
            self.look_in(self.client.spread(rest));
            return None;
        }
        match self.client.come(&self.asked, true, by) {
            Ok(Came::Held(grant)) => return Some(Ok(grant)),
            Ok(Came::Queued(stand)) => self.queued(&stand),
            Ok(Came::Busy) => self.look_in(self.client.address().retry),
            Err(untold) => {
                if !untold.failure.may_pass() {
                    return Some(Err(untold.failure));
                }
                let rest = self.client.rest().unwrap_or(self.client.address().retry);
                self.look_in(self.client.spread(rest));
            }
        }
        None
    }

    /// Those who free a lock call the next one. What frees it without that, such as redis-py or the end of a lease, is seen by
    /// the first ones of the queue; the others look the less often the further behind they are.
    fn queued(self: &Arc<Self>, stand: &Stand) {
        let (Stand { rank, pause, .. }, address) = (*stand, self.client.address());
        self.state.lock().stand = Some(*stand);
        let net = address.retry.saturating_mul(rank.saturating_add(1));
        let net = self.client.spread(net.min(address.ttl / 4));
        // A moment later than that, so that it is over by then.
        let pause = pause.filter(|_| rank < 2).map(|pause| pause + Duration::from_millis(1));
        self.look_in(pause.map_or(net, |pause| pause.min(net)));
    }

    fn look_in(self: &Arc<Self>, length: Duration) {
        let mut state = self.state.lock();
        if !state.is_over {
            let next = self.client.keeper.look_at(&self.client, self, Instant::now() + length, state.next);
            state.next = Some(next);
        }
    }

    /// The session is closed.
    pub(super) fn close(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.is_over {
            return;
        }
        // A grant that was not seen yet is lost already.
        let before = state.came.replace(Err(Failure::Lost(Loss::Closed)));
        let waker = state.waker.take();
        drop(state);
        drop(before);
        if let Some(waker) = waker {
            thread::wake(waker);
        }
    }

    /// Nobody waits any more.
    fn give_up(&self) {
        let mut state = self.state.lock();
        let was_over = std::mem::replace(&mut state.is_over, true);
        let (is_looking, came, next) = (state.is_looking, state.came.take(), state.next.take());
        drop(state);
        self.client.line.remove(&self.asked);
        self.client.keeper.forget_look(next);
        // Who looks just now sees to it afterwards.
        if !was_over && !is_looking {
            self.leave(came.as_ref());
        }
    }

    /// A grant gives itself back.
    fn leave(&self, came: Option<&Result<Grant, Failure>>) {
        if !matches!(came, Some(Ok(_))) {
            self.client.keeper.leave(&self.client, &self.asked);
        }
    }
}

/// The wait as its owner has it. The place is given up when this is dropped.
pub(super) struct Waiting(Arc<Wait>);

impl Waiting {
    /// One that has no place yet, and gives none up.
    pub(super) fn new(client: &Arc<Client>, asked: &Arc<Asked>) -> Self {
        let state = Mutex::new(State { is_over: true, ..State::default() });
        Self(Arc::new(Wait { client: Arc::clone(client), asked: Arc::clone(asked), state }))
    }

    pub(super) fn wait(&self) -> &Arc<Wait> {
        &self.0
    }

    /// It has its place. It may have been called since.
    pub(super) fn begins(&self, stand: &Stand) {
        let is_due = {
            let mut state = self.0.state.lock();
            state.is_over = false;
            std::mem::take(&mut state.is_due)
        };
        self.0.queued(stand);
        if is_due {
            self.0.nudge();
        }
    }
}

impl Future for Waiting {
    type Output = Result<Grant, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let wait = &self.0;
        loop {
            let mut state = wait.state.lock();
            if let Some(came) = state.came.take() {
                // A grant leaves by itself from now on; a failure may have left a place.
                state.is_over = came.is_ok();
                return Poll::Ready(came);
            }
            let before = state.waker.replace(context.waker().clone());
            // One look at a time: who looks elsewhere looks again if it is due by then.
            let looks = state.is_due && !state.is_looking;
            let by = wait.blocks_until().filter(|_| looks);
            let is_elsewhere = looks && by.is_none();
            state.is_due &= by.is_none();
            state.is_looking |= looks;
            drop(state);
            drop(before);
            let Some(by) = by else {
                if is_elsewhere {
                    wait.look_elsewhere();
                }
                return Poll::Pending;
            };
            let came = wait.look(by.min(Instant::now() + wait.client.address().request_timeout));
            let mut state = wait.state.lock();
            state.is_looking = false;
            let before = state.told(came);
            drop(state);
            drop(before);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.give_up();
    }
}
