//! A real process that talks in lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::{BOUND, eventually, state, threads_are};

/// A process that takes a lock on behalf of a test. It is told so by lines on its standard input, answers by
/// lines on its standard output, and lets go and ends when its standard input is closed:
///
/// | told | does | answers |
/// |---|---|---|
/// | `try` | takes the lock if it is free | `held`, `busy` |
/// | `wait` | waits for the lock | `held`, or why not |
/// | `release` | lets go | `released` |
///
/// It is killed when the test loses it.
pub struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    what: String,
}

impl Child {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = spawned
            .unwrap_or_else(|error| panic!("cannot start {what}: {error}; has `tests/install` been run?"));
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take().expect("it was asked for"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut read = BufReader::new(stdout).lines().map_while(Result::ok);
            read.try_for_each(|line| sender.send(line))
        });
        Self { process, stdin, lines, what }
    }

    /// Its number.
    ///
    /// # Panics
    ///
    /// Never: process numbers are small.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).expect("process numbers are small"))
    }

    /// Tells it a line.
    ///
    /// # Panics
    ///
    /// When it has ended.
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        writeln!(stdin, "{line}")
            .unwrap_or_else(|error| panic!("cannot tell {} {line:?}: {error}", self.what));
    }

    /// The next line that it says.
    ///
    /// # Panics
    ///
    /// When it says nothing within [`BOUND`].
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.line_within(BOUND)
    }

    /// The next line that it says.
    ///
    /// # Panics
    ///
    /// When it says nothing within `bound`.
    #[track_caller]
    pub fn line_within(&mut self, bound: Duration) -> String {
        self.lines.recv_timeout(bound).unwrap_or_else(|error| panic!("no line from {}: {error}", self.what))
    }

    /// The next line that it says within `bound`; `None` if it ends or says none.
    pub fn said_within(&mut self, bound: Duration) -> Option<String> {
        self.lines.recv_timeout(bound).ok()
    }

    /// Whether it has said nothing that was not heard yet.
    pub fn is_silent(&mut self) -> bool {
        self.lines.try_recv().is_err()
    }

    /// Hears the next line.
    ///
    /// # Panics
    ///
    /// When it is another one.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        let said = self.line();
        assert_eq!(said, line, "from {}", self.what);
    }

    /// Tells it a line, and returns what it answers.
    ///
    /// # Panics
    ///
    /// When it has ended, or says nothing within [`BOUND`].
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line()
    }

    /// Has it take the lock if that is free.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn try_take(&mut self) -> bool {
        match &*self.ask("try") {
            "held" => true,
            "busy" => false,
            other => panic!("{} says {other:?}", self.what),
        }
    }

    /// Has it wait for the lock, and waits until it has it.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn take(&mut self) {
        self.say("wait");
        self.expect("held");
    }

    /// Has it let go.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn release(&mut self) {
        self.say("release");
        self.expect("released");
    }

    /// Closes its standard input, for [`finish`](Self::finish) to wait for its end later.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// Closes its standard input, so that it lets go and ends; returns what it still said.
    ///
    /// # Panics
    ///
    /// When it does not end, or ends with an error.
    #[track_caller]
    pub fn finish(mut self) -> Vec<String> {
        self.stdin = None;
        let status = self.ends();
        assert!(status.success(), "{} ended with {status}", self.what);
        self.lines.iter().collect()
    }

    /// Waits for its end. Its standard input stays open, as with [`kill`](Self::kill).
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[track_caller]
    pub fn status(&mut self) -> ExitStatus {
        self.ends()
    }

    /// Kills it with SIGKILL, and returns when it is dead. Its standard input stays open for those whom it
    /// has started.
    ///
    /// # Panics
    ///
    /// When it does not die.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process.kill().expect("a process that has not been waited for can be killed");
        self.ends();
    }

    /// Stops it, and returns when all its threads have stopped.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    #[track_caller]
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        eventually("the process stops", || threads_are(self.pid(), 'T'));
    }

    /// Whether it has several threads, and all of them sleep: those who wait for it and for a file do.
    pub fn sleeps_with_its_threads(&self) -> bool {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", self.pid())) else { return false };
        let states: Vec<_> = tasks.flatten().filter_map(|task| state(task.path())).collect();
        states.len() > 1 && states.iter().all(|state| *state == 'S')
    }

    /// Lets it go on after a [`stop`](Self::stop).
    ///
    /// # Panics
    ///
    /// When it is gone.
    #[track_caller]
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal)
            .unwrap_or_else(|error| panic!("cannot send {signal} to {}: {error}", self.what));
    }

    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually(&format!("{} ends", self.what), || {
            status = self.process.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
