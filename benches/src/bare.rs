//! A lock file by its bare system calls.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt};
use std::path::Path;

use fs4::FileExt;
use nix::libc;

/// Opens a lock file as everybody does.
///
/// # Errors
///
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY)
        .open(path)
}

/// The system calls that `strace` shows for a lock file, with the same arguments, and nothing of what decides about
/// them.
pub struct Bare {
    directory: File,
    name: CString,
    path: CString,
    file: File,
}

impl Bare {
    /// A lock file at this path.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn new(path: &Path) -> io::Result<Self> {
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

    /// What a kept handle calls: lock both, look at the path, read the token, write the record; see that it is still
    /// there, blank it, unlock both.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn kept(&self) -> io::Result<()> {
        self.cycle(&self.file)
    }

    /// Waits for both locks, looks at the path, reads the token and writes the record.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn wait(&self) -> io::Result<()> {
        record_lock(&self.file, libc::F_OFD_SETLKW, libc::F_WRLCK, 1 << 62)?;
        FileExt::lock(&self.file)?;
        self.note(&self.file)
    }

    /// Lets both go.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn let_go(&self) -> io::Result<()> {
        record_lock(&self.file, libc::F_OFD_SETLKW, libc::F_UNLCK, 0)?;
        FileExt::unlock(&self.file)
    }

    fn note(&self, file: &File) -> io::Result<()> {
        // SAFETY: the path ends with NUL, and zeroes are a valid `statx` to be written over.
        let looked = unsafe {
            let mut found: libc::statx = std::mem::zeroed();
            let wanted = libc::STATX_INO | libc::STATX_NLINK;
            libc::statx(libc::AT_FDCWD, self.path.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, wanted, &raw mut found)
        };
        check(looked)?;
        file.read_at(&mut [0; 44], 0)?;
        file.write_all_at(&[b' '; 512], 0)
    }

    fn cycle(&self, file: &File) -> io::Result<()> {
        record_lock(file, libc::F_OFD_SETLK, libc::F_WRLCK, 1 << 62)?;
        FileExt::try_lock(file).map_err(|error| io::Error::other(error.to_string()))?;
        self.note(file)?;
        record_lock(file, libc::F_OFD_SETLKW, libc::F_UNLCK, 0)?;
        file.read_at(&mut [0; 44], 0)?;
        file.write_all_at(&[b' '; 512], 0)?;
        FileExt::unlock(file)
    }

    /// The same between `openat` and `close`, with a look at what was opened and at those who wait.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn opened(&self) -> io::Result<()> {
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
