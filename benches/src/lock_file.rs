//! A lock file that nobody else wants, beside the system calls that this takes:
//! `cargo run --release -p lockutils-benches --bin lock-file [rounds] [case]`.
//!
//! The bare calls are those that `strace` shows for the line below them, with the same arguments and nothing else.

use std::ffi::CString;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt};
use std::path::Path;

use fs4::FileExt;
use lockutils::{Config, Locks};
use lockutils_benches::{Counting, Table};
use nix::libc;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = arguments.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(31);
    let directory = tempfile::tempdir()?;
    let locks = Locks::new(Config::new().lock_path(directory.path()))?;
    let fail = |error: io::Error| panic!("{error}");

    let flocked = open(&directory.path().join("flocked"))?;
    let path = directory.path().join("flocked");
    let bare = Bare::new(directory.path().join("bare").as_path())?;
    let kept = locks.lock("kept").external();
    let kept_read = locks.lock("read").external().read();

    let mut table = Table::default();
    table.add("flock(2), file kept open", || {
        FileExt::lock(&flocked).and_then(|()| FileExt::unlock(&flocked)).unwrap_or_else(fail);
    });
    table.add("flock(2), opened each time", || {
        open(&path).and_then(|file| FileExt::lock(&file)).unwrap_or_else(fail);
    });
    table.add("the calls of a kept handle", || bare.kept().unwrap_or_else(fail));
    table.add("kept handle", || drop(black_box(kept.acquire().expect("free"))));
    table.add("kept handle, read", || drop(black_box(kept_read.acquire().expect("free"))));
    table.add("the calls of a lock that is opened each time", || bare.opened().unwrap_or_else(fail));
    table.add("lock(name).external()", || {
        drop(black_box(locks.lock("opened").external().acquire().expect("free")));
    });
    table.run(rounds, arguments.get(1).map(String::as_str));
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY)
        .open(path)
}

/// The system calls, without what decides about them.
struct Bare {
    directory: File,
    name: CString,
    path: CString,
    file: File,
}

impl Bare {
    fn new(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        file.write_all_at(&[b' '; 512], 0)?;
        let directory = path.parent().unwrap_or(path);
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            directory: File::options().read(true).custom_flags(libc::O_PATH).open(directory)?,
            name: CString::new(name.as_bytes())?,
            path: CString::new(path.as_os_str().as_bytes())?,
            file,
        })
    }

    /// Lock both, look at the path, read the token, write the record; see that it is still there, blank it, unlock
    /// both.
    fn kept(&self) -> io::Result<()> {
        self.cycle(&self.file)
    }

    fn cycle(&self, file: &File) -> io::Result<()> {
        record_lock(file, libc::F_OFD_SETLK, libc::F_WRLCK, 1 << 62)?;
        FileExt::try_lock(file).map_err(|error| io::Error::other(error.to_string()))?;
        // SAFETY: the path ends with NUL, and zeroes are a valid `statx` to be written over.
        let looked = unsafe {
            let mut found: libc::statx = std::mem::zeroed();
            let wanted = libc::STATX_INO | libc::STATX_NLINK;
            libc::statx(libc::AT_FDCWD, self.path.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, wanted, &raw mut found)
        };
        check(looked)?;
        file.read_at(&mut [0; 44], 0)?;
        file.write_all_at(&[b' '; 512], 0)?;
        record_lock(file, libc::F_OFD_SETLKW, libc::F_UNLCK, 0)?;
        file.read_at(&mut [0; 44], 0)?;
        file.write_all_at(&[b' '; 512], 0)?;
        FileExt::unlock(file)
    }

    /// The same between `openat` and `close`, with a look at what was opened and at those who wait.
    fn opened(&self) -> io::Result<()> {
        let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK;
        // SAFETY: the directory is open and the name ends with NUL.
        let descriptor = unsafe { libc::openat(self.directory.as_raw_fd(), self.name.as_ptr(), flags) };
        check(descriptor)?;
        // SAFETY: the kernel has just made the descriptor, and nobody else knows it.
        let file = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(descriptor) };
        // SAFETY: the descriptor is open, and zeroes are a valid `stat` to be written over.
        let looked = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            libc::fstat(descriptor, &raw mut stat)
        };
        check(looked)?;
        record_lock(&file, libc::F_OFD_GETLK, libc::F_WRLCK, 0)?;
        self.cycle(&file)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the constants of `l_type` and `l_whence` are small")]
fn record_lock(file: &File, command: libc::c_int, kind: libc::c_int, length: libc::off_t) -> io::Result<()> {
    let mut lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: length,
        l_pid: 0,
    };
    // SAFETY: these commands take a `flock`, and the descriptor is open.
    check(unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) })
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
