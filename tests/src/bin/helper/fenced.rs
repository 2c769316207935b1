//! Adds to a number in a file that looks at tokens, or does not.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use lockutils::{Config, Lock, Locks};
use lockutils_tests::FencedFile;

use crate::say;

/// A file: its directory, and `looks` or `blind`.
pub(crate) type Words<'a> = [&'a str; 2];

/// Adds 1 `times` times after a line of input, under a distributed lock. What the file refuses is done again.
pub(crate) fn count([url, ttl]: [&str; 2], file: Words<'_>, times: &str) {
    under_a_lock(url, ttl, file, times, thread::yield_now);
}

/// The same, but it says so when it has read for the first time, and waits for another line of input before it writes.
pub(crate) fn count_slowly([url, ttl]: [&str; 2], file: Words<'_>, times: &str) {
    let mut is_first = true;
    under_a_lock(url, ttl, file, times, || {
        if std::mem::take(&mut is_first) {
            say("has read");
            hear();
        }
    });
}

fn under_a_lock(url: &str, ttl: &str, file: Words<'_>, times: &str, mut between: impl FnMut()) {
    let ttl = Duration::from_millis(ttl.parse().expect("milliseconds"));
    let locks = Locks::new(Config::new().backend_url(url).session_ttl(ttl)).expect("a configuration");
    let lock = locks.lock("job").distributed();
    // A session costs several trips, and they are to begin together.
    while locks.lock(format!("job-{}", std::process::id())).distributed().acquire().is_err() {}
    each(times, file, |file| while !under(&lock, file, &mut between) {});
}

/// Whether it is done: not without the lock, and not with a token that is too old.
fn under(lock: &Lock, file: &FencedFile, between: impl FnMut()) -> bool {
    let Ok(guard) = lock.acquire() else { return false };
    let is_done = add(file, guard.fencing_token(), between);
    // One that is lost by now has done no harm, or is to be found out.
    let _ = guard.release();
    is_done
}

/// The same without a lock, and with one token for all.
pub(crate) fn count_without(file: Words<'_>, times: &str) {
    each(times, file, |file| {
        add(file, 1, thread::yield_now);
    });
}

fn each(times: &str, [directory, looks]: Words<'_>, mut add: impl FnMut(&FencedFile)) {
    let mut file = FencedFile::at(Path::new(directory));
    if looks == "blind" {
        file = file.blind();
    }
    say("ready");
    hear();
    for _ in 0..times.parse().expect("a number") {
        add(&file);
    }
    say("done");
}

fn hear() {
    io::stdin().read_line(&mut String::new()).expect("a line");
}

fn add(file: &FencedFile, token: u64, mut between: impl FnMut()) -> bool {
    let Some(value) = file.read(token) else { return false };
    between();
    file.write(token, value + 1)
}
