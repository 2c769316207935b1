//! The only door to the kernel: how a lock file is opened, locked, looked at and let go.
//!
//! One descriptor carries both kinds of lock, `flock(2)` and a whole-file OFD lock (`fcntl(2)`, *Open file
//! description locks*). Neither sees the other; together they exclude, and are excluded by, everybody:
//! oslo.concurrency and fasteners (record locks), `flock(1)`, filelock and `std::fs::File::lock` (flock),
//! systemd (OFD). They are always taken in one order, the record lock first, so that processes of ours cannot
//! wait for each other in a circle.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{self, AtFlags, OFlag};
use nix::libc;
use nix::sys::stat::{self, FchmodatFlags, FileStat, Mode as Permissions, SFlag};
use nix::sys::statfs::fstatfs;
use nix::sys::time::TimeSpec;
use nix::unistd::{linkat, mkdir};

use super::Sharing;
use super::flock;
use super::opening::{Purpose, Unopened, above_stdio};
use super::queue::{self, Place};
use super::range::{self, Range};

/// An open directory.
pub(super) type Handle = OwnedFd;

/// Which file: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(super) device: libc::dev_t,
    pub(super) inode: libc::ino_t,
}

impl From<FileStat> for FileId {
    fn from(stat: FileStat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

impl FileId {
    /// Which directory a path leads to, if it leads to something that can be looked at.
    pub(crate) fn of_directory(path: &std::path::Path) -> Option<Self> {
        retried(|| stat::stat(path)).ok().map(Self::from)
    }

    /// Whether there is nothing at a path.
    pub(crate) fn is_missing(path: &std::path::Path) -> bool {
        matches!(retried(|| stat::stat(path)), Err(Errno::ENOENT))
    }
}

/// What opening without `O_CREAT` and with it have in common. A FIFO or a terminal must not hold us up.
const FLAGS: OFlag = OFlag::O_RDWR.union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW).union(OFlag::O_NOCTTY);

/// Opens the lock file `name` in `directory`, and makes it with `mode` if it is missing.
/// With `waits`, a cleaner that has its lease on the file is waited for.
pub(super) fn open(
    directory: &Handle,
    name: &str,
    mode: u32,
    waits: bool,
) -> Result<(File, FileId), Unopened> {
    let flags = if waits { FLAGS } else { FLAGS | OFlag::O_NONBLOCK };
    loop {
        match retried(|| fcntl::openat(directory, name, flags, Permissions::empty())) {
            Ok(descriptor) => return checked(descriptor),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        match make(directory, name, Permissions::from_bits_truncate(mode)) {
            // It is there now, made by us or by somebody else. Opened by its name, it has one in /proc too.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Makes the file with exactly this mode, whatever the umask, and never lets anybody see it with another: it
/// gets its name last.
fn make(directory: &Handle, name: &str, permissions: Permissions) -> nix::Result<()> {
    let nameless = FLAGS.difference(OFlag::O_NOFOLLOW) | OFlag::O_TMPFILE;
    let made = retried(|| fcntl::openat(directory, ".", nameless, permissions)).and_then(|descriptor| {
        stat::fchmod(&descriptor, permissions)?;
        let itself = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        linkat(fcntl::AT_FDCWD, itself.as_str(), directory, name, AtFlags::AT_SYMLINK_FOLLOW)
    });
    match made {
        Ok(()) | Err(Errno::EEXIST) => made,
        // This file system has no files without a name, or there is no /proc; or it will fail again.
        Err(_) => make_named(directory, name, permissions).map(drop),
    }
}

/// The same for a file that has its name from the beginning: for a moment the umask shows.
pub(super) fn make_named(directory: &Handle, name: &str, permissions: Permissions) -> nix::Result<File> {
    let flags = FLAGS | OFlag::O_CREAT | OFlag::O_EXCL;
    let descriptor = above_stdio(retried(|| fcntl::openat(directory, name, flags, permissions))?)?;
    stat::fchmod(&descriptor, permissions)?;
    Ok(File::from(descriptor))
}

/// Opens the lock file `name` in `directory` if there is one.
pub(super) fn open_existing(
    directory: &Handle,
    name: &str,
    purpose: Purpose,
) -> Result<(File, FileId), Unopened> {
    open_there(directory, name, purpose).map(|(file, stat)| (file, stat.into()))
}

/// The same for a look, and says when it was changed last.
pub(super) fn open_to_look(
    directory: &Handle,
    name: &str,
) -> Result<(File, FileId, Option<SystemTime>), Unopened> {
    let (file, stat) = open_there(directory, name, Purpose::Look)?;
    let changed = |seconds: libc::time_t, nanos: libc::c_long| {
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        UNIX_EPOCH.checked_add(since)
    };
    Ok((file, stat.into(), changed(stat.st_mtime, stat.st_mtime_nsec)))
}

fn open_there(directory: &Handle, name: &str, purpose: Purpose) -> Result<(File, FileStat), Unopened> {
    let flags = match purpose {
        Purpose::Lock => FLAGS,
        Purpose::Look => FLAGS.difference(OFlag::O_RDWR) | OFlag::O_RDONLY,
    };
    let opened = retried(|| fcntl::openat(directory, name, flags | OFlag::O_NONBLOCK, Permissions::empty()));
    opened.map_err(Unopened::from).and_then(regular)
}

/// Reads from the beginning of the file. Says how much there was.
pub(super) fn read(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    flock::retried(|| file.read_at(buffer, 0))
}

/// Writes at the beginning of the file, and cuts nothing off.
pub(super) fn write(file: &File, content: &[u8]) -> io::Result<()> {
    file.write_all_at(content, 0)
}

/// Has all who watch the file look at it: its times become the present one.
pub(super) fn touch(file: &File) -> nix::Result<()> {
    stat::futimens(file, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW)
}

fn checked(descriptor: OwnedFd) -> Result<(File, FileId), Unopened> {
    regular(descriptor).map(|(file, stat)| (file, stat.into()))
}

/// Regular files only, and never on the descriptors of standard input, output and error.
fn regular(descriptor: OwnedFd) -> Result<(File, FileStat), Unopened> {
    let descriptor = above_stdio(descriptor).map_err(Unopened::Failed)?;
    let stat = stat::fstat(&descriptor).map_err(Unopened::Failed)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFREG {
        return Ok((File::from(descriptor), stat));
    }
    Err(Unopened::NotAFile(match kind {
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFDIR => "a directory",
        _ => "a device",
    }))
}

/// Which file stands at `path` now, and how many names it has; `None` if there is none.
pub(super) fn at(path: &CStr) -> nix::Result<Option<(FileId, u64)>> {
    match retried(|| look_at(path)) {
        // What a kernel or a sandbox does not know of.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            known(retried(|| stat::lstat(path)).map(|stat| (stat.into(), stat.st_nlink)))
        }
        looked => known(looked),
    }
}

fn known<T>(looked: nix::Result<T>) -> nix::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// statx(2), which can leave the times of the file alone: the kernel keeps them more exactly, and every write that
/// comes after takes longer, if somebody has looked at them.
fn look_at(path: &CStr) -> nix::Result<(FileId, u64)> {
    let mut found = std::mem::MaybeUninit::<libc::statx>::uninit();
    let (flags, wanted) = (libc::AT_SYMLINK_NOFOLLOW, libc::STATX_INO | libc::STATX_NLINK);
    // SAFETY: the path ends with NUL, and there is room for one `statx`.
    let looked = unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, wanted, found.as_mut_ptr()) };
    Errno::result(looked)?;
    // SAFETY: the call has succeeded, so it has filled everything.
    let found = unsafe { found.assume_init() };
    let device = libc::makedev(found.stx_dev_major, found.stx_dev_minor);
    Ok((FileId { device, inode: found.stx_ino }, found.stx_nlink.into()))
}

/// Takes both locks if both are free. Nothing is held otherwise.
pub(super) fn try_lock(file: &File, sharing: Sharing) -> io::Result<bool> {
    if !range::try_lock(file, Range::LOCK, sharing)? {
        return Ok(false);
    }
    let locked = flock::try_lock(file, sharing);
    // What is not held need not be let go.
    match locked {
        Ok(true) => {}
        Ok(false) => range::unlock(file, Range::LOCK)?,
        Err(_) => unlock(file)?,
    }
    locked
}

/// How far a wait in the kernel has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It stands in the queue.
    Queue(Place),
    /// It has the record lock, and waits for `flock` next.
    Record,
}

/// What is waited for in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Lock(Sharing),
    /// To be the first in the queue, when nobody has the lock but for permits; with the `flock` that those share.
    First,
}

impl Want {
    /// How the place in the queue is shared.
    pub(super) fn sharing(self) -> Sharing {
        if let Self::Lock(sharing) = self { sharing } else { Sharing::Alone }
    }
}

/// Takes both locks, and waits for them in the kernel, in the [queue](super::queue). Signals do not end the
/// wait. Nothing is held after an error.
///
/// Who is not `wanted` any more stands in nobody's way: it leaves the queue, and lets go of what it gets.
/// `false` then.
pub(super) fn lock(file: &File, want: Want, wanted: impl Fn(Step) -> bool) -> io::Result<bool> {
    let locked = lock_in_steps(file, want, wanted);
    if !matches!(locked, Ok(true)) {
        unlock(file)?;
    }
    locked
}

fn lock_in_steps(file: &File, want: Want, wanted: impl Fn(Step) -> bool) -> io::Result<bool> {
    let place = queue::enter(file, want.sharing())?;
    if !wanted(Step::Queue(place)) {
        queue::leave(file)?;
    }
    let (range, flocked) = match want {
        Want::Lock(sharing) => (place.and_lock(), sharing),
        // Permits share the `flock`: whoever has it alone is waited for here.
        Want::First => (place.and_first(), Sharing::Shared),
    };
    range::lock(file, range, want.sharing())?;
    if !wanted(Step::Record) {
        return Ok(false);
    }
    flock::lock(file, flocked)?;
    if want == Want::Lock(Sharing::Shared) {
        // Somebody who wants to write may want a place that this one has by now.
        queue::leave(file)?;
    }
    Ok(true)
}

/// Lets both locks go, also those that a forked child has inherited. The record lock goes first: those who
/// wait for both wait for that, and by the time they have woken up the other one has gone too.
pub(super) fn unlock(file: &File) -> io::Result<()> {
    unlock_after(file, || ())
}

/// The same, with `last` as the last that is done under the lock: none of ours passes the `flock` before it.
pub(super) fn unlock_after(file: &File, last: impl FnOnce()) -> io::Result<()> {
    let record = leave_record(file);
    last();
    flock::unlock(file).and(record)
}

/// The one who is alone lets others share, without a moment in which nobody holds the file: on Linux both
/// calls replace the lock in one step.
pub(super) fn share(file: &File) -> io::Result<()> {
    flock::lock(file, Sharing::Shared)?;
    range::lock(file, Range::LOCK, Sharing::Shared)?;
    queue::leave(file)
}

/// Lets the record lock and the queue go, and leaves `flock` alone: for one who waits for that, but for nobody.
pub(super) fn leave_record(file: &File) -> io::Result<()> {
    range::unlock(file, Range::ALL)
}

/// Takes a permit, and for the first one of this descriptor also the `flock`, which permits share. Nothing new is
/// held otherwise.
pub(super) fn try_permit(file: &File, permit: Range, is_first: bool) -> io::Result<bool> {
    if !range::try_lock(file, permit, Sharing::Alone)? {
        return Ok(false);
    }
    if !is_first {
        return Ok(true);
    }
    let locked = flock::try_lock(file, Sharing::Shared);
    if !matches!(locked, Ok(true)) {
        range::unlock(file, permit)?;
    }
    locked
}

/// Opens a directory for `open`.
pub(super) fn open_directory(path: &std::path::Path) -> nix::Result<(Handle, FileId)> {
    // To make and open files in it, nobody needs to be able to list it.
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_PATH;
    let descriptor = above_stdio(retried(|| fcntl::open(path, flags, Permissions::empty()))?)?;
    let id = stat::fstat(descriptor.as_fd())?.into();
    Ok((descriptor, id))
}

/// Who may do what in a directory.
pub(super) fn mode(directory: &Handle) -> nix::Result<libc::mode_t> {
    stat::fstat(directory).map(|stat| stat.st_mode)
}

/// The number of the kind of its file system, as in statfs(2).
pub(super) fn filesystem(directory: &Handle) -> nix::Result<Option<i64>> {
    fstatfs(directory).map(|found| Some(wide(found.filesystem_type().0)))
}

/// Its type is another with other C libraries.
fn wide(number: impl Into<i64>) -> i64 {
    number.into()
}

/// Makes a directory for its owner alone, whatever the umask. It may be there already, or be made by somebody else at this
/// moment.
pub(super) fn make_directory(path: &std::path::Path) -> nix::Result<()> {
    match mkdir(path, Permissions::S_IRWXU) {
        Ok(()) => stat::fchmodat(fcntl::AT_FDCWD, path, Permissions::S_IRWXU, FchmodatFlags::FollowSymlink),
        Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Repeats a call that a signal has interrupted. Never used for `close`.
pub(super) fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
