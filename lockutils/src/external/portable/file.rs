//! The only door to the system where it is no Linux: the standard library, and fs4 for the lock.
//!
//! The lock is `flock(2)` on the whole file: it excludes, and is excluded by, all who use it, and nobody who uses
//! record locks (`fcntl(2)`). Nobody waits in the kernel: see [`Backoff`].
//!
//! # Looks
//!
//! Whether a file is locked can only be told by locking it. So who [looks](is_locked) may have, for some microseconds,
//! a lock that nobody else has, and a [try](try_lock) that comes just then looks again before it gives up. If the
//! one who looks is stopped in between for longer than that, the try says that the file is busy.

use std::ffi::{CStr, OsStr};
use std::fs::{self, DirBuilder, File, FileType, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{
    DirBuilderExt, FileExt as _, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::libc;

use super::Sharing;
use super::backoff::Backoff;
use super::flock;
use super::opening::{Purpose, Unopened, above_stdio};
use super::record;
use super::remove::aside;

/// How often a try looks again, if nobody says that the file is his.
const LOOKS: u32 = 16;

/// A directory, by its path: no system call of files is relative to it.
pub(super) type Handle = PathBuf;

/// Which file: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl From<fs::Metadata> for FileId {
    fn from(data: fs::Metadata) -> Self {
        Self { device: data.dev(), inode: data.ino() }
    }
}

impl FileId {
    /// Which directory a path leads to, if it leads to something that can be looked at.
    pub(crate) fn of_directory(path: &Path) -> Option<Self> {
        path.metadata().ok().map(Self::from)
    }

    /// Whether there is nothing at a path.
    pub(crate) fn is_missing(path: &Path) -> bool {
        path.metadata().is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Lock(Sharing),
}

/// How far a wait has come: there are no steps.
pub(super) enum Step {}

/// Opens the lock file `name` in `directory`, and makes it with `mode` if it is missing.
/// With `waits`, a cleaner that has its lease on the file is waited for.
pub(super) fn open(
    directory: &Handle,
    name: &str,
    mode: u32,
    waits: bool,
) -> Result<(File, FileId), Unopened> {
    let path = directory.join(name);
    loop {
        match options(Purpose::Lock, waits).open(&path) {
            Ok(file) => return checked(file),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(refusal(&error)),
        }
        match make(&path, mode) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refusal(&error)),
        }
    }
}

/// Makes the file with exactly this mode, whatever the umask, and never lets anybody see it with another: where the
/// umask takes something away, it gets its name last. It has two names for a moment then, and whoever locks it in that
/// moment writes nothing into it. Cleaners know the other name, should this end in between.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    let first = path.with_file_name(aside());
    let named = make_masked(&first, mode)
        .and_then(|is_masked| if is_masked { fs::hard_link(&first, path) } else { make_named(path, mode) });
    let _ = fs::remove_file(&first);
    match named {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => make_named(path, mode),
        named => named,
    }
}

/// Makes a file with this mode, and says whether the umask had taken something away.
fn make_masked(path: &Path, mode: u32) -> io::Result<bool> {
    let file = options(Purpose::Lock, true).create_new(true).mode(mode).open(path)?;
    let is_masked = file.metadata()?.mode() & 0o777 != mode & 0o777;
    file.set_permissions(Permissions::from_mode(mode)).map(|()| is_masked)
}

/// The same where the umask takes nothing away, or a file cannot have two names: then the umask shows for a moment.
fn make_named(path: &Path, mode: u32) -> io::Result<()> {
    make_masked(path, mode).map(|_| ())
}

/// Opens the lock file `name` in `directory` if there is one.
pub(super) fn open_existing(
    directory: &Handle,
    name: &str,
    purpose: Purpose,
) -> Result<(File, FileId), Unopened> {
    let opened = options(purpose, false).open(directory.join(name));
    opened.map_err(|error| refusal(&error)).and_then(checked)
}

/// The same for a look, and says when it was changed last.
pub(super) fn open_to_look(
    directory: &Handle,
    name: &str,
) -> Result<(File, FileId, Option<SystemTime>), Unopened> {
    let (file, id) = open_existing(directory, name, Purpose::Look)?;
    let changed = file.metadata().and_then(|data| data.modified()).ok();
    Ok((file, id, changed))
}

/// A FIFO or a terminal must not hold us up.
fn options(purpose: Purpose, waits: bool) -> OpenOptions {
    let now = if waits { 0 } else { libc::O_NONBLOCK };
    let mut options = OpenOptions::new();
    options.read(true).write(purpose == Purpose::Lock);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | now);
    options
}

fn refusal(error: &io::Error) -> Unopened {
    match errno(error) {
        // FreeBSD's.
        Errno::EMLINK => Errno::ELOOP.into(),
        errno => errno.into(),
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Regular files only, and never on the descriptors of standard input, output and error.
fn checked(file: File) -> Result<(File, FileId), Unopened> {
    let failed = |error: &io::Error| Unopened::Failed(errno(error));
    let file = File::from(above_stdio(file.into()).map_err(Unopened::Failed)?);
    let data = file.metadata().map_err(|error| failed(&error))?;
    if data.is_file() { Ok((file, data.into())) } else { Err(Unopened::NotAFile(kind(data.file_type()))) }
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_dir() {
        "a directory"
    } else {
        "a device"
    }
}

/// Which file stands at `path` now, and how many names it has; `None` if there is none.
pub(super) fn at(path: &CStr) -> nix::Result<Option<(FileId, u64)>> {
    match Path::new(OsStr::from_bytes(path.to_bytes())).symlink_metadata() {
        Ok(data) => Ok(Some((FileId { device: data.dev(), inode: data.ino() }, data.nlink()))),
        Err(error) => match errno(&error) {
            Errno::ENOENT | Errno::ENOTDIR => Ok(None),
            errno => Err(errno),
        },
    }
}

/// Reads from the beginning of the file. Says how much there was.
pub(super) fn read(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    flock::retried(|| file.read_at(buffer, 0))
}

/// Writes at the beginning of the file, and cuts nothing off.
pub(super) fn write(file: &File, content: &[u8]) -> io::Result<()> {
    file.write_all_at(content, 0)
}

/// When the file was written last, in nanoseconds.
pub(super) fn changed(file: &File) -> io::Result<u64> {
    let since = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Takes the lock if it is free.
pub(super) fn try_lock(file: &File, sharing: Sharing) -> io::Result<bool> {
    for _ in 0..LOOKS {
        if flock::try_lock(file, sharing)? {
            return Ok(true);
        }
        if is_noted(file) {
            return Ok(false);
        }
        // Whoever looks needs one system call more.
        thread::yield_now();
    }
    flock::try_lock(file, sharing)
}

/// Takes the lock, and tries again and again on this thread.
pub(super) fn lock(file: &File, want: Want, _: impl Fn(Step) -> bool) -> io::Result<bool> {
    let Want::Lock(sharing) = want;
    let mut backoff = Backoff::new();
    while !flock::try_lock(file, sharing)? {
        thread::sleep(backoff.next(0));
    }
    Ok(true)
}

/// Whether somebody has the lock; it is taken for a moment if nobody has. Where the record names a holder, taking it
/// with others is enough to see that it is wrong, unless they read, and then taking it alone says so.
pub(super) fn is_locked(file: &File) -> io::Result<bool> {
    if is_noted(file) && !taken_for_a_moment(file, Sharing::Shared)? {
        return Ok(true);
    }
    taken_for_a_moment(file, Sharing::Alone).map(|taken| !taken)
}

/// Whether others share the lock that somebody has; it is shared for a moment if so.
pub(super) fn is_shared(file: &File) -> io::Result<bool> {
    taken_for_a_moment(file, Sharing::Shared)
}

fn taken_for_a_moment(file: &File, sharing: Sharing) -> io::Result<bool> {
    let taken = try_lock(file, sharing)?;
    if taken {
        flock::unlock(file)?;
    }
    Ok(taken)
}

/// Whether the record says that somebody has the lock.
fn is_noted(file: &File) -> bool {
    record::content(file).is_ok_and(record::Content::is_held)
}

/// Lets the lock go, also one that a forked child has inherited, with `last` as the last that is done under it.
pub(super) fn unlock_after(file: &File, last: impl FnOnce()) -> io::Result<()> {
    last();
    flock::unlock(file)
}

/// The one who is alone lets others share. Where the system does not do so in one step, another may come in between:
/// then this is an error.
pub(super) fn share(file: &File) -> io::Result<()> {
    if flock::try_lock(file, Sharing::Shared)? {
        return Ok(());
    }
    Err(io::Error::other("another took the lock before it was shared"))
}

/// Finds a directory for `open`.
pub(super) fn open_directory(path: &Path) -> nix::Result<(Handle, FileId)> {
    let data = path.metadata().map_err(|error| errno(&error))?;
    if data.is_dir() { Ok((path.to_owned(), data.into())) } else { Err(Errno::ENOTDIR) }
}

/// Who may do what in a directory.
pub(super) fn mode(directory: &Handle) -> nix::Result<libc::mode_t> {
    let data = directory.metadata().map_err(|error| errno(&error))?;
    // Fewer bits than in `u32` are the mode on all systems.
    Ok(data.mode() as libc::mode_t)
}

/// The kinds of file systems have no numbers that all systems share.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there are some, or they cannot be had")]
pub(super) fn filesystem(_: &Handle) -> nix::Result<Option<i64>> {
    Ok(None)
}

/// Makes a directory for its owner alone, whatever the umask. It may be there already, or be made by somebody else at this
/// moment.
pub(super) fn make_directory(path: &Path) -> nix::Result<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    let made = made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)));
    match made.map_err(|error| errno(&error)) {
        Err(Errno::EEXIST) => Ok(()),
        made => made,
    }
}
