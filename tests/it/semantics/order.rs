//! Who comes first, and that nobody starves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};

use lockutils::{Lock, LockGuard};

use super::{both, is_free, placed, taken};
use crate::conformance::support::{LONG, Worker, elsewhere, own};

#[test]
fn fair_is_the_order_of_arrival() {
    let (_directory, locks) = placed();
    for lock in both(&locks).map(Lock::fair) {
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = taken(&lock);
        let waiters: Vec<_> = (0..10).map(|number| arrive(&lock, number, &order)).collect();
        drop(held);
        waiters.into_iter().for_each(Worker::join);
        assert_eq!(*order.lock().expect("nobody panics with it"), (0..10).collect::<Vec<_>>(), "{lock:?}");
    }
}

fn arrive(lock: &Lock, number: usize, order: &Arc<Mutex<Vec<usize>>>) -> Worker<()> {
    let (lock, order) = (lock.clone(), Arc::clone(order));
    Worker::waiting(move || {
        let _guard = lock.acquire().expect("no limit");
        order.lock().expect("nobody panics with it").push(number);
    })
}

/// Neither a fair newcomer nor any other overtakes somebody who waits fairly.
#[test]
fn nobody_overtakes_who_waits_fairly() {
    let locks = own();
    for _ in 0..100 {
        let held = taken(&locks.lock("x"));
        let lock = locks.lock("x").fair();
        let waiter = Worker::waiting(move || lock.acquire());
        drop(held);
        for newcomer in
            [locks.lock("x"), locks.lock("x").fair(), locks.lock("x").read(), locks.semaphore("x", 3)]
        {
            assert!(!is_free(&newcomer), "a newcomer overtook");
        }
        drop(waiter.join().expect("it has its turn"));
    }
}

/// Without `fair` the one who lets go may take the lock again first, but not for ever.
#[test]
fn a_newcomer_overtakes_for_a_bounded_time() {
    let locks = own();
    for _ in 0..20 {
        let lock = locks.lock("x");
        let mut held = taken(&lock);
        let (waits, served) = (lock.clone(), Arc::new(AtomicBool::new(false)));
        let waiter = Worker::waiting({
            let served = Arc::clone(&served);
            move || waits.acquire().map(|_guard| served.store(true, SeqCst))
        });
        let mut overtaken = 0;
        loop {
            drop(held);
            let Some(again) = lock.try_acquire().expect("busy is no error") else { break };
            if served.load(SeqCst) {
                break;
            }
            held = again;
            overtaken += 1;
            assert!(overtaken < 50, "the first in the queue was passed over again and again");
            // It has looked in vain, or is in.
            waiter.wait_until_asleep();
        }
        waiter.join().expect("it has its turn");
    }
}

/// The same under full load.
#[test]
fn everybody_gets_in_under_load() {
    let (_directory, locks) = placed();
    for waits in [locks.lock("x"), locks.lock("x").read(), locks.lock("x").fair()] {
        let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let greedy: Vec<_> = (0..3).map(|_| greedy(&locks.lock("x"), &stop, &turns)).collect();
        for _ in 0..20 {
            let _guard = waits.clone().timeout(LONG).acquire().expect("nobody starves");
        }
        stop.store(true, SeqCst);
        greedy.into_iter().for_each(Worker::join);
    }
    assert!(locks.is_empty());
}

/// Takes the lock again and again, without a pause.
fn greedy(lock: &Lock, stop: &Arc<AtomicBool>, turns: &Arc<AtomicUsize>) -> Worker<()> {
    let (lock, stop, turns) = (lock.clone(), Arc::clone(stop), Arc::clone(turns));
    Worker::start(move || {
        while !stop.load(SeqCst) {
            let _guard = lock.acquire().expect("no limit");
            turns.fetch_add(1, SeqCst);
        }
    })
}

/// A stream of readers that overlap never leaves the lock free. The writer gets in all the same: it is passed
/// by no reader that comes after it.
#[test]
fn a_writer_is_not_starved_by_readers() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let stream: Vec<_> = (0..4).map(|_| overlapping(&lock.clone().read(), &stop, &reads)).collect();
        for _ in 0..10 {
            drop(lock.clone().timeout(LONG).acquire().expect("nobody starves"));
        }
        stop.store(true, SeqCst);
        stream.into_iter().for_each(Worker::join);
        assert!(reads.load(SeqCst) > 0);
    }
}

/// Reads with two guards that overlap, so that this thread alone would keep writers out for ever.
fn overlapping(read: &Lock, stop: &Arc<AtomicBool>, reads: &Arc<AtomicUsize>) -> Worker<()> {
    let (read, stop, reads) = (read.clone(), Arc::clone(stop), Arc::clone(reads));
    Worker::start(move || {
        let mut last: Option<LockGuard> = None;
        while !stop.load(SeqCst) {
            // It must not wait with a guard in its hand: it would wait for a writer that waits for it.
            last = read.try_acquire().expect("busy is no error");
            reads.fetch_add(usize::from(last.is_some()), SeqCst);
            std::thread::yield_now();
        }
        drop(last);
    })
}

/// No reader that comes after a waiting writer is in before it; this counts to zero, not to a large number.
#[test]
fn readers_queue_behind_a_writer() {
    let (_directory, locks) = placed();
    for lock in both(&locks) {
        let first = taken(&lock.clone().read());
        let (in_before, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let writer = Worker::waiting({
            let (lock, written) = (lock.clone(), Arc::clone(&written));
            move || lock.acquire().map(|_guard| written.store(true, SeqCst))
        });
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let (read, in_before, written) =
                    (lock.clone().read(), Arc::clone(&in_before), Arc::clone(&written));
                Worker::waiting(move || {
                    let _guard = read.acquire().expect("no limit");
                    in_before.fetch_add(usize::from(!written.load(SeqCst)), SeqCst);
                })
            })
            .collect();
        assert!(!elsewhere(|| is_free(&lock.clone().read())));
        drop(first);
        writer.join().expect("it has its turn");
        readers.into_iter().for_each(Worker::join);
        assert_eq!(in_before.load(SeqCst), 0);
    }
}

/// Readers that wait are let in together, before a writer that came after them, and those after it are not.
#[test]
fn a_queue_is_served_in_groups() {
    let locks = own();
    let (order, together) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Barrier::new(3)));
    let held = taken(&locks.lock("x"));
    let read = |group: &'static str, barrier: Option<Arc<Barrier>>| {
        let (lock, order) = (locks.lock("x").read(), Arc::clone(&order));
        Worker::waiting(move || {
            let _guard = lock.acquire().expect("no limit");
            order.lock().expect("nobody panics with it").push(group);
            barrier.map(|barrier| barrier.wait());
        })
    };
    let early: Vec<_> = (0..3).map(|_| read("early", Some(Arc::clone(&together)))).collect();
    let writer = Worker::waiting({
        let (lock, order) = (locks.lock("x"), Arc::clone(&order));
        move || {
            let _guard = lock.acquire().expect("no limit");
            order.lock().expect("nobody panics with it").push("writer");
        }
    });
    let late: Vec<_> = (0..3).map(|_| read("late", None)).collect();
    drop(held);
    early.into_iter().for_each(Worker::join);
    writer.join();
    late.into_iter().for_each(Worker::join);
    let order = order.lock().expect("nobody panics with it");
    assert_eq!(*order, ["early", "early", "early", "writer", "late", "late", "late"]);
}

/// Writers one after another; the reader in the middle of their queue has its turn.
#[test]
fn a_reader_is_not_starved_by_writers() {
    let locks = own();
    let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..3).map(|_| greedy(&locks.lock("x"), &stop, &turns)).collect();
    for _ in 0..20 {
        drop(locks.lock("x").read().timeout(LONG).acquire().expect("nobody starves"));
    }
    stop.store(true, SeqCst);
    writers.into_iter().for_each(Worker::join);
    assert!(locks.is_empty());
}

/// Permits that wait are not passed by newcomers.
#[test]
fn permits_are_given_in_the_order_of_arrival() {
    let locks = own();
    let semaphore = locks.semaphore("x", 2);
    let mut held = vec![taken(&semaphore), taken(&semaphore)];
    let order = Arc::new(Mutex::new(Vec::new()));
    let waiters: Vec<_> = (0..6).map(|number| arrive(&semaphore, number, &order)).collect();
    held.pop();
    waiters.into_iter().for_each(Worker::join);
    assert_eq!(*order.lock().expect("nobody panics with it"), [0, 1, 2, 3, 4, 5]);
}

/// Whoever is first in the queue is passed a few times at most, whatever else goes on: here the one who
/// passes it also shares the lock for a while, and somebody behind it gives up each time.
#[test]
fn the_first_in_the_queue_is_passed_a_few_times_at_most() {
    let lock = own().lock("x");
    let mut guard = taken(&lock);
    let mut first = Box::pin(lock.acquire_async());
    assert!(poll(first.as_mut()).is_pending());
    let mut passed = 0;
    loop {
        drop(guard.downgrade().expect("an internal lock"));
        let mut behind = Box::pin(lock.acquire_async());
        let _ = poll(behind.as_mut());
        drop(behind);
        match lock.try_acquire().expect("busy is no error") {
            Some(next) => guard = next,
            None => break,
        }
        passed += 1;
        assert!(passed < 10, "it was passed {passed} times");
    }
    assert!(poll(first.as_mut()).is_ready(), "its turn was kept for it");
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
