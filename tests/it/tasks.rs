//! Futures: on every runtime and on none, dropped at every moment, and in one queue with threads.

mod crowd;
mod limits;
mod wakers;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use lockutils::{Cancel, Config, Error, Lock, LockGuard, Locks, synchronized};
use tempfile::TempDir;
use tokio::task::yield_now;

use crate::conformance::support::{LONG, Worker, block_on, elsewhere, multi, own, poll, single, wait_until};

type Taking = Pin<Box<dyn Future<Output = Result<LockGuard, Error>> + Send>>;

/// A future that owns its lock, so that it can go anywhere.
fn taking(lock: &Lock) -> Taking {
    let lock = lock.clone();
    Box::pin(async move { lock.acquire_async().await })
}

/// The same, in the queue already.
#[track_caller]
fn queued(lock: &Lock) -> Taking {
    let mut taking = taking(lock);
    assert!(poll(&mut taking).is_pending(), "the lock was free");
    taking
}

#[track_caller]
fn taken(lock: &Lock) -> LockGuard {
    lock.acquire().expect("free")
}

/// Two registries of one directory: two processes in one.
fn two_processes() -> (TempDir, Locks, Locks) {
    let directory = tempfile::tempdir().expect("a directory");
    let locks = || Locks::new(Config::new().lock_path(directory.path())).expect("a registry");
    let (one, other) = (locks(), locks());
    (directory, one, other)
}

/// How many are inside, and the most there ever were.
#[derive(Default)]
struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
    times: AtomicUsize,
}

impl Inside {
    async fn visit(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        yield_now().await;
        self.times.fetch_add(1, SeqCst);
        self.now.fetch_sub(1, SeqCst);
    }
}

/// Many tasks want one lock.
async fn hammer(lock: &Lock, tasks: usize) -> Arc<Inside> {
    let inside = Arc::new(Inside::default());
    let tasks: Vec<_> = (0..tasks).map(|_| (lock.clone(), Arc::clone(&inside))).collect();
    let tasks = tasks.into_iter().map(|(lock, inside)| {
        tokio::spawn(async move {
            let _guard = lock.acquire_async().await.expect("no limit");
            inside.visit().await;
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("it does not panic");
    }
    inside
}

#[test]
fn tasks_exclude_each_other_on_every_runtime() {
    let (_directory, locks, _) = two_processes();
    for lock in
        [locks.lock("x"), locks.lock("x").fair(), locks.lock("x").external(), locks.lock("x").timeout(LONG)]
    {
        for runtime in [single(), multi()] {
            let inside = runtime.block_on(hammer(&lock, 200));
            assert_eq!((inside.most.load(SeqCst), inside.times.load(SeqCst)), (1, 200), "{lock:?}");
        }
    }
    assert!(locks.is_empty());
}

#[test]
fn no_runtime_is_needed() {
    let (_directory, locks, other) = two_processes();
    let lock = locks.lock("x").external();
    drop(block_on(lock.acquire_async()).expect("free"));
    let held = other.lock("x").external().acquire().expect("free");
    for waits in [lock.clone(), lock.clone().timeout(LONG), lock.cancel_on(&Cancel::new())] {
        let mut waiting = queued(&waits);
        assert!(poll(&mut waiting).is_pending());
        let waiter = Worker::waiting(move || block_on(waiting).map(drop));
        drop(waiter);
    }
    drop(held);
    wait_until("all had their turn", || locks.is_empty());
}

/// The thread is the same; the holder is the task.
#[test]
fn two_tasks_of_one_thread_exclude_each_other() {
    let locks = own();
    let lock = locks.lock("x");
    single().block_on(async {
        let guard = lock.acquire_async().await.expect("free");
        let mut other = taking(&lock);
        for _ in 0..10 {
            assert!(poll(&mut other).is_pending());
            assert!(lock.try_acquire().expect("busy is no error").is_none());
            yield_now().await;
        }
        drop(guard);
        drop(other.await.expect("it is free now"));
    });
    assert_eq!(lock.hold_count(), 0);
}

#[synchronized("tasks-{name}", locks = locks)]
fn annotated(locks: &Locks, name: &str) -> bool {
    locks.lock("tasks-x").try_acquire().expect("busy is no error").is_none()
}

#[synchronized("tasks-{name}", locks = locks)]
async fn annotated_task(locks: &Locks, name: &str, inside: &AtomicBool, go_on: &AtomicBool) {
    inside.store(true, SeqCst);
    while !go_on.load(SeqCst) {
        yield_now().await;
    }
    inside.store(false, SeqCst);
}

#[test]
fn fn_and_async_fn_of_one_name_exclude_each_other() {
    let (locks, inside, go_on) = (own(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let task = Worker::start({
        let (locks, inside, go_on) = (locks.clone(), Arc::clone(&inside), Arc::clone(&go_on));
        move || single().block_on(annotated_task(&locks, "x", &inside, &go_on))
    });
    wait_until("the task is inside", || inside.load(SeqCst));
    let function = Worker::waiting({
        let (locks, inside) = (locks.clone(), Arc::clone(&inside));
        move || annotated(&locks, "x") && !inside.load(SeqCst)
    });
    assert!(inside.load(SeqCst));
    go_on.store(true, SeqCst);
    task.join();
    assert!(function.join(), "the function ran beside the task");
    assert!(locks.is_empty());
}

/// Each way in which a wait can begin.
fn waits(locks: &Locks) -> Vec<Lock> {
    let lock = || locks.lock("x");
    vec![
        lock(),
        lock().fair(),
        lock().read(),
        lock().timeout(LONG),
        lock().cancel_on(&Cancel::new()),
        locks.semaphore("x", 1),
        lock().external(),
        lock().external().read(),
    ]
}

#[test]
fn dropped_before_it_is_polled() {
    let (_directory, locks, _) = two_processes();
    for lock in waits(&locks) {
        drop(taking(&lock));
        assert!(locks.is_empty(), "{lock:?}");
    }
}

#[test]
fn dropped_in_the_queue() {
    let (_directory, locks, _) = two_processes();
    for first in waits(&locks) {
        for second in waits(&locks) {
            let held = taken(&locks.lock("x"));
            let (first, second) = (queued(&first), queued(&second));
            drop(first);
            drop(held);
            drop(block_on(second).expect("the one before it has gone"));
            assert!(locks.is_empty());
        }
    }
}

/// It had been given the lock and never saw it: the next one gets it.
#[test]
fn dropped_with_the_lock_unseen() {
    let (_directory, locks, _) = two_processes();
    for first in waits(&locks) {
        for second in waits(&locks) {
            let held = taken(&locks.lock("x"));
            let (first, second) = (queued(&first), queued(&second));
            drop(held);
            drop(first);
            drop(block_on(second).expect("the one before it has gone"));
            assert!(locks.is_empty());
        }
        let held = taken(&locks.lock("x"));
        let only = queued(&first);
        drop(held);
        drop(only);
        assert!(locks.is_empty(), "nobody is left");
    }
}

/// A thread that sleeps is woken by a task that gives up.
#[test]
fn a_dropped_task_wakes_the_thread_behind_it() {
    for fair in [false, true] {
        let locks = own();
        let lock = if fair { locks.lock("x").fair() } else { locks.lock("x") };
        let held = taken(&lock);
        let first = queued(&lock);
        let second = Worker::waiting({
            let lock = lock.clone();
            move || lock.acquire().map(drop)
        });
        drop(held);
        drop(first);
        second.join().expect("the one before it has gone");
    }
}

/// A reader behind a writer comes in when the writer gives up, beside the readers who are in.
#[test]
fn a_writer_that_gives_up_lets_readers_in() {
    let locks = own();
    let reader = taken(&locks.lock("x").read());
    let writer = queued(&locks.lock("x"));
    let mut second = queued(&locks.lock("x").read());
    drop(writer);
    assert!(poll(&mut second).is_ready(), "the reader waits for nobody");
    drop(reader);
}

#[test]
fn dropped_while_it_waits_for_the_file() {
    let (_directory, locks, other) = two_processes();
    for _ in 0..20 {
        let held = other.lock("x").external().acquire().expect("free");
        let first = queued(&locks.lock("x").external());
        drop(first);
        assert!(locks.is_empty(), "a wait for the file keeps the name");
        let second = queued(&locks.lock("x").external());
        let unlimited = Worker::waiting({
            let lock = other.lock("x").external();
            drop(held);
            move || lock.acquire().map(drop)
        });
        drop(block_on(second).expect("the file is free"));
        unlimited.join().expect("the file is free");
    }
    wait_until("the file is free", || !locks.lock("x").external().is_locked().expect("it can be looked at"));
    assert!(locks.is_empty() && other.is_empty());
}

/// Threads and tasks, one after another, in the order in which they came.
#[test]
fn fair_is_the_order_of_arrival_of_threads_and_tasks() {
    let (_directory, locks, _) = two_processes();
    for lock in [locks.lock("x").fair(), locks.lock("x").fair().external()] {
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = taken(&lock);
        let workers: Vec<_> = (0..12).map(|number| arrive(&lock, number, &order)).collect();
        drop(held);
        workers.into_iter().for_each(Worker::join);
        assert_eq!(*order.lock().expect("nobody panics with it"), (0..12).collect::<Vec<_>>(), "{lock:?}");
    }
    assert!(locks.is_empty());
}

/// Returns once the one with this number is in the queue.
fn arrive(lock: &Lock, number: usize, order: &Arc<Mutex<Vec<usize>>>) -> Worker<()> {
    let (lock, order) = (lock.clone(), Arc::clone(order));
    let note = move |guard: Result<LockGuard, Error>| {
        order.lock().expect("nobody panics with it").push(number);
        drop(guard.expect("no limit"));
    };
    match number % 3 {
        0 => Worker::waiting(move || note(lock.acquire())),
        1 => {
            let queued = queued(&lock);
            Worker::start(move || note(block_on(queued)))
        }
        _ => {
            let queued = queued(&lock.clone().timeout(LONG));
            Worker::start(move || note(single().block_on(queued)))
        }
    }
}

/// A task that waits for a file does not block its thread: another task of the thread can let the file go.
#[test]
fn a_wait_for_the_file_blocks_no_thread() {
    let (_directory, locks, other) = two_processes();
    let lock = || locks.lock("x").external();
    for waits in [lock(), lock().timeout(LONG), lock().read(), lock().cancel_on(&Cancel::new())] {
        let held = other.lock("x").external().acquire().expect("free");
        let (turns, waiting) = (Arc::new(AtomicUsize::new(0)), taking(&waits));
        let done = Worker::start(move || {
            single().block_on(async move {
                let waiter = tokio::spawn(waiting);
                while turns.fetch_add(1, SeqCst) < 100 {
                    yield_now().await;
                }
                assert!(!waiter.is_finished());
                drop(held);
                waiter.await.expect("it does not panic").map(drop)
            })
        });
        done.join().expect("the file has come free");
    }
}

#[test]
fn a_runtime_ends_while_its_tasks_wait() {
    let (_directory, locks, _) = two_processes();
    for lock in [locks.lock("x"), locks.lock("x").fair(), locks.lock("x").external(), locks.lock("x").read()]
    {
        for runtime in [single(), multi()] {
            let held = taken(&locks.lock("x").external());
            let begun = Arc::new(AtomicUsize::new(0));
            for _ in 0..100 {
                let taking = counted_taking(taking(&lock), Arc::clone(&begun));
                runtime.spawn(async move { drop(taking.await) });
            }
            runtime.block_on(async {
                while begun.load(SeqCst) < 100 {
                    yield_now().await;
                }
            });
            drop(runtime);
            assert_eq!(locks.len(), 1);
            drop(held);
            assert!(locks.is_empty(), "{lock:?}: a task that is gone still waits");
        }
    }
}

/// Counts once it has been polled.
async fn counted_taking(mut taking: Taking, begun: Arc<AtomicUsize>) -> Result<LockGuard, Error> {
    let mut first = true;
    let counted = std::future::poll_fn(|context| {
        let polled = taking.as_mut().poll(context);
        begun.fetch_add(usize::from(std::mem::take(&mut first)), SeqCst);
        polled
    });
    counted.await
}

#[test]
fn a_runtime_ends_while_its_task_holds() {
    let locks = own();
    let lock = locks.lock("x");
    let runtime = multi();
    let held = Arc::new(AtomicBool::new(false));
    runtime.spawn({
        let (taking, held) = (taking(&lock), Arc::clone(&held));
        async move {
            let _guard = taking.await.expect("free");
            held.store(true, SeqCst);
            std::future::pending::<()>().await;
        }
    });
    wait_until("the task holds", || held.load(SeqCst));
    let waiter = Worker::waiting({
        let lock = lock.clone();
        move || lock.acquire().map(drop)
    });
    drop(runtime);
    waiter.join().expect("the task is gone");
}

#[test]
fn guards_are_dropped_anywhere() {
    let (_directory, locks, _) = two_processes();
    for lock in [locks.lock("x"), locks.lock("x").external(), locks.lock("x").external().read()] {
        let runtime = single();
        let guard = runtime.block_on(lock.acquire_async()).expect("free");
        drop(runtime);
        drop(guard);
        let guard = single().block_on(lock.acquire_async()).expect("free");
        elsewhere(move || drop(guard));
        let guard = lock.acquire().expect("free");
        single().block_on(async move { drop(guard) });
        let guard = lock.acquire().expect("free");
        multi().block_on(async move { tokio::spawn(async move { drop(guard) }).await }).expect("no panic");
        assert!(!lock.is_locked().expect("it can be looked at"), "{lock:?}");
    }
}

struct Counting(Arc<AtomicUsize>);

impl std::task::Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The last waker counts: a future that moves to another task is woken there.
#[test]
fn a_future_that_moves_is_woken_where_it_is() {
    let locks = own();
    let lock = locks.lock("x");
    let held = taken(&lock);
    let (old, new) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut waiting = queued(&lock);
    for woken in [&old, &new] {
        let waker = std::task::Waker::from(Arc::new(Counting(Arc::clone(woken))));
        assert!(waiting.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    drop(held);
    assert_eq!((old.load(SeqCst), new.load(SeqCst)), (0, 1));
    assert!(poll(&mut waiting).is_ready());
}

#[test]
fn several_locks_are_taken_in_tasks_too() {
    let locks = own();
    let names = ["b", "a", "c"];
    let held = taken(&locks.lock("b"));
    let all = locks.lock_all(names);
    let mut waiting = Box::pin(all.acquire_async());
    assert!(poll(&mut waiting).is_pending());
    assert!(locks.lock("a").try_acquire().expect("busy is no error").is_none(), "taken in their order");
    assert!(
        locks.lock("c").try_acquire().expect("busy is no error").is_some(),
        "the third waits for the second"
    );
    drop(waiting);
    assert!(locks.lock("a").try_acquire().expect("busy is no error").is_some(), "it was not let go");
    drop(held);
    let guards = block_on(all.acquire_async()).expect("free");
    assert_eq!(guards.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    drop(guards);
    assert!(locks.is_empty());
}
