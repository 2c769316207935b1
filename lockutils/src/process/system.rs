//! What Linux tells of processes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};

use super::Life;

/// One word on a page of its own, for the life of the process.
pub(super) fn wiped_on_fork() -> nix::Result<&'static AtomicU64> {
    let size = NonZeroUsize::new(4096).expect("it is not 0");
    let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping wherever there is room touches no other one.
    let page: NonNull<_> = unsafe { mmap_anonymous(None, size, rights, MapFlags::MAP_PRIVATE)? };
    // SAFETY: the page was mapped a line ago, and nothing is in it yet.
    unsafe { madvise(page, size.get(), MmapAdvise::MADV_WIPEONFORK)? };
    // SAFETY: the page is never unmapped, zeroes are a valid word, and the kernel aligns pages.
    Ok(unsafe { page.cast::<AtomicU64>().as_ref() })
}

/// What stands in a file of `/proc`. Its length is not known before, and `read_to_string` would begin with 32 bytes.
fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::with_capacity(4096);
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

pub(super) fn boot() -> io::Result<String> {
    read_text("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

pub(super) fn namespace(kind: &str) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/proc/self/ns/{kind}")).map(|namespace| namespace.ino())
}

/// Whether the numbers in `/proc` are those of this pid namespace. It may be that of another one, which was mounted
/// before.
fn proc_is_ours() -> io::Result<bool> {
    let own = fs::read_link("/proc/self")?;
    let is_mine = own.to_str() == Some(&*std::process::id().to_string());
    Ok(is_mine && is_of_one_namespace(&read_text("/proc/self/status")?))
}

/// One number for each namespace from that of the mount down to that of the process (proc(5), `NSpid`).
fn is_of_one_namespace(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_none_or(|numbers| numbers.split_whitespace().count() == 1)
}

/// What `/proc` says of a process.
pub(super) fn life(pid: u32) -> io::Result<Life> {
    let stat = read_text(format!("/proc/{pid}/stat"))?;
    if proc_is_ours()? {
        Ok(read(&stat).unwrap_or(Life::Hidden))
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Field 22 of `stat` (proc(5)); the third for the dead, of whom no thread is left (the 20th).
fn read(stat: &str) -> Option<Life> {
    // The name of the program comes second, in parentheses, and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    // Where the first thread has ended and others have not, the process lives; and where no thread is counted any more, one
    // of them may be about to become the first (execve(2)).
    if state == "Z" && threads == 1 {
        return Some(Life::Gone);
    }
    fields.nth(1)?.parse().ok().map(Life::Since)
}

/// What a process runs: the name of its file or, where that is not for us to see, its short name.
pub(crate) fn program(pid: u32) -> String {
    // Its own it finds wherever `/proc` comes from.
    let who = if pid == std::process::id() { "self".to_owned() } else { pid.to_string() };
    let file = fs::read_link(format!("/proc/{who}/exe"));
    let name = file.ok().as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.or_else(|| read_text(format!("/proc/{who}/comm")).ok().map(|name| name.trim().to_owned()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proc_of_an_outer_namespace_shows_more_numbers_than_one() {
        assert!(is_of_one_namespace("Name:\tx\nNSpid:\t7\nNSpgid:\t7\t1\n"));
        assert!(!is_of_one_namespace("Name:\tx\nNSpid:\t7\t7\nNSpgid:\t7\n"));
        assert!(is_of_one_namespace("Name:\tx\n"), "a kernel without namespaces");
    }

    #[test]
    fn names_of_programs_hide_nothing() {
        let rest = "1 ".repeat(18) + "77 0";
        assert_eq!(read(&format!("1 (a) S b) (c)) S {rest}")), Some(Life::Since(77)));
        assert_eq!(read(&format!("1 (a) S) Z {rest}")), Some(Life::Gone));
        let threads = "1 ".repeat(16) + "2 1 77 0";
        assert_eq!(read(&format!("1 (a) Z {threads}")), Some(Life::Since(77)), "its first thread has ended");
        let none = "1 ".repeat(16) + "0 1 77 0";
        assert_eq!(
            read(&format!("1 (a) X {none}")),
            Some(Life::Since(77)),
            "it is about to be another thread"
        );
        assert_eq!(read("1 (a"), None);
    }
}
