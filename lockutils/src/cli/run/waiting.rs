//! What is shown of a wait: nothing to those who do not look, a line that tells who has the lock to those who do.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::ask::Ask;
use crate::failure::say;

/// A wait that is not longer is not shown.
const MOMENT: Duration = Duration::from_millis(500);
/// How often the spinner turns, and after how many turns it is asked anew who has the lock.
const TURN: Duration = Duration::from_millis(125);
const TURNS: u32 = 8;

/// A wait that has begun.
pub(super) struct Waiting {
    started: Instant,
    line: Option<Line>,
}

/// What is seen of it on a terminal.
struct Line {
    over: Sender<()>,
    thread: JoinHandle<()>,
}

pub(super) fn begin(ask: &Ask, verbose: bool) -> Waiting {
    if verbose {
        say(format_args!("waiting for {}", ask.in_the_way()));
    }
    // Who runs this in the background, or writes its messages into a file, is spared.
    let line = io::stderr().is_terminal().then(|| Line::begin(ask.clone())).flatten();
    Waiting { started: Instant::now(), line }
}

impl Waiting {
    /// It is over: nothing of it is left on the terminal. Says how long it was.
    pub(super) fn end(self) -> Duration {
        let waited = self.started.elapsed();
        if let Some(Line { over, thread }) = self.line {
            drop(over);
            // It has nothing to tell, and a wait is not lost with its picture.
            let _ = thread.join();
        }
        waited
    }
}

impl Line {
    /// `None`: there is no thread to be had, and so nothing to be seen.
    fn begin(ask: Ask) -> Option<Self> {
        let (over, is_over) = mpsc::channel();
        let thread = thread::Builder::new().name("waiting".into()).spawn(move || show(&ask, &is_over));
        thread.ok().map(|thread| Self { over, thread })
    }
}

fn show(ask: &Ask, is_over: &Receiver<()>) {
    if !passes(MOMENT, is_over) {
        return;
    }
    let bar = ProgressBar::new_spinner();
    // The one of the library, if this one should not be understood.
    bar.set_style(
        ProgressStyle::with_template("{spinner} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    for turn in 0.. {
        if turn % TURNS == 0 {
            bar.set_message(format!("waiting for {}", ask.in_the_way()));
        }
        bar.tick();
        if !passes(TURN, is_over) {
            break;
        }
    }
    bar.finish_and_clear();
}

/// Whether the wait is not over after this time.
fn passes(time: Duration, is_over: &Receiver<()>) -> bool {
    is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
}
