//! Adds to a counter file under a lock.

use std::io;
use std::thread;
use std::time::Duration;

use lockutils::Lock;
use lockutils_tests::Counter;

use crate::{say, wait_for_end};

/// How long a process does something else between two additions: then nobody may have the lock file open.
const ELSEWHERE: Duration = Duration::from_millis(3);

/// Adds 1 `times` times in each of `threads=N` threads and `tasks=N` tasks, after a line of input. Several
/// files, with commas between them, are all added to under the one lock.
pub(crate) fn count(name: &str, files: &str, times: &str, words: &[&str]) {
    let times: u32 = times.parse().expect("a number");
    let (threads, tasks) = (number(words, "threads="), number(words, "tasks="));
    let (lock, counters) = (lockutils::lock(name).external(), counters(files));
    say("ready");
    io::stdin().read_line(&mut String::new()).expect("a line");
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| in_thread(&lock, &counters, times));
        }
        in_tasks(name, files, times, tasks);
    });
    say("done");
}

fn counters(files: &str) -> Vec<Counter> {
    files.split(',').map(Counter::at).collect()
}

fn in_thread(lock: &Lock, counters: &[Counter], times: u32) {
    for _ in 0..times {
        let _guard = lock.acquire().expect("the lock");
        counters.iter().for_each(Counter::increment);
    }
}

/// All tasks run on one thread, so that one that blocked it would be a deadlock.
fn in_tasks(name: &str, files: &str, times: u32, tasks: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let task = || tokio::spawn(in_task(lockutils::lock(name).external(), counters(files), times));
        let running: Vec<_> = (0..tasks).map(|_| task()).collect();
        for task in running {
            task.await.expect("a task that ends");
        }
    });
}

async fn in_task(lock: Lock, counters: Vec<Counter>, times: u32) {
    for _ in 0..times {
        let _guard = lock.acquire_async().await.expect("the lock");
        counters.iter().for_each(Counter::increment);
        tokio::task::yield_now().await;
    }
}

/// Adds until the end of the input, and says how often. The lock is a new one each time, so that its file is
/// open only while it is wanted.
pub(crate) fn count_on(name: &str, file: &str) {
    let counter = Counter::at(file);
    let end = thread::spawn(wait_for_end);
    let mut times = 0;
    while !end.is_finished() {
        let guard = lockutils::lock(name).external().acquire().expect("the lock");
        counter.increment();
        drop(guard);
        times += 1;
        thread::sleep(ELSEWHERE);
    }
    say(times);
}

fn number(words: &[&str], key: &str) -> u32 {
    let word = words.iter().find_map(|word| word.strip_prefix(key));
    word.map_or(0, |number| number.parse().expect("a number"))
}
