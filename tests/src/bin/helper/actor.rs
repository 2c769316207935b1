//! Takes a lock, lets it go, removes its file.

use std::io;
use std::process::Command;

use crate::request::{Request, outcome};
use crate::{say, wait_for_end};

/// Does what the lines of the input say.
pub(crate) fn act(name: &str, words: &[&str]) {
    let request = Request::new(name, words);
    let mut guard = None;
    for line in io::stdin().lines().map_while(Result::ok) {
        if line == "release" {
            drop(guard.take());
            say("released");
            continue;
        }
        let taken = if line == "wait" { request.wait().map(Some) } else { request.attempt() };
        say(outcome(&taken));
        guard = taken.ok().flatten();
    }
}

/// Waits for the lock at once, and keeps it until the end of the input.
pub(crate) fn take(name: &str, words: &[&str]) {
    let taken = Request::new(name, words).wait().map(Some);
    say(outcome(&taken));
    wait_for_end();
}

/// Takes the lock, and starts a program that says what the test tells it.
pub(crate) fn start(name: &str) {
    let _guard = Request::new(name, &[]).wait().expect("the lock");
    let mut program = Command::new("cat").spawn().expect("a program");
    say("held");
    program.wait().expect("it ends with its input");
}

/// Says who has the lock.
pub(crate) fn holder(name: &str) {
    match lockutils::lock(name).external().holder() {
        Ok(Some(holder)) => say(holder),
        Ok(None) => say("nobody"),
        Err(error) => say(format!("error {error}")),
    }
}

/// Takes the lock and lets it go, and says whether the kernel agreed.
pub(crate) fn release(name: &str, words: &[&str]) {
    let guard = Request::new(name, words).wait().expect("the lock");
    let released = guard.release();
    say(outcome(&released.map(|()| None)).replace("busy", "released"));
    wait_for_end();
}

/// Takes two permits and lets one go, and says whether the kernel agreed.
pub(crate) fn release_one_of_two(name: &str) {
    let request = Request::new(name, &["semaphore=2"]);
    let (one, _two) = match (request.wait(), request.wait()) {
        (Ok(one), Ok(two)) => (one, two),
        (taken, other) => return say(outcome(&taken.and(other).map(Some))),
    };
    say(outcome(&one.release().map(|()| None)).replace("busy", "released"));
    wait_for_end();
}

/// Removes the lock file.
pub(crate) fn remove(name: &str) {
    let removal = lockutils::lock(name).external().remove_file();
    say(removal.map_or_else(|error| format!("error {error}"), |removal| format!("{removal:?}")));
}

/// Removes the lock file whenever it can, and says so, until the end of the input.
pub(crate) fn remove_on(name: &str) {
    let end = std::thread::spawn(wait_for_end);
    while !end.is_finished() {
        if lockutils::lock(name).external().remove_file().expect("no error") == lockutils::Removal::Removed {
            say("removed");
        }
        std::thread::yield_now();
    }
}
