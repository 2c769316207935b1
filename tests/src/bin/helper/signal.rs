//! A process whose waiting thread gets signals.

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

use nix::libc;
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::request::{Request, outcome};
use crate::say;

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handle(_: libc::c_int) {
    HANDLED.fetch_add(1, SeqCst);
}

/// A thread waits for the lock; each line of input sends it a SIGUSR1 that interrupts its system call.
pub(crate) fn wait(name: &str, words: &[&str]) {
    interrupt_calls();
    let request = Request::new(name, words);
    let waiter = thread::spawn(move || {
        let taken = request.wait().map(Some);
        say(outcome(&taken));
        taken
    });
    let waiter_id = waiter.as_pthread_t();
    for _ in io::stdin().lines() {
        let before = HANDLED.load(SeqCst);
        pthread_kill(waiter_id, Signal::SIGUSR1).expect("the thread waits");
        lockutils_tests::eventually("the signal is handled", || HANDLED.load(SeqCst) > before);
        say("signalled");
    }
    drop(waiter.join());
}

/// Without `SA_RESTART`, the kernel does not repeat the call by itself.
fn interrupt_calls() {
    let action = SigAction::new(SigHandler::Handler(handle), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler adds to an atomic number, which is safe at any time.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("a handler");
}
