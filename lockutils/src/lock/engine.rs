//! The steps beyond this host: after the file, and before the caller has the lock.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Lock;
use super::acquire::WaitOf;
use crate::distributed::{Caller, Contender, Engine, EngineHold, Failure, Request, Share};
use crate::error::{Error, Kind, LOOKING, TAKING};
use crate::guard::far::Far;
use crate::internal::{Mode, park};
use crate::limit::{Ended, Limit, Span};
use crate::reads;
use crate::registry::{Cell, CellId, Owner};
use crate::trace;

/// What came of asking an engine.
pub(crate) enum Reached {
    /// The lock is not distributed.
    NotAsked,
    Held(Far),
    /// Others have it, and the caller does not wait.
    Busy,
}

/// How long one who gives up stays until its place is gone, at most: a program that ends right after that would leave it to the
/// engine for as long as a session lasts, in front of all others. It is a trip, if the engine answers.
const GIVES_BACK: Duration = Duration::from_millis(250);

/// One acquire of a distributed lock.
pub(super) struct Way<'a> {
    pub(super) cell: &'a Cell,
    pub(super) owner: Owner,
    pub(super) place: &'static Location<'static>,
    pub(super) started: Instant,
    pub(super) has_waited: bool,
}

impl Lock {
    /// The engine of the lock, if it has one.
    pub(crate) fn engine(&self) -> Result<Option<Arc<Engine>>, Error> {
        if !self.options.is_distributed() {
            return Ok(None);
        }
        let Some(engine) = self.locks.shared().engine()? else { return Ok(None) };
        self.require_of(engine.backend().promises(), engine.location())?;
        Ok(Some(engine))
    }

    /// Takes the engine's part, on this thread.
    pub(super) fn reach(&self, way: &mut Way<'_>, limit: &Limit<'_>) -> Result<Reached, Error> {
        let Some(engine) = self.engine()? else { return Ok(Reached::NotAsked) };
        // With a `Cancel`, nothing may keep the thread but the wait that it ends.
        let caller = if limit.cancel.is_some() { Caller::Task } else { Caller::Thread { until: limit.end } };
        if limit.is_over() {
            return self.reach_at_once(way, &engine, Caller::Thread { until: None });
        }
        let (cell, started, place) = (way.cell, way.started, way.place);
        let tell = self.tell_long(cell, started, WaitOf::Engine, place);
        let limit = limit.with_alarm(self.long_after(started), &tell);
        let asked = limit.block(self.ask(way, &engine, caller, true));
        if asked.is_err() {
            let _ = park::block_on(engine.backend().settled(), Instant::now().checked_add(GIVES_BACK));
        }
        self.reached(asked, way, &engine)
    }

    /// The same in a task.
    pub(super) async fn reach_async(&self, way: &mut Way<'_>, limit: &Limit<'_>) -> Result<Reached, Error> {
        let Some(engine) = self.engine()? else { return Ok(Reached::NotAsked) };
        if limit.is_over() {
            let asked = self.ask(way, &engine, Caller::Task, false).await;
            return self.reached(Ok(asked), way, &engine);
        }
        let (cell, started, place) = (way.cell, way.started, way.place);
        let tell = self.tell_long(cell, started, WaitOf::Engine, place);
        let limit = limit.with_alarm(self.long_after(started), &tell);
        let asked = limit.watch(self.ask(way, &engine, Caller::Task, true)).await;
        if asked.is_err() {
            let soon = Limit::begin(Span::For(GIVES_BACK), None, None);
            let _ = soon.watch(engine.backend().settled()).await;
        }
        self.reached(asked, way, &engine)
    }

    /// The same, without a wait.
    pub(super) fn try_reach(&self, way: &mut Way<'_>) -> Result<Reached, Error> {
        match self.engine()? {
            Some(engine) => self.reach_at_once(way, &engine, Caller::Thread { until: None }),
            None => Ok(Reached::NotAsked),
        }
    }

    /// The same in a task.
    pub(super) async fn try_reach_async(&self, way: &mut Way<'_>) -> Result<Reached, Error> {
        let Some(engine) = self.engine()? else { return Ok(Reached::NotAsked) };
        let asked = self.ask(way, &engine, Caller::Task, false).await;
        self.reached(Ok(asked), way, &engine)
    }

    fn reach_at_once(
        &self,
        way: &mut Way<'_>,
        engine: &Arc<Engine>,
        caller: Caller,
    ) -> Result<Reached, Error> {
        let asked = park::block_on(self.ask(way, engine, caller, false), None);
        self.reached(asked.ok_or(Ended::Time), way, engine)
    }

    async fn ask(
        &self,
        way: &mut Way<'_>,
        engine: &Arc<Engine>,
        caller: Caller,
        waits: bool,
    ) -> Result<Option<EngineHold>, Failure> {
        let lock = way.cell.engine_or_new();
        let request = Request { waits, ..self.request(way.cell.name(), engine, caller) };
        if self.reads_already(way.cell)
            && let Some(hold) = lock.again(&request)
        {
            return Ok(Some(hold));
        }
        let (cell, place, has_waited) = (way.cell, way.place, &mut way.has_waited);
        let waiting = || {
            trace::waiting_for_engine(cell.name(), place, engine.location());
            cell.claim_without_outer();
            self.begin_wait(place, !std::mem::replace(has_waited, true))
        };
        lock.acquire(engine, request, waiting).await
    }

    /// Whether this thread reads already: then no writer that waits for that must be waited for.
    fn reads_already(&self, cell: &Cell) -> bool {
        self.options.mode() == Mode::Read && reads::of(CellId::of(cell.into())).is_some()
    }

    fn reached(
        &self,
        asked: Result<Result<Option<EngineHold>, Failure>, Ended>,
        way: &Way<'_>,
        engine: &Engine,
    ) -> Result<Reached, Error> {
        match asked {
            Ok(Ok(Some(hold))) => Ok(Reached::Held(Far::new(hold, way.owner == Owner::Task))),
            Ok(Ok(None)) => Ok(Reached::Busy),
            Ok(Err(failure)) => Err(self.failed(way.cell.name(), engine, failure)),
            Err(ended) => Err(self.gave_up(ended, way.cell, way.started, WaitOf::Engine, way.place)),
        }
    }

    fn failed(&self, name: &str, engine: &Engine, failure: Failure) -> Error {
        match (failure, self.options.mode()) {
            (Failure::Mismatch { agreed }, Mode::Permit(asked)) => {
                Kind::Mismatch { name: name.to_owned(), asked, agreed }.into()
            }
            (failure, _) => Error::of_engine(name, engine.location(), TAKING, failure),
        }
    }

    /// The engine's part for the thread that has the lock already, on which `inner` depends from now on.
    pub(crate) fn reach_again(
        &self,
        cell: &Cell,
        waits: bool,
        place: &'static Location<'static>,
    ) -> Result<Reached, Error> {
        let Some(engine) = self.engine()? else { return Ok(Reached::NotAsked) };
        if let Some(hold) = cell.engine_or_new().hold() {
            return match hold.lease().loss() {
                None => Ok(Reached::Held(Far::new(hold, false))),
                Some(loss) => Err(self.failed(cell.name(), &engine, Failure::Lost(loss))),
            };
        }
        let (started, limit) = (Instant::now(), self.limit()?);
        let mut way = Way { cell, owner: Owner::Reentrant, place, started, has_waited: false };
        if waits { self.reach(&mut way, &limit) } else { self.try_reach(&mut way) }
    }

    /// What is asked of the engine, without a wait.
    pub(super) fn request(&self, name: &str, engine: &Engine, caller: Caller) -> Request {
        let mut request = Request::new(name, self.request_share())
            .called_by(caller)
            .identified(Arc::clone(engine.identity()));
        request.fair = self.options.is_fair();
        if let Some(far) = self.options.far() {
            request.identifier = far.identifier.clone().unwrap_or(request.identifier);
            (request.expires, request.ephemeral) = (far.expires, far.ephemeral);
            request.patterns = far.patterns.iter().cloned().collect();
        }
        request
    }

    pub(super) fn request_share(&self) -> Share {
        match self.options.mode() {
            Mode::Write => Share::Write,
            Mode::Read => Share::Read,
            Mode::Permit(permits) => Share::Permit(permits),
        }
    }
}

/// Those who have it, for a message.
pub(super) fn holders_at(cell: &Cell) -> Option<String> {
    let seen = cell.engine()?.seen_holders();
    let (first, others) = seen.split_first()?;
    let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
    let known = Some(&first.identifier).filter(|identifier| !identifier.is_empty()).unwrap_or(&first.place);
    Some(format!("{known}{more}"))
}

impl Lock {
    /// All who hold the lock or wait for it, as the engine has them.
    pub(super) async fn contenders_by(&self, caller: Caller) -> Result<Option<Vec<Contender>>, Error> {
        let Some(engine) = self.engine()? else { return Ok(None) };
        let name = self.identity_name()?;
        let request = self.request(&name, &engine, caller);
        let contenders = engine.backend().contenders(request).await;
        contenders.map(Some).map_err(|failure| Error::of_engine(&name, engine.location(), LOOKING, failure))
    }

    pub(super) async fn destroy_by(&self, caller: Caller) -> Result<(), Error> {
        let Some(engine) = self.engine()? else {
            return Err(self.not_destroyed());
        };
        // This handle keeps it, and with it that it is destroyed.
        let cell = self.keep()?;
        let request = self.request(cell.name(), &engine, caller);
        let done = engine.backend().destroy(request).await;
        done.map_err(|failure| Error::of_engine(cell.name(), engine.location(), "destroy", failure))?;
        cell.engine_or_new().destroyed();
        Ok(())
    }
}

/// On this thread. Engines answer within their own limits.
pub(super) fn block<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    park::block_on(future, None).expect("a wait without an end does not end")
}

/// A thread that asks and does nothing else.
pub(super) const THREAD: Caller = Caller::Thread { until: None };

/// Not waited at all.
pub(super) fn at_once<'a>(cell: &'a Cell, owner: Owner, place: &'static Location<'static>) -> Way<'a> {
    Way { cell, owner, place, started: Instant::now(), has_waited: false }
}

/// How long a wait has lasted that began with a [`Way`].
pub(super) fn waited(way: &Way<'_>) -> Duration {
    if way.has_waited { way.started.elapsed() } else { Duration::ZERO }
}
