//! What all users of one identity share, and who has it.

use std::cell::Cell as Slot;
use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;

use once_cell::sync::OnceCell;

use super::Home;
use crate::clock::Coarse;
use crate::distributed::EngineLock;
use crate::error::Error;
use crate::external::OuterLock;
use crate::internal::{Mode, RawLock};
use crate::sync::AtomicU64 as Keepers;
use crate::text::Text;
use crate::token;

/// What all users of one identity share.
pub(crate) struct Cell {
    raw: RawLock,
    name: Text,
    /// Who keeps the memory: its users together, and each that remembers it.
    keepers: Keepers,
    /// Of the name, in the table of `home`.
    hash: u64,
    home: Home,
    /// How many permits its semaphore has; 0 before anybody said.
    permits: AtomicU32,
    /// How often its re-entrant owner has it. Only that thread writes it.
    depth: AtomicU32,
    holder: Holder,
    outer: OnceCell<Box<Outer>>,
}

/// What the lock has beyond this process: made when it is first taken that far.
#[derive(Default)]
struct Outer {
    file: OnceCell<OuterLock>,
    engine: OnceCell<EngineLock>,
}

/// Who has the lock alone, for messages and for the owner itself. Written only by that holder.
#[derive(Default)]
struct Holder {
    /// The thread's number, shifted left by five, with its flags; 0: no thread (a task, or readers).
    thread: AtomicU64,
    place: AtomicPtr<Location<'static>>,
    since: AtomicU64,
    /// Of the present holders, drawn when one of them asks for it; 0 before that.
    token: AtomicU64,
}

/// The guard cannot leave its thread, so the thread that took the lock is the thread that has it.
const PINNED: u64 = 1;
/// The thread may take the lock again.
const REENTRANT: u64 = 2;
/// The holder has not looked at the clock.
const TIMELESS: u64 = 4;
/// It has not, but the first of those who wait for it has.
const AT_LEAST: u64 = 8;
/// It has the lock in this process, and waits for the file or the engine that somebody else has it from.
const AWAITS_OUTER: u64 = 16;
const FLAGS: u32 = 5;

/// How far a holder is bound to its thread, from not at all to the furthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A task, or nobody in particular.
    Task,
    /// The guard may move to other threads.
    Thread,
    /// The guard stays on the thread.
    Pinned,
    /// The same, and the thread may take the lock again.
    Reentrant,
}

/// Where and how long the lock is held alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) place: Option<&'static Location<'static>>,
    pub(crate) long: Long,
    /// It is not held yet: who has it in this process waits for its file or for its engine.
    pub(crate) awaits_outer: bool,
}

/// How long a lock has been held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Long {
    /// Nobody has looked at the clock.
    Unknown,
    /// That long, or longer.
    AtLeast(Duration),
    Exactly(Duration),
}

/// What the caller of a blocking acquire has to do with the present holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Somebody else has it, as far as anybody can know.
    Other,
    /// This thread took it; the guard may have moved since.
    TookIt,
    /// This thread has it and would wait for itself.
    HasIt,
}

impl Cell {
    /// Held in this mode from its birth on, or referred to once.
    pub(super) fn new(home: Home, name: Text, hash: u64, mode: Option<Mode>) -> Self {
        Self {
            raw: RawLock::new(mode),
            keepers: Keepers::new(1),
            name,
            hash,
            home,
            permits: AtomicU32::new(permits(mode)),
            depth: AtomicU32::new(0),
            holder: Holder::default(),
            outer: OnceCell::new(),
        }
    }

    /// Makes another lock of a dead one that has no file, in the memory of the first.
    #[inline]
    pub(super) fn renew(&mut self, home: Home, name: Text, hash: u64, mode: Option<Mode>) {
        self.raw.renew(mode);
        self.keepers = Keepers::new(1);
        self.name = name;
        self.hash = hash;
        self.home = home;
        self.permits = AtomicU32::new(permits(mode));
        self.holder = Holder::default();
    }

    pub(super) fn text(&self) -> &Text {
        &self.name
    }

    #[cfg_attr(loom, expect(dead_code, reason = "the table of the models does not hash"))]
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// A dead lock is nobody's, so what it has beyond this process is nobody's either.
    ///
    /// # Safety
    ///
    /// The caller is its last user and calls this once. Those who remember it read its word, name and home only.
    #[inline]
    pub(super) unsafe fn forget_outer(dead: NonNull<Self>) {
        // SAFETY: as the caller says, nobody else uses this field.
        let outer = unsafe { &mut (*dead.as_ptr()).outer };
        if outer.get().is_some() {
            outer.take();
        }
    }

    pub(super) fn add_keeper(&self) {
        self.keepers.fetch_add(1, Relaxed);
    }

    /// Says whether that was the last one.
    pub(super) fn drop_keeper(&self) -> bool {
        self.keepers.fetch_sub(1, AcqRel) == 1
    }

    /// Whether nobody remembers the lock, which is dead, so that nobody can begin to.
    #[inline]
    pub(super) fn is_forgotten(&self) -> bool {
        self.keepers.load(Acquire) == 1
    }

    pub(crate) fn raw(&self) -> &RawLock {
        &self.raw
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Its file, if it has been taken as an external one.
    pub(crate) fn file(&self) -> Option<&OuterLock> {
        self.outer.get()?.file.get()
    }

    pub(crate) fn file_or(
        &self,
        make: impl FnOnce() -> Result<OuterLock, Error>,
    ) -> Result<&OuterLock, Error> {
        self.outer().file.get_or_try_init(make)
    }

    /// What an engine has of it, if it has been taken as a distributed one.
    pub(crate) fn engine(&self) -> Option<&EngineLock> {
        self.outer.get()?.engine.get()
    }

    pub(crate) fn engine_or_new(&self) -> &EngineLock {
        self.outer().engine.get_or_init(EngineLock::new)
    }

    fn outer(&self) -> &Outer {
        self.outer.get_or_init(Box::default)
    }

    /// The number of permits that is settled, or 0.
    pub(crate) fn permits(&self) -> u32 {
        self.permits.load(Relaxed)
    }

    /// Settles the number of permits, which holds as long as the lock is in use. `Err`: the number it has.
    pub(crate) fn agree(&self, mode: Option<Mode>) -> Result<(), u32> {
        let Some(Mode::Permit(permits)) = mode else { return Ok(()) };
        match self.permits.compare_exchange(0, permits, AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(agreed) if agreed == permits => Ok(()),
            Err(agreed) => Err(agreed),
        }
    }

    /// Notes the one holder. The caller holds the lock alone.
    #[inline]
    pub(crate) fn claim(&self, owner: Owner, place: &'static Location<'static>, since: Coarse) {
        let pinned = if owner >= Owner::Pinned { PINNED } else { 0 };
        let flags = pinned | if owner == Owner::Reentrant { REENTRANT } else { 0 };
        let thread = if owner == Owner::Task { 0 } else { thread_number() << FLAGS };
        let timeless = if since.is_known() { 0 } else { TIMELESS };
        self.holder.thread.store(thread | flags | timeless, Relaxed);
        self.holder.place.store(std::ptr::from_ref(place).cast_mut(), Relaxed);
        self.holder.token.store(0, Relaxed);
        if since.is_known() {
            self.holder.since.store(since.units(), Relaxed);
        }
    }

    /// The one holder in this process has to wait for the rest, until it [claims](Self::claim) the lock again.
    pub(crate) fn claim_without_outer(&self) {
        if self.raw.is_write_held() {
            self.holder.thread.fetch_or(AWAITS_OUTER, Relaxed);
        }
    }

    /// Somebody is about to wait. A holder that came in without a look at the clock is seen from now on.
    pub(crate) fn note_wait(&self) {
        let thread = self.holder.thread.load(Relaxed);
        if thread & TIMELESS != 0 {
            self.holder.since.store(Coarse::now().units(), Relaxed);
            let noted = thread & !TIMELESS | AT_LEAST;
            let _ = self.holder.thread.compare_exchange(thread, noted, Relaxed, Relaxed);
        }
    }

    /// The fencing token of the holders, of whom the caller is one. Readers have that of the writer before them.
    pub(crate) fn fencing_token(&self) -> u64 {
        let known = self.holder.token.load(Acquire);
        if known != 0 {
            return known;
        }
        let of_file = self.file().map_or(0, OuterLock::token);
        let drawn = token::next(of_file.saturating_add(1));
        self.holder.token.compare_exchange(0, drawn, AcqRel, Acquire).map_or_else(|there| there, |_| drawn)
    }

    /// Takes the note back, before the lock is let go.
    #[inline]
    pub(crate) fn disclaim(&self) {
        self.holder.thread.store(0, Relaxed);
    }

    /// The one writer, who is the caller, becomes a reader.
    pub(crate) fn downgrade(&self) {
        self.disclaim();
        self.raw.downgrade();
    }

    /// Where and how long the lock is held alone, as far as this process knows.
    pub(crate) fn held(&self) -> Option<Held> {
        if !self.raw.is_write_held() {
            return None;
        }
        // SAFETY: the pointer is null or was made from a `&'static Location`.
        let place = unsafe { self.holder.place.load(Relaxed).as_ref() };
        let since = Coarse::from_units(self.holder.since.load(Relaxed));
        let thread = self.holder.thread.load(Relaxed);
        let long = match thread & (TIMELESS | AT_LEAST) {
            0 => Long::Exactly(since.elapsed()),
            AT_LEAST => Long::AtLeast(since.elapsed()),
            _ => Long::Unknown,
        };
        Some(Held { place, long, awaits_outer: thread & AWAITS_OUTER != 0 })
    }

    pub(crate) fn relation(&self) -> Relation {
        let thread = self.holder.thread.load(Relaxed);
        if !self.raw.is_write_held() || thread >> FLAGS != thread_number() {
            Relation::Other
        } else if thread & PINNED != 0 {
            Relation::HasIt
        } else {
            Relation::TookIt
        }
    }

    /// The depth, when the calling thread has the lock re-entrantly.
    pub(crate) fn reentrant_depth(&self) -> Option<&AtomicU32> {
        let mine = thread_number() << FLAGS | PINNED | REENTRANT;
        (self.holder.thread.load(Relaxed) & !(TIMELESS | AT_LEAST) == mine && self.raw.is_write_held())
            .then_some(&self.depth)
    }
}

fn permits(mode: Option<Mode>) -> u32 {
    if let Some(Mode::Permit(permits)) = mode { permits } else { 0 }
}

/// The number of the calling thread; never 0 and never used twice, unlike addresses and system ids.
#[inline]
pub(crate) fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: Slot<u64> = const { Slot::new(0) };
    }
    #[cold]
    fn first() -> u64 {
        NUMBER.set(NEXT.fetch_add(1, Relaxed));
        NUMBER.get()
    }
    match NUMBER.get() {
        0 => first(),
        known => known,
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell")
            .field("name", &self.name)
            .field("held", &self.raw.is_held())
            .finish_non_exhaustive()
    }
}
