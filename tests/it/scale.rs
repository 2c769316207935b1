//! Very many names: what is gone costs nothing, and what comes and goes never splits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use lockutils::{Config, Lock, LockGuard, Locks};
use lockutils_tests::{BOUND, Place};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::conformance::support::{Worker, block_on, own, seed};

const MIB: usize = 1 << 20;

/// By how much a process of its own grows that does `what` a second time.
fn growth(what: &str) -> usize {
    // Kept until the end: what it locks would be removed with it.
    let place = Place::new(what);
    let mut helper = place.helper(&["memory", what]);
    helper.line_within(4 * BOUND).parse().expect("a number of bytes")
}

/// A leak of a word a name would be 8 MiB, one of a cell 100 MiB and more.
#[test]
fn a_million_names_come_and_go() {
    let more = growth("names-in-turn");
    assert!(more < 4 * MIB, "a second million names left {more} bytes behind");
}

#[test]
fn a_million_names_at_once() {
    let more = growth("names-at-once");
    assert!(more < 64 * MIB, "a second million names left {} MiB behind", more / MIB);
}

/// What a thread remembers is a few names, and it goes with the thread.
#[test]
fn what_was_remembered_is_freed() {
    let more = growth("names-remembered");
    assert!(more < 4 * MIB, "a million names left {more} bytes behind");
    let more = growth("threads-that-remember");
    assert!(more < 4 * MIB, "thirty thousand threads left {more} bytes behind");
}

/// A word each would be 24 KiB, what is known of a wait 3 MiB.
#[test]
fn waits_that_were_given_up_are_freed() {
    let more = growth("waits-given-up");
    assert!(more < MIB, "three thousand waits left {more} bytes behind");
}

/// What is shrunk is given back, and live names stay what they are.
#[test]
fn shrinking_keeps_what_is_live() {
    let locks = own();
    let kept: Vec<_> =
        (0..100).map(|number| locks.lock(format!("kept-{number}")).acquire().expect("free")).collect();
    let many: Vec<_> =
        (0..100_000).map(|number| locks.lock(number.to_string()).acquire().expect("free")).collect();
    drop(many);
    locks.shrink();
    assert_eq!(locks.len(), 100);
    for guard in &kept {
        assert!(locks.lock(guard.name()).try_acquire().expect("busy is no error").is_none());
    }
    drop(kept);
    locks.shrink();
    assert!(locks.is_empty());
}

/// Handles and waiters that are over leave nothing either.
#[test]
fn nothing_that_was_only_looked_at_stays() {
    let locks = own();
    let held = locks.lock("held").acquire().expect("free");
    for number in 0..10_000 {
        let lock = locks.lock(number.to_string());
        assert!(!lock.is_locked().expect("a valid name") && lock.hold_count() == 0);
        drop(lock);
        assert!(locks.lock("held").timeout(Duration::ZERO).acquire().expect_err("busy").is_timeout());
        assert!(locks.lock("held").try_acquire().expect("busy is no error").is_none());
    }
    assert_eq!(locks.len(), 1);
    drop(held);
    assert!(locks.is_empty());
}

/// Who is inside each name: writers as a large number, readers as a small one.
struct Oracle {
    inside: Vec<AtomicU32>,
    violations: AtomicUsize,
}

const WRITER: u32 = 1 << 16;

impl Oracle {
    fn new(names: usize) -> Arc<Self> {
        let inside = (0..names).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Self { inside, violations: AtomicUsize::new(0) })
    }

    fn visit(&self, name: usize, weight: u32) {
        let before = self.inside[name].fetch_add(weight, SeqCst);
        let sound = if weight == WRITER { before == 0 } else { before < WRITER };
        self.violations.fetch_add(usize::from(!sound), SeqCst);
        std::hint::spin_loop();
        self.inside[name].fetch_sub(weight, SeqCst);
    }
}

/// Sixteen threads take names that live for one turn only, in every way. Several registries share a
/// directory, as processes do.
fn hammer(registries: &[Locks], external: bool, names: usize, turns: usize) {
    let (oracle, seed) = (Oracle::new(names), seed());
    let workers: Vec<_> = (0..16)
        .zip(registries.iter().cycle())
        .map(|(number, locks)| {
            let (locks, oracle) = (locks.clone(), Arc::clone(&oracle));
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(number));
            Worker::start(move || {
                for _ in 0..turns {
                    turn(&locks, external, &oracle, &mut random);
                }
            })
        })
        .collect();
    workers.into_iter().for_each(Worker::join);
    assert_eq!(oracle.violations.load(SeqCst), 0);
    for locks in registries {
        assert!(locks.is_empty(), "{} names are left behind", locks.len());
    }
}

fn turn(locks: &Locks, external: bool, oracle: &Oracle, random: &mut StdRng) {
    let name = random.random_range(0..oracle.inside.len());
    let lock = locks.lock(name.to_string());
    let lock = if external { lock.external() } else { lock };
    let limit = Duration::from_nanos(random.random_range(0..50_000));
    let (guard, weight) = match random.random_range(0..10) {
        0 => (lock.read().acquire().ok(), 1),
        1 => (lock.try_acquire().expect("busy is no error"), WRITER),
        2 => (lock.timeout(limit).acquire().ok(), WRITER),
        3 => (block_on(lock.acquire_async()).ok(), WRITER),
        4 => (lock.fair().acquire().ok(), WRITER),
        5 => return lock.reentrant(2).run(|| oracle.visit(name, WRITER)).expect("no limit"),
        6 => (kept(&lock), WRITER),
        7 => (lock.read().timeout(limit).acquire().ok(), 1),
        8 => (lock.acquire().ok().map(|guard| guard.downgrade().expect("the kernel agrees")), 1),
        _ => (lock.acquire().ok(), WRITER),
    };
    if let Some(guard) = guard {
        oracle.visit(name, weight);
        drop(guard);
    }
}

/// By a handle that keeps its place in the registry, and is dropped before its guard.
fn kept(lock: &Lock) -> Option<LockGuard> {
    drop(lock.try_acquire().expect("busy is no error"));
    drop(lock.try_acquire().expect("busy is no error"));
    lock.acquire().ok()
}

#[test]
fn sixteen_threads_on_few_names() {
    hammer(&[own()], false, 3, 4_000);
}

#[test]
fn sixteen_threads_on_many_names() {
    hammer(&[own()], false, 1_000, 10_000);
}

/// Names come and go on both sides of the files, and waits are given up in the kernel.
#[test]
fn registries_of_one_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = || Locks::new(Config::new().lock_path(directory.path())).expect("a registry");
    let registries = [registry(), registry(), registry()];
    hammer(&registries, true, 2, 1_000);
    hammer(&registries, true, 50, 3_000);
}

/// The last one lets go in the moment in which the next one looks the name up: there must be one lock, never
/// two.
#[test]
fn the_last_drop_meets_the_next_look_up() {
    let (locks, oracle) = (own(), Oracle::new(1));
    let end = Instant::now() + Duration::from_secs(2);
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let (locks, oracle) = (locks.clone(), Arc::clone(&oracle));
            Worker::start(move || {
                let mut taken = 0;
                while Instant::now() < end {
                    let lock = locks.lock("0");
                    let guard = if number % 2 == 0 {
                        lock.try_acquire().expect("busy is no error")
                    } else {
                        Some(lock.acquire().expect("no limit"))
                    };
                    if let Some(guard) = guard {
                        oracle.visit(0, WRITER);
                        taken += 1;
                        drop(guard);
                    }
                }
                taken
            })
        })
        .collect();
    let taken: usize = workers.into_iter().map(Worker::join).sum();
    assert!(taken > 1_000, "only {taken} turns");
    assert_eq!(oracle.violations.load(SeqCst), 0);
    assert!(locks.is_empty());
}

/// The registry is counted and shrunk while names come and go.
#[test]
fn the_registry_is_looked_at_while_it_changes() {
    let (locks, stop) = (own(), Arc::new(AtomicBool::new(false)));
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let (locks, stop) = (locks.clone(), Arc::clone(&stop));
            Worker::start(move || {
                let mut turn = 0_u64;
                while !stop.load(SeqCst) {
                    turn += 1;
                    drop(locks.lock(format!("{number}-{turn}")).acquire().expect("free"));
                }
            })
        })
        .collect();
    for _ in 0..200 {
        // A name that comes while the table is walked may be counted beside the one that its thread had
        // before.
        let len = locks.len();
        assert!(len <= 4 * 64, "{len} names of 4 threads");
        locks.shrink();
    }
    stop.store(true, SeqCst);
    workers.into_iter().for_each(Worker::join);
    assert!(locks.is_empty());
}

/// Directories that are named on calls come and go as names do.
#[test]
fn directories_come_and_go() {
    let (locks, outer) = (own(), tempfile::tempdir().expect("a directory"));
    for number in 0..500 {
        let path = outer.path().join(number.to_string());
        let guard = locks.lock("x").external().lock_path(&path).acquire().expect("free");
        assert_eq!(guard.path(), Some(&*path.join("x")));
        assert_eq!(locks.len(), 1);
    }
    assert!(locks.is_empty());
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("Linux has it");
    let ours = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    assert_eq!(
        ours.filter(|target| target.starts_with(outer.path())).count(),
        0,
        "descriptors are left open"
    );
}

/// A name of the process-wide registry that this file alone uses.
fn process_wide(number: usize) -> Lock {
    lockutils::lock(format!("scale-{number}"))
}

/// A thread remembers names that it met while they were alive. Here they die and come back all the time, beside
/// handles that keep some of them alive, and there are more of them than a thread remembers.
#[test]
fn threads_that_remember_names_share_one_lock_of_each() {
    const NAMES: usize = 100;
    let (oracle, seed) = (Oracle::new(NAMES), seed());
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let oracle = Arc::clone(&oracle);
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(number));
            Worker::start(move || {
                let mut handles: Vec<Lock> = Vec::new();
                for _ in 0..20_000 {
                    // A few names are met most of the time.
                    let most = if random.random_bool(0.7) { 4 } else { NAMES };
                    let name = random.random_range(0..most);
                    let guard = if random.random_bool(0.1) {
                        block_on(process_wide(name).acquire_async()).expect("no limit")
                    } else {
                        process_wide(name).acquire().expect("no limit")
                    };
                    oracle.visit(name, WRITER);
                    drop(guard);
                    if random.random_bool(0.05) {
                        handles.retain(|_| random.random_bool(0.5));
                        let handle = process_wide(name);
                        drop(kept(&handle));
                        handles.push(handle);
                    }
                }
            })
        })
        .collect();
    workers.into_iter().for_each(Worker::join);
    assert_eq!(oracle.violations.load(SeqCst), 0);
    for number in 0..NAMES {
        assert!(!process_wide(number).is_locked().expect("it can be looked at"));
    }
}
