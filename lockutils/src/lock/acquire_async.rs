//! The steps of a task: the same as those of a thread, and no thread sleeps.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::Lock;
use super::acquire::{WaitOf, file_holders};
use crate::clock::Coarse;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::internal::wait::Waiting;
use crate::limit::Limit;
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
            Taken::Held(hold) if !self.options.is_external() => Ok(self.guard(hold, Owner::Task, place)),
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
        let mut has_waited = matches!(taken, Taken::Busy(_));
        let hold = match taken {
            Taken::Held(hold) => hold,
            Taken::Busy(cell) => self.wait_async(cell, &limit, started, place).await?,
        };
        hold.claim(Owner::Task, place, Coarse::now());
        let file = self.file(hold.cell())?;
        let who = self.taker(Owner::Task, place);
        if let Some(file) = file
            && !file.try_acquire(self.share(), self.options.is_fair(), &who)?
        {
            let is_first = !std::mem::replace(&mut has_waited, true);
            trace::waiting_for_file(file.path(), place, || file_holders(hold.cell()));
            hold.cell().claim_without_file();
            let _waiting = self.begin_wait(place, is_first);
            let tell = self.tell_long(hold.cell(), started, WaitOf::File, place);
            let limit = limit.with_alarm(self.long_after(started), &tell);
            match limit.watch(file.wait_async(self.share(), &who)).await {
                Ok(acquired) => acquired?,
                Err(ended) => return Err(self.gave_up(ended, hold.cell(), started, WaitOf::File, place)),
            }
        }
        let waited = if has_waited { started.elapsed() } else { Duration::ZERO };
        let file = file.is_some();
        Ok(LockGuard::new(hold, file, Owner::Task, place, waited))
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
