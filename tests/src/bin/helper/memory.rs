//! What is over leaves no memory behind: measured in a process that does nothing else.

use std::ops::Range;
use std::time::Duration;
use std::{fs, thread};

use lockutils::{Config, Lock, LockGuard, Locks};

use crate::say;

const MILLION: usize = 1_000_000;

/// Does it once, so that tables and allocator have their size, then once more, and says by how many bytes the
/// process grew the second time.
pub(crate) fn measure(what: &str) {
    match what {
        "names-in-turn" => twice(|locks, round| {
            for number in 0..MILLION {
                drop(name(locks, round, number).acquire().expect("free"));
            }
        }),
        "names-at-once" => twice(hold_a_million),
        "names-remembered" => {
            remember(0..1_000);
            growth(|| remember(1_000..MILLION));
        }
        "threads-that-remember" => {
            threads_that_remember(100);
            growth(|| threads_that_remember(30_000));
        }
        "waits-given-up" => {
            let locks = [(); 2].map(|()| Locks::new(Config::from_env()).expect("the test has set it"));
            waits_given_up(&locks, 0..500);
            growth(|| waits_given_up(&locks, 500..3_500));
        }
        _ => panic!("not known: {what}"),
    }
}

fn twice(work: impl Fn(&Locks, usize)) {
    let locks = Locks::new(Config::new()).expect("nothing is configured that could be wrong");
    work(&locks, 0);
    assert!(locks.is_empty());
    growth(|| work(&locks, 1));
    assert!(locks.is_empty());
    locks.shrink();
    drop(name(&locks, 0, 0).acquire().expect("the registry works on"));
}

fn growth(work: impl FnOnce()) {
    let before = resident();
    work();
    say(resident().saturating_sub(before));
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

fn name(locks: &Locks, round: usize, number: usize) -> Lock {
    locks.lock(format!("{round}-{number}"))
}

fn hold_a_million(locks: &Locks, round: usize) {
    let take = |number| name(locks, round, number).acquire().expect("free");
    let guards: Vec<LockGuard> = (0..MILLION).map(take).collect();
    assert_eq!(locks.len(), MILLION);
    assert!(name(locks, round, 4711).try_acquire().expect("busy is no error").is_none());
    drop(guards);
}

/// Waits for files that others have, until each is over; then the thread that has waited gets it for nobody.
fn waits_given_up([here, there]: &[Locks; 2], names: Range<usize>) {
    for number in names {
        let [held, wanted] = [there, here].map(|locks| locks.lock(number.to_string()).external());
        let held = held.acquire().expect("free");
        let wait = wanted.timeout(Duration::from_micros(300)).acquire();
        assert!(wait.expect_err("another has it").is_timeout());
        drop(held);
    }
}

fn threads_that_remember(threads: usize) {
    for _ in 0..threads {
        thread::spawn(|| remember(0..32)).join().expect("it ends");
    }
}

/// Each name is alive while the thread takes it a second time, so that it remembers it.
fn remember(names: Range<usize>) {
    for number in names {
        let handle = lockutils::lock(number.to_string());
        // From its second turn on, a handle keeps its place in the registry.
        for _ in 0..2 {
            drop(handle.acquire().expect("free"));
        }
        drop(lockutils::lock(number.to_string()).acquire().expect("free"));
    }
}
