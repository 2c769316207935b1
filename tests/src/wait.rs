//! Waiting for a condition, with a bound.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

/// How long a test waits for what must happen. Generous: only a test that fails gets here.
pub const BOUND: Duration = Duration::from_secs(30);

const EVERY: Duration = Duration::from_millis(1);

/// Waits until `holds` says so.
///
/// # Panics
///
/// When it has not said so within [`BOUND`].
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < BOUND, "waited {BOUND:?} in vain: {what}");
        thread::sleep(EVERY);
    }
}

/// The letter of the state of a process or a thread (proc(5)), by its directory in `/proc`; `None` if it is gone.
pub fn state(task: impl AsRef<Path>) -> Option<char> {
    let stat = fs::read_to_string(task.as_ref().join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether all threads of a process are in this state, as [`state`] tells it.
pub(crate) fn threads_are(process: Pid, what: char) -> bool {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    tasks.is_ok_and(|tasks| tasks.flatten().all(|task| state(task.path()) == Some(what)))
}

/// Waits until a thread of this process sleeps, which is how one waits for a lock.
///
/// # Panics
///
/// When it does not sleep.
#[track_caller]
pub fn asleep(thread: Pid) {
    let task = format!("/proc/self/task/{thread}");
    let mut times = 0;
    // Once may be by chance; a thread that goes on waiting is asleep each time.
    eventually("the thread sleeps", || {
        times = if state(&task) == Some('S') { times + 1 } else { 0 };
        times == 5
    });
}

/// Runs `work` on a thread of its own and returns what it returned: a test that hangs fails instead.
///
/// # Panics
///
/// When `work` panics, or has not returned within [`BOUND`].
#[track_caller]
pub fn within<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || {
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(BOUND) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("waited {BOUND:?} in vain: {what}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("a worker that does not panic sends what it has"),
        },
    }
}
