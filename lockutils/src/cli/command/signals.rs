//! The signals that are meant for the command as well: while it runs they wait here, and interrupt nothing.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, raise, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use Signal::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGPWR, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU,
};

/// What is passed on, and what tells of the command itself.
const SIGNALS: [Signal; 16] = [
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGPWR, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU,
];

/// From now on they wait to be read. The thread that has this must start the command: it is the one whose mask it is.
pub(crate) struct Signals {
    /// As this process was started.
    before: SigSet,
    descriptor: SignalFd,
}

/// One that has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) signal: Signal,
    /// By the kernel, as those are that keys of the terminal make.
    pub(super) is_of_kernel: bool,
    /// Who has sent it, if somebody has.
    pub(super) sender: u32,
}

impl Signals {
    pub(crate) fn block() -> nix::Result<Self> {
        // Who was started with it ignored would never hear of the end of its children.
        // SAFETY: no handler is installed, and there was none.
        unsafe { signal(SIGCHLD, SigHandler::SigDfl) }?;
        let all = SigSet::from_iter(SIGNALS);
        let before = all.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { before, descriptor: SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC)? })
    }

    /// The mask that the command starts with.
    pub(super) fn before(&self) -> &SigSet {
        &self.before
    }

    /// Waits for the next one, until `end` or until the bell rings. `None`: it was none of these, or none came.
    pub(super) fn next(
        &self,
        end: Option<Instant>,
        bell: Option<BorrowedFd<'_>>,
    ) -> nix::Result<Option<Came>> {
        if (end.is_some() || bell.is_some()) && !is_readable(self.descriptor.as_fd(), end, bell)? {
            return Ok(None);
        }
        match self.descriptor.read_signal() {
            Err(Errno::EINTR) | Ok(None) => Ok(None),
            Err(errno) => Err(errno),
            Ok(Some(read)) => {
                let signal = i32::try_from(read.ssi_signo).ok().and_then(|number| number.try_into().ok());
                let is_of_kernel = read.ssi_code > 0;
                Ok(signal.map(|signal| Came { signal, is_of_kernel, sender: read.ssi_pid }))
            }
        }
    }
}

/// Waits until the descriptor can be read, `end` has come, or the other one can be read.
fn is_readable(
    descriptor: BorrowedFd<'_>,
    end: Option<Instant>,
    other: Option<BorrowedFd<'_>>,
) -> nix::Result<bool> {
    let timeout = end.map_or(PollTimeout::NONE, |end| {
        let left = end.saturating_duration_since(Instant::now());
        // One millisecond more than is left, so that it is over by then.
        PollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX)
    });
    let all = [Some(descriptor), other].into_iter().flatten();
    let mut all: Vec<_> = all.map(|one| PollFd::new(one, PollFlags::POLLIN)).collect();
    match poll(&mut all, timeout) {
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno),
        Ok(_) => Ok(all[0].any().unwrap_or(true)),
    }
}

/// Stops this process as the terminal stopped the command, until it is continued. Without a shell that could continue it, the
/// kernel does not stop it.
pub(super) fn stop_too(stopped_by: i32) {
    let Ok(stop) = Signal::try_from(stopped_by) else { return };
    if !matches!(stop, SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU) {
        // Somebody has stopped the command by its number, and can continue it in the same way.
        return;
    }
    let _ = raise(stop);
    // It comes here, if it was blocked.
    if let Ok(before) = SigSet::from_iter([stop]).thread_swap_mask(SigmaskHow::SIG_UNBLOCK) {
        let _ = before.thread_set_mask();
    }
}
