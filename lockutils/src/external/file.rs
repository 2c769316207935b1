//! The only door to the kernel: how a lock file is opened, locked, looked at and let go.
//!
//! One descriptor carries both kinds of lock, `flock(2)` and a whole-file OFD lock (`fcntl(2)`, *Open file
//! description locks*). Neither sees the other; together they exclude, and are excluded by, everybody: oslo.concurrency
//! and fasteners (record locks), `flock(1)`, filelock and `std::fs::File::lock` (flock), systemd (OFD). They are
//! always taken in this order, `flock` first, and let go in reverse.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use fs4::{FileExt, TryLockError};
use nix::errno::Errno;
use nix::fcntl::{self, FcntlArg, OFlag};
use nix::libc;
use nix::sys::stat::{self, FileStat, Mode as Permissions, SFlag};

use super::Sharing;

/// Which file: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: libc::dev_t,
    inode: libc::ino_t,
}

impl From<FileStat> for FileId {
    fn from(stat: FileStat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

impl FileId {
    /// Which directory a path leads to, if it leads to something.
    pub(crate) fn of_directory(path: &std::path::Path) -> Option<Self> {
        retried(|| stat::stat(path)).ok().map(Self::from)
    }
}

/// Why a file could not be opened.
pub(super) enum Unopened {
    /// It is not a regular file, but this.
    NotAFile(&'static str),
    /// Somebody has a lease on it for a moment, and the caller did not want to wait.
    Leased,
    Failed(Errno),
}

/// What opening without `O_CREAT` and with it have in common. A FIFO or a terminal must not hold us up.
const FLAGS: OFlag =
    OFlag::O_RDWR.union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW).union(OFlag::O_NOCTTY);

/// Opens the lock file `name` in `directory`, and makes it with `mode` if it is missing.
/// With `waits`, a cleaner that has its lease on the file is waited for.
pub(super) fn open(directory: BorrowedFd<'_>, name: &str, mode: u32, waits: bool) -> Result<(File, FileId), Unopened> {
    let flags = if waits { FLAGS } else { FLAGS | OFlag::O_NONBLOCK };
    loop {
        match retried(|| fcntl::openat(directory, name, flags, Permissions::empty())) {
            Ok(descriptor) => return checked(descriptor),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(refusal(errno)),
        }
        let flags = flags | OFlag::O_CREAT | OFlag::O_EXCL;
        let permissions = Permissions::from_bits_truncate(mode);
        match retried(|| fcntl::openat(directory, name, flags, permissions)) {
            Ok(descriptor) => {
                // The umask has had its say in `openat`; the file is ours, so its mode is what was configured.
                stat::fchmod(&descriptor, permissions).map_err(Unopened::Failed)?;
                return checked(descriptor);
            }
            // Somebody else made it in between.
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(refusal(errno)),
        }
    }
}

/// Opens the lock file `name` in `directory` if there is one.
pub(super) fn open_existing(directory: BorrowedFd<'_>, name: &str) -> Result<(File, FileId), Unopened> {
    let opened = retried(|| fcntl::openat(directory, name, FLAGS | OFlag::O_NONBLOCK, Permissions::empty()));
    opened.map_err(refusal).and_then(checked)
}

fn refusal(errno: Errno) -> Unopened {
    match errno {
        Errno::ELOOP => Unopened::NotAFile("a symbolic link"),
        Errno::EISDIR => Unopened::NotAFile("a directory"),
        Errno::ENXIO => Unopened::NotAFile("a socket or a device"),
        Errno::EAGAIN => Unopened::Leased,
        errno => Unopened::Failed(errno),
    }
}

/// Regular files only, and never on the descriptors of standard input, output and error.
fn checked(descriptor: OwnedFd) -> Result<(File, FileId), Unopened> {
    let descriptor = above_stdio(descriptor).map_err(Unopened::Failed)?;
    let stat = stat::fstat(&descriptor).map_err(Unopened::Failed)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFREG {
        return Ok((File::from(descriptor), stat.into()));
    }
    Err(Unopened::NotAFile(match kind {
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFDIR => "a directory",
        _ => "a device",
    }))
}

/// A daemon may have closed the first three; a library that prints to "standard error" must not meet a lock file.
fn above_stdio(descriptor: OwnedFd) -> nix::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    let high = fcntl::fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: the kernel has just made the descriptor `high`, and nobody else knows it.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(high) })
}

/// Which file stands at `path` now; `None` if none does.
pub(super) fn at(path: &std::ffi::CStr) -> nix::Result<Option<FileId>> {
    match retried(|| stat::lstat(path)) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Takes both locks if both are free.
pub(super) fn try_lock(file: &File, sharing: Sharing) -> io::Result<bool> {
    let tried = retried_io(|| {
        let tried = match sharing {
            Sharing::Alone => FileExt::try_lock(file),
            Sharing::Shared => FileExt::try_lock_shared(file),
        };
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    })?;
    if !tried {
        return Ok(false);
    }
    match retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(sharing.record())))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => undo_flock(file).map(|()| false),
        Err(errno) => undo_flock(file).and(Err(errno.into())),
    }
}

/// Takes both locks, and waits for them in the kernel. Signals do not end the wait.
pub(super) fn lock(file: &File, sharing: Sharing) -> io::Result<()> {
    retried_io(|| match sharing {
        Sharing::Alone => FileExt::lock(file),
        Sharing::Shared => FileExt::lock_shared(file),
    })?;
    match retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_SETLKW(&whole_file(sharing.record())))) {
        Ok(_) => Ok(()),
        Err(errno) => undo_flock(file).and(Err(errno.into())),
    }
}

/// Lets both locks go, also those that a forked child has inherited.
pub(super) fn unlock(file: &File) -> io::Result<()> {
    let record = retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_UNLCK))));
    undo_flock(file).and(record.map(drop).map_err(io::Error::from))
}

/// The one who is alone lets others share, without a moment in which nobody holds the file: on Linux both calls
/// replace the lock in one step.
pub(super) fn share(file: &File) -> io::Result<()> {
    retried_io(|| FileExt::lock_shared(file))?;
    retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_SETLKW(&whole_file(libc::F_RDLCK))))?;
    Ok(())
}

/// Whether somebody holds a record lock or an OFD lock that a writer would meet. Takes nothing.
pub(super) fn is_record_locked(file: &File) -> nix::Result<bool> {
    let mut probe = whole_file(libc::F_WRLCK);
    retried(|| fcntl::fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe)))?;
    Ok(probe.l_type != libc::F_UNLCK as libc::c_short)
}

/// The lines of `/proc/locks` (proc(5)) about this file: whether one of them is a `flock`.
pub(super) fn is_flocked(id: FileId) -> io::Result<bool> {
    let locks = std::fs::read_to_string("/proc/locks")?;
    let file = format!("{:02x}:{:02x}:{}", libc::major(id.device), libc::minor(id.device), id.inode);
    let held = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some("FLOCK") && words.any(|word| word == file)
    };
    Ok(locks.lines().any(held))
}

fn undo_flock(file: &File) -> io::Result<()> {
    retried_io(|| FileExt::unlock(file))
}

/// A lock of this kind over every byte there is and will be.
fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock { l_type: kind as libc::c_short, l_whence: libc::SEEK_SET as libc::c_short, l_start: 0, l_len: 0, l_pid: 0 }
}

/// Opens a directory for `open`.
pub(super) fn open_directory(path: &std::path::Path) -> nix::Result<(OwnedFd, FileId)> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
    let descriptor = above_stdio(retried(|| fcntl::open(path, flags, Permissions::empty()))?)?;
    let id = stat::fstat(descriptor.as_fd())?.into();
    Ok((descriptor, id))
}

/// Repeats a call that a signal has interrupted. Never used for `close`.
fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

fn retried_io<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
