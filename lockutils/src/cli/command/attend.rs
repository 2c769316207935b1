//! While the command runs: signals are passed on to it, and its end is waited for.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use lockutils::exit::Exit;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid, getpgrp};

use super::signals::{Came, Signals, stop_too};
use crate::failure::Failure;

/// The command while it runs. Its number is its own until its end has been seen here.
pub(crate) struct Child {
    pid: Pid,
    is_stopped: bool,
}

/// What else is to be looked at while the command runs.
pub(crate) trait Overseer {
    /// When it wants to look next, if ever.
    fn due(&self) -> Option<Instant>;

    /// What wakes it before that, if anything does: a descriptor that can be read then.
    fn bell(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether it was woken. Asked once, it has been heard.
    fn is_called(&self) -> bool {
        false
    }

    fn look(&mut self, child: &Child);
}

/// Nothing else.
pub(crate) struct Nothing;

impl Overseer for Nothing {
    fn due(&self) -> Option<Instant> {
        None
    }

    fn look(&mut self, _child: &Child) {}
}

impl Child {
    pub(super) fn new(pid: Pid) -> Self {
        Self { pid, is_stopped: false }
    }

    /// Waits for its end, whatever happens meanwhile: who has a lock for it must not let go before.
    fn attend(mut self, signals: &Signals, overseer: &mut dyn Overseer) -> io::Result<ExitStatus> {
        loop {
            if overseer.is_called() || overseer.due().is_some_and(|due| due <= Instant::now()) {
                overseer.look(&self);
            }
            let ended = match signals.next(overseer.due(), overseer.bell()) {
                Ok(Some(came)) => self.heed(came)?,
                // Should its end have been told to somebody else, it is seen here.
                Ok(None) => self.look(libc::WNOHANG)?,
                // Without signals: they are not passed on any more, but nothing else is lost.
                Err(_) => self.look(0)?,
            };
            if let Some(status) = ended {
                return Ok(status);
            }
        }
    }

    pub(crate) fn send(&self, signal: Signal) {
        // It may be another user's by now; and it is not gone, since nobody has waited for it.
        let _ = kill(self.pid, signal);
    }

    /// Passes a signal on, if the command lives. `Some`: it has ended.
    fn heed(&mut self, came: Came) -> io::Result<Option<ExitStatus>> {
        let ended = self.look(libc::WNOHANG)?;
        if ended.is_none() && self.is_meant(came) {
            self.send(came.signal);
        }
        Ok(ended)
    }

    /// Whether a signal that has come to this process is for the command, which has not got it.
    fn is_meant(&self, came: Came) -> bool {
        match came.signal {
            Signal::SIGCHLD => false,
            // From the command itself, to all of its group.
            _ if u32::try_from(self.pid.as_raw()).is_ok_and(|pid| pid == came.sender) => false,
            // A shell continues all of a job. Who continues this process alone means the command.
            Signal::SIGCONT => self.is_stopped,
            // A key of the terminal is for all of the group in front.
            _ => !came.is_of_kernel || !self.is_of_our_group(),
        }
    }

    fn is_of_our_group(&self) -> bool {
        getpgid(Some(self.pid)).is_ok_and(|group| group == getpgrp())
    }

    /// What has become of it. `Some`: it has ended.
    fn look(&mut self, flags: libc::c_int) -> io::Result<Option<ExitStatus>> {
        while let Some(status) = wait(self.pid, flags)? {
            if let Some(signal) = status.stopped_signal() {
                self.is_stopped = true;
                stop_too(signal);
            } else if status.continued() {
                self.is_stopped = false;
            } else {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }
}

/// waitpid(2), with any signal there is: that of nix knows no real-time ones.
fn wait(pid: Pid, flags: libc::c_int) -> io::Result<Option<ExitStatus>> {
    let flags = flags | libc::WUNTRACED | libc::WCONTINUED;
    loop {
        let mut status = 0;
        // SAFETY: `status` is a place for one number.
        match Errno::result(unsafe { libc::waitpid(pid.as_raw(), &raw mut status, flags) }) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(ExitStatus::from_raw(status))),
        }
    }
}

/// The exit status that tells of the command's.
pub(crate) fn to_the_end(
    child: Child,
    signals: &Signals,
    overseer: &mut dyn Overseer,
) -> Result<u8, Failure> {
    let ended = child.attend(signals, overseer);
    ended
        .map(code)
        .map_err(|error| Failure::new(Exit::System, format_args!("lost sight of the command: {error}")))
}

fn code(status: ExitStatus) -> u8 {
    let number = status.code().or(status.signal()).and_then(|number| u8::try_from(number).ok());
    let number = number.unwrap_or(Exit::Internal.code());
    if status.signal().is_some() { Exit::of_signal(number) } else { number }
}
