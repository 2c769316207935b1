//! What a holder holds.

pub(crate) mod far;

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use self::far::Far;
use crate::clock::Coarse;
use crate::error::{Error, Kind};
use crate::external::OuterLock;
use crate::internal::HeldAs;
use crate::observe::Watched;
use crate::reads;
use crate::registry::{Cell, CellId, CellRef, Hold, Owner};
use crate::trace;

/// A held lock. Dropping it lets go: first of the engine, then of the file, then of this process.
///
/// It is owned and [`Send`]: store it, return it, send it to another thread or hold it across an `.await`
/// (when it came from [`acquire_async`](crate::Lock::acquire_async) or not). It may be dropped anywhere: on
/// any thread, while a panic unwinds, with or without a runtime. A panic does not poison the lock.
///
/// - A guard that is forgotten ([`std::mem::forget`]) leaves the lock held until the process ends, and
///   [`Lock::is_locked`](crate::Lock::is_locked) says so.
/// - When the process dies, in whatever way, the kernel lets go of the file, and an engine frees a
///   [distributed](crate::Lock::distributed) lock when its lease has run out.
/// - A distributed lock can be lost while the guard lives: [`is_lost`](Self::is_lost), [`lost`](Self::lost),
///   [`on_lost`](Self::on_lost), [`release`](Self::release).
/// - A guard that a forked child has inherited lets nothing go there: the lock stays the parent's. To [`check`](Self::check) or
///   [`extend`](Self::extend) one of a distributed lock is an error there.
///
/// Bind it to a name: `let _ = lock.acquire()?` lets go at once.
///
/// ```
/// let guard = lockutils::lock("volumes").acquire()?;
/// assert_eq!(guard.name(), "volumes");
/// drop(guard); // or let it go out of scope
/// # Ok::<(), lockutils::Error>(())
/// ```
#[must_use = "the lock is let go as soon as the guard is dropped"]
#[clippy::has_significant_drop]
pub struct LockGuard {
    /// Counted as a holder, of the kind that `stub` says.
    cell: NonNull<Cell>,
    stub: Stub,
}

// SAFETY: `Cell` is `Sync`, and letting go is not bound to a thread.
unsafe impl Send for LockGuard {}
// SAFETY: `&LockGuard` gives `&Cell` only.
unsafe impl Sync for LockGuard {}

impl LockGuard {
    /// The caller holds the lock without having waited. A look at the clock would cost as much as all the rest, so
    /// it is for those who ask for it.
    #[inline]
    pub(crate) fn at_once(hold: Hold, owner: Owner, place: &'static Location<'static>, timed: bool) -> Self {
        let since = if timed { Coarse::now() } else { Coarse::default() };
        hold.claim(owner, place, since);
        let stub = Stub::new(hold.kind(), since);
        Self { cell: hold.into_cell(), stub }
    }

    /// The caller holds what it says, after a wait.
    pub(crate) fn new(
        hold: Hold,
        outer: (bool, Option<Far>),
        owner: Owner,
        place: &'static Location<'static>,
        waited: Duration,
    ) -> Self {
        let (since, (file, far)) = (Coarse::now(), outer);
        hold.claim(owner, place, since);
        let stub = Stub::new(hold.kind(), since).with_wait(waited).with_file(file);
        let mut guard = Self { cell: hold.into_cell(), stub };
        if far.is_some() {
            guard.more_with(|more| more.far = far);
        }
        guard
    }

    #[inline]
    fn cell(&self) -> &Cell {
        // SAFETY: a holder is counted in the word, so the cell is alive.
        unsafe { self.cell.as_ref() }
    }

    /// Whether it is the guard of the one writer.
    #[inline]
    pub(crate) fn kind(&self) -> HeldAs {
        self.stub.kind()
    }

    pub(crate) fn id(&self) -> CellId {
        CellId::of(self.cell)
    }

    /// The hold itself becomes the caller's to give back, and all that goes with it.
    pub(crate) fn into_parts(self) -> Parts {
        let mut guard = ManuallyDrop::new(self);
        let more = guard.stub.take_more().map_or_else(More::default, |more| *more);
        // SAFETY: the guard will not be dropped, so the hold is made once; and it is not let go here.
        let hold = ManuallyDrop::new(unsafe { Hold::from_cell(guard.cell, guard.stub.kind()) });
        let More { watched, far, .. } = more;
        Parts { cell: hold.cell_ref(), file: guard.stub.file(), watched, far }
    }

    /// Somebody wants to know of this hold.
    #[cold]
    pub(crate) fn watch(&mut self, watched: Watched) {
        self.more_with(|more| more.watched = Some(watched));
    }

    /// Keeps more of it than fits into a word.
    fn more_with(&mut self, change: impl FnOnce(&mut More)) {
        let (waited, since) = (self.waited(), self.stub.since_or(|more| more.since));
        let mut more =
            self.stub.take_more().unwrap_or_else(|| Box::new(More { waited, since, ..More::default() }));
        change(&mut more);
        self.stub = self.stub.with_more(more);
    }

    /// What it has of an engine.
    pub(crate) fn far(&self) -> Option<&Far> {
        self.stub.more()?.far.as_ref()
    }

    /// The full name of the lock: with its prefix, as the lock file is called.
    ///
    /// ```
    /// let guard = lockutils::lock("a/b").prefix("nova").acquire()?;
    /// assert_eq!(guard.name(), "nova-a_b");
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        self.cell().name()
    }

    /// The path of the lock file, for an external lock.
    ///
    /// ```
    /// let guard = lockutils::lock("internal-has-no-path").acquire()?;
    /// assert!(guard.path().is_none());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn path(&self) -> Option<&Path> {
        self.file().map(OuterLock::path)
    }

    /// Whether others may share the lock: a read lock or a permit of a semaphore.
    ///
    /// ```
    /// let guard = lockutils::lock("shared-example").read().acquire()?;
    /// assert!(guard.is_shared());
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_shared(&self) -> bool {
        self.kind() != HeldAs::Write
    }

    /// How long the acquire waited; zero when the lock was free.
    ///
    /// ```
    /// let guard = lockutils::lock("waited-example").acquire()?;
    /// assert_eq!(guard.waited(), std::time::Duration::ZERO);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn waited(&self) -> Duration {
        self.stub.more().map_or_else(|| self.stub.waited(), |more| more.waited)
    }

    /// How long the lock has been held, on the coarse clock: exact to a few milliseconds.
    ///
    /// `None` if nobody looked at the clock when it was taken: an internal lock that was free, taken without
    /// [`timed`](crate::Lock::timed).
    ///
    /// ```
    /// let guard = lockutils::lock("held-example").timed().acquire()?;
    /// assert!(guard.held().unwrap() < std::time::Duration::from_secs(60));
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn held(&self) -> Option<Duration> {
        let exactly = self.stub.more().and_then(|more| more.watched.as_ref()).map(Watched::held);
        let coarse = || Some(self.stub.since_or(|more| more.since)).filter(|since| since.is_known());
        exactly.or_else(|| coarse().map(Coarse::elapsed))
    }

    /// Whether the lock no longer excludes others: because its file was removed or replaced by somebody who did not take the
    /// lock for it, or because the lease of a distributed lock has run out or was ended. Always `false` for an internal lock.
    ///
    /// Of an engine nothing is asked: its lease is known here, and ends before the engine gives the lock to somebody else.
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when the path cannot be looked at.
    ///
    /// ```
    /// let guard = lockutils::lock("is-lost-example").acquire()?;
    /// assert!(!guard.is_lost()?);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn is_lost(&self) -> Result<bool, Error> {
        is_lost(self.far(), self.file())
    }

    /// Says whether the lock still excludes others: to be asked before a step that cannot be taken back. The engine of a
    /// distributed lock is asked, which is one round trip; [`check_async`](Self::check_async) is for tasks.
    /// Between the answer and the step, it may be lost: what must not happen then needs a
    /// [`fencing_token`](Self::fencing_token) and a [`Fence`](crate::Fence).
    ///
    /// # Errors
    ///
    /// [`Error::is_lost`] when it was lost; [`Error::is_io`] when the path cannot be looked at;
    /// [`Error::is_unreachable`] when the engine does not answer.
    ///
    /// ```
    /// let guard = lockutils::lock("check-example").acquire()?;
    /// guard.check()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        self.far().map_or(Ok(()), |far| far.check(self.name()))?;
        self.check_file()
    }

    fn check_file(&self) -> Result<(), Error> {
        check_file(self.file(), self.name())
    }

    /// The number of this hold, to be handed to the resource that the lock protects: a later holder of the same
    /// lock has a larger one, so the resource can refuse those who have lost the lock without knowing it. See
    /// [`Fence`](crate::Fence).
    ///
    /// It is the wall clock in nanoseconds, or one more than the last token if that is larger. An external lock keeps
    /// the last one in its file; when the file was removed or emptied, the clock goes on from there, so it grows
    /// unless the clock is set back just then. Those who hold the lock together, as readers and holders of permits
    /// do, have one token: that of the last writer, if it is known.
    ///
    /// That of a distributed lock is drawn by its engine, for all hosts: the page of the engine says what it is worth.
    ///
    /// ```
    /// let lock = lockutils::lock("fencing-token-example");
    /// let first = lock.acquire()?.fencing_token();
    /// let second = lock.acquire()?.fencing_token();
    /// assert!(first < second);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn fencing_token(&self) -> u64 {
        match self.far() {
            Some(far) => far.token(),
            None => self.file().map_or_else(|| self.cell().fencing_token(), OuterLock::token),
        }
    }

    /// Turns a write lock into a read lock, without a moment in which somebody else could write. A read lock
    /// and a permit stay what they are. A distributed lock is shared with other readers of this process only, and with all of them:
    /// what they have is this lock, whatever their own options say, until the last of them lets go.
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when the kernel refuses for the file of an external lock; the lock has been let go
    /// then.
    ///
    /// ```
    /// let lock = lockutils::lock("downgrade-example");
    /// let guard = lock.acquire()?.downgrade()?;
    /// assert!(lock.clone().read().try_acquire()?.is_some());
    /// assert!(lock.try_acquire()?.is_none());
    /// # drop(guard);
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn downgrade(mut self) -> Result<Self, Error> {
        if self.kind() == HeldAs::Write {
            self.file().map_or(Ok(()), OuterLock::share)?;
            self.cell().downgrade();
            self.stub = self.stub.as_reader();
        }
        Ok(self)
    }

    /// A duplicate of the lock file's descriptor for a program that is about to be started: the program inherits it, and so
    /// the lock is not free before the program has ended, even if this process is killed meanwhile. For a process that starts
    /// a program under a lock and waits for its end, as `lockutils run` and flock(1) do.
    ///
    /// Every program that is started from now on inherits it, in whatever thread, until the value is dropped: drop it when
    /// the program has been started. The guard is the one that holds the lock, as before:
    ///
    /// - When the guard lets go, the lock is free for all, also if the program still has the descriptor.
    /// - When this process ends without that, the lock is held until the last process that has inherited the descriptor, or
    ///   got it from there, has ended or closed it. [`Lock::holders`](crate::Lock::holders) cannot name that process: what it
    ///   finds says that the holder has ended.
    /// - It holds all that this process has of the file: other readers and permits of this process too.
    ///
    /// `None` for an internal lock, and with [`Mechanism::Pid`](crate::Mechanism::Pid), where it is this process
    /// that has the lock, and no descriptor. There, a program that must not outlive the lock has to be killed with
    /// this process (prctl(2), `PR_SET_PDEATHSIG`).
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when there are no descriptors left.
    ///
    /// ```
    /// use std::process::Command;
    ///
    /// # let dir = lockutils::testing::temp_locks()?;
    /// # let locks = dir.locks();
    /// let guard = locks.lock("nightly").external().acquire()?;
    /// let inherited = guard.inheritable()?;
    /// let mut child = Command::new("true").spawn().expect("it can be started");
    /// drop(inherited);
    /// child.wait().expect("it ends");
    /// guard.release()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn inheritable(&self) -> Result<Option<OwnedFd>, Error> {
        self.file().map_or(Ok(None), OuterLock::inheritable)
    }

    /// Lets go, as dropping does, and says whether the kernel and the engine agreed. Of a distributed lock the thread waits for
    /// that; [`release_async`](Self::release_async) is for tasks.
    ///
    /// # Errors
    ///
    /// [`Error::is_io`] when the file could not be unlocked; it has been closed instead, which lets go too. With
    /// [`Mechanism::Pid`](crate::Mechanism::Pid), when the file could not be removed, which keeps others out; and
    /// [`Error::is_lost`] when it was not there any more. A lock of the kernel that is lost is let go like any other:
    /// [`check`](Self::check) tells.
    ///
    /// Of a distributed lock, [`Error::is_lost`] when it was lost before: what was done under it may have been done while
    /// somebody else had it. [`Error::is_unreachable`] when the engine has not confirmed it: then the lock is free when it does,
    /// or when its lease has run out.
    ///
    /// ```
    /// lockutils::lock("release-example").acquire()?.release()?;
    /// # Ok::<(), lockutils::Error>(())
    /// ```
    pub fn release(mut self) -> Result<(), Error> {
        self.let_go_outside()
    }

    /// The engine first, then the file; what is left is that of this process.
    fn let_go_outside(&mut self) -> Result<(), Error> {
        let name = self.far().map(|_| self.name().to_owned());
        let left = match (self.take_far(), name) {
            (Some(far), Some(name)) => far.release(&name),
            _ => Ok(()),
        };
        let released = self.release_file();
        left.and(released)
    }

    /// The file, if it is held too.
    pub(crate) fn file(&self) -> Option<&OuterLock> {
        if self.stub.file() { self.cell().file() } else { None }
    }

    /// Takes the engine's part out.
    fn take_far(&mut self) -> Option<Far> {
        self.stub.more_mut()?.far.take()
    }

    /// Lets go of what has more than this process, or of what is told of.
    #[cold]
    fn drop_otherwise(&mut self) {
        let more = self.stub.take_more().map(|more| *more).unwrap_or_default();
        let More { watched, far, .. } = more;
        let held = watched.as_ref().map(Watched::held);
        if let Some(far) = far {
            far.drop_from(self.cell().name());
        }
        if let Err(error) = self.release_file() {
            trace::not_unlocked(&error);
        }
        self.drop_hold();
        if let (Some(watched), Some(held)) = (watched, held) {
            watched.end(held);
        }
    }

    /// Lets go in this process. The guard is being dropped.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the whole of most drops")]
    fn drop_hold(&mut self) {
        // SAFETY: the guard was made from a hold of this kind, and it is dropped once, which calls this once.
        drop(unsafe { Hold::from_cell(self.cell, self.stub.kind()) });
    }

    /// Lets the file go, so that the drop need not.
    #[cold]
    fn release_file(&mut self) -> Result<(), Error> {
        let released = self.file().map_or(Ok(()), OuterLock::release);
        self.stub = self.stub.with_file(false);
        released
    }
}

/// Whether an engine or a file no longer keeps the lock.
pub(crate) fn is_lost(far: Option<&Far>, file: Option<&OuterLock>) -> Result<bool, Error> {
    if far.is_some_and(Far::is_lost) {
        return Ok(true);
    }
    file.map_or(Ok(false), |file| file.is_current().map(|current| !current))
}

/// An error if the file of this lock was removed or replaced.
pub(crate) fn check_file(file: Option<&OuterLock>, name: &str) -> Result<(), Error> {
    match file {
        Some(file) if !file.is_current()? => {
            let (name, path) = (name.to_owned(), file.path().to_owned());
            Err(Kind::Lost { name, path }.into())
        }
        _ => Ok(()),
    }
}

/// What becomes of a guard that is taken apart.
pub(crate) struct Parts {
    pub(crate) cell: CellRef,
    pub(crate) file: bool,
    pub(crate) watched: Option<Watched>,
    pub(crate) far: Option<Far>,
}

/// What does not fit into a [`Stub`].
#[repr(align(16))]
#[derive(Default)]
struct More {
    /// Somebody wants to know of the hold.
    watched: Option<Watched>,
    far: Option<Far>,
    waited: Duration,
    since: Coarse,
}

impl Drop for LockGuard {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: out of line it costs a third of the whole")]
    fn drop(&mut self) {
        if self.stub.is_plain() { self.drop_hold() } else { self.drop_otherwise() }
    }
}

/// What a guard knows besides its lock, in one word, so that a guard fits into two registers:
///
/// ```text
/// bits   | says
/// 0..2   | the kind of hold
/// 2      | whether the file is held too
/// 3      | whether the rest is the address of a `More`, which the guard owns; otherwise:
/// 4..25  | how long was waited: 16 bits times 2 to the power of 5 bits, in nanoseconds
/// 25..64 | since when, in units of the coarse clock
/// ```
#[derive(Clone, Copy)]
struct Stub(u64);

impl Stub {
    const FILE: u64 = 1 << 2;
    const KIND: u64 = 3;
    const MORE: u64 = 1 << 3;
    const FLAGS: u64 = 15;

    #[inline]
    fn new(kind: HeldAs, since: Coarse) -> Self {
        Self(since.units() << 25 | kind as u64)
    }

    fn with_wait(self, waited: Duration) -> Self {
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        let exponent = (64 - nanos.leading_zeros()).saturating_sub(16).min(31);
        let mantissa = (nanos >> exponent).min(0xffff);
        Self(self.0 | mantissa << 9 | u64::from(exponent) << 4)
    }

    fn with_file(self, file: bool) -> Self {
        Self(if file { self.0 | Self::FILE } else { self.0 & !Self::FILE })
    }

    fn as_reader(self) -> Self {
        Self(self.0 & !Self::KIND | HeldAs::Read as u64)
    }

    #[inline]
    fn kind(self) -> HeldAs {
        match self.0 & Self::KIND {
            0 => HeldAs::Write,
            1 => HeldAs::Read,
            _ => HeldAs::Permit,
        }
    }

    #[inline]
    fn file(self) -> bool {
        self.0 & Self::FILE != 0
    }

    /// Whether to let go of the cell is all that there is to do.
    #[inline]
    fn is_plain(self) -> bool {
        self.0 & (Self::FILE | Self::MORE) == 0
    }

    /// In the place of the times, which are kept there.
    fn with_more(self, more: Box<More>) -> Self {
        let address = Box::into_raw(more).expose_provenance() as u64;
        Self(self.0 & Self::FLAGS | Self::MORE | address)
    }

    fn more(&self) -> Option<&More> {
        // SAFETY: the box lives as long as the address is here.
        self.more_at().map(|address| unsafe { &*address })
    }

    fn more_mut(&mut self) -> Option<&mut More> {
        // SAFETY: the box lives as long as the address is here, and it belongs to the one who has this.
        self.more_at().map(|address| unsafe { &mut *address })
    }

    /// Takes it out, and leaves no times behind.
    fn take_more(&mut self) -> Option<Box<More>> {
        let address = self.more_at()?;
        self.0 &= Self::FLAGS & !Self::MORE;
        // SAFETY: the address came from a box, and it is not here any more.
        Some(unsafe { Box::from_raw(address) })
    }

    #[expect(clippy::cast_possible_truncation, reason = "it was an address before")]
    fn more_at(self) -> Option<*mut More> {
        let address = (self.0 & !Self::FLAGS) as usize;
        (self.0 & Self::MORE != 0).then(|| std::ptr::with_exposed_provenance_mut(address))
    }

    /// Since when, wherever that is kept.
    fn since_or(self, kept: impl FnOnce(&More) -> Coarse) -> Coarse {
        self.more().map_or_else(|| self.since(), kept)
    }

    fn waited(self) -> Duration {
        Duration::from_nanos((self.0 >> 9 & 0xffff) << (self.0 >> 4 & 31))
    }

    fn since(self) -> Coarse {
        Coarse::from_units(self.0 >> 25)
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("name", &self.name())
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// A guard that stays on its thread: that of a closure or of a synchronous function's attribute.
pub struct Pinned {
    guard: LockGuard,
    _stays: PhantomData<*const ()>,
}

impl Pinned {
    /// A guard of the one writer needs no note.
    #[inline]
    pub(crate) fn writing(guard: LockGuard) -> Self {
        Self { guard, _stays: PhantomData }
    }

    #[inline]
    pub(crate) fn new(guard: LockGuard, place: &'static Location<'static>) -> Self {
        if guard.kind() == HeldAs::Read {
            reads::begin(guard.id(), place);
        }
        Self { guard, _stays: PhantomData }
    }

    pub(crate) fn as_guard(&self) -> &LockGuard {
        &self.guard
    }

    /// Lets go, and says whether all went well.
    pub(crate) fn release(mut self) -> Result<(), Error> {
        self.let_go_outside()
    }

    /// Lets go of all but this process.
    pub(crate) fn let_go_outside(&mut self) -> Result<(), Error> {
        self.guard.let_go_outside()
    }
}

impl Drop for Pinned {
    #[inline]
    fn drop(&mut self) {
        if self.guard.kind() == HeldAs::Read {
            reads::end(self.guard.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_keeps_what_it_is_told() {
        let since = Coarse::from_units(123_456_789);
        for kind in [HeldAs::Write, HeldAs::Read, HeldAs::Permit] {
            for nanos in [0_u64, 1, 999, 65_535, 65_536, 1_000_000, 123_456_789, 3_600_000_000_000] {
                let waited = Duration::from_nanos(nanos);
                let stub = Stub::new(kind, since).with_wait(waited).with_file(true);
                assert_eq!((stub.kind(), stub.file(), stub.since()), (kind, true, since));
                let lost = waited.checked_sub(stub.waited()).expect("never more than was waited");
                assert!(
                    lost.as_nanos() * 32_768 <= waited.as_nanos(),
                    "{waited:?} became {:?}",
                    stub.waited()
                );
            }
        }
    }

    #[test]
    fn a_guard_fits_into_two_registers() {
        assert_eq!(size_of::<LockGuard>(), 16);
        assert_eq!(size_of::<Result<LockGuard, Error>>(), 16);
    }
}
