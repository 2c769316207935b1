//! The distributed half of a lock, in this process.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;

use super::hold::Held;
use super::{Answer, Caller, Contender, Engine, EngineHold, Entered, Failure, Grant, Moment, Request, Share};
use crate::external::Turn;
use crate::internal::RawLock;

/// What an engine has of one identity, on behalf of this process.
///
/// Whoever comes here already has the lock in this process. Readers share one grant: the first asks for it and the last lets it
/// go. They join each other's only as long as it is [young](YOUNG), so that a writer elsewhere has its turn: those who come
/// later ask anew, and queue behind it. Each permit is a grant of its own.
pub(crate) struct EngineLock {
    /// Readers ask one after the other, so that the next one finds what the first one got.
    turnstile: RawLock,
    /// What was granted last, as long as somebody has it.
    current: Mutex<Weak<Held>>,
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
            current: Mutex::default(),
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
        let _turn = match request.share {
            Share::Read if request.waits => Some(Turn::take_async(&self.turnstile).await),
            _ => None,
        };
        if let Some(joined) = self.join(request.share) {
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
        let hold = Held::begin(grant, engine, request.name);
        *self.current.lock() = Arc::downgrade(hold.held());
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

    /// One more reader, where readers have the lock and it is young.
    fn join(&self, share: Share) -> Option<EngineHold> {
        let current = (share == Share::Read).then(|| self.mine()).flatten()?;
        if current.since().after(YOUNG) > Moment::now() { current.share() } else { None }
    }

    /// Once more for a thread that has it. A lock that is lost is not had.
    pub(crate) fn again(&self) -> Option<EngineHold> {
        self.mine()?.share()
    }

    /// Once more what this process has, lost or not.
    pub(crate) fn hold(&self) -> Option<EngineHold> {
        self.current()?.share()
    }

    /// What this process has, if it has not lost it.
    fn mine(&self) -> Option<Arc<Held>> {
        self.current().filter(|held| !held.is_lost())
    }

    /// What this process has, lost or not.
    fn current(&self) -> Option<Arc<Held>> {
        self.current.lock().upgrade().filter(|held| held.is_had())
    }

    /// Whether this process holds it.
    pub(crate) fn is_held(&self) -> bool {
        self.mine().is_some()
    }

    /// Whether this process has lost it, and somebody here does not know that yet.
    pub(crate) fn is_lost(&self) -> bool {
        self.current().is_some_and(|held| held.is_lost())
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
