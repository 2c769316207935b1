//! What a wait for a file leaves for the next ones: its descriptor, its place, its thread.

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Config, Error, LockGuard, Locks};
use lockutils_tests::{Peer, Place, eventually, within};

const LONG: Duration = Duration::from_secs(60);

type Taking = Pin<Box<dyn Future<Output = Result<LockGuard, Error>> + Send>>;

fn taking(locks: &Locks, name: &str) -> Taking {
    let lock = locks.lock(name).external();
    Box::pin(async move { lock.acquire_async().await })
}

fn poll(taking: &mut Taking, waker: &Waker) -> Poll<Result<LockGuard, Error>> {
    taking.as_mut().poll(&mut Context::from_waker(waker))
}

/// A wait with a limit has looked at the path, and its descriptor is kept. A later wait on that looks anew.
#[test]
fn a_kept_descriptor_is_looked_at_after_each_wait() {
    let place = Place::new("a_kept_descriptor_is_looked_at_after_each_wait");
    let keeper = place.lock("job");
    for _ in 0..2 {
        drop(keeper.acquire().expect("free"));
    }
    for _ in 0..5 {
        let mut holder = place.holder("job");
        thread::scope(|scope| {
            let limited = scope.spawn(|| place.lock("job").timeout(LONG).acquire().map(drop));
            place.has_waiters("job", 1);
            holder.release();
            limited.join().expect("no panic").expect("its turn");
        });
        holder.take();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| keeper.acquire());
            place.has_waiters("job", 1);
            fs::remove_file(place.file("job")).expect("removed");
            holder.release();
            let guard = waiter.join().expect("no panic").expect("its turn");
            assert!(!guard.is_lost().expect("a look"), "a lock on a removed file");
            assert!(!holder.try_take(), "two holders");
        });
    }
}

/// A peer that shares by `flock` knows no gate: a writer of ours that has given up on it has the other kind of lock
/// already, and lets it go.
#[cfg_attr(lockutils_portable, ignore = "it takes no record locks there, which are all that this peer knows")]
#[test]
fn a_writer_that_gives_up_on_flock_keeps_no_reader_out() {
    let place = Place::new("a_writer_that_gives_up_on_flock_keeps_no_reader_out");
    drop(place.try_acquire("job"));
    let mut peer = Peer::shared("flock(1)").holder(&place.file("job"));
    let error =
        place.lock("job").timeout(Duration::from_millis(150)).acquire().expect_err("shared by another");
    assert!(error.is_timeout(), "{error}");
    let reads = || place.lock("job").read().try_acquire().expect("busy is no error").is_some();
    eventually("a reader comes in", reads);
    assert!(place.actor("job", &["read"]).try_take(), "a reader of another process");

    // The next wait takes the thread over. What it has is half a lock, so it begins anew and gets the whole.
    let mut next = taking(place.locks(), "job");
    assert!(poll(&mut next, Waker::noop()).is_pending());
    peer.release();
    let guard = block_on(next).expect("its turn");
    for kind in ["lockf", "flock(1)"] {
        assert!(!Peer::alone(kind).actor(&place.file("job")).try_take(), "{kind} got in");
    }
    drop(guard);
}

#[derive(Default)]
struct Woken {
    panics: bool,
    woken: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        assert!(!self.panics, "a waker that panics, as the test wants it to");
    }
}

/// The waits beyond the number of threads are woken by one thread, which a waker of the user cannot end.
#[test]
fn a_waker_that_panics_stops_no_other_wait() {
    const MANY: usize = 70;
    within("all have their turn", || {
        let place = Place::new("a_waker_that_panics_stops_no_other_wait");
        let other = Locks::new(Config::new().lock_path(place.path())).expect("a configuration");
        let name = |number: usize| format!("job-{number}");
        let held: Vec<_> =
            (0..MANY).map(|number| other.lock(name(number)).external().acquire().expect("free")).collect();
        let panics = Arc::new(Woken { panics: true, ..Woken::default() });
        let waker = Waker::from(Arc::clone(&panics));
        let mut waiting: Vec<_> = (0..MANY).map(|number| taking(place.locks(), &name(number))).collect();
        for taking in &mut waiting {
            assert!(poll(taking, &waker).is_pending());
        }
        eventually("a waker has panicked", || panics.woken.load(SeqCst));
        let well = Arc::new(Woken::default());
        let last = waiting.last_mut().expect("many");
        assert!(poll(last, &Waker::from(Arc::clone(&well))).is_pending());
        eventually("a wait is woken after that", || well.woken.load(SeqCst));
        drop(held);
        for taking in waiting {
            drop(block_on(taking).expect("its turn"));
        }
    });
}
