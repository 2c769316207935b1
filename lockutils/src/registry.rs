//! Identity → the one live lock of it, and nothing after its last user.
//!
//! A [`Cell`] is what all users of one identity share. It counts them in its state word: handles and waiters as
//! references, holders as holders. The table does not count: it is weak. Whoever brings the word to 0 is the
//! last user, and it alone takes the cell out of the table and frees it.
//!
//! Why no two live locks of one identity ever exist, told as a race of A, who leaves, and B, who comes:
//!
//! - B finds the cell before A's word is 0: B's step makes the word larger in one exchange, A is not the last.
//! - B finds the cell after A's word is 0: the word never leaves 0, so B puts a new cell into the table in
//!   its place. A holds nothing any more. A then finds a cell in the table that is not its own, and leaves it.
//!
//! B reads the old cell only under the shard's lock while the table still names it, and A frees it only after it
//! has looked at the table under the same lock: B never reads freed memory.

#[cfg_attr(loom, path = "registry/table_model.rs")]
mod table;

use std::cell::Cell as Slot;
use std::fmt;
use std::panic::Location;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use once_cell::sync::OnceCell;

use self::table::{Inserted, Table};
use crate::clock::Coarse;
use crate::external::LockFile;
use crate::internal::{After, Attached, HeldAs, Mode, RawLock};
use crate::name;

/// The locks of one directory, or of none.
pub(crate) struct Namespace {
    table: Table,
    /// Where the lock files are, once that is known.
    pub(crate) directory: OnceCell<Arc<crate::external::Directory>>,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(), directory: OnceCell::new() }
    }

    /// How many identities are in use.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Gives unused memory of the table back.
    pub(crate) fn shrink(&self) {
        self.table.shrink();
    }
}

/// Keeps a namespace alive: that of the process costs nothing to share.
#[derive(Clone)]
pub(crate) enum Home {
    Process(&'static Namespace),
    Own(Arc<Namespace>),
}

impl std::ops::Deref for Home {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        match self {
            Self::Process(namespace) => namespace,
            Self::Own(namespace) => namespace,
        }
    }
}

/// What all users of one identity share.
pub(crate) struct Cell {
    raw: RawLock,
    name: String,
    home: Home,
    /// How many permits its semaphore has; 0 before anybody said.
    permits: AtomicU32,
    /// How often its re-entrant owner has it. Only that thread writes it.
    depth: AtomicU32,
    holder: Holder,
    file: OnceCell<Box<LockFile>>,
}

/// Who has the lock alone, for messages and for the owner itself. Written only by that holder.
#[derive(Default)]
struct Holder {
    /// The thread's number, shifted left by three, with its flags; 0: no thread (a task, or readers).
    thread: AtomicU64,
    place: AtomicPtr<Location<'static>>,
    since: AtomicU64,
}

/// The guard cannot leave its thread, so the thread that took the lock is the thread that has it.
const PINNED: u64 = 1;
/// The thread may take the lock again.
const REENTRANT: u64 = 2;
/// The holder has not looked at the clock.
const TIMELESS: u64 = 4;
const FLAGS: u32 = 3;

/// How far a holder is bound to its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Where and since when the lock is held alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) place: Option<&'static Location<'static>>,
    pub(crate) since: Coarse,
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
    pub(crate) fn raw(&self) -> &RawLock {
        &self.raw
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn file(&self) -> &OnceCell<Box<LockFile>> {
        &self.file
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
        let flags = match owner {
            Owner::Task | Owner::Thread => 0,
            Owner::Pinned => PINNED,
            Owner::Reentrant => PINNED | REENTRANT,
        };
        let thread = if owner == Owner::Task { 0 } else { thread_number() << FLAGS };
        let timeless = if since.is_known() { 0 } else { TIMELESS };
        self.holder.thread.store(thread | flags | timeless, Relaxed);
        self.holder.place.store(std::ptr::from_ref(place).cast_mut(), Relaxed);
        if since.is_known() {
            self.holder.since.store(since.units(), Relaxed);
        }
    }

    /// Somebody is about to wait. A holder that came in without a look at the clock is seen from now on.
    pub(crate) fn note_wait(&self) {
        let thread = self.holder.thread.load(Relaxed);
        if thread & TIMELESS != 0 {
            self.holder.since.store(Coarse::now().units(), Relaxed);
            let _ = self.holder.thread.compare_exchange(thread, thread & !TIMELESS, Relaxed, Relaxed);
        }
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

    /// Where and since when the lock is held alone, as far as this process knows.
    pub(crate) fn held(&self) -> Option<Held> {
        if !self.raw.is_write_held() {
            return None;
        }
        // SAFETY: the pointer is null or was made from a `&'static Location`.
        let place = unsafe { self.holder.place.load(Relaxed).as_ref() };
        let timeless = self.holder.thread.load(Relaxed) & TIMELESS != 0;
        let since =
            if timeless { Coarse::default() } else { Coarse::from_units(self.holder.since.load(Relaxed)) };
        Some(Held { place, since })
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
        (self.holder.thread.load(Relaxed) & !TIMELESS == mine && self.raw.is_write_held())
            .then_some(&self.depth)
    }
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

/// A reference to a live cell: what handles and waiters keep.
pub(crate) struct CellRef(NonNull<Cell>);

// SAFETY: `Cell` is `Sync`, and the count is atomic.
unsafe impl Send for CellRef {}
// SAFETY: as above.
unsafe impl Sync for CellRef {}

impl std::ops::Deref for CellRef {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        // SAFETY: the reference is counted in the word, so the cell is alive.
        unsafe { self.0.as_ref() }
    }
}

impl CellRef {
    /// Takes the lock if it is free for a newcomer.
    #[inline]
    pub(crate) fn try_hold(&self, mode: Mode, fair: bool) -> Option<Hold> {
        self.raw.try_enter(mode, fair).then(|| Hold { cell: self.0, kind: mode.kind() })
    }

    /// The same for a writer, when nobody is in the way.
    #[inline]
    pub(crate) fn try_write(&self, fair: bool) -> Option<Hold> {
        self.raw.try_write(fair).then(|| Hold { cell: self.0, kind: HeldAs::Write })
    }

    /// The hold that this caller has just been given by other means.
    pub(crate) fn assume_held(&self, mode: Mode) -> Hold {
        Hold { cell: self.0, kind: mode.kind() }
    }

    /// Where the lock comes when several are taken: the same in every process that shares the directory.
    pub(crate) fn order(&self) -> (&str, Option<&Path>) {
        (&self.name, self.home.directory.get().map(|directory| directory.path()))
    }

    /// Tells identities apart.
    pub(crate) fn id(&self) -> CellId {
        CellId::of(self.0)
    }
}

impl Clone for CellRef {
    fn clone(&self) -> Self {
        self.raw.add_ref();
        Self(self.0)
    }
}

impl Drop for CellRef {
    #[inline]
    fn drop(&mut self) {
        if self.raw.drop_ref() == After::Last {
            bury(self.0);
        }
    }
}

/// Which cell; meaningful while somebody uses it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellId(usize);

impl CellId {
    pub(crate) fn of(cell: NonNull<Cell>) -> Self {
        Self(cell.as_ptr() as usize)
    }
}

/// A held lock. Dropping it lets go.
pub(crate) struct Hold {
    cell: NonNull<Cell>,
    kind: HeldAs,
}

// SAFETY: `Cell` is `Sync`, and letting go is not bound to a thread.
unsafe impl Send for Hold {}
// SAFETY: `&Hold` gives `&Cell` only.
unsafe impl Sync for Hold {}

impl Hold {
    #[inline]
    pub(crate) fn cell(&self) -> &Cell {
        // SAFETY: a holder is counted in the word, so the cell is alive.
        unsafe { self.cell.as_ref() }
    }

    /// One more reference, for as long as the hold lasts or longer.
    pub(crate) fn cell_ref(&self) -> CellRef {
        self.cell().raw.add_ref();
        CellRef(self.cell)
    }

    #[inline]
    pub(crate) fn kind(&self) -> HeldAs {
        self.kind
    }

    /// Notes the holder, if it is alone.
    #[inline]
    pub(crate) fn claim(&self, owner: Owner, place: &'static Location<'static>, since: Coarse) {
        if self.kind == HeldAs::Write {
            self.cell().claim(owner, place, since);
        }
    }
}

impl Hold {
    /// The cell, without letting go.
    #[inline]
    pub(crate) fn into_cell(self) -> NonNull<Cell> {
        std::mem::ManuallyDrop::new(self).cell
    }

    /// The other way round.
    ///
    /// # Safety
    ///
    /// `cell` came from [`into_cell`](Self::into_cell) of a hold of this kind, and this is done once for each.
    #[inline]
    pub(crate) unsafe fn from_cell(cell: NonNull<Cell>, kind: HeldAs) -> Self {
        Self { cell, kind }
    }
}

impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        let cell = self.cell();
        if self.kind == HeldAs::Write {
            cell.disclaim();
        }
        if cell.raw.release(self.kind) == After::Last {
            bury(self.cell);
        }
    }
}

/// What a look-up gives.
pub(crate) enum Taken {
    Held(Hold),
    Busy(CellRef),
}

/// The number of permits that the lock has, instead of the one that was asked for.
#[derive(Debug)]
pub(crate) struct Disagreed(pub(crate) u32);

/// What was found under the lock of a shard. Small enough for two registers; it owns what it says, so that each one
/// is opened exactly once.
#[derive(Clone, Copy)]
#[must_use]
enum Found {
    /// Nothing that lives.
    Nothing,
    /// The address of a cell that is held now.
    Held(usize),
    /// The address of a cell that there is one more reference to now.
    Busy(usize),
    /// The number of permits there are.
    Disagreed(u32),
}

impl Found {
    #[inline]
    fn open(self, mode: Option<Mode>) -> Option<Result<Taken, Disagreed>> {
        // SAFETY: `attach` has put the address of a live cell in.
        let cell = |address: usize| unsafe { NonNull::new_unchecked(address as *mut Cell) };
        match (self, mode) {
            (Self::Nothing, _) => None,
            (Self::Held(address), Some(mode)) => {
                Some(Ok(Taken::Held(Hold { cell: cell(address), kind: mode.kind() })))
            }
            (Self::Held(address) | Self::Busy(address), _) => Some(Ok(Taken::Busy(CellRef(cell(address))))),
            (Self::Disagreed(permits), _) => Some(Err(Disagreed(permits))),
        }
    }
}

impl Namespace {
    /// Takes the lock of this identity if it is free, or makes it if it is not live; but for what needs more than a
    /// look: a busy one, a name that may not be valid, a semaphore.
    #[inline]
    pub(crate) fn take(home: &Home, full: &str, mode: Mode, fair: bool) -> Option<Hold> {
        match home.find_free(full, mode, fair) {
            Ok(hold) => Some(hold),
            Err(false) if name::is_plain(full) && !matches!(mode, Mode::Permit(_)) => {
                match Self::get(home, full, Some(mode), fair) {
                    Ok(Taken::Held(hold)) => Some(hold),
                    _ => None,
                }
            }
            Err(_) => None,
        }
    }

    /// Takes the lock of this identity if it is live and free. `Err`: whether it is live.
    #[inline]
    fn find_free(&self, name: &str, mode: Mode, fair: bool) -> Result<Hold, bool> {
        let found = self.table.find(name, |cell| {
            // SAFETY: the table names the cell and its shard is locked, so it has not been freed.
            let there = unsafe { cell.as_ref() };
            let entered = !matches!(mode, Mode::Permit(_)) && there.raw.try_enter(mode, fair);
            (cell, entered)
        });
        match found {
            Some((cell, true)) => Ok(Hold { cell, kind: mode.kind() }),
            Some((_, false)) => Err(true),
            None => Err(false),
        }
    }

    /// Takes the live lock of this identity, or a reference to it where it is busy or `mode` is `None`.
    /// `None`: no such lock is live.
    #[inline]
    pub(crate) fn find(
        &self,
        name: &str,
        mode: Option<Mode>,
        fair: bool,
    ) -> Option<Result<Taken, Disagreed>> {
        self.table.find(name, |cell| attach(cell, mode, fair)).unwrap_or(Found::Nothing).open(mode)
    }

    /// The same, and makes the lock where there is none.
    pub(crate) fn get(home: &Home, name: &str, mode: Option<Mode>, fair: bool) -> Result<Taken, Disagreed> {
        let cell = NonNull::from(Box::leak(Cell::new(home.clone(), name, mode)));
        let look = |there| Some(attach(there, mode, fair)).filter(|found| !matches!(found, Found::Nothing));
        match home.table.insert(cell, look) {
            Inserted::New => Ok(match mode {
                Some(mode) => Taken::Held(Hold { cell, kind: mode.kind() }),
                None => Taken::Busy(CellRef(cell)),
            }),
            Inserted::There(found) => {
                // SAFETY: the cell came from a box above and the table has not taken it.
                spare::keep(unsafe { Box::from_raw(cell.as_ptr()) });
                found.open(mode).expect("nothing was filtered out")
            }
        }
    }
}

impl Cell {
    fn new(home: Home, name: &str, mode: Option<Mode>) -> Box<Self> {
        let permits = if let Some(Mode::Permit(permits)) = mode { permits } else { 0 };
        let raw = mode.map_or_else(RawLock::referred, RawLock::held);
        if let Some(mut cell) = spare::take() {
            cell.raw = raw;
            cell.name.clear();
            cell.name.push_str(name);
            cell.home = home;
            cell.permits = AtomicU32::new(permits);
            cell.holder = Holder::default();
            return cell;
        }
        Box::new(Self {
            raw,
            name: name.to_owned(),
            home,
            permits: AtomicU32::new(permits),
            depth: AtomicU32::new(0),
            holder: Holder::default(),
            file: OnceCell::new(),
        })
    }
}

/// Called under the lock of the shard.
#[inline]
fn attach(cell: NonNull<Cell>, mode: Option<Mode>, fair: bool) -> Found {
    // SAFETY: the table names the cell and its shard is locked, so it has not been freed.
    let there = unsafe { cell.as_ref() };
    if let Err(permits) = there.agree(mode) {
        return if there.raw.is_alive() { Found::Disagreed(permits) } else { Found::Nothing };
    }
    let address = cell.as_ptr() as usize;
    match there.raw.attach(mode, fair) {
        Attached::Dead => Found::Nothing,
        Attached::Held => Found::Held(address),
        Attached::Busy => Found::Busy(address),
    }
}

/// Takes a dead cell out of the table and frees it. Only the last user calls this, once.
#[cold]
#[inline(never)]
fn bury(cell: NonNull<Cell>) {
    // SAFETY: the word is 0, so nobody else frees the cell, and nobody reads it but through the table.
    let dead = unsafe { cell.as_ref() };
    dead.home.table.remove(&dead.name, cell);
    dead.raw.ends();
    // SAFETY: it came from a box, the table does not name it any more, and this is the only call.
    spare::keep(unsafe { Box::from_raw(cell.as_ptr()) });
}

/// One dead cell for each thread, so that a name that comes and goes needs no allocator.
mod spare {
    use super::{Cell, Home, OnceCell, Slot};

    thread_local! {
        static SPARE: Slot<Option<Box<Cell>>> = const { Slot::new(None) };
    }

    pub(super) fn take() -> Option<Box<Cell>> {
        SPARE.try_with(Slot::take).ok().flatten()
    }

    /// Frees what the cell has, and keeps its memory. A registry of its own must not live on in a spare cell.
    pub(super) fn keep(mut cell: Box<Cell>) {
        cell.file = OnceCell::new();
        if matches!(cell.home, Home::Process(_)) && cell.name.capacity() <= LONGEST {
            let _ = SPARE.try_with(|spare| spare.set(Some(cell)));
        }
    }

    const LONGEST: usize = 64;
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell")
            .field("name", &self.name)
            .field("held", &self.raw.is_held())
            .finish_non_exhaustive()
    }
}
