//! A process that ends, or goes on, without having let go.

use std::mem;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::{Command, abort, exit};
use std::thread;

use crate::request::Request;
use crate::{say, wait_for_end};

/// Becomes another program while it has the lock: one that says what the test tells it.
pub(crate) fn exec(name: &str) {
    let _guard = Request::new(name, &[]).wait().expect("the lock");
    say("held");
    wait_for_line();
    panic!("no program: {}", Command::new("cat").exec());
}

/// Takes the lock, and ends in this way when the test says so.
pub(crate) fn end(name: &str, how: &str) {
    let _guard = Request::new(name, &[]).wait().expect("the lock");
    panic_silently();
    say("held");
    wait_for_line();
    match how {
        "exit" => exit(0),
        "abort" => abort(),
        "panic-twice" => {
            let _panics = Panics;
            panic!("expected");
        }
        _ => panic!("not known: {how}"),
    }
}

/// The runtime ends a process that panics while it unwinds, as `panic = "abort"` does at the first panic.
struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("expected, too");
    }
}

/// A thread takes the lock, forgets its guard and ends; the process goes on.
pub(crate) fn forget(name: &str) {
    let request = Request::new(name, &[]);
    let thread = thread::spawn(move || mem::forget(request.wait().expect("the lock")));
    thread.join().expect("no panic");
    say("forgotten");
    wait_for_end();
}

/// A panic drops the guard; goes on behind it.
pub(crate) fn unwind(name: &str) {
    panic_silently();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = Request::new(name, &[]).wait().expect("the lock");
        panic!("expected");
    }));
    let text = panicked.expect_err("it panics");
    say(text.downcast_ref::<&str>().expect("its text"));
    wait_for_end();
}

/// What is to happen need not be read.
fn panic_silently() {
    set_hook(Box::new(|_| ()));
}

fn wait_for_line() {
    std::io::stdin().read_line(&mut String::new()).expect("the test speaks");
}

/// Takes the lock, and goes on in another thread when the first one has ended.
pub(crate) fn leader_ends(name: &str) {
    let guard = Request::new(name, &[]).wait().expect("the lock");
    std::thread::spawn(move || {
        let first = format!("/proc/self/task/{}/stat", std::process::id());
        while std::fs::read_to_string(&first).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::yield_now();
        }
        say("held");
        wait_for_end();
        drop(guard);
    });
    // SAFETY: this thread has nothing that anybody else needs. Unlike exit(3), this ends the thread alone.
    unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
}
