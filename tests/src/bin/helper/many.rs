//! Waits for many files at once.

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_lite::future::block_on;
use lockutils::{Config, Error, Lock, LockGuard, Locks};

use crate::say;

const LIMIT: Duration = Duration::from_secs(25);

type Acquire<'a> = Pin<Box<dyn Future<Output = Result<LockGuard, Error>> + Send + 'a>>;

/// Holds that many files by one registry, waits for them by another, and says how many threads that takes.
pub(crate) fn wait(number: &str) {
    let number: u32 = number.parse().expect("a number");
    let held: Vec<_> = locks(number).iter().map(|lock| lock.acquire().expect("a free lock")).collect();
    let locks = locks(number);
    let mut waits: Vec<Acquire<'_>> = locks.iter().map(|lock| Box::pin(lock.acquire_async()) as _).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    say(fs::read_dir("/proc/self/task").expect("the threads").count());
    drop(held);
    for wait in waits {
        drop(block_on(wait).expect("the lock"));
    }
    say("all held");
}

/// Locks of a registry of their own.
fn locks(number: u32) -> Vec<Lock> {
    let locks = Locks::new(Config::from_env()).expect("a registry");
    (0..number).map(|name| locks.lock(name.to_string()).external().timeout(LIMIT)).collect()
}
