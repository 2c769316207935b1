//! The steps of a task: the same as those of a thread, and no thread sleeps.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::Lock;
use super::acquire::{FileTaken, HeldFile, WaitOf};
use super::engine::{self, Way};
use crate::clock::Coarse;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::internal::wait::Waiting;
use crate::limit::{Ended, Limit};
use crate::observe;
use crate::registry::{CellRef, Hold, Owner, Taken};
use crate::trace;

impl Lock {
    #[inline]
    pub(crate) async fn acquire_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        if observe::is_wanted() {
            // In a box, as below.
            return Box::pin(self.acquire_async_observed(place)).await;
        }
        self.acquire_async_unobserved(place).await
    }

    #[inline]
    pub(super) async fn acquire_async_unobserved(
        &self,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        if let Some(hold) = self.at_once().or_else(|| self.take_in_task()) {
            return Ok(self.guard(hold, Owner::Task, place));
        }
        match self.begin()? {
            Taken::Held(hold) if self.options.is_internal() => Ok(self.guard(hold, Owner::Task, place)),
            // In a box, so that the future of a lock that is free is small.
            taken => Box::pin(self.acquire_async_slow(taken, place)).await,
        }
    }

    #[inline(never)]
    fn take_in_task(&self) -> Option<Hold> {
        self.take_ordinary()
    }

    async fn acquire_async_slow(
        &self,
        taken: Taken,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        let started = Instant::now();
        let limit = self.limit()?;
        let has_waited = matches!(taken, Taken::Busy(_));
        let hold = match taken {
            Taken::Held(hold) => hold,
            Taken::Busy(cell) => self.wait_async(cell, &limit, started, place).await?,
        };
        hold.claim(Owner::Task, place, Coarse::now());
        let mut way = Way { cell: hold.cell(), owner: Owner::Task, place, started, has_waited };
        let file = match self.try_file(hold.cell(), Owner::Task, place)? {
            FileTaken::Busy => self.wait_for_file_async(&mut way, &limit).await?,
            taken => taken,
        };
        let reached = self.reach_async(&mut way, &limit).await?;
        let waited = engine::waited(&way);
        match file.and(reached) {
            Some(outer) => Ok(LockGuard::new(hold, outer, Owner::Task, place, waited)),
            None => Err(self.gave_up(Ended::Time, hold.cell(), started, WaitOf::Engine, place)),
        }
    }

    async fn wait_for_file_async<'a>(
        &self,
        way: &mut Way<'a>,
        limit: &Limit<'_>,
    ) -> Result<FileTaken<'a>, Error> {
        let &mut Way { cell, place, started, .. } = way;
        let Some(file) = self.file(cell)? else { return Ok(FileTaken::None) };
        let _waiting = self.begin_file_wait(way, file);
        let who = self.taker(Owner::Task, place);
        let tell = self.tell_long(cell, started, WaitOf::File, place);
        let limit = limit.with_alarm(self.long_after(started), &tell);
        match limit.watch(file.wait_async(self.share(), &who)).await {
            Ok(acquired) => acquired.map(|()| FileTaken::Held(HeldFile(file))),
            Err(ended) => Err(self.gave_up(ended, cell, started, WaitOf::File, place)),
        }
    }

    /// Takes the lock if that needs no wait, and does not block for its engine.
    pub(crate) async fn try_acquire_async_at(
        &self,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, Error> {
        if !self.options.is_distributed() {
            return self.try_acquire_as(Owner::Task, place);
        }
        if observe::is_wanted() {
            return self.try_acquire_async_observed(place).await;
        }
        self.try_acquire_async_unobserved(place).await
    }

    pub(super) async fn try_acquire_async_unobserved(
        &self,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, Error> {
        let Taken::Held(hold) = self.begin()? else { return Ok(None) };
        let file = match self.try_file(hold.cell(), Owner::Task, place)? {
            FileTaken::Busy => return Ok(None),
            taken => taken,
        };
        let mut way = engine::at_once(hold.cell(), Owner::Task, place);
        let outer = file.and(self.try_reach_async(&mut way).await?);
        Ok(outer.map(|outer| LockGuard::new(hold, outer, Owner::Task, place, Duration::ZERO)))
    }

    async fn wait_async(
        &self,
        cell: CellRef,
        limit: &Limit<'_>,
        started: Instant,
        place: &'static Location<'static>,
    ) -> Result<Hold, Error> {
        cell.note_wait();
        trace::waiting(cell.name(), place);
        let (mode, fair) = (self.options.mode(), self.options.is_fair());
        let _waiting = self.begin_wait(place, true);
        let tell = self.tell_long(&cell, started, WaitOf::Process, place);
        let limit = limit.with_alarm(self.long_after(started), &tell);
        match limit.watch(Waiting::new(cell.raw(), mode, fair)).await {
            Ok(()) => Ok(cell.assume_held(mode)),
            Err(ended) => Err(self.gave_up(ended, &cell, started, WaitOf::Process, place)),
        }
    }
}
