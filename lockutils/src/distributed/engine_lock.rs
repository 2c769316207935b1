//! The distributed half of a lock, in this process.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;

use super::hold::{Held, Terms};
use super::{Answer, Caller, Contender, Engine, EngineHold, Entered, Failure, Grant, Moment, Request};
use crate::external::Turn;
use crate::internal::RawLock;

/// What an engine has of one identity, on behalf of this process.
///
/// Whoever comes here already has the lock in this process, so of the grants of one identity, these live here at once:
///
/// - Of a writer, one. When it has become a reader, all readers that come have a share of it, of whatever age and terms:
///   the engine would give them no other one before the last of them has let go.
/// - Of readers, several. Those who ask for the same [terms](Terms), if they [can](Terms::are_for_many), share one: the first
///   asks for it and the last lets it go. They join one only as long as it is [young](YOUNG), so that a writer elsewhere has
///   its turn: those who come later ask anew, and queue behind it. But a thread that reads already has what is there, of
///   whatever age and terms: the writer waits for it.
/// - Of permits, one for each holder.
pub(crate) struct EngineLock {
    /// Readers ask one after the other, so that the next one finds what the first one got.
    turnstile: RawLock,
    holds: Mutex<Holds>,
    /// Those who were in the way when somebody here began to wait.
    seen: Mutex<Vec<Contender>>,
    destroyed: AtomicBool,
}

/// How long readers of this process may join one that has the lock.
const YOUNG: Duration = Duration::from_secs(1);

impl EngineLock {
    pub(crate) fn new() -> Self {
        Self {
            turnstile: RawLock::new(None),
            holds: Mutex::default(),
            seen: Mutex::default(),
            destroyed: AtomicBool::new(false),
        }
    }

    /// Takes the lock; `None` if the request does not wait and somebody else has it. `waiting` is called when the request has
    /// been queued.
    pub(crate) async fn acquire<W>(
        &self,
        engine: &Arc<Engine>,
        request: Request,
        waiting: impl FnOnce() -> W,
    ) -> Result<Option<EngineHold>, Failure> {
        if self.destroyed.load(Relaxed) {
            return Err(Failure::Lost(super::Loss::Destroyed));
        }
        engine.left(&request.name).await;
        let terms = Terms::of(&request);
        let asks_in_turn = request.waits && terms.are_for_many();
        let _turn = if asks_in_turn { Some(Turn::take_async(&self.turnstile).await) } else { None };
        if let Some(joined) = self.join(&terms) {
            return Ok(Some(joined));
        }
        let grant = match engine.backend().enter(request.clone()).await? {
            Entered::Held(grant) => grant,
            Entered::Busy => return Ok(None),
            Entered::Queued(wait) => {
                let _waiting = waiting();
                self.wait(engine, &request, wait).await?
            }
        };
        let hold = Held::begin(grant, engine, request);
        self.holds.lock().add(hold.held());
        Ok(Some(hold))
    }

    /// Meanwhile it is asked who is in the way, for those who want to know why they wait.
    async fn wait(&self, engine: &Engine, request: &Request, wait: Answer<Grant>) -> Result<Grant, Failure> {
        let look = Request { caller: Caller::Task, ..request.clone() };
        let (mut wait, mut look) = (pin!(wait), Some(engine.backend().contenders(look)));
        poll_fn(|context| {
            if let Poll::Ready(grant) = wait.as_mut().poll(context) {
                return Poll::Ready(grant);
            }
            if let Some(Poll::Ready(seen)) = look.as_mut().map(|look| look.as_mut().poll(context)) {
                look = None;
                *self.seen.lock() = seen.unwrap_or_default();
            }
            Poll::Pending
        })
        .await
    }

    /// One more reader, where this process has the lock in a way that this one may share.
    fn join(&self, terms: &Terms) -> Option<EngineHold> {
        if !terms.are_to_read() {
            return None;
        }
        let is_young = |held: &Held| held.since().after(YOUNG) > Moment::now();
        let alike = |held: &Held| terms.are_for_many() && held.terms() == terms && is_young(held);
        let may_join = |held: &&Arc<Held>| !held.terms().are_to_read() || alike(held);
        self.mine().iter().filter(may_join).find_map(Held::share)
    }

    /// Once more for a thread that has it: as it wants it, if there is one, and otherwise as it is there. A lock that is lost is
    /// not had.
    pub(crate) fn again(&self, request: &Request) -> Option<EngineHold> {
        let (mine, terms) = (self.mine(), Terms::of(request));
        let same = mine.iter().filter(|held| *held.terms() == terms);
        same.chain(&mine).find_map(Held::share)
    }

    /// Once more what this process has, lost or not.
    pub(crate) fn hold(&self) -> Option<EngineHold> {
        self.had().iter().find_map(Held::share)
    }

    /// What this process has and has not lost, the newest first.
    fn mine(&self) -> Vec<Arc<Held>> {
        let mut had = self.had();
        had.retain(|held| !held.is_lost());
        had
    }

    /// What this process has, lost or not, the newest first.
    fn had(&self) -> Vec<Arc<Held>> {
        let all: Vec<_> = self.holds.lock().0.iter().rev().filter_map(Weak::upgrade).collect();
        // What is gone meanwhile is not dropped under the lock.
        all.into_iter().filter(|held| held.is_had()).collect()
    }

    /// Whether this process holds it.
    pub(crate) fn is_held(&self) -> bool {
        !self.mine().is_empty()
    }

    /// Whether this process has lost all that it has of it, and somebody here does not know that yet.
    pub(crate) fn is_lost(&self) -> bool {
        let had = self.had();
        !had.is_empty() && had.iter().all(|held| held.is_lost())
    }

    /// Those who held it when somebody here began to wait.
    pub(crate) fn seen_holders(&self) -> Vec<Contender> {
        self.seen.lock().iter().filter(|seen| seen.holds).cloned().collect()
    }

    /// Whoever refers to it from now on gets an error.
    pub(crate) fn destroyed(&self) {
        self.destroyed.store(true, Relaxed);
    }
}

/// The grants that this process has, the oldest first, and some that it had.
#[derive(Default)]
struct Holds(Vec<Weak<Held>>);

impl Holds {
    fn add(&mut self, held: &Arc<Held>) {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|held| held.strong_count() > 0);
            // So that those that are left are not counted again each time.
            self.0.reserve(self.0.len() + 1);
        }
        self.0.push(Arc::downgrade(held));
    }
}
