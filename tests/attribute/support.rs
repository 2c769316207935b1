//! What the tests ask.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use lockutils::{Config, Lock, LockGuard, Locks};

/// Whether somebody holds the internal lock of this name.
#[track_caller]
pub(crate) fn held(name: &str) -> bool {
    taken(&lockutils::lock(name))
}

/// Whether somebody holds this lock.
#[track_caller]
pub(crate) fn taken(lock: &Lock) -> bool {
    lock.try_acquire().expect("a lock that can be tried").is_none()
}

/// Holds a lock until the guard is dropped.
#[track_caller]
pub(crate) fn hold(lock: &Lock) -> LockGuard {
    lock.try_acquire().expect("a lock that can be tried").expect("a lock that is free")
}

/// A registry of its own, whose lock files are in `dir`.
pub(crate) fn locks(dir: &Path) -> Locks {
    Locks::new(Config::new().lock_path(dir)).expect("a registry")
}

/// Runs a future to its end on this thread.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Polls a future once.
pub(crate) fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Compiles when the value may move to another thread.
pub(crate) fn sendable<T: Send>(value: T) -> T {
    value
}

/// The text of a panic.
pub(crate) fn panic_text<T>(work: impl FnOnce() -> T) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(work())));
    let panic = panic.expect_err("a panic");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
