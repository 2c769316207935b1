//! How the processes of a host keep each other out: by the kernel's locks on a file, or by the file itself.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::directory::Existing;
use super::opening::Purpose;
use super::pid::PidLock;
use super::remove::{Manner, Removal};
use super::{Directory, LockFile, MOST_PERMITS, Share, Sharing, Taker};
use crate::distributed::{Promise, Promises};
use crate::error::{Error, Kind};
use crate::holder::Holder;
use crate::limit::{Ended, Limit};

/// How lock files exclude other processes.
///
/// All who share a directory must use one mechanism. Who finds a file of the other one gets an error
/// ([`Error::is_not_a_file`](crate::Error::is_not_a_file)). [Clean](crate::Locks::clean) a directory up, with the old
/// mechanism, before you change it.
///
/// # Locks of the kernel
///
/// The default, and what everybody else uses too: oslo.concurrency, fasteners, `flock(1)`, filelock. The kernel frees the lock
/// of a process that ends, in whatever way.
///
/// # Pid files
///
/// For file systems that keep no locks, or that do not keep them between those who share a directory. The file is there
/// exactly as long as the lock is held. It is made with link(2), so that it is never seen unfinished, and says who has the
/// lock: in the first line the pid, in the second the program.
///
/// A file of a process that has ended is taken over. Its owner has ended if it ran on this host, or in this boot, in this pid
/// namespace, and there is no process of its pid there, or one that was started at another time; nothing is concluded
/// from its name or from the age of the file. [`Lock::is_locked`](crate::Lock::is_locked) and [`Lock::holder`](crate::Lock::holder) say whether and
/// by whom the lock is held; whoever waits is woken when the file goes or its owner ends (inotify(7)), and looks each second
/// beside that. [`LockGuard::check`](crate::LockGuard::check) and [`release`](crate::LockGuard::release) tell a holder
/// that it was robbed, when somebody has removed the file by hand.
///
/// What pid files cannot promise:
///
/// - Only processes of one host and one pid namespace see whether the others live. A file of another host or container is
///   respected for ever: if its owner has died, somebody has to remove it ([`Holder::is_elsewhere`](crate::Holder::is_elsewhere)).
/// - Hosts that share a directory must have different host names (hostname(1)). A file that was written under this host name,
///   in another boot, is taken for one of this host before it was booted: its owner is dead if no such process is here.
/// - The lock of a process that replaces itself (execve(2)) is held until it ends, or until its new program takes it.
/// - A file that cannot be removed when its lock is let go keeps others out until this process ends or takes it again.
/// - On a network file system a killed process may have asked the server for something that is done only after it is dead.
///   Who cannot live with that needs a [`Fence`](crate::Fence).
/// - There is no order of arrival between processes: [`fair`](crate::Lock::fair) orders those of this one. There are no
///   [read locks](crate::Lock::read) and no [semaphores](crate::semaphore()): these are errors
///   ([`Error::is_unsupported`](crate::Error::is_unsupported)). A [downgrade](crate::LockGuard::downgrade) lets internal readers
///   of this process join, and nobody else.
/// - The last [fencing token](crate::LockGuard::fencing_token) goes with the file: the next one is the wall clock.
/// - The file system must have hard links. Where it has none, taking a lock is an error
///   ([`Error::is_unsupported`](crate::Error::is_unsupported)).
///
/// ```
/// use lockutils::{Config, Locks, Mechanism};
///
/// # let dir = lockutils::testing::temp_locks()?;
/// # let path = dir.path();
/// let locks = Locks::new(Config::new().lock_path(path).mechanism(Mechanism::Pid))?;
/// let guard = locks.lock("volumes").external().acquire()?;
/// let content = std::fs::read_to_string(guard.path().unwrap()).unwrap();
/// assert_eq!(content.lines().next(), Some(&*std::process::id().to_string()));
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Mechanism {
    /// Locks of the kernel on a file.
    #[default]
    Kernel,
    /// Files that name their owner.
    Pid,
}

/// What a mechanism does not have, and what to do instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lack {
    what: &'static str,
    instead: &'static str,
}

impl Lack {
    /// Of read locks or of semaphores.
    const fn of_pid_files(what: &'static str) -> Self {
        let instead =
            "take the lock alone, or configure `mechanism = \"kernel\"` on a file system that keeps locks";
        Self { what, instead }
    }

    const OF_SO_MANY_PERMITS: Self = Self {
        what: "a semaphore between processes has at most 1048576 permits",
        instead: "ask for fewer, or leave `external` out",
    };

    pub(super) const OF_PERMITS: Self = Self {
        what: "a semaphore between processes needs locks on parts of a file, which the portable path does without",
        instead: "make it `internal`, or use one lock for each permit",
    };

    pub(super) const OF_ANY_PID_FILE: Self =
        Self { what: "the portable path has no pid files", instead: "configure `mechanism = \"kernel\"`" };

    pub(super) fn error(self, name: &str) -> Error {
        Kind::Unsupported { name: name.to_owned(), what: self.what, instead: self.instead }.into()
    }
}

impl Mechanism {
    /// Whether a file can be had in this way at all.
    ///
    /// # Errors
    ///
    /// [`Error::is_unsupported`].
    pub(crate) fn check(self, share: Share, name: &str) -> Result<(), Error> {
        let lack = match (self, share) {
            (Self::Pid, _) if cfg!(lockutils_portable) => Lack::OF_ANY_PID_FILE,
            (Self::Kernel, Share::Permit(permits)) if permits > MOST_PERMITS => Lack::OF_SO_MANY_PERMITS,
            (Self::Kernel, Share::Permit(_)) if cfg!(lockutils_portable) => Lack::OF_PERMITS,
            (Self::Pid, Share::Lock(Sharing::Shared)) => Lack::of_pid_files("pid files have no read locks"),
            (Self::Pid, Share::Permit(_)) => Lack::of_pid_files("pid files have no semaphores"),
            (_, Share::Lock(_)) | (Self::Kernel, Share::Permit(_)) => return Ok(()),
        };
        Err(lack.error(name))
    }

    /// What lock files promise where they stand in for an engine.
    pub(crate) const fn promises(self) -> Promises {
        match self {
            Self::Pid => Promises::of(&[Promise::Linearizable, Promise::Leased]),
            Self::Kernel if cfg!(lockutils_portable) => {
                Promises::of(&[Promise::Linearizable, Promise::Leased, Promise::Readers])
            }
            Self::Kernel => Promises::of(&[
                Promise::Linearizable,
                Promise::ArrivalOrder,
                Promise::Leased,
                Promise::Wakes,
                Promise::Readers,
                Promise::Permits,
            ]),
        }
    }

    /// As it is called in configurations.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "kernel" => Some(Self::Kernel),
            "pid" => Some(Self::Pid),
            _ => None,
        }
    }
}

/// The external half of one identity, in this process.
pub(crate) enum OuterLock {
    Kernel(LockFile),
    Pid(PidLock),
}

impl OuterLock {
    /// # Errors
    ///
    /// [`Error::is_unsupported`] where the system has no such mechanism.
    pub(crate) fn new(directory: &Arc<Directory>, name: &str) -> Result<Self, Error> {
        let shared = Arc::clone(directory);
        Ok(match directory.mechanism() {
            Mechanism::Kernel => Self::Kernel(LockFile::new(shared, name)),
            Mechanism::Pid => Self::Pid(PidLock::new(shared, name)?),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kernel(lock) => lock.path(),
            Self::Pid(lock) => lock.path(),
        }
    }

    /// Takes it if it is free.
    pub(crate) fn try_acquire(&self, share: Share, fair: bool, taker: &Taker) -> Result<bool, Error> {
        match self {
            Self::Kernel(lock) => lock.try_acquire(share, fair, taker),
            Self::Pid(lock) => lock.try_acquire(taker),
        }
    }

    /// Waits on this thread, after a try that has failed.
    pub(crate) fn wait(
        &self,
        share: Share,
        limit: &Limit<'_>,
        taker: &Taker,
    ) -> Result<Result<(), Ended>, Error> {
        match self {
            Self::Kernel(lock) => lock.wait(share, limit, taker),
            Self::Pid(lock) => lock.wait(limit, taker),
        }
    }

    /// Waits in a task, after a try that has failed.
    pub(crate) async fn wait_async(&self, share: Share, taker: &Taker) -> Result<(), Error> {
        match self {
            Self::Kernel(lock) => lock.wait_async(share, taker).await,
            Self::Pid(lock) => lock.wait_async(taker).await,
        }
    }

    /// Lets go of one hold; the last one lets the file go.
    pub(crate) fn release(&self) -> Result<(), Error> {
        match self {
            Self::Kernel(lock) => lock.release(),
            Self::Pid(lock) => lock.release(),
        }
    }

    /// The one who has it alone shares it from now on, if it can be shared between processes at all.
    pub(crate) fn share(&self) -> Result<(), Error> {
        match self {
            Self::Kernel(lock) => lock.share(),
            Self::Pid(_) => Ok(()),
        }
    }

    pub(crate) fn token(&self) -> u64 {
        match self {
            Self::Kernel(lock) => lock.token(),
            Self::Pid(lock) => lock.token(),
        }
    }

    /// Whether this process holds it.
    pub(crate) fn is_held(&self) -> bool {
        match self {
            Self::Kernel(lock) => lock.is_held(),
            Self::Pid(lock) => lock.is_held(),
        }
    }

    /// Once more for one who has it.
    pub(crate) fn reenter(&self) -> bool {
        match self {
            Self::Kernel(lock) => lock.reenter(),
            Self::Pid(lock) => lock.reenter(),
        }
    }

    /// Whether it still excludes others.
    pub(crate) fn is_current(&self) -> Result<bool, Error> {
        match self {
            Self::Kernel(lock) => lock.is_current(),
            Self::Pid(lock) => lock.is_current(),
        }
    }

    /// A duplicate of its descriptor that programs inherit, and the lock with it.
    pub(crate) fn inheritable(&self) -> Result<Option<OwnedFd>, Error> {
        match self {
            Self::Kernel(lock) => lock.inheritable(),
            // A pid file is that of one process, whoever has it open.
            Self::Pid(_) => Ok(None),
        }
    }

    /// Removes the file, if that takes nothing away from anybody. The caller has the lock alone in this process.
    pub(crate) fn remove(&self, manner: Manner) -> Result<Removal, Error> {
        match self {
            Self::Kernel(lock) => lock.remove(manner),
            Self::Pid(lock) => lock.remove(manner),
        }
    }
}

impl Directory {
    /// Whether anybody holds a lock file.
    pub(crate) fn is_locked(&self, name: &str) -> Result<bool, Error> {
        if self.mechanism() == Mechanism::Pid {
            return self.pid_holders(name).map(|holders| !holders.is_empty());
        }
        match self.open_existing(name, Purpose::Look)? {
            Existing::Missing => Ok(false),
            // A remover has the lock at this moment.
            Existing::Leased => Ok(true),
            Existing::NotAFile(path, what) => Err(Kind::NotAFile { path, what }.into()),
            Existing::Open(opened) => opened.is_locked(),
        }
    }

    /// Whether somebody waits for a lock file in the queue of its processes.
    pub(crate) fn is_queued(&self, name: &str) -> Result<bool, Error> {
        match self.open_existing(name, Purpose::Look)? {
            Existing::Open(opened) if self.mechanism() == Mechanism::Kernel => {
                opened.is_waited(Sharing::Alone)
            }
            _ => Ok(false),
        }
    }

    /// Those who hold a lock file.
    pub(crate) fn holders(&self, name: &str) -> Result<Vec<Holder>, Error> {
        if self.mechanism() == Mechanism::Pid {
            return self.pid_holders(name);
        }
        match self.open_existing(name, Purpose::Look)? {
            Existing::Missing => Ok(Vec::new()),
            Existing::Leased => Ok(vec![Holder::unknown()]),
            Existing::NotAFile(path, what) => Err(Kind::NotAFile { path, what }.into()),
            Existing::Open(opened) => opened.holders(),
        }
    }
}
