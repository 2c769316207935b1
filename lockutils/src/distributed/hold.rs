//! A grant, and those in this process who have it.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};
use std::time::Duration;

use super::leaving::Departure;
use super::{Answer, Caller, Engine, Failure, Grant, Lease, Loss, Moment, OnLoss, Request, Share};
use crate::trace;

/// A grant that this process has, and how many share it.
///
/// Invariant: `sharers` falls to 0 once and stays there. Until then nobody has asked the engine to let go of the grant; whoever
/// takes the last share away does. Who has a reference and no share only looks: that holds nothing up.
pub(super) struct Held {
    grant: ManuallyDrop<Arc<Grant>>,
    engine: Arc<Engine>,
    name: Arc<str>,
    terms: Terms,
    since: Moment,
    sharers: AtomicUsize,
    /// Tells the log of a loss, as long as the lock is held.
    _told: Option<OnLoss>,
}

impl Held {
    /// One has been granted, and the caller has it alone.
    pub(super) fn begin(grant: Grant, engine: &Arc<Engine>, request: Request) -> EngineHold {
        let (terms, name) = (Terms::of(&request), request.name);
        let (location, lost) = (engine.location().to_owned(), Arc::clone(&name));
        let told = trace::IS_TOLD.then(|| {
            let tell = Box::new(move |why| trace::lost(&lost, &location, why));
            grant.lease().while_held(tell)
        });
        let held = Self {
            grant: ManuallyDrop::new(Arc::new(grant)),
            engine: Arc::clone(engine),
            name,
            terms,
            since: Moment::now(),
            sharers: AtomicUsize::new(1),
            _told: told,
        };
        EngineHold { held: Arc::new(held), is_over: false }
    }

    /// One more who has it, if somebody has.
    pub(super) fn share(self: &Arc<Self>) -> Option<EngineHold> {
        let more = |sharers: usize| (sharers > 0).then_some(sharers + 1);
        self.sharers.fetch_update(AcqRel, Acquire, more).ok()?;
        Some(EngineHold { held: Arc::clone(self), is_over: false })
    }

    /// Whether somebody in this process has it. In a forked child it is the parent's.
    pub(super) fn is_had(&self) -> bool {
        self.engine.is_mine() && self.sharers.load(Acquire) > 0
    }

    pub(super) fn is_lost(&self) -> bool {
        self.grant.lease().is_lost()
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn since(&self) -> Moment {
        self.since
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // In a forked child it is its parent's.
        if self.engine.is_mine() {
            // SAFETY: it is dropped once, here, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.grant) };
        }
    }
}

/// How a lock was asked for, as far as nobody may be given one that was asked for otherwise.
#[derive(PartialEq, Eq)]
pub(super) struct Terms {
    share: Share,
    identifier: Arc<str>,
    expires: Option<Duration>,
    ephemeral: bool,
    patterns: Arc<[Box<str>]>,
}

impl Terms {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            share: request.share,
            identifier: Arc::clone(&request.identifier),
            expires: request.expires,
            ephemeral: request.ephemeral,
            patterns: Arc::clone(&request.patterns),
        }
    }

    pub(super) fn are_to_read(&self) -> bool {
        self.share == Share::Read
    }

    /// Whether several may have one grant. A lock that expires does so for each of its readers at a time of its own, and each
    /// may move his. And who waits for contenders of other programs must not keep those waiting who do not.
    pub(super) fn are_for_many(&self) -> bool {
        self.are_to_read() && self.expires.is_none() && self.patterns.is_empty()
    }
}

/// One share of a grant: all of it for a writer and for the holder of a permit. Dropped, it is let go in the background.
pub(crate) struct EngineHold {
    held: Arc<Held>,
    /// The share was taken away.
    is_over: bool,
}

impl EngineHold {
    /// What is to be found, as long as somebody has it.
    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    pub(crate) fn grant(&self) -> &Arc<Grant> {
        &self.held.grant
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.held.engine
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        self.grant().lease()
    }

    /// Asks the engine whether it is still held, if it is not known to be lost.
    pub(crate) fn verify(&self, caller: Caller) -> Answer<()> {
        match self.lease().loss() {
            _ if !self.engine().is_mine() => failed(elsewhere()),
            Some(loss) => failed(Failure::Lost(loss)),
            None => self.engine().backend().verify(Arc::clone(self.grant()), caller),
        }
    }

    /// Lets it last for this long from now on, for all who share it.
    pub(crate) fn extend(&self, length: Duration, caller: Caller) -> Answer<()> {
        if self.engine().is_mine() {
            self.engine().backend().extend(Arc::clone(self.grant()), length, caller)
        } else {
            failed(elsewhere())
        }
    }

    /// Lets go of the share; with the last one, the engine is asked to let the lock go.
    pub(crate) fn release(mut self, caller: Caller) -> Answer<()> {
        let before = self.lease().loss();
        self.end(caller).unwrap_or_else(|| known(before))
    }

    /// The same in a task. Dropped, it goes on, and who wants the lock again in this process comes after that.
    pub(crate) fn release_in_task(mut self) -> Answer<()> {
        let before = self.lease().loss();
        match self.leave() {
            Some(departure) => Box::pin(async move { departure.outcome().await }),
            None => known(before),
        }
    }

    /// The same, and nobody wants to know what comes of it.
    pub(crate) fn release_later(self) {
        drop(self);
    }

    fn leave(&mut self) -> Option<Arc<Departure>> {
        let answer = self.end(Caller::Task)?;
        Some(self.engine().leave(&self.held.name, answer))
    }

    /// Takes the share away, and says what the engine answers if it was the last one.
    fn end(&mut self, caller: Caller) -> Option<Answer<()>> {
        let was_over = std::mem::replace(&mut self.is_over, true);
        let is_last = !was_over && self.held.sharers.fetch_sub(1, AcqRel) == 1;
        let is_asked = is_last && self.engine().is_mine();
        is_asked.then(|| self.engine().backend().release(Arc::clone(self.grant()), caller))
    }
}

impl Drop for EngineHold {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What is said to one who is not the last.
fn known(loss: Option<Loss>) -> Answer<()> {
    loss.map_or_else(|| answer(Ok(())), |loss| failed(Failure::Lost(loss)))
}

/// What a forked child is told: the connections and the session are its parent's.
fn elsewhere() -> Failure {
    Failure::other("it is of another process, which has forked this one")
}

fn failed(failure: Failure) -> Answer<()> {
    answer(Err(failure))
}

fn answer(result: Result<(), Failure>) -> Answer<()> {
    Box::pin(std::future::ready(result))
}
