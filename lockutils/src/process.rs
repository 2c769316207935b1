//! Which process this is: for locks, which a forked child shares with its parent, and for people.

#[cfg_attr(lockutils_portable, path = "process/portable.rs")]
mod system;

use std::io;
use std::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, gethostname};
use once_cell::sync::OnceCell;

pub(crate) use self::system::program;

/// A number that a process does not have in common with those that it was forked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId(u64);

impl ProcessId {
    /// That of the calling process: a look into memory that the kernel wipes when it forks (madvise(2),
    /// `MADV_WIPEONFORK`), or its pid where there is no such memory.
    #[inline]
    pub(crate) fn current() -> Self {
        match word() {
            Some(word) => match word.load(Relaxed) {
                0 => Self(renew(word)),
                number => Self(number),
            },
            None => Self(u64::from(std::process::id())),
        }
    }
}

fn word() -> Option<&'static AtomicU64> {
    static WORD: OnceCell<Option<&'static AtomicU64>> = OnceCell::new();
    *WORD.get_or_init(|| system::wiped_on_fork().ok())
}

/// The first look in a process. The child of a fork has its parent's `LAST`, and goes on from there.
#[cold]
fn renew(word: &AtomicU64) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.load(Acquire) + 1;
    match word.compare_exchange(0, number, AcqRel, Acquire) {
        Ok(_) => {
            LAST.store(number, Relaxed);
            number
        }
        Err(there) => there,
    }
}

/// Something that each process has for itself, made when it is first needed there.
///
/// A forked child does not look at what its parent has: a thread that the fork has left behind may hold its locks. So
/// this has no lock, and what was made stays: a small value for each fork that goes on to take locks.
pub(crate) struct PerProcess<T: 'static>(AtomicPtr<(ProcessId, T)>);

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        match self.try_get(|| Ok::<_, std::convert::Infallible>(make())) {
            Ok(value) => value,
        }
    }

    /// The same if it can be made. Two threads may make one each at once; one of them is dropped.
    pub(crate) fn try_get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&'static T, E> {
        let me = ProcessId::current();
        let before = self.0.load(Acquire);
        // SAFETY: null, or a box that was leaked below.
        if let Some((process, there)) = unsafe { before.as_ref() }
            && *process == me
        {
            return Ok(there);
        }
        let new = Box::into_raw(Box::new((me, make()?)));
        match self.0.compare_exchange(before, new, AcqRel, Acquire) {
            // SAFETY: it came from a box a few lines ago, and nobody drops what stands in `self`.
            Ok(_) => Ok(unsafe { &(*new).1 }),
            Err(there) => {
                // SAFETY: it came from a box a few lines ago, and nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: another thread of this process has leaked it: it replaced what was there before.
                Ok(unsafe { &(*there).1 })
            }
        }
    }
}

/// What is known of a process, and what tells it from all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// When it was started, in clock ticks since the boot of the system.
    pub(crate) started: u64,
    pub(crate) boot: String,
    /// The number of its pid namespace.
    pub(crate) namespace: u64,
    /// The number of its time namespace, in which `started` is meant; 0 where there are none.
    pub(crate) clock: u64,
    pub(crate) host: String,
    pub(crate) program: String,
}

impl Identity {
    /// That of the calling process.
    pub(crate) fn current() -> &'static Self {
        static PARTS: PerProcess<Identity> = PerProcess::new();
        Self::try_settled().unwrap_or_else(|parts| PARTS.get(|| parts))
    }

    /// The same, if what could be read of it will not change. `None`: something could not be read this time, and it will be
    /// read again.
    pub(crate) fn settled() -> Option<&'static Self> {
        Self::try_settled().ok()
    }

    fn try_settled() -> Result<&'static Self, Self> {
        static SETTLED: PerProcess<Identity> = PerProcess::new();
        SETTLED.try_get(Self::read)
    }

    /// An error: what could be read this time.
    fn read() -> Result<Self, Self> {
        let pid = std::process::id();
        let (life, boot, namespace) = (system::life(pid), system::boot(), system::namespace("pid"));
        let errors = [life.as_ref().err(), boot.as_ref().err(), namespace.as_ref().err()];
        let may_change = errors.into_iter().flatten().any(is_passing);
        let identity = Self {
            pid,
            started: if let Ok(Life::Since(started)) = life { started } else { 0 },
            boot: boot.unwrap_or_default(),
            namespace: namespace.unwrap_or_default(),
            clock: system::namespace("time").unwrap_or_default(),
            host: gethostname().map(|host| host.to_string_lossy().into_owned()).unwrap_or_default(),
            program: program(pid),
        };
        if may_change { Err(identity) } else { Ok(identity) }
    }

    /// Whether the process may still be there. Of those that [are elsewhere](Self::is_here) nothing can be seen, and nothing
    /// is concluded from what could not be read.
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "there are no pid files"))]
    pub(crate) fn may_live(&self) -> bool {
        !self.is_known() || !Self::current().is_known() || !self.is_here() || self.is_now(Life::of(self.pid))
    }

    /// Whether it is of this host and pid namespace, so that it can be seen if it lives. Another boot proves nothing by
    /// itself: containers are shown boots of their own. It is the same machine if the boot or the host is the same.
    pub(crate) fn is_here(&self) -> bool {
        let me = Self::current();
        self.namespace == me.namespace && (self.boot == me.boot || self.host == me.host)
    }

    /// Whether it is the calling process, whatever program that runs by now.
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "there are no pid files"))]
    pub(crate) fn is_me(&self) -> bool {
        let me = Self::current();
        (self.pid, self.started, self.namespace) == (me.pid, me.started, me.namespace) && self.boot == me.boot
    }

    /// Where there is no `/proc`, or it could not be read, some of it is missing.
    pub(crate) fn is_known(&self) -> bool {
        !self.boot.is_empty() && !self.host.is_empty() && self.namespace > 0
    }

    /// Whether what is seen of a process may be this one. When it was started may not be known, and means nothing in
    /// another time namespace.
    pub(crate) fn is_now(&self, life: Life) -> bool {
        let is_comparable = self.started > 0 && self.clock == Self::current().clock;
        if is_comparable { life.may_be(self.started) } else { life != Life::Gone }
    }
}

/// Whether something could not be read that is there, for want of descriptors or for whatever reason: it may be read another
/// time.
fn is_passing(error: &io::Error) -> bool {
    !matches!(error.raw_os_error().map(Errno::from_raw), None | Some(Errno::ENOENT | Errno::ENOSYS))
}

/// What can be seen of a process of this pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It was started then, in clock ticks since the boot of the system.
    #[cfg_attr(lockutils_portable, expect(dead_code, reason = "nothing is known of that"))]
    Since(u64),
    /// It is there, and more is not for us to see.
    Hidden,
    /// There is none, or one that has ended and was not waited for.
    Gone,
}

impl Life {
    pub(crate) fn of(pid: u32) -> Self {
        system::life(pid).unwrap_or_else(|_| Self::by_signal(pid))
    }

    /// As far as an empty signal tells.
    fn by_signal(pid: u32) -> Self {
        // 0 would be the group of this process.
        let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 0) else { return Self::Gone };
        if matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH)) { Self::Gone } else { Self::Hidden }
    }

    /// Whether it may be one that was started then.
    pub(crate) fn may_be(self, started: u64) -> bool {
        match self {
            Self::Since(when) => when == started,
            Self::Hidden => true,
            Self::Gone => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg_attr(lockutils_portable, ignore = "starts are not known there")]
    #[test]
    fn a_process_is_seen_as_it_is() {
        let Life::Since(started) = Life::of(std::process::id()) else { panic!("this one lives") };
        assert!(started > 0 && Life::of(std::process::id()).may_be(started));
        assert!(!Life::of(std::process::id()).may_be(started + 1));
        // There are no processes of these numbers: the kernel gives fewer.
        for none in [0, 0x7fff_ffff, u32::MAX] {
            assert_eq!(Life::of(none), Life::Gone);
        }
    }

    #[test]
    fn a_process_keeps_its_number() {
        let here = ProcessId::current();
        assert_ne!(here.0, 0);
        assert_eq!(std::thread::spawn(ProcessId::current).join().expect("no panic"), here);
    }
}
