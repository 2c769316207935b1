//! Wakers that run code of the user when they are dropped: it may use the very lock that their task waits for.
//! So none may be dropped while the queue, or anything else that others need, is locked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use lockutils::{Cancel, Error, Lock, LockGuard, Locks};

use super::{Taking, queued, taken, taking, two_processes};
use crate::conformance::support::{LONG, TINY, Worker, block_on, wait_until};

/// What a waker does with the lock when it is dropped.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// The first one to be dropped, by the one who wakes, does nothing. Only where the task has let go of everything
    /// before the last.
    WaitsAsLongAsItTakes,
    Tries,
    Takes,
    TakesTheFile,
    WaitsAMoment,
    CancelsAll,
    /// The first one to be dropped does nothing.
    CancelsAllAfterwards,
    DropsTheGuard,
    DropsAWait,
}

const DEEDS: [Deed; 8] = [
    Deed::Tries,
    Deed::Takes,
    Deed::TakesTheFile,
    Deed::WaitsAMoment,
    Deed::CancelsAll,
    Deed::CancelsAllAfterwards,
    Deed::DropsTheGuard,
    Deed::DropsAWait,
];

/// A holder, somebody who waits behind the task with the waker, and what that waker does.
struct Mischief {
    deed: Deed,
    lock: Lock,
    cancel: Cancel,
    armed: AtomicBool,
    /// How many have begun, and how many are at it.
    deeds: AtomicUsize,
    acting: AtomicUsize,
    held: Slot<LockGuard>,
    behind: Slot<Taking>,
}

impl Mischief {
    fn act(&self) {
        self.acting.fetch_add(1, SeqCst);
        if self.armed.load(SeqCst) {
            self.act_as_the_nth(self.deeds.fetch_add(1, SeqCst));
        }
        self.acting.fetch_sub(1, SeqCst);
    }

    fn act_as_the_nth(&self, before: usize) {
        let lock = || self.lock.clone();
        match self.deed {
            Deed::Tries => drop(lock().try_acquire().expect("busy is no error")),
            Deed::Takes => drop(lock().timeout(Duration::ZERO).acquire()),
            Deed::TakesTheFile => drop(lock().external().timeout(Duration::ZERO).acquire()),
            Deed::WaitsAMoment => drop(lock().fair().timeout(Duration::from_micros(100)).acquire()),
            Deed::CancelsAllAfterwards | Deed::WaitsAsLongAsItTakes if before == 0 => {}
            Deed::CancelsAll | Deed::CancelsAllAfterwards => self.cancel.cancel(),
            Deed::DropsTheGuard => drop(self.held.take()),
            Deed::DropsAWait => drop(self.behind.take()),
            Deed::WaitsAsLongAsItTakes => {
                drop(self.held.take());
                drop(lock().acquire());
            }
        }
    }
}

/// Something that the test or a waker drops, whoever comes first.
struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    fn empty() -> Self {
        Self(Mutex::new(None))
    }

    fn full(value: T) -> Self {
        Self(Mutex::new(Some(value)))
    }

    /// Not locked any more when the caller drops what it gets.
    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }
}

/// What stands behind a waker. Each copy of the waker has one of its own, and acts when that copy is dropped.
struct Meddler(Arc<Mischief>);

impl Drop for Meddler {
    fn drop(&mut self) {
        self.0.act();
    }
}

static MEDDLER: RawWakerVTable = RawWakerVTable::new(
    // SAFETY: the pointer is that of a `Meddler` in a box, which the waker owns: `raw` has made it.
    |meddler| raw(Arc::clone(unsafe { &(*meddler.cast::<Meddler>()).0 })),
    drop_raw,
    |_| {},
    drop_raw,
);

/// The waker's last use: it is woken by value, or dropped.
///
/// # Safety
///
/// As for the table: the pointer is that of a `Meddler` in a box. The waker that owns it is not used any more.
unsafe fn drop_raw(meddler: *const ()) {
    // SAFETY: the caller says so.
    drop(unsafe { Box::from_raw(meddler.cast_mut().cast::<Meddler>()) });
}

fn raw(mischief: Arc<Mischief>) -> RawWaker {
    RawWaker::new(Box::into_raw(Box::new(Meddler(mischief))).cast_const().cast(), &MEDDLER)
}

/// A holder, a task that waits with such a waker, and a task behind it.
struct Scene {
    mischief: Arc<Mischief>,
    first: Option<Taking>,
}

impl Scene {
    /// `lock` is that of the task, which waits for `held` to go.
    fn new(locks: &Locks, held: LockGuard, lock: &Lock, deed: Deed) -> Self {
        let cancel = Cancel::new();
        let cancels = matches!(deed, Deed::CancelsAll | Deed::CancelsAllAfterwards);
        let cancelled = |lock: Lock| if cancels { lock.cancel_on(&cancel) } else { lock };
        let mischief = Arc::new(Mischief {
            deed,
            lock: locks.lock("x"),
            cancel: cancel.clone(),
            armed: AtomicBool::new(false),
            deeds: AtomicUsize::new(0),
            acting: AtomicUsize::new(0),
            held: Slot::full(held),
            behind: Slot::empty(),
        });
        let mut scene = Self { first: None, mischief };
        scene.first = Some(taking(&cancelled(lock.clone())));
        // On a busy machine, a short limit may be over at once.
        while let Poll::Ready(ended) = scene.poll() {
            assert!(ended.expect_err("the lock is held").is_timeout());
            scene.first = Some(taking(lock));
        }
        scene.mischief.behind.put(queued(&cancelled(locks.lock("x"))));
        scene.mischief.armed.store(true, SeqCst);
        scene
    }

    /// Polls with the waker.
    fn poll(&mut self) -> Poll<Result<LockGuard, Error>> {
        // SAFETY: `MEDDLER` treats the pointer as the box that it is; a `Mischief` is `Send` and `Sync`.
        let waker = unsafe { Waker::from_raw(raw(Arc::clone(&self.mischief))) };
        self.poll_with(&waker)
    }

    fn poll_with(&mut self, waker: &Waker) -> Poll<Result<LockGuard, Error>> {
        let first = self.first.as_mut().expect("it has not been dropped");
        first.as_mut().poll(&mut Context::from_waker(waker))
    }

    fn is_let_go(&self) {
        drop(self.mischief.held.take());
    }

    fn is_given_up(&mut self) {
        drop(self.first.take());
    }

    /// A waker has acted, and the lock goes to whoever is left.
    fn end(mut self) {
        assert!(self.mischief.deeds.load(SeqCst) > 0, "no waker was dropped");
        self.is_given_up();
        self.is_let_go();
        if let Some(Err(error)) = self.mischief.behind.take().map(block_on) {
            assert!(error.is_cancelled() && self.mischief.cancel.is_cancelled(), "{error}");
        }
        // A thread that has waited for the file, or that of the timers, may drop a copy now or later.
        self.mischief.armed.store(false, SeqCst);
        wait_until("no waker acts any more", || self.mischief.acting.load(SeqCst) == 0);
    }
}

type Kind = fn(&Locks) -> Lock;

/// The kinds of waits for another task of the process.
const INSIDE: [Kind; 5] = [
    |locks| locks.lock("x"),
    |locks| locks.lock("x").fair(),
    |locks| locks.lock("x").read(),
    |locks| locks.lock("x").timeout(LONG),
    |locks| locks.semaphore("x", 1),
];

/// The portable path looks again and again: it has woken its waker before anybody could drop it.
#[cfg(lockutils_portable)]
const OUTSIDE: [Kind; 0] = [];
/// The kinds of waits for another process.
#[cfg(not(lockutils_portable))]
const OUTSIDE: [Kind; 3] = [
    |locks| locks.lock("x").external(),
    |locks| locks.lock("x").external().read(),
    |locks| locks.lock("x").external().timeout(LONG),
];

/// Plays the scene for these kinds of waits and with every deed. The holder is inside, in the same process, or not.
#[track_caller]
fn play(kinds: &[Kind], inside: bool, scene: fn(Scene)) {
    let (_directory, locks, other) = two_processes();
    let holder = if inside { &locks } else { &other };
    for deed in DEEDS {
        for (number, kind) in kinds.iter().enumerate() {
            let held = taken(&holder.lock("x").external());
            let (registry, lock) = (locks.clone(), kind(&locks));
            let played = Worker::start(move || scene(Scene::new(&registry, held, &lock, deed)));
            played.outcome().unwrap_or_else(|why| panic!("{deed:?}, wait {number}: {why}"));
            wait_until("nobody is left", || locks.is_empty() && other.is_empty());
        }
    }
}

#[track_caller]
fn play_everywhere(scene: fn(Scene)) {
    play(&INSIDE, true, scene);
    play(&OUTSIDE, false, scene);
}

#[test]
fn replaced_by_another_one() {
    play_everywhere(|mut scene| {
        let _ = scene.poll_with(Waker::noop());
        scene.end();
    });
}

/// Each poll brings a new one, as it is with some runtimes.
#[test]
fn replaced_again_and_again() {
    play_everywhere(|mut scene| {
        // A deed may have let the task in.
        (0..10).take_while(|_| scene.poll().is_pending()).for_each(drop);
        scene.end();
    });
}

#[test]
fn dropped_with_a_wait_that_is_given_up() {
    play_everywhere(|mut scene| {
        scene.is_given_up();
        scene.end();
    });
}

/// The task has been given the lock, and never sees it.
#[test]
fn dropped_with_a_lock_that_was_not_seen() {
    play_everywhere(|mut scene| {
        scene.is_let_go();
        scene.is_given_up();
        scene.end();
    });
}

/// The task is woken, which drops one copy, and takes the lock, which drops the other.
#[test]
fn dropped_by_the_one_who_comes_in() {
    play_everywhere(|mut scene| {
        scene.is_let_go();
        let guard = loop {
            match scene.poll_with(Waker::noop()) {
                Poll::Ready(guard) => break guard,
                // For a file, a thread comes first.
                Poll::Pending => std::thread::yield_now(),
            }
        };
        drop(guard);
        scene.end();
    });
}

/// What was held is dropped by another thread while the waker is replaced here.
#[test]
fn replaced_while_the_lock_is_let_go() {
    play_everywhere(|mut scene| {
        let mischief = Arc::clone(&scene.mischief);
        let releases = Worker::start(move || drop(mischief.held.take()));
        (0..100).take_while(|_| scene.poll().is_pending()).for_each(drop);
        releases.join();
        scene.end();
    });
}

/// The limit ends the wait, inside the poll that looks at the clock.
#[test]
fn dropped_with_a_wait_whose_time_is_over() {
    let time_passes: fn(Scene) = |mut scene| {
        wait_until("the time is over", || scene.poll().is_ready());
        scene.end();
    };
    play(
        &[|locks| locks.lock("x").timeout(TINY), |locks| locks.lock("x").fair().timeout(TINY)],
        true,
        time_passes,
    );
    play(&[|locks| locks.lock("x").external().timeout(TINY)], false, time_passes);
}

/// A task that is dropped with a lock that it has not seen lets go of it before its waker runs code of the user, which
/// may wait for the lock without a limit.
#[test]
fn dropped_after_the_lock_was_let_go() {
    for (number, kind) in INSIDE.into_iter().enumerate() {
        let (_directory, locks, _) = two_processes();
        let held = taken(&locks.lock("x").external());
        let played = Worker::start(move || {
            let lock = kind(&locks);
            let mut scene = Scene::new(&locks, held, &lock, Deed::WaitsAsLongAsItTakes);
            drop(scene.mischief.behind.take());
            scene.is_let_go();
            scene.is_given_up();
        });
        played.outcome().unwrap_or_else(|why| panic!("wait {number}: {why}"));
    }
}
