//! Waits that have no end: when that is so, and who waits for what.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc;

use crate::life::now;

/// How long anything may take. Generous: only a fault gets here.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// How often it is looked whether all come on.
const EVERY: Duration = Duration::from_millis(50);

/// When to look again.
pub(crate) struct Watch(Instant);

impl Watch {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// Whether it is time, which it then is not for a while.
    pub(crate) fn is_due(&mut self) -> bool {
        let due = self.0.elapsed() >= EVERY;
        if due {
            self.0 = Instant::now();
        }
        due
    }
}

/// Whether this has lasted for longer than anything may.
pub(crate) fn is_long(since: u64) -> bool {
    Duration::from_nanos(now().saturating_sub(since)) > BOUND
}

/// A process, in words.
pub(crate) fn tell(who: &str, pid: u32, doing: &str, since: u64) -> String {
    let length = Duration::from_nanos(now().saturating_sub(since));
    let state = lockutils_tests::state(format!("/proc/{pid}")).unwrap_or('-');
    format!("{who} (pid {pid}, {state}): {doing} for {length:?}")
}

/// The lines of `/proc/locks` about the files of a directory.
pub(crate) fn locks(directory: &Path) -> String {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let ids = files.filter_map(|file| file.metadata().ok()).map(|data| {
        format!("{:02x}:{:02x}:{} ", libc::major(data.dev()), libc::minor(data.dev()), data.ino())
    });
    let ids: Vec<String> = ids.collect();
    let all = fs::read_to_string("/proc/locks").unwrap_or_default();
    all.lines().filter(|line| ids.iter().any(|id| line.contains(id))).collect::<Vec<_>>().join("\n")
}
