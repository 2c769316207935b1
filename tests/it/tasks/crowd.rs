//! Ten thousand tasks want one name, and many of them lose patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};

use lockutils::{Lock, Locks};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::task::{JoinHandle, yield_now};

use super::{counted_taking, taking};
use crate::conformance::support::{multi, own, seed, wait_until};

const TASKS: usize = 10_000;
const PERMITS: i64 = 3;

/// Who is inside: writers, readers and permits in different digits of one number.
#[derive(Default)]
struct Oracle {
    inside: AtomicI64,
    violations: AtomicUsize,
    served: AtomicUsize,
}

const PERMIT: i64 = 1_000_000;
const WRITER: i64 = PERMIT * PERMIT;

impl Oracle {
    async fn visit(&self, weight: i64) {
        let now = self.inside.fetch_add(weight, SeqCst) + weight;
        let sound = now == WRITER || now < PERMIT || (now % PERMIT == 0 && now / PERMIT <= PERMITS);
        self.violations.fetch_add(usize::from(!sound), SeqCst);
        let _visit = Visit(self, weight);
        yield_now().await;
        self.served.fetch_add(1, SeqCst);
    }
}

/// Ends when the visitor is cancelled, too.
struct Visit<'a>(&'a Oracle, i64);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(self.1, SeqCst);
    }
}

fn any_kind(locks: &Locks, random: &mut StdRng) -> (Lock, i64) {
    match random.random_range(0..4) {
        0 => (locks.lock("x"), WRITER),
        1 => (locks.lock("x").fair(), WRITER),
        2 => (locks.lock("x").read(), 1),
        _ => (locks.semaphore("x", 3), PERMIT),
    }
}

fn only_writers(locks: &Locks, _: &mut StdRng) -> (Lock, i64) {
    (locks.lock("x"), WRITER)
}

/// Queues everybody, then lets the lock go while this share of the tasks is cancelled in any order.
fn crowd(share: f64, kind: impl Fn(&Locks, &mut StdRng) -> (Lock, i64)) {
    let (locks, oracle, mut random) = (own(), Arc::new(Oracle::default()), StdRng::seed_from_u64(seed()));
    let (runtime, begun) = (multi(), Arc::new(AtomicUsize::new(0)));
    let held = locks.lock("x").acquire().expect("free");
    let tasks: Vec<_> = (0..TASKS).map(|_| kind(&locks, &mut random)).collect();
    let tasks = tasks.into_iter().map(|(lock, weight)| {
        let (oracle, taking) = (Arc::clone(&oracle), counted_taking(taking(&lock), Arc::clone(&begun)));
        runtime.spawn(async move {
            let _guard = taking.await.expect("no limit");
            oracle.visit(weight).await;
        })
    });
    let tasks: Vec<_> = tasks.collect();
    wait_until("everybody waits", || begun.load(SeqCst) == TASKS);
    let mut impatient: Vec<usize> = (0..TASKS).filter(|_| random.random_bool(share)).collect();
    impatient.shuffle(&mut random);
    let (early, late) = impatient.split_at(random.random_range(0..impatient.len()));
    abort(&tasks, early);
    drop(held);
    abort(&tasks, late);
    all_are_served(&runtime, tasks, &impatient);
    assert_eq!(oracle.violations.load(SeqCst), 0);
    assert!(oracle.served.load(SeqCst) >= TASKS - impatient.len());
    assert!(locks.is_empty(), "a wait that was given up keeps the name");
}

fn abort(tasks: &[JoinHandle<()>], impatient: &[usize]) {
    for number in impatient {
        tasks[*number].abort();
    }
}

/// Whoever was not cancelled came in.
fn all_are_served(runtime: &tokio::runtime::Runtime, tasks: Vec<JoinHandle<()>>, impatient: &[usize]) {
    let impatient: std::collections::HashSet<_> = impatient.iter().copied().collect();
    runtime.block_on(async {
        for (number, task) in tasks.into_iter().enumerate() {
            let end = tokio::time::timeout(crate::conformance::support::LONG, task).await;
            match end.expect("somebody was forgotten") {
                Ok(()) => {}
                Err(error) => assert!(error.is_cancelled() && impatient.contains(&number), "{error}"),
            }
        }
    });
}

#[test]
fn writers_lose_patience() {
    crowd(0.5, only_writers);
}

/// Each one is cancelled at a random moment: before the lock is let go, while it changes hands, or after.
#[test]
fn everybody_loses_patience() {
    crowd(1.0, only_writers);
    crowd(1.0, any_kind);
}

#[test]
fn a_mixed_crowd_loses_patience() {
    crowd(0.5, any_kind);
}

/// Nobody holds for long, nobody is cancelled before the lock is free: tasks come, wait and go all at once.
#[test]
fn tasks_come_and_give_up_all_the_time() {
    let (locks, mut random, runtime) = (own(), StdRng::seed_from_u64(seed()), multi());
    let oracle = Arc::new(Oracle::default());
    for _ in 0..50 {
        let tasks: Vec<_> = (0..100).map(|_| any_kind(&locks, &mut random)).collect();
        let tasks = tasks.into_iter().map(|(lock, weight)| {
            let (oracle, taking) = (Arc::clone(&oracle), taking(&lock));
            runtime.spawn(async move {
                let _guard = taking.await.expect("no limit");
                oracle.visit(weight).await;
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let impatient: Vec<usize> = (0..100).filter(|_| random.random_bool(0.3)).collect();
        abort(&tasks, &impatient);
        all_are_served(&runtime, tasks, &impatient);
    }
    assert_eq!(oracle.violations.load(SeqCst), 0);
    assert!(locks.is_empty());
}
