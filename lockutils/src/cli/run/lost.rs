//! What becomes of the command when its lock is lost: when somebody has removed or replaced the lock file, so that it
//! excludes nobody any more.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::ask::Held;
use crate::command::attend::{Child, Overseer};
use crate::failure::say;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnLost {
    /// Ends the command
    Kill,
    /// Says so and lets it go on
    Warn,
}

/// How often the path of the lock file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Looks whether the locks are lost, while the command runs.
pub(super) struct Lost<'a> {
    held: &'a Held,
    policy: OnLost,
    kill_after: Duration,
    /// The next look, or the end of patience.
    due: Option<Instant>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Held,
    /// The path of a lock file cannot be looked at. That was said.
    Hidden,
    Warned,
    Terminated,
    Killed,
}

impl<'a> Lost<'a> {
    pub(super) fn new(held: &'a Held, policy: OnLost, kill_after: Duration) -> Self {
        Self { held, policy, kill_after, due: in_a(EVERY), stage: Stage::Held }
    }

    pub(super) fn has_killed(&self) -> bool {
        matches!(self.stage, Stage::Terminated | Stage::Killed)
    }

    /// The command has ended by itself: what has happened since the last look is said, and changes nothing.
    pub(super) fn look_back(&self) {
        if self.stage == Stage::Held
            && let Err(error) = self.held.check()
        {
            say(error);
        }
    }

    fn check(&mut self, child: &Child) {
        self.due = in_a(EVERY);
        match self.held.check() {
            Err(error) if error.is_lost() && self.policy == OnLost::Kill => {
                say(format_args!(
                    "{error}; the command gets SIGTERM now, and SIGKILL if it has not ended in {:?}",
                    self.kill_after
                ));
                // One that is stopped would not hear of it.
                child.send(Signal::SIGTERM);
                child.send(Signal::SIGCONT);
                (self.stage, self.due) = (Stage::Terminated, in_a(self.kill_after));
            }
            Err(error) if error.is_lost() => {
                say(error);
                (self.stage, self.due) = (Stage::Warned, None);
            }
            Err(error) if self.stage == Stage::Held => {
                say(error);
                self.stage = Stage::Hidden;
            }
            Err(_) | Ok(()) => {}
        }
    }
}

/// A time that is out of reach never comes.
fn in_a(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

impl Overseer for Lost<'_> {
    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn look(&mut self, child: &Child) {
        if self.stage == Stage::Terminated {
            child.send(Signal::SIGKILL);
            (self.stage, self.due) = (Stage::Killed, None);
        } else {
            self.check(child);
        }
    }
}
