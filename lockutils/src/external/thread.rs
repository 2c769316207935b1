//! Threads of ours, and what they do for others.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::task::Waker;
use std::thread;

use nix::sys::signal::SigSet;

const STACK: usize = 128 * 1024;

/// Wakes on a thread of ours. It goes on for the others when the code of the user panics.
pub(super) fn wake(waker: Waker) {
    let _ = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// Starts a thread that no signal of the program is delivered to.
pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let quiet = move || {
        // Concerns this thread alone. Should it fail, interrupted calls are repeated anyway.
        let _ = SigSet::all().thread_block();
        work();
    };
    thread::Builder::new().name(name.into()).stack_size(STACK).spawn(quiet).map(drop)
}
