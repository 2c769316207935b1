//! Shows to a test who is inside together with whom.

use std::fs::{File, create_dir_all};
use std::io::Write;
use std::path::Path;
use std::thread;

use crate::request::Request;
use crate::{say, standard};

/// How many files everybody locks who has the lock.
const FILES: u32 = 50;

/// Comes in and goes out `times` times, and notes both in a file to which others append too. With the word
/// `mixed` it reads and writes by turns.
pub(crate) fn visit(name: &str, log: &str, times: &str, words: &[&str]) {
    let times: u32 = times.parse().expect("a number");
    let mut log = File::options().append(true).create(true).open(log).expect("a log");
    for time in 0..times {
        let reads = words.contains(&"read")
            || words.contains(&"mixed") && (time + std::process::id()).is_multiple_of(2);
        let kind = if reads { "read" } else { "write" };
        let other = words.iter().filter(|word| !["read", "write", "mixed"].contains(word)).copied();
        let words: Vec<&str> = other.chain(reads.then_some("read")).collect();
        let guard = Request::new(name, &words).wait().expect("the lock");
        // One call each, so that the lines of several processes do not mix.
        log.write_all(format!("in {kind}\n").as_bytes()).expect("the log");
        thread::yield_now();
        log.write_all(format!("out {kind}\n").as_bytes()).expect("the log");
        drop(guard);
    }
    say("done");
}

/// Under the lock, takes a lock of the standard library on each of many files: nobody else does at that time.
pub(crate) fn collide(name: &str, directory: &str) {
    let _guard = Request::new(name, &[]).wait().expect("the lock");
    let directory = Path::new(directory);
    create_dir_all(directory).expect("a directory");
    let paths = (0..FILES).map(|number| directory.join(format!("{number}")));
    let held = paths.filter_map(|path| standard::attempt(standard::open(&path), false));
    let held: Vec<File> = held.collect();
    say(if held.len() == FILES as usize { "alone" } else { "collided" });
}
