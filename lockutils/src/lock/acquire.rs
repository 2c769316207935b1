//! The steps that the verbs are made of: the in-process half first, then the file, then the engine.

use std::panic::Location;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Lock;
use super::engine::{self, Reached, Way};
use crate::clock::Coarse;
use crate::distributed::EngineLock;
use crate::error::{Error, InTheWay, Kind, Others, Wait};
use crate::external::{Mechanism, OuterLock, Share, Sharing, Taker};
use crate::guard::far::Far;
use crate::guard::{LockGuard, Pinned};
use crate::holder::Holders;
use crate::internal::wait::{Waiting, spin};
use crate::internal::{HeldAs, Mode};
use crate::limit::{Ended, Limit, Span};
use crate::name;
use crate::observe;
use crate::reads;
use crate::registry::{Cell, CellId, CellRef, Hold, Namespace, Owner, Relation, Taken};
use crate::trace;

const ALONE: Share = Share::Lock(Sharing::Alone);

impl Lock {
    #[inline]
    pub(crate) fn acquire_as(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        if observe::is_wanted() {
            return self.acquire_observed(owner, place);
        }
        self.acquire_unobserved(owner, place)
    }

    #[inline]
    pub(super) fn acquire_unobserved(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        match self.at_once() {
            Some(hold) => Ok(self.guard(hold, owner, place)),
            None => self.acquire_unkept(owner, place),
        }
    }

    /// The first use of a handle: what it takes it need not keep.
    #[inline(never)]
    fn acquire_unkept(&self, owner: Owner, place: &'static Location<'static>) -> Result<LockGuard, Error> {
        match self.take_ordinary() {
            Some(hold) => Ok(self.guard(hold, owner, place)),
            None => self.acquire_otherwise(owner, place),
        }
    }

    #[inline(never)]
    fn acquire_otherwise(&self, owner: Owner, place: &'static Location<'static>) -> Result<LockGuard, Error> {
        match self.begin()? {
            Taken::Held(hold) if self.options.is_internal() => Ok(self.guard(hold, owner, place)),
            taken => self.acquire_slow(taken, owner, place),
        }
    }

    /// Takes the lock, when it is free and nothing about it is out of the ordinary.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: the way of every name that is taken once")]
    pub(super) fn take_ordinary(&self) -> Option<Hold> {
        if self.used.load(Relaxed) || self.name.is_empty() {
            return None;
        }
        let hold = self.take_plain().or_else(|| self.take_otherwise())?;
        self.used.store(true, Relaxed);
        Some(hold)
    }

    /// The case that is worth a way of its own: a writer, the options are the default ones, and so is the prefix.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn take_plain(&self) -> Option<Hold> {
        let shared = self.locks.shared_as_configured().filter(|_| self.options.are_plain())?;
        shared.unprefixed()?.take_write(&self.name, || shared.main())
    }

    /// The other ordinary ones. From then on it is known whether the names of this registry have a prefix.
    #[inline(never)]
    fn take_otherwise(&self) -> Option<Hold> {
        let options = &self.options;
        if !options.are_ordinary() {
            return None;
        }
        // What is wrong with the configuration is said by the way that comes after this.
        let prefix = self.locks.prefix().ok()?;
        if let Some(shared) = self.locks.shared_as_configured().filter(|_| prefix.is_empty()) {
            shared.note_unprefixed();
        }
        let full = name::join(prefix, &self.name);
        let (mode, fair) = (Some(options.mode()), options.is_fair());
        match Namespace::get_if(self.locks.shared().main(), &full, mode, fair, name::is_plain)? {
            Ok(Taken::Held(hold)) => Some(hold),
            _ => None,
        }
    }

    /// A kept internal lock that is free: one exchange of the word, and nothing that does not fit into
    /// registers.
    #[inline]
    pub(super) fn at_once(&self) -> Option<Hold> {
        let cell = self.kept.get().filter(|_| self.options.is_internal())?;
        cell.try_hold(self.options.mode(), self.options.is_fair())
    }

    /// The guard of what was free.
    #[inline]
    pub(super) fn guard(&self, hold: Hold, owner: Owner, place: &'static Location<'static>) -> LockGuard {
        LockGuard::at_once(hold, owner, place, self.options.is_timed())
    }

    /// The way of an attribute whose name is a literal.
    #[inline]
    pub(crate) fn enter_at_once(&self, place: &'static Location<'static>) -> Option<Pinned> {
        let cell = self.kept.get().filter(|_| {
            self.options.mode() == Mode::Write && self.options.is_internal() && !observe::is_wanted()
        })?;
        let hold = cell.try_write(self.options.is_fair())?;
        Some(Pinned::writing(LockGuard::at_once(hold, Owner::Pinned, place, false)))
    }

    #[inline]
    pub(crate) fn enter_pinned(&self, place: &'static Location<'static>) -> Result<Pinned, Error> {
        if observe::is_wanted() {
            return self.enter_observed(place);
        }
        match self.at_once() {
            Some(hold) => Ok(Pinned::new(self.guard(hold, Owner::Pinned, place), place)),
            None => self.enter_unkept(place),
        }
    }

    #[inline(never)]
    fn enter_unkept(&self, place: &'static Location<'static>) -> Result<Pinned, Error> {
        let guard = self.acquire_unkept(Owner::Pinned, place)?;
        Ok(Pinned::new(guard, place))
    }

    pub(crate) fn try_acquire_as(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, Error> {
        if observe::is_wanted() {
            return self.try_acquire_observed(owner, place);
        }
        self.try_acquire_unobserved(owner, place)
    }

    pub(super) fn try_acquire_unobserved(
        &self,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<Option<LockGuard>, Error> {
        let hold = match self.begin()? {
            Taken::Held(hold) => hold,
            Taken::Busy(cell) => match self.rejoin(&cell) {
                Some(hold) => hold,
                None => return Ok(None),
            },
        };
        if self.options.is_internal() {
            return Ok(Some(self.guard(hold, owner, place)));
        }
        let file = match self.try_file(hold.cell(), owner, place)? {
            FileTaken::Busy => return Ok(None),
            taken => taken,
        };
        let mut way = engine::at_once(hold.cell(), owner, place);
        let outer = file.and(self.try_reach(&mut way)?);
        Ok(outer.map(|outer| LockGuard::new(hold, outer, owner, place, Duration::ZERO)))
    }

    /// Takes the file if it is free, or if there is none.
    pub(super) fn try_file<'a>(
        &self,
        cell: &'a Cell,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<FileTaken<'a>, Error> {
        let Some(file) = self.file(cell)? else { return Ok(FileTaken::None) };
        let free = self.reads_on(cell, file)
            || file.try_acquire(self.share(), self.options.is_fair(), &self.taker(owner, place))?;
        Ok(if free { FileTaken::Held(HeldFile(file)) } else { FileTaken::Busy })
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(
        &self,
        taken: Taken,
        owner: Owner,
        place: &'static Location<'static>,
    ) -> Result<LockGuard, Error> {
        let started = Instant::now();
        let limit = self.limit()?;
        let has_waited = matches!(taken, Taken::Busy(_));
        let hold = match taken {
            Taken::Held(hold) => hold,
            Taken::Busy(cell) => self.wait(&cell, &limit, started, place)?,
        };
        // The thread may not take it again before it has all of it: what is told of the wait may run code of the user.
        hold.claim(owner.min(Owner::Pinned), place, Coarse::now());
        let mut way = Way { cell: hold.cell(), owner, place, started, has_waited };
        let file = match self.try_file(hold.cell(), owner, place)? {
            FileTaken::Busy => self.wait_for_file(&mut way, &limit)?,
            taken => taken,
        };
        let reached = self.reach(&mut way, &limit)?;
        let waited = engine::waited(&way);
        match file.and(reached) {
            Some(outer) => Ok(LockGuard::new(hold, outer, owner, place, waited)),
            None => Err(self.gave_up(Ended::Time, hold.cell(), started, WaitOf::Engine, place)),
        }
    }

    /// Waits for the file on this thread.
    fn wait_for_file<'a>(&self, way: &mut Way<'a>, limit: &Limit<'_>) -> Result<FileTaken<'a>, Error> {
        let &mut Way { cell, owner, place, started, .. } = way;
        let Some(file) = self.file(cell)? else { return Ok(FileTaken::None) };
        let _waiting = self.begin_file_wait(way, file);
        let tell = self.tell_long(cell, started, WaitOf::File, place);
        let limit = limit.with_alarm(self.long_after(started), &tell);
        file.wait(self.share(), &limit, &self.taker(owner, place))?
            .map_err(|ended| self.gave_up(ended, cell, started, WaitOf::File, place))?;
        Ok(FileTaken::Held(HeldFile(file)))
    }

    pub(super) fn begin_file_wait(&self, way: &mut Way<'_>, file: &OuterLock) -> observe::Waiting {
        trace::waiting_for_file(file.path(), way.place, || file_holders(way.cell));
        way.cell.claim_without_outer();
        self.begin_wait(way.place, !std::mem::replace(&mut way.has_waited, true))
    }

    /// Takes the file alone, for the one writer of this process, whatever this handle's mode is. Says whether
    /// it is held now; `false` only if the caller does not wait.
    fn acquire_file(
        &self,
        cell: &Cell,
        file: &OuterLock,
        waits: bool,
        place: &'static Location<'static>,
    ) -> Result<bool, Error> {
        let (started, limit) = (Instant::now(), self.limit()?);
        let who = self.taker(Owner::Reentrant, place);
        if file.try_acquire(ALONE, self.options.is_fair(), &who)? {
            return Ok(true);
        }
        if !waits {
            return Ok(false);
        }
        let _waiting = self.begin_wait(place, true);
        let tell = self.tell_long(cell, started, WaitOf::File, place);
        let limit = limit.with_alarm(self.long_after(started), &tell);
        match file.wait(ALONE, &limit, &who)? {
            Ok(()) => Ok(true),
            Err(ended) => Err(self.gave_up(ended, cell, started, WaitOf::File, place)),
        }
    }

    /// The rest, for the thread that has the lock in this process already: once more what it has, or what its outer guards
    /// did without. `None`: somebody else has it, and the caller does not wait.
    pub(crate) fn take_again(
        &self,
        cell: &Cell,
        waits: bool,
        place: &'static Location<'static>,
    ) -> Result<Option<(bool, Option<Far>)>, Error> {
        let file = match self.file(cell)? {
            Some(file) if file.reenter() || self.acquire_file(cell, file, waits, place)? => {
                FileTaken::Held(HeldFile(file))
            }
            Some(_) => return Ok(None),
            None => FileTaken::None,
        };
        Ok(file.and(self.reach_again(cell, waits, place)?))
    }

    /// Waits for the in-process half on this thread.
    fn wait(
        &self,
        cell: &CellRef,
        limit: &Limit<'_>,
        started: Instant,
        place: &'static Location<'static>,
    ) -> Result<Hold, Error> {
        if let Some(hold) = self.rejoin(cell) {
            return Ok(hold);
        }
        // A configured limit would end this too, but only to say what is known now.
        let configured = limit.cancel.is_none() && self.options.span == Span::Unsaid;
        if limit.is_none() || configured {
            refuse_deadlock(cell, place)?;
        }
        cell.note_wait();
        trace::waiting(cell.name(), place);
        let (mode, fair) = (self.options.mode(), self.options.is_fair());
        if !fair && spin(cell.raw(), mode) {
            return Ok(cell.assume_held(mode));
        }
        let _waiting = self.begin_wait(place, true);
        let tell = self.tell_long(cell, started, WaitOf::Process, place);
        match limit.with_alarm(self.long_after(started), &tell).block(Waiting::new(cell.raw(), mode, fair)) {
            Ok(()) => Ok(cell.assume_held(mode)),
            Err(ended) => Err(self.gave_up(ended, cell, started, WaitOf::Process, place)),
        }
    }

    /// One more read for a thread that reads already.
    fn rejoin(&self, cell: &CellRef) -> Option<Hold> {
        let reads = self.options.mode() == Mode::Read && reads::of(cell.id()).is_some();
        (reads && cell.raw().rejoin(Mode::Read)).then(|| cell.assume_held(Mode::Read))
    }

    /// One more read of the file for a thread that reads already. A writer of another process that waits for that must not
    /// be waited for.
    fn reads_on(&self, cell: &Cell, file: &OuterLock) -> bool {
        self.options.mode() == Mode::Read && reads::of(CellId::of(cell.into())).is_some() && file.reenter()
    }

    pub(super) fn limit(&self) -> Result<Limit<'_>, Error> {
        let default = self.locks.shared().asked()?.timeout;
        Ok(Limit::begin(self.options.span, default, self.options.cancel()))
    }

    #[cold]
    pub(super) fn gave_up(
        &self,
        ended: Ended,
        cell: &Cell,
        started: Instant,
        of: WaitOf,
        place: &'static Location<'static>,
    ) -> Error {
        if ended == Ended::Time {
            observe::timed_out(&self.way(place));
        }
        let wait = self.wait_so_far(cell, started.elapsed(), of);
        match ended {
            Ended::Time => Kind::Timeout(wait).into(),
            Ended::Cancel => Kind::Cancelled(wait).into(),
        }
    }

    /// The error of those who do not want to wait: of the process if that is busy, otherwise of the file.
    #[cold]
    pub(crate) fn busy(&self) -> Error {
        let cell = match self.cell() {
            Ok(cell) => cell,
            Err(error) => return error,
        };
        let of = match self.engine() {
            _ if cell.raw().is_held() => WaitOf::Process,
            Ok(Some(_)) => WaitOf::Engine,
            _ => WaitOf::File,
        };
        Kind::Busy(self.wait_so_far(&cell, Duration::ZERO, of)).into()
    }

    pub(super) fn wait_so_far(&self, cell: &Cell, waited: Duration, of: WaitOf) -> Wait {
        let file = self.file(cell).ok().flatten();
        let engine = self.engine().ok().flatten();
        let (of, held) = match cell.held().filter(|_| of == WaitOf::Process) {
            // Who has it in this process waits too: those who have the rest are in the way of both.
            Some(held) if held.awaits_outer && engine.is_some() && !awaits_file(file) => {
                (WaitOf::Engine, None)
            }
            Some(held) if held.awaits_outer => (WaitOf::File, None),
            held => (of, held),
        };
        Wait {
            name: cell.name().to_owned(),
            path: file.map(|file| file.path().to_owned()),
            waited,
            holder: held.map(|held| (held.place, held.long)),
            is_lost: cell.engine().is_some_and(EngineLock::is_lost),
            own: of == WaitOf::Process && cell.relation() == Relation::HasIt,
            file: (of == WaitOf::File).then(|| in_the_way(cell)),
            engine: engine
                .filter(|_| of == WaitOf::Engine)
                .map(|engine| (engine.location().to_owned(), engine::holders_at(cell))),
            others: self.others(cell),
        }
    }

    pub(super) fn taker(&self, owner: Owner, place: &'static Location<'static>) -> Taker {
        let taker = Taker::new(place, self.options.function(), owner == Owner::Task);
        taker.with_purpose(self.options.purpose().cloned())
    }

    fn others(&self, cell: &Cell) -> Others {
        match (cell.raw().shared_as(), self.options.mode()) {
            (Some(HeldAs::Permit), Mode::Permit(permits)) => Others::HavePermits(Some(permits)),
            (Some(HeldAs::Permit), _) => Others::HavePermits(None),
            (Some(_), _) => Others::Read,
            (None, _) => Others::Come,
        }
    }

    pub(super) fn share(&self) -> Share {
        match self.options.mode() {
            Mode::Write => ALONE,
            Mode::Read => Share::Lock(Sharing::Shared),
            Mode::Permit(permits) => Share::Permit(permits),
        }
    }
}

/// Those who have the file, if other processes have it.
pub(super) fn file_holders(cell: &Cell) -> Option<Holders> {
    let directory = cell.home().directory.get()?;
    directory.holders(cell.name()).ok().and_then(Holders::new)
}

/// Who keeps others from the file.
fn in_the_way(cell: &Cell) -> InTheWay {
    let Some(directory) = cell.home().directory.get() else { return InTheWay::Unknown };
    match file_holders(cell) {
        // Their file stays when they have ended.
        Some(holders) if holders.are_elsewhere() && directory.mechanism() == Mechanism::Pid => {
            InTheWay::Elsewhere(holders.to_string())
        }
        Some(holders) => InTheWay::Holders(holders.to_string()),
        None if directory.is_queued(cell.name()).unwrap_or(false) => InTheWay::Queue,
        None => InTheWay::Unknown,
    }
}

/// Whether it is the file that is waited for.
fn awaits_file(file: Option<&OuterLock>) -> bool {
    file.is_some_and(|file| !file.is_held())
}

/// Which part was waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitOf {
    Process,
    File,
    Engine,
}

/// What came of a try to take the file.
pub(super) enum FileTaken<'a> {
    /// The lock has none.
    None,
    Held(HeldFile<'a>),
    Busy,
}

impl FileTaken<'_> {
    /// Together with what came of the engine: what a guard holds, or `None` if somebody else has one of them.
    pub(super) fn and(self, reached: Reached) -> Option<(bool, Option<Far>)> {
        let far = match reached {
            Reached::Busy => return None,
            Reached::NotAsked => None,
            Reached::Held(far) => Some(far),
        };
        match self {
            Self::Busy => None,
            Self::None => Some((false, far)),
            Self::Held(file) => {
                file.keep();
                Some((true, far))
            }
        }
    }
}

/// The file is held, and nobody has it on a guard yet. Let go when dropped: what comes after it may fail.
pub(super) struct HeldFile<'a>(pub(super) &'a OuterLock);

impl HeldFile<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for HeldFile<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.release() {
            trace::not_unlocked(&error);
        }
    }
}

/// The thread would wait for itself: refused where that is certain, warned of where it may be.
fn refuse_deadlock(cell: &CellRef, asked_at: &'static Location<'static>) -> Result<(), Error> {
    let refused = |held_at, reads| {
        Err(Kind::WouldDeadlock { name: cell.name().to_owned(), held_at, asked_at, reads }.into())
    };
    match cell.relation() {
        Relation::HasIt => return refused(cell.held().and_then(|held| held.place), false),
        Relation::TookIt => trace::may_deadlock(cell.name(), asked_at),
        Relation::Other => {}
    }
    match reads::of(cell.id()) {
        Some((_, held_at)) => refused(Some(held_at), true),
        None => Ok(()),
    }
}
