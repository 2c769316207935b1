//! Threads of ours, and what they do for others.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::task::Waker;
use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow};

const STACK: usize = 128 * 1024;

/// Wakes on a thread of ours. It goes on for the others when the code of the user panics.
pub(crate) fn wake(waker: Waker) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// Starts a thread that no signal of the program is delivered to.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    start_with(name, STACK, work)
}

/// The same for code of others, which may go deep.
#[cfg(any(feature = "redis", feature = "etcd", feature = "zookeeper"))]
pub(crate) fn start_large(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    start_with(name, 2 * 1024 * 1024, work)
}

fn start_with(name: &str, stack: usize, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // A thread is born with the mask of the one that starts it. Were it to block them itself, it could be given one before
    // that, such as a SIGCHLD that another thread waits for. Should this fail, interrupted calls are repeated anyway.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let started = thread::Builder::new().name(name.into()).stack_size(stack).spawn(work).map(drop);
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    started
}
