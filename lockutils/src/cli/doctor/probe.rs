//! The locks of the kernel on a file, tried one by one: by this process, and by another on its behalf.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use lockutils::exit::Exit;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::failure::Failure;

/// A kind of lock that the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flock,
    /// By open file description, on the whole file.
    Record,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flock => "flock",
            Self::Record => "record lock",
        })
    }
}

impl Kind {
    /// Takes the lock if it is free; it goes with the descriptor.
    pub(super) fn try_lock(self, file: &File) -> io::Result<bool> {
        match self {
            Self::Flock => match fs4::FileExt::try_lock(file) {
                Ok(()) => Ok(true),
                Err(fs4::TryLockError::WouldBlock) => Ok(false),
                Err(fs4::TryLockError::Error(error)) => Err(error),
            },
            Self::Record => match fcntl(file, FcntlArg::F_OFD_SETLK(&whole())) {
                Ok(_) => Ok(true),
                Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
                Err(errno) => Err(errno.into()),
            },
        }
    }
}

fn whole() -> libc::flock {
    // From the beginning of the file, however long it is.
    let (write, from) = (libc::F_WRLCK, libc::SEEK_SET);
    libc::flock {
        l_type: i16::try_from(write).unwrap_or_default(),
        l_whence: i16::try_from(from).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// A file of the doctor's own beside the lock files, which is no lock. It is removed with the value.
pub(super) struct Scratch(PathBuf);

/// What its name begins with.
pub(super) const SCRATCH: &str = ".lockutils-doctor-";

impl Scratch {
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join(format!("{SCRATCH}{}", std::process::id()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn open(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&self.0)
    }

    /// Whether another process finds the lock busy. `None`: it could not be asked.
    pub(super) fn is_busy_elsewhere(&self, kind: Kind) -> Option<bool> {
        // This very program, wherever it was started from.
        let mut command = Command::new("/proc/self/exe");
        let asked = command.args(["doctor", "--probe"]).arg(&self.0).stderr(Stdio::null()).output().ok()?;
        let said = String::from_utf8_lossy(&asked.stdout);
        let has_said = |state: &str| said.lines().any(|line| line == format!("{kind} {state}"));
        if has_said("busy") { Some(true) } else { has_said("free").then_some(false) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run tells of it if it stays.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The other process.
pub(super) fn answer(path: &Path) -> Result<ExitCode, Failure> {
    for kind in [Kind::Flock, Kind::Record] {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let tried = opened.and_then(|file| kind.try_lock(&file));
        let is_free = tried.map_err(|error| Failure::io("try the locks of", path, &error))?;
        let written = writeln!(io::stdout(), "{kind} {}", if is_free { "free" } else { "busy" });
        written.map_err(|error| Failure::io("write to", Path::new("standard output"), &error))?;
    }
    Ok(Exit::Success.into())
}
