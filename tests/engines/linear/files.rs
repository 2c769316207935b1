//! F8: many processes add to one number in a file, and one of them is stopped over its lease between reading and writing.

use std::process::Command;
use std::time::{Duration, Instant};

use lockutils_tests::server::{Etcd, Redis, ZooKeeper};
use lockutils_tests::{Child, FencedFile, helper};
use tempfile::{TempDir, tempdir};

const PROCESSES: u64 = 20;

/// How often each adds if `LOCKUTILS_UPDATES` does not say it: a lock that is handed over costs some milliseconds.
const TIMES: u64 = 15;

/// How often in controls, where nothing depends on how often it is.
const FEW: u64 = 3;

/// How often without a lock.
const BARE: u64 = 50;

/// How long a session lasts: who is stopped is waited for so long.
const TTL: &str = "3000";

/// They hand the lock on, one after the other.
const BOUND: Duration = Duration::from_secs(600);

/// Who wants to write.
struct Crowd {
    directory: TempDir,
    looks: &'static str,
    times: u64,
    others: Vec<Child>,
}

fn times() -> u64 {
    let times = std::env::var("LOCKUTILS_UPDATES").ok();
    times.map_or(TIMES, |times| times.parse().expect("LOCKUTILS_UPDATES is a number"))
}

impl Crowd {
    /// All but one.
    fn start(words: &[&str], looks: &'static str, times: u64) -> Self {
        let directory = tempdir().expect("a directory");
        FencedFile::new(directory.path());
        let mut crowd = Self { directory, looks, times, others: Vec::new() };
        crowd.others = (1..PROCESSES).map(|_| crowd.process(words)).collect();
        crowd.others.iter_mut().for_each(|process| hears(process, "ready"));
        crowd
    }

    fn process(&self, words: &[&str]) -> Child {
        let mut command = Command::new(helper());
        command.args(words).arg(self.directory.path()).args([self.looks, &self.times.to_string()]);
        Child::spawn(&mut command)
    }

    fn begin(&mut self) {
        self.others.iter_mut().for_each(|process| process.say("go"));
    }

    fn finish(&mut self) {
        for mut process in self.others.drain(..) {
            hears(&mut process, "done");
            process.finish();
        }
    }

    /// The number.
    fn sum(&self) -> u64 {
        FencedFile::at(self.directory.path()).blind().read(0).expect("everybody may read")
    }
}

/// What the number is when all have added so often. One has read it first, and writes when all others are done.
fn sum(url: &str, looks: &'static str, times: u64) -> u64 {
    let mut crowd = Crowd::start(&["fenced-count", url, TTL], looks, times);
    let mut first = crowd.process(&["fenced-count-slowly", url, TTL]);
    hears(&mut first, "ready");
    first.say("go");
    hears(&mut first, "has read");
    first.stop();
    crowd.begin();
    crowd.finish();
    first.say("go on");
    first.go_on();
    hears(&mut first, "done");
    first.finish();
    crowd.sum()
}

#[track_caller]
fn hears(process: &mut Child, line: &str) {
    assert_eq!(process.line_within(BOUND), line);
}

fn loses_nothing_but_by_a_file_that_does_not_look(url: &str) {
    // All begin at once, and the machine may be busy.
    let url = &format!("{url}?request_timeout=20s");
    let (times, begun) = (times(), Instant::now());
    assert_eq!(sum(url, "looks", times), PROCESSES * times);
    println!("{url}: {PROCESSES} processes added {times} times in {:?}", begun.elapsed());
    // Of what the others have added, nothing is left.
    assert_eq!(sum(url, "blind", FEW), FEW, "the control");
}

#[test]
fn on_etcd() {
    loses_nothing_but_by_a_file_that_does_not_look(&Etcd::start().url());
}

#[test]
fn on_zookeeper() {
    loses_nothing_but_by_a_file_that_does_not_look(&ZooKeeper::start().url());
}

#[test]
fn on_redis() {
    loses_nothing_but_by_a_file_that_does_not_look(&Redis::start().url());
}

/// Another control: it is the lock that keeps them apart.
#[test]
fn without_a_lock_some_are_lost() {
    let mut crowd = Crowd::start(&["fenced-count-without"], "looks", BARE);
    crowd.begin();
    crowd.finish();
    let (sum, all) = (crowd.sum(), (PROCESSES - 1) * BARE);
    assert!(sum < all, "nothing was lost");
    println!("without a lock, {sum} of {all} are left");
}
