//! What becomes of the command when its lock is lost: when somebody has removed or replaced the lock file, or when the lease of
//! a distributed lock has ended, so that it excludes nobody any more.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::ask::Held;
use super::bell::Bell;
use crate::command::attend::{Child, Overseer};
use crate::failure::say;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnLost {
    /// Ends the command
    Kill,
    /// Says so and lets it go on
    Warn,
}

/// How often the path of the lock file is looked at. Engines ring.
const EVERY: Duration = Duration::from_secs(1);

/// Looks whether the locks are lost, while the command runs.
pub(super) struct Lost<'a> {
    held: &'a Held,
    /// Rings when a distributed lock is lost; `None` if there is none.
    bell: Option<Bell>,
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
    pub(super) fn new(held: &'a Held, policy: OnLost, kill_after: Duration) -> nix::Result<Self> {
        let bell = held.bell()?;
        Ok(Self { held, bell, policy, kill_after, due: in_a(EVERY), stage: Stage::Held })
    }

    pub(super) fn has_killed(&self) -> bool {
        matches!(self.stage, Stage::Terminated | Stage::Killed)
    }

    /// The command has ended by itself: what has happened since the last look is said, and changes nothing. Returns whether it
    /// has been said, now or before, that a lock is lost.
    pub(super) fn look_back(&mut self) -> bool {
        if self.stage == Stage::Held {
            match self.held.loss() {
                Ok(Some(loss)) => {
                    say(loss);
                    self.stage = Stage::Warned;
                }
                Ok(None) => {}
                Err(error) => say(error),
            }
        }
        self.has_killed() || self.stage == Stage::Warned
    }

    fn check(&mut self, child: &Child) {
        self.due = in_a(EVERY);
        match self.held.loss() {
            Ok(Some(loss)) if self.policy == OnLost::Kill => {
                say(format_args!(
                    "{loss}; the command gets SIGTERM now, and SIGKILL if it has not ended in {:?}",
                    self.kill_after
                ));
                // One that is stopped would not hear of it.
                child.send(Signal::SIGTERM);
                child.send(Signal::SIGCONT);
                (self.stage, self.due) = (Stage::Terminated, in_a(self.kill_after));
            }
            Ok(Some(loss)) => {
                say(loss);
                (self.stage, self.due) = (Stage::Warned, None);
            }
            Err(error) if self.stage == Stage::Held => {
                say(error);
                self.stage = Stage::Hidden;
            }
            Err(_) | Ok(None) => {}
        }
    }

    fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
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

    fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.bell.as_ref().map(Bell::descriptor)
    }

    fn is_called(&self) -> bool {
        self.bell.as_ref().is_some_and(Bell::has_rung)
    }

    fn look(&mut self, child: &Child) {
        match self.stage {
            Stage::Held | Stage::Hidden => self.check(child),
            Stage::Terminated if self.is_due() => {
                child.send(Signal::SIGKILL);
                (self.stage, self.due) = (Stage::Killed, None);
            }
            // One more of several locks is lost.
            Stage::Terminated | Stage::Warned | Stage::Killed => {}
        }
    }
}
