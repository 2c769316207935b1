//! The distributed half of a lock, in this process.

use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;

use super::{
    Answer, Caller, Contender, Engine, Entered, Failure, Grant, Lease, Moment, OnLoss, Request, Share,
};
use crate::external::Turn;
use crate::internal::RawLock;
use crate::trace;

/// What an engine has of one identity, on behalf of this process.
///
/// Whoever comes here already has the lock in this process. Readers share one grant: the first asks for it and the last lets it
/// go. They join each other's only as long as it is [young](YOUNG), so that a writer elsewhere has its turn: those who come
/// later ask anew, and queue behind it. Each permit is a grant of its own.
pub(crate) struct EngineLock {
    /// Readers ask one after the other, so that the next one finds what the first one got.
    turnstile: RawLock,
    /// What was granted last, as long as somebody has it.
    current: Mutex<Weak<EngineHold>>,
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
    ) -> Result<Option<Arc<EngineHold>>, Failure> {
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
        let hold = Arc::new(EngineHold::new(grant, engine, request.name));
        *self.current.lock() = Arc::downgrade(&hold);
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
    fn join(&self, share: Share) -> Option<Arc<EngineHold>> {
        let current = (share == Share::Read).then(|| self.mine()).flatten()?;
        (current.since.after(YOUNG) > Moment::now()).then_some(current)
    }

    /// Once more for a thread that has it. A lock that is lost is not had.
    pub(crate) fn again(&self) -> Option<Arc<EngineHold>> {
        self.mine()
    }

    /// What this process has, if it has not lost it.
    fn mine(&self) -> Option<Arc<EngineHold>> {
        let current = self.current.lock().upgrade()?;
        (current.engine.is_mine() && !current.lease().is_lost()).then_some(current)
    }

    /// What this process has, lost or not.
    pub(crate) fn hold(&self) -> Option<Arc<EngineHold>> {
        self.current.lock().upgrade().filter(|hold| hold.engine.is_mine())
    }

    /// Whether this process holds it.
    pub(crate) fn is_held(&self) -> bool {
        self.mine().is_some()
    }

    /// Whether this process has lost it, and somebody here does not know that yet.
    pub(crate) fn is_lost(&self) -> bool {
        self.hold().is_some_and(|hold| hold.lease().is_lost())
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

/// A grant, on behalf of those in this process who share it.
pub(crate) struct EngineHold {
    grant: ManuallyDrop<Arc<Grant>>,
    engine: Arc<Engine>,
    name: Arc<str>,
    since: Moment,
    /// Tells the log of a loss, as long as the lock is held.
    _told: Option<OnLoss>,
}

impl EngineHold {
    fn new(grant: Grant, engine: &Arc<Engine>, name: Arc<str>) -> Self {
        let (location, lost) = (engine.location().to_owned(), Arc::clone(&name));
        let told = trace::IS_TOLD.then(|| {
            let tell = Box::new(move |why| trace::lost(&lost, &location, why));
            grant.lease().while_held(tell)
        });
        Self {
            grant: ManuallyDrop::new(Arc::new(grant)),
            engine: Arc::clone(engine),
            name,
            since: Moment::now(),
            _told: told,
        }
    }

    pub(crate) fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        self.grant.lease()
    }

    /// Lets go of one share of it; the last one asks the engine for that. Dropped, it goes on.
    pub(crate) fn release(self: Arc<Self>, caller: Caller) -> Answer<()> {
        let before = self.lease().loss();
        match Arc::into_inner(self) {
            Some(last) if last.engine.is_mine() => {
                last.engine.backend().release(Arc::clone(&last.grant), caller)
            }
            _ => Box::pin(std::future::ready(before.map_or(Ok(()), |loss| Err(Failure::Lost(loss))))),
        }
    }

    /// The same in the background. Who wants the lock again in this process comes after that.
    pub(crate) fn release_later(self: Arc<Self>) {
        let (engine, name) = (Arc::clone(&self.engine), Arc::clone(&self.name));
        engine.leave(&name, self.release(Caller::Task));
    }
}

impl Drop for EngineHold {
    fn drop(&mut self) {
        // In a forked child it is its parent's.
        if self.engine.is_mine() {
            // SAFETY: it is dropped once, here, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.grant) };
        }
    }
}
