//! The in-process half of a lock: one state word and one queue for threads and tasks alike.
//!
//! It does no I/O, reads no clock and starts no threads. A time-out, a cancellation and a dropped future are
//! the same step here: [`Waiting`](wait::Waiting) is dropped.

pub(crate) mod park;
mod queue;
pub(crate) mod wait;
pub(crate) mod word;

use std::task::{Poll, Waker};

use self::queue::{Queue, Ticket, Wakers};
use self::word::{CLOSED, QUEUED, REF, WOKEN, WRITE};
pub(crate) use self::word::{HeldAs, Mode};
use crate::sync::{
    AtomicU64, Lifetime, Mutex,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// A lock without a name.
///
/// Invariants, whenever nobody is inside the mutex of the queue:
///
/// - The word has `QUEUED` exactly when the queue has linked waiters, and `CLOSED` exactly when one insists.
/// - Readers and permits at the head do not fit in: whoever made room for them let them in.
/// - If nobody holds the lock and the queue is not empty, its head is a writer and `WOKEN` is set: it has
///   been woken and has not looked yet. So no wake-up is ever lost, and a release that sees `WOKEN` may
///   leave the queue alone.
/// - Every waiter has a reference of its own, so that the lock outlives each of its waiters.
///
/// ```text
/// who holds  | who may come in                                  | on release
/// nobody     | anyone; past a queue only writers, while not CLOSED | -
/// a writer   | nobody                                           | wakes the head, or hands over if CLOSED
/// readers    | readers, while nobody waits                      | the last one wakes the head
/// permits    | permits up to their number, while nobody waits   | lets the head in
/// ```
pub(crate) struct RawLock {
    word: AtomicU64,
    queue: Mutex<Queue>,
    lifetime: Lifetime,
}

/// What a release found.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Somebody else still uses the lock.
    Used,
    /// That was the last user: the lock is dead, and the caller must take it out of the registry.
    Last,
}

/// What is to be seen of a lock at a moment.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) held: Option<HeldAs>,
    pub(crate) holders: u32,
    pub(crate) waiters: u32,
}

/// What a look-up found.
pub(crate) enum Attached {
    /// The lock died before it could be used.
    Dead,
    /// The lock was free and is held now.
    Held,
    /// The lock is taken; the caller has a reference now.
    Busy,
}

impl RawLock {
    /// A lock that is born held, or free with one reference.
    pub(crate) fn new(mode: Option<Mode>) -> Self {
        let word = AtomicU64::new(born(mode));
        Self { word, queue: Mutex::new(Queue::new()), lifetime: Lifetime::default() }
    }

    /// A dead lock, whose last user is the caller, becomes a new one. Its queue is empty.
    #[inline]
    pub(crate) fn renew(&mut self, mode: Option<Mode>) {
        self.word = AtomicU64::new(born(mode));
        self.lifetime = Lifetime::default();
    }

    /// The last user has gone, and frees it.
    pub(crate) fn ends(&self) {
        self.lifetime.ends();
    }

    /// The caller is about to look at the lock, which may be dead.
    #[inline]
    pub(crate) fn is_in_memory(&self) {
        self.lifetime.used();
    }

    /// Takes the lock if it is free for a newcomer and alive; it always is for one who has a reference.
    #[inline]
    pub(crate) fn try_enter(&self, mode: Mode, fair: bool) -> bool {
        (mode == Mode::Write && self.try_write(fair)) || self.try_enter_otherwise(mode, fair)
    }

    /// The case that is worth being inlined: a writer, and nobody in the way.
    #[inline]
    pub(crate) fn try_write(&self, fair: bool) -> bool {
        let word = self.word.load(Relaxed);
        word::admits_writer(word, fair)
            && self.word.compare_exchange(word, word | WRITE, Acquire, Relaxed).is_ok()
    }

    #[inline(never)]
    fn try_enter_otherwise(&self, mode: Mode, fair: bool) -> bool {
        self.enter_if(|word| if word == 0 { None } else { mode.enter_new(word, fair) })
    }

    /// Takes the lock past the queue if those who hold it allow it: for somebody who shares it already.
    pub(crate) fn rejoin(&self, mode: Mode) -> bool {
        self.enter_if(|word| mode.enter(word))
    }

    /// Changes the word to what `enter` makes of it, unless that is nothing.
    fn enter_if(&self, enter: impl Fn(u64) -> Option<u64>) -> bool {
        let mut word = self.word.load(Relaxed);
        while let Some(entered) = enter(word) {
            match self.word.compare_exchange_weak(word, entered, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The first step of somebody who found the lock in the registry and has neither reference nor hold:
    /// takes it, or else a reference, but never revives it.
    #[inline]
    pub(crate) fn attach(&self, mode: Option<Mode>, fair: bool) -> Attached {
        let mut word = self.word.load(Relaxed);
        while word != 0 {
            let entered = mode.and_then(|mode| mode.enter_new(word, fair));
            let next = entered.unwrap_or_else(|| one_more_ref(word));
            match self.word.compare_exchange_weak(word, next, Acquire, Relaxed) {
                Ok(_) if entered.is_some() => return Attached::Held,
                Ok(_) => return Attached::Busy,
                Err(now) => word = now,
            }
        }
        Attached::Dead
    }

    pub(crate) fn add_ref(&self) {
        one_more_ref(self.word.fetch_add(REF, Relaxed));
    }

    #[inline]
    pub(crate) fn drop_ref(&self) -> After {
        if self.word.fetch_sub(REF, AcqRel) == REF { After::Last } else { After::Used }
    }

    /// Lets go of one hold.
    #[inline]
    pub(crate) fn release(&self, kind: HeldAs) -> After {
        let word = self.word.load(Relaxed);
        let used = kind == HeldAs::Write && word::may_leave(word);
        if used && self.word.compare_exchange(word, word.wrapping_sub(WRITE), AcqRel, Relaxed).is_ok() {
            return After::Used;
        }
        self.release_otherwise(kind)
    }

    #[inline(never)]
    fn release_otherwise(&self, kind: HeldAs) -> After {
        let mut word = self.word.load(Relaxed);
        loop {
            let after = kind.leave(word);
            if kind.must_settle(word, after) {
                return self.release_slow(kind);
            }
            match self.word.compare_exchange_weak(word, after, AcqRel, Relaxed) {
                Ok(_) if after == 0 => return After::Last,
                Ok(_) => return After::Used,
                Err(now) => word = now,
            }
        }
    }

    /// The hold becomes a reference until the queue is let go: a waiter that is let in here may run, leave
    /// and be the last user before this thread has unlocked the queue.
    #[cold]
    fn release_slow(&self, kind: HeldAs) -> After {
        self.settle(|word| kind.leave(word) + REF);
        self.drop_ref()
    }

    /// Turns the one writer into a reader and lets in the readers at the head.
    pub(crate) fn downgrade(&self) {
        self.settle(|word| Mode::Read.enter(HeldAs::Write.leave(word)).expect("the one writer has left"));
    }

    /// Changes the word and, in the same step, lets in everybody whom that admits.
    fn settle(&self, change: impl Fn(u64) -> u64) {
        let wakers = {
            let mut queue = self.queue.lock();
            self.settle_locked(&mut queue, change)
        };
        self.lifetime.used();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn settle_locked(&self, queue: &mut Queue, change: impl Fn(u64) -> u64) -> Wakers {
        let mut word = self.word.load(Relaxed);
        loop {
            let plan = queue.plan(change(word));
            match self.word.compare_exchange_weak(word, plan.word, AcqRel, Relaxed) {
                Ok(_) => return queue.carry_out(&plan),
                Err(now) => word = now,
            }
        }
    }

    /// Queues, unless the lock has come free meanwhile (`None`: it is held now).
    fn enqueue(&self, mode: Mode, fair: bool, waker: &Waker) -> Option<Ticket> {
        let waker = waker.clone();
        let mut queue = self.queue.lock();
        let mut word = self.word.load(Relaxed);
        loop {
            let entered = mode.enter_new(word, fair);
            let next = entered.unwrap_or(word | QUEUED | if fair { CLOSED } else { 0 });
            match self.word.compare_exchange_weak(word, next, Acquire, Relaxed) {
                Ok(_) if entered.is_some() => return None,
                Ok(_) => return Some(queue.push(mode, fair, waker)),
                Err(now) => word = now,
            }
        }
    }

    /// The waiter's look: in, or not yet.
    fn poll(&self, ticket: Ticket, mode: Mode, waker: &Waker) -> Poll<()> {
        // Dropped after the queue has been let go.
        let _old;
        let mut queue = self.queue.lock();
        if queue.is_granted(ticket) || (queue.is_head(ticket) && self.enter_as_head(&mut queue, mode)) {
            _old = queue.remove(ticket).1;
            return Poll::Ready(());
        }
        _old = queue.set_waker(ticket, waker);
        Poll::Pending
    }

    /// The head takes the lock, or says that it has looked: from then on a release wakes it again.
    fn enter_as_head(&self, queue: &mut Queue, mode: Mode) -> bool {
        let mut word = self.word.load(Relaxed);
        loop {
            let (next, entered) = match mode.enter(word) {
                Some(entered) => (word::with_flags(entered, queue.flags_behind_head()), true),
                None if word & WOKEN == 0 => return false,
                None => (word & !WOKEN, false),
            };
            match self.word.compare_exchange_weak(word, next, Acquire, Relaxed) {
                Ok(_) => return entered,
                Err(now) => word = now,
            }
        }
    }

    /// Takes a waiter out of the queue. Says whether it had been let in: then the hold is the caller's. Its waker
    /// is for the caller to drop, last of all: that may run code of the user, which may want the lock.
    fn cancel(&self, ticket: Ticket) -> (bool, Option<Waker>) {
        let mut queue = self.queue.lock();
        let (granted, waker) = queue.remove(ticket);
        if !granted {
            // Whoever stands behind may fit in now, or has to be woken in its place.
            let wakers = self.settle_locked(&mut queue, |word| word);
            drop(queue);
            wakers.into_iter().for_each(Waker::wake);
        }
        (granted, waker)
    }

    /// Whether somebody uses it.
    pub(crate) fn is_alive(&self) -> bool {
        self.word.load(Relaxed) != 0
    }

    #[inline]
    fn is_queued(&self) -> bool {
        word::is_queued(self.word.load(Relaxed))
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        word::is_held(self.word.load(Relaxed))
    }

    /// Whether one reference is all that there is.
    pub(crate) fn is_last(&self) -> bool {
        self.word.load(Relaxed) == REF
    }

    /// Who holds it, and how many wait.
    pub(crate) fn look(&self) -> Look {
        let queue = self.queue.lock();
        let word = self.word.load(Relaxed);
        let (held, holders) = if word::is_write(word) {
            (Some(HeldAs::Write), 1)
        } else {
            (word::shared_as(word), u32::try_from(word::sharers(word)).unwrap_or(u32::MAX))
        };
        Look { held, holders, waiters: queue.linked() }
    }

    /// As what those hold it who share it.
    pub(crate) fn shared_as(&self) -> Option<HeldAs> {
        word::shared_as(self.word.load(Relaxed))
    }

    #[inline]
    pub(crate) fn is_write_held(&self) -> bool {
        word::is_write(self.word.load(Relaxed))
    }
}

/// The word of a new lock.
#[inline]
fn born(mode: Option<Mode>) -> u64 {
    mode.map_or(REF, |mode| mode.enter(0).expect("nobody holds a new lock"))
}

/// Like `Arc`, this ends the process before a count that was leaked on purpose wraps around.
fn one_more_ref(word: u64) -> u64 {
    if word::refs_full(word) {
        std::process::abort();
    }
    word + REF
}

#[cfg(all(test, loom))]
mod models;
