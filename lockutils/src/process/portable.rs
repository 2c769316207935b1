//! What any system tells of processes: little.

use std::io;
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;

use super::Life;

/// There is no such memory: the pid has to do.
pub(super) fn wiped_on_fork() -> nix::Result<&'static AtomicU64> {
    Err(Errno::ENOSYS)
}

pub(super) fn boot() -> io::Result<String> {
    Err(Errno::ENOSYS.into())
}

pub(super) fn namespace(_: &str) -> io::Result<u64> {
    Err(Errno::ENOSYS.into())
}

pub(super) fn life(_: u32) -> io::Result<Life> {
    Err(Errno::ENOSYS.into())
}

/// What this process runs. Of others nothing is known.
pub(crate) fn program(pid: u32) -> String {
    let file = (pid == std::process::id()).then(std::env::current_exe).and_then(Result::ok);
    let name = file.as_deref().and_then(std::path::Path::file_name);
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
